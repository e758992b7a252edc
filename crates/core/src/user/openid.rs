//! Who a user is to an app (openid), and to all apps of one open-platform account (unionid).

use std::fmt;
use std::str::FromStr;

use crate::words::InChinese;

/// WeChat's own have 28 characters.
const LONGEST: usize = 64;

macro_rules! user_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// As text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidOpenId;

            fn from_str(text: &str) -> Result<Self, InvalidOpenId> {
                let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
                match text.len() {
                    0 => Err(InvalidOpenId::Empty),
                    length if length > LONGEST => Err(InvalidOpenId::TooLong(length)),
                    _ if text.bytes().all(good) => Ok(Self(text.into())),
                    _ => Err(InvalidOpenId::Character),
                }
            }
        }

        /// Personal data: its beginning tells users apart well enough in a log.
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({}…)"), &self.0[..self.0.len().min(4)])
            }
        }
    };
}

user_id! {
    /// A user as one app sees them: 1 to 64 of `A-Z a-z 0-9 - _`, so safe in a path. Another app sees the same person under
    /// another openid.
    OpenId
}
user_id! {
    /// A user as all apps bound to one open-platform account see them.
    UnionId
}

/// Why a text is no openid or unionid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOpenId {
    /// Nothing was given.
    #[error("an openid is empty; WeChat's have 28 characters, as oLVPpjqs9BhvzwPj5A-vTYAX3GLc")]
    Empty,
    /// Longer than any.
    #[error("an openid has {0} characters; WeChat's have 28, and at most {LONGEST} are accepted")]
    TooLong(usize),
    /// Something that is in no openid.
    #[error("an openid holds only letters, digits, - and _")]
    Character,
}

impl InChinese for InvalidOpenId {
    fn in_chinese(&self) -> String {
        match self {
            Self::Empty => "openid 是空的；微信的 openid 有 28 个字符".to_owned(),
            Self::TooLong(length) => {
                format!("openid 有 {length} 个字符；微信的是 28 个，最多接受 64 个")
            }
            Self::Character => "openid 只含字母、数字、- 和 _".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_openid_is_what_is_safe_in_a_path() {
        let openid: OpenId = "oLVPpjqs9BhvzwPj5A-vTYAX3GLc".parse().unwrap();
        assert_eq!(openid.as_str().len(), 28);
        assert_eq!("".parse::<OpenId>(), Err(InvalidOpenId::Empty));
        assert_eq!("a/b".parse::<OpenId>(), Err(InvalidOpenId::Character));
        assert_eq!("微信".parse::<UnionId>(), Err(InvalidOpenId::Character));
        assert_eq!(
            "o".repeat(65).parse::<OpenId>(),
            Err(InvalidOpenId::TooLong(65))
        );
    }

    #[test]
    fn debug_shows_only_how_it_begins() {
        let openid: OpenId = "oLVPpjqs9BhvzwPj5A-vTYAX3GLc".parse().unwrap();
        assert_eq!(format!("{openid:?}"), "OpenId(oLVP…)");
    }
}
