//! The check that WeChat makes of an address before it pushes anything there (验证消息的确来自微信服务器).
//!
//! Must not know: which app it is, what is pushed later.

use std::fmt;

use super::Signature;

/// The longest text that is said back. WeChat's has some twenty digits.
const LONGEST: usize = 256;

/// What WeChat sends along to show that it knows the push token.
#[derive(Clone, Copy)]
pub struct PushCheck<'a> {
    /// The hash of the token and the two others.
    pub signature: &'a str,
    /// WeChat's time.
    pub timestamp: &'a str,
    /// A random text.
    pub nonce: &'a str,
}

impl PushCheck<'_> {
    /// Whether whoever sent this knows the token; compared in constant time.
    #[must_use]
    pub fn is_of(&self, token: &str) -> bool {
        Signature::of_sorted(&mut [token, self.timestamp, self.nonce]).is(self.signature)
    }
}

impl fmt::Debug for PushCheck<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PushCheck(redacted)")
    }
}

/// What WeChat wants said back, verbatim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Echo<'a>(&'a str);

/// A text that WeChat would not want said back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`echostr` is missing, has more than {LONGEST} bytes, or a control character in it")]
pub struct InvalidEcho;

impl<'a> Echo<'a> {
    /// Takes the text, if it is one.
    ///
    /// # Errors
    /// It is empty, too long, or holds a control character.
    pub fn new(text: &'a str) -> Result<Self, InvalidEcho> {
        let good = (1..=LONGEST).contains(&text.len()) && !text.chars().any(char::is_control);
        good.then_some(Self(text)).ok_or(InvalidEcho)
    }

    /// The text.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// WeChat's own example.
    const EXAMPLE: PushCheck<'static> = PushCheck {
        signature: "f464b24fc39322e44b38aa78f5edd27bd1441696",
        timestamp: "1714036504",
        nonce: "1514711492",
    };

    #[test]
    fn wechats_worked_example_is_told_by_its_token() {
        assert!(EXAMPLE.is_of("AAAAA"));
        for other in ["AAAAB", "AAAA", "aaaaa", "", "AAAAA "] {
            assert!(!EXAMPLE.is_of(other), "{other}");
        }
    }

    #[test]
    fn every_part_counts() {
        let changed = [
            PushCheck {
                signature: "",
                ..EXAMPLE
            },
            PushCheck {
                signature: "F464B24FC39322E44B38AA78F5EDD27BD1441696",
                ..EXAMPLE
            },
            PushCheck {
                timestamp: "1714036505",
                ..EXAMPLE
            },
            PushCheck {
                nonce: "1514711493",
                ..EXAMPLE
            },
            PushCheck {
                nonce: "",
                ..EXAMPLE
            },
        ];
        for check in changed {
            assert!(!check.is_of("AAAAA"));
        }
        assert_eq!(format!("{EXAMPLE:?}"), "PushCheck(redacted)");
    }

    #[test]
    fn only_a_short_line_is_said_back() {
        assert_eq!(
            Echo::new("4375120948345356249").map(|e| e.as_str()),
            Ok("4375120948345356249")
        );
        assert!(Echo::new(&"1".repeat(LONGEST)).is_ok());
        for bad in ["", "a\r\nb", "a\0", &"1".repeat(LONGEST + 1)] {
            assert_eq!(Echo::new(bad), Err(InvalidEcho));
        }
    }
}
