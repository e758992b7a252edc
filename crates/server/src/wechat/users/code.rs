//! What pages, `wx.login` and the phone-number button give, each to be used once. One type each, so that none goes where
//! another belongs.

use std::fmt;
use std::str::FromStr;

use secrecy::zeroize::Zeroizing;

use crate::words::InChinese;

/// WeChat's have 32 to 64 characters.
const LONGEST: usize = 256;

/// Why a text is no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a code is 1 to {LONGEST} visible ASCII characters, as WeChat gave it")]
pub struct InvalidCode;

impl InChinese for InvalidCode {
    fn in_chinese(&self) -> String {
        format!("code 是 1 到 {LONGEST} 个可见的 ASCII 字符，照微信给的原样传")
    }
}

macro_rules! code {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name(Zeroizing<String>);

        impl $name {
            /// The code itself.
            #[must_use]
            pub fn expose(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidCode;

            fn from_str(text: &str) -> Result<Self, InvalidCode> {
                let fits = (1..=LONGEST).contains(&text.len());
                let is_plain = fits && text.bytes().all(|byte| byte.is_ascii_graphic());
                is_plain
                    .then(|| Self(Zeroizing::new(text.to_owned())))
                    .ok_or(InvalidCode)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(redacted)"))
            }
        }
    };
}

code! {
    /// What a browser brings back from WeChat's page of consent; good for five minutes, for websites ten.
    OAuthCode
}
code! {
    /// What `wx.login` gives a mini program; good for five minutes.
    LoginCode
}
code! {
    /// What a mini program's phone-number button gives; good for five minutes, and not a [`LoginCode`].
    PhoneCode
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_plain_text_and_is_not_printed() {
        let code: OAuthCode = "031AbC0w3".parse().unwrap();
        assert_eq!(code.expose(), "031AbC0w3");
        assert_eq!(format!("{code:?}"), "OAuthCode(redacted)");
        for odd in ["", "a b", "微", "a\n", &"x".repeat(LONGEST + 1)] {
            assert_eq!(odd.parse::<LoginCode>(), Err(InvalidCode));
        }
    }
}
