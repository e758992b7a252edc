//! What WeChat knows of a person, and which of it an app is told.

use serde::{Deserialize, Serialize};

/// A person's attributes. In JSON every one may be left out; [`Profile::of`] says what it is then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Any text: emoji, quotes, HTML, control characters.
    pub nickname: String,
    /// 0 unknown, 1 male, 2 female; `None` leaves the field out.
    pub sex: Option<u8>,
    /// The picture; `None` leaves the field out.
    pub headimgurl: Option<String>,
    /// Empty nowadays.
    pub province: String,
    /// Empty nowadays.
    pub city: String,
    /// Empty nowadays.
    pub country: String,
    /// Whether they have a union id.
    pub has_unionid: bool,
    /// Whether they follow every account.
    pub follows: bool,
    /// Whether WeChat holds them to be dangerous: their codes are answered 40226.
    pub blocked: bool,
    /// Without the country's code.
    pub phone: String,
    /// `86` for China.
    pub country_code: u32,
}

/// Those who follow every account from the start.
pub(super) const FOLLOWERS: [&str; 3] = ["alice", "bob", "carol"];

impl Profile {
    /// The person of that name as long as nobody changed anything.
    pub fn of(name: &str) -> Self {
        Self {
            nickname: name.to_owned(),
            sex: Some(0),
            headimgurl: Some("https://thirdwx.qlogo.cn/mmopen/simulated/132".to_owned()),
            province: String::new(),
            city: String::new(),
            country: String::new(),
            has_unionid: true,
            follows: FOLLOWERS.contains(&name),
            blocked: false,
            phone: "13800138000".to_owned(),
            country_code: 86,
        }
    }

    /// Whom an app meets on a snapshot page: a name and a picture of nobody.
    pub(super) fn of_snapshot() -> Self {
        Self {
            nickname: "微信用户".to_owned(),
            follows: false,
            ..Self::of("")
        }
    }

    /// The number with the country's code, unless that is China's.
    pub(crate) fn full_phone(&self) -> String {
        match self.country_code {
            86 => self.phone.clone(),
            code => format!("{code}{}", self.phone),
        }
    }
}
