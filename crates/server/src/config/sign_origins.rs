//! `sign_origins` of `[[caller]]`: where the pages come from that it may have signed for the JS-SDK.
//!
//! Must not know: how a page is signed.

use super::caller::{Caller, Permission};
use super::field::Field;
use super::flaw::Flaw;
use super::phrase::{Cure, Wanted};
use super::table::Table;
use crate::jssdk::Origin;

/// The origins, each once.
pub(super) fn read(field: &Field<'_>) -> Box<[Origin]> {
    let mut origins: Vec<Origin> = Vec::new();
    for item in field.some_items(Cure::SignOrigins) {
        match item.parse(Wanted::SignOrigin) {
            Some(origin) if origins.contains(&origin) => item.wrong(Flaw::ThisTwice),
            Some(origin) => origins.push(origin),
            None => {}
        }
    }
    origins.into()
}

/// Pages of a caller that may not sign would be refused one and all.
pub(super) fn check_allowed(table: &Table<'_>, caller: &Caller) {
    if let Some(field) = table.get("sign_origins")
        && !caller.allow.allows(Permission::Sign)
    {
        field.wrong(Flaw::SignOriginsWithoutSign);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::Config;

    fn config(caller: &str) -> Result<Config, String> {
        let text = format!(
            "[admin]\nkey = \"an-admin-key-for-tests\"\n[[caller]]\nname = \"shop\"\napps = [\"*\"]\n\
             key = \"0123456789abcdef0123456789abcdef\"\n{caller}"
        );
        let parsed = crate::config::parse(&text, Path::new("/nowhere"), &|_| None);
        parsed.map_err(|errors| errors.to_string())
    }

    #[test]
    fn origins_are_kept_as_browsers_write_them() {
        let config = config(
            "allow = [\"sign\"]\nsign_origins = [\"https://Shop.example.com:443\", \"http://127.0.0.1:8000\"]",
        );
        let kept = config.unwrap().callers[0].sign_origins.clone();
        let kept: Vec<String> = kept.iter().map(ToString::to_string).collect();
        assert_eq!(kept, ["https://shop.example.com", "http://127.0.0.1:8000"]);
    }

    #[test]
    fn what_would_never_match_is_refused_with_the_cure() {
        for (lines, told) in [
            (
                "sign_origins = [\"https://shop.example.com\"]",
                "needs \"sign\" in allow",
            ),
            ("allow = [\"sign\"]\nsign_origins = []", "the list is empty"),
            (
                "allow = [\"sign\"]\nsign_origins = [\"https://shop.example.com/\"]",
                "without a path or a slash",
            ),
            (
                "allow = [\"sign\"]\nsign_origins = [\"https://商店.example.com\"]",
                "in punycode",
            ),
            (
                "allow = [\"sign\"]\nsign_origins = [\"*\"]",
                "begins with https:// or http://",
            ),
            (
                "allow = [\"sign\"]\nsign_origins = [\"https://a.example\", \"https://A.example:443\"]",
                "listed twice",
            ),
        ] {
            let error = config(lines).unwrap_err();
            assert!(
                error.contains("sign_origins") && error.contains(told),
                "{error}"
            );
        }
    }

    #[test]
    fn a_push_token_has_the_form_that_wechat_takes_and_is_not_printed() {
        let app = |token: &str| {
            let text = format!(
                "allow = [\"read\"]\n[[app]]\nappid = \"wx1\"\nsecret = \"s\"\npush_token = \"{token}\""
            );
            config(&text)
        };
        let good = app("pushTOKEN123").unwrap();
        assert_eq!(good.apps[0].push_token().unwrap().expose(), "pushTOKEN123");
        assert!(!format!("{good:?}").contains("pushTOKEN123"));
        for bad in ["ab", "a b c", "token-1", &"x".repeat(33)] {
            let error = app(bad).unwrap_err();
            assert!(
                error.contains("3 to 32 letters and digits") && !error.contains(bad),
                "{error}"
            );
        }
    }
}
