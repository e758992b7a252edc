//! Who we hold credentials for: a WeChat AppID and what kind of account it is.
//!
//! Must not know: where apps are configured, nor their AppSecrets.

use std::fmt;
use std::str::FromStr;

/// The longest AppID accepted. WeChat's own are 18 characters (`wx` and 16 hex digits).
const LONGEST: usize = 23;

/// A WeChat AppID: 1 to 23 ASCII letters and digits, so it is safe in a URL path and in a Redis key.
///
/// Kept inline, so that a hundred thousand of them cost no allocation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppId {
    bytes: [u8; LONGEST],
    len: u8,
}

/// Why a text is not an AppID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAppId {
    /// Nothing was given.
    #[error("an AppID is empty; WeChat's look like wx0123456789abcdef")]
    Empty,
    /// Longer than any AppID.
    #[error("an AppID has {0} characters; at most {LONGEST} are accepted, WeChat's have 18")]
    TooLong(usize),
    /// Something other than ASCII letters and digits.
    #[error(
        "an AppID holds only ASCII letters and digits; the character at position {0} is not one"
    )]
    Character(usize),
}

impl AppId {
    /// The AppID as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or_default()
    }
}

impl FromStr for AppId {
    type Err = InvalidAppId;

    fn from_str(text: &str) -> Result<Self, InvalidAppId> {
        if text.is_empty() {
            return Err(InvalidAppId::Empty);
        }
        if !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            let at = text.chars().position(|c| !c.is_ascii_alphanumeric());
            return Err(InvalidAppId::Character(at.unwrap_or_default() + 1));
        }
        let len = u8::try_from(text.len()).unwrap_or(u8::MAX);
        let mut bytes = [0; LONGEST];
        bytes
            .get_mut(..text.len())
            .ok_or(InvalidAppId::TooLong(text.len()))?
            .copy_from_slice(text.as_bytes());
        Ok(Self { bytes, len })
    }
}

impl fmt::Display for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What sort of account an AppID belongs to. It decides which kinds of credential exist and how large the quotas are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AppType {
    /// 公众号 or 服务号.
    Official,
    /// 小程序 or 小游戏.
    Mini,
    /// 网站应用 or 移动应用 of the open platform.
    Website,
    /// 测试号: like `Official`, with a tenth of the quota (200 fetches a day).
    Test,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_id_is_one_to_twenty_three_letters_and_digits() {
        assert_eq!(
            "wx0123456789abcdef".parse::<AppId>().unwrap().as_str(),
            "wx0123456789abcdef"
        );
        assert_eq!("".parse::<AppId>(), Err(InvalidAppId::Empty));
        assert_eq!("wx/../x".parse::<AppId>(), Err(InvalidAppId::Character(3)));
        assert_eq!("微信".parse::<AppId>(), Err(InvalidAppId::Character(1)));
        assert_eq!("a".repeat(23).parse::<AppId>().unwrap().as_str().len(), 23);
        assert_eq!(
            "a".repeat(24).parse::<AppId>(),
            Err(InvalidAppId::TooLong(24))
        );
        assert_eq!(
            "a".repeat(300).parse::<AppId>(),
            Err(InvalidAppId::TooLong(300))
        );
    }
}
