//! Who we hold credentials for: a WeChat AppID and what kind of account it is.
//!
//! Must not know: where apps are configured, nor their AppSecrets.

use std::fmt;
use std::str::FromStr;

use crate::words::InChinese;

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

impl InChinese for InvalidAppId {
    fn in_chinese(&self) -> String {
        match self {
            Self::Empty => "AppID 是空的；微信的 AppID 形如 wx0123456789abcdef".to_owned(),
            Self::TooLong(length) => {
                format!("AppID 有 {length} 个字符；最多 23 个，微信的是 18 个")
            }
            Self::Character(at) => format!("AppID 只含 ASCII 字母和数字；第 {at} 个字符不是"),
        }
    }
}

impl AppId {
    /// The AppID as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The AppID as ASCII.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl FromStr for AppId {
    type Err = InvalidAppId;

    fn from_str(text: &str) -> Result<Self, InvalidAppId> {
        if text.is_empty() {
            return Err(InvalidAppId::Empty);
        }
        let mut bytes = [0; LONGEST];
        let fits = bytes
            .get_mut(..text.len())
            .map(|room| room.copy_from_slice(text.as_bytes()));
        // Over as many bytes every time, and to the end: many are looked at side by side. What fills them up is neither.
        let good = bytes.iter().filter(|byte| byte.is_ascii_alphanumeric());
        match (fits, u8::try_from(text.len())) {
            (Some(()), Ok(len)) if good.count() == text.len() => Ok(Self { bytes, len }),
            _ => Err(wrong(text)),
        }
    }
}

/// What is wrong with a text that is no AppID.
fn wrong(text: &str) -> InvalidAppId {
    match text.chars().position(|c| !c.is_ascii_alphanumeric()) {
        Some(at) => InvalidAppId::Character(at + 1),
        None => InvalidAppId::TooLong(text.len()),
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
