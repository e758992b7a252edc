//! What a store in Redis is told, and how long things take there.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use crate::redis::Address;
use crate::words::InChinese;

/// What a store in Redis is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where Redis is.
    pub address: Address,
    /// The CA that signed its certificate, in PEM; none: the system's.
    pub ca: Option<Vec<u8>>,
    /// The password of the sentinels, where they have one of their own.
    pub sentinel_password: Option<SecretString>,
    /// What every key begins with.
    pub prefix: Prefix,
}

impl PartialEq for Settings {
    fn eq(&self, other: &Self) -> bool {
        let passwords = [self, other].map(|settings| {
            let password = settings.sentinel_password.as_ref();
            password.map(ExposeSecret::expose_secret)
        });
        self.address == other.address
            && self.ca == other.ca
            && passwords[0] == passwords[1]
            && self.prefix == other.prefix
    }
}

/// How long things take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timing {
    pub(super) connect: Duration,
    pub(super) answer: Duration,
    /// How long a lease lives in Redis, and how often it is kept alive.
    pub(super) lease: Duration,
    pub(super) keep: Duration,
    pub(super) offers: Duration,
    pub(super) compare: Duration,
}

impl Timing {
    pub(super) const REAL: Self = Self {
        connect: Duration::from_secs(1),
        answer: Duration::from_secs(1),
        lease: Duration::from_millis(2500),
        keep: Duration::from_millis(800),
        offers: Duration::from_secs(2),
        compare: Duration::from_secs(10),
    };
}

/// What every key and channel of a store begins with: up to 64 letters, digits, `-`, `_`, `.` and `:`. Another prefix is
/// another store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix(String);

/// Why a text is no prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a prefix is 1 to 64 letters, digits, or any of - _ . :")]
pub struct InvalidPrefix;

impl InChinese for InvalidPrefix {
    fn in_chinese(&self) -> String {
        "前缀由 1 到 64 个字母、数字或 - _ . : 组成".to_owned()
    }
}

impl FromStr for Prefix {
    type Err = InvalidPrefix;

    fn from_str(text: &str) -> Result<Self, InvalidPrefix> {
        // Nothing that a pattern or a hash tag would understand.
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
        let fine = (1..=64).contains(&text.len()) && text.bytes().all(fits);
        fine.then(|| Self(text.to_owned())).ok_or(InvalidPrefix)
    }
}

impl Default for Prefix {
    fn default() -> Self {
        Self("wxtoken".to_owned())
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_holds_nothing_that_a_pattern_or_a_hash_tag_would_understand() {
        for good in ["wxtoken", "a:b-c_d.e"] {
            assert_eq!(good.parse::<Prefix>().unwrap().to_string(), good);
        }
        for bad in ["", "a*", "a{b}", "a b", "é", &"x".repeat(65)] {
            assert_eq!(bad.parse::<Prefix>(), Err(InvalidPrefix), "{bad}");
        }
    }
}
