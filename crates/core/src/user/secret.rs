//! What a user gave and nobody else may see. One type each, so that none can stand in another's place, nor in an app token's.

use std::fmt;

use secrecy::zeroize::Zeroizing;

/// Twice what WeChat asks clients to reserve for a token.
const LONGEST: usize = 1024;

macro_rules! user_secret {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name(Zeroizing<String>);

        impl $name {
            /// Takes a value as WeChat gave it; none if it is empty, longer than any, or holds what none does.
            #[must_use]
            pub fn new(value: impl Into<String>) -> Option<Self> {
                let value = Zeroizing::new(value.into());
                let fits = (1..=LONGEST).contains(&value.len());
                (fits && value.bytes().all(|byte| byte.is_ascii_graphic())).then_some(Self(value))
            }

            /// The value itself. The one door out.
            #[must_use]
            pub fn expose(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(redacted)"))
            }
        }
    };
}

user_secret! {
    /// A user's web `access_token` (网页授权接口调用凭证): for `/sns` and this one user alone, two hours; page `api_snsaccesstoken`.
    WebToken
}
user_secret! {
    /// What a new web token is had with, for 30 days; page `api_snsrefreshtoken`.
    RefreshToken
}
user_secret! {
    /// What a mini program's user data is encrypted under (`session_key`); page `api_code2session`. Base64 text, as WeChat gives it.
    SessionKey
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_is_printed_and_none_is_empty() {
        let token = WebToken::new("98_secret").unwrap();
        assert_eq!(format!("{token:?}"), "WebToken(redacted)");
        assert_eq!(token.expose(), "98_secret");
        for odd in ["", "a b", "\u{1}", &"x".repeat(LONGEST + 1)] {
            assert!(RefreshToken::new(odd).is_none());
        }
        let key = SessionKey::new("AAAA==").unwrap();
        assert_eq!(format!("{key:?}"), "SessionKey(redacted)");
    }
}
