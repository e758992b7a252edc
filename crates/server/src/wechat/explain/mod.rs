//! What WeChat's errcodes mean to people: `wxtoken explain CODE`, in Chinese and English.
//!
//! Data, in files by family, written from WeChat's documentation. Must not know: what the program does about a code
//! (`errcode` decides that); here it is only told.

mod general;
mod limits;
mod mini;
mod minting;
mod oauth;
mod openapi;
mod pages;
mod platform;
mod token;
mod whitelist;

/// One text in the two languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text {
    /// 中文
    pub zh: &'static str,
    /// English
    pub en: &'static str,
}

/// What a code means on some of WeChat's endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meaning {
    /// Which endpoints.
    pub endpoint: Text,
    /// What it says.
    pub meaning: Text,
    /// Why it usually happens, likeliest first.
    pub causes: &'static [Text],
    /// What to do, in this order.
    pub cure: &'static [Text],
    /// What wxtoken does by itself.
    pub handled: Text,
}

/// Everything about one code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explanation {
    /// The code.
    pub code: i64,
    /// WeChat's own short text for it, or ours where it has none. These texts change: never compare them.
    pub name: &'static str,
    /// Its meanings; more than one where endpoints differ.
    pub entries: &'static [Meaning],
}

/// All of them, by family.
const FAMILIES: [&[Explanation]; 10] = [
    general::CODES,
    limits::CODES,
    minting::CODES,
    mini::CODES,
    oauth::CODES,
    openapi::CODES,
    pages::CODES,
    platform::CODES,
    token::CODES,
    whitelist::CODES,
];

/// What a code means; none if WeChat's documentation of credentials does not name it.
#[must_use]
pub fn explain(code: i64) -> Option<&'static Explanation> {
    all().find(|explanation| explanation.code == code)
}

/// Every code that can be explained.
pub fn all() -> impl Iterator<Item = &'static Explanation> {
    FAMILIES.into_iter().flatten()
}

/// Short for the tables.
const fn t(zh: &'static str, en: &'static str) -> Text {
    Text { zh, en }
}

/// Endpoints that hand out tokens for an AppSecret.
const TOKEN_ENDPOINTS: Text = t(
    "取令牌的接口：/cgi-bin/token、/cgi-bin/stable_token",
    "the endpoints that give out tokens: /cgi-bin/token, /cgi-bin/stable_token",
);
/// Calls made with the app's token.
const API: Text = t(
    "用 access_token 调用的接口：/cgi-bin、/wxa、/card、/datacube 等",
    "calls made with the app's access_token: /cgi-bin, /wxa, /card, /datacube and the like",
);
/// Web OAuth and mini-program login.
const SNS: Text = t(
    "网页授权与登录接口：/sns/*",
    "web authorization and login: /sns/*",
);
/// All of them.
const ANYWHERE: Text = t("所有接口", "every endpoint");

/// wxtoken has no part in it.
/// About the tokens of a user.
const OF_USERS: Text = t(
    "经 /oauth 登录的用户，其令牌由 wxtoken 保管和续期；自行调用 /sns 的程序自己处理。应用的令牌不会因此刷新。",
    "The tokens of users who signed in through /oauth are kept and renewed by wxtoken; a program that calls /sns itself has to act. The app's token is not refreshed for this.",
);
/// About the code of a user.
const OF_CODES: Text = t(
    "经 /oauth 登录时，用户会看到一个可以重新登录的页面；自行换取 code 的程序自己处理。",
    "In a sign-in through /oauth the user gets a page with a button to sign in again; a program that exchanges codes itself has to act.",
);
const NOT_OURS: Text = t(
    "与凭据无关，wxtoken 不介入；由发起调用的程序处理。",
    "It is not about credentials: wxtoken stays out of it, the calling program has to act.",
);
/// A refusal a person has to lift.
const REFUSAL: Text = t(
    "wxtoken 会报警，继续发放手里仍有效的令牌，并在 1 到 5 分钟后重试；问题解决后用 wxtoken refresh 立刻再试，换了 AppSecret 的重载（SIGHUP）也会立刻再试。",
    "wxtoken raises an alarm, goes on handing out the token that is still alive and tries again after 1 to 5 minutes; once it is cured `wxtoken refresh` tries at once, and so does a reload (SIGHUP) with another AppSecret.",
);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every errcode in the facts we know about credentials, one a line; `#` begins a comment.
    const KNOWN: &str = include_str!("known_codes.txt");

    fn known() -> BTreeSet<i64> {
        KNOWN
            .lines()
            .filter_map(|line| line.split('#').next())
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .map(|line| line.parse().unwrap())
            .collect()
    }

    #[test]
    fn every_known_code_is_explained_and_every_explained_code_is_known() {
        let explained: BTreeSet<i64> = all().map(|explanation| explanation.code).collect();
        assert_eq!(explained, known());
        assert!(explained.len() >= 75);
    }

    #[test]
    fn no_code_is_explained_twice() {
        let explained: BTreeSet<i64> = all().map(|explanation| explanation.code).collect();
        assert_eq!(all().count(), explained.len());
        assert_eq!(explain(40001).unwrap().code, 40001);
        assert!(explain(1).is_none());
    }

    fn is_chinese(text: &str) -> bool {
        text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c))
    }

    fn check(code: i64, what: &str, text: Text, shortest: usize) {
        let Text { zh, en } = text;
        assert!(is_chinese(zh), "{code}: {what} in Chinese: {zh}");
        assert!(!is_chinese(en), "{code}: {what} in English: {en}");
        assert!(zh.chars().count() * 3 >= shortest, "{code}: {what}: {zh}");
        assert!(en.len() >= shortest, "{code}: {what}: {en}");
        for text in [zh, en] {
            assert_eq!(text.trim(), text, "{code}: {what}");
            assert!(!text.contains("  "), "{code}: {what}: {text}");
        }
    }

    #[test]
    fn every_explanation_says_something_in_both_languages() {
        for Explanation {
            code,
            name,
            entries,
        } in all()
        {
            assert!(name.len() > 1, "{code} has a name");
            assert!(!entries.is_empty(), "{code} has a meaning");
            for entry in *entries {
                check(*code, "endpoint", entry.endpoint, 8);
                check(*code, "meaning", entry.meaning, 20);
                check(*code, "handled", entry.handled, 20);
                assert!(!entry.cure.is_empty(), "{code} has a cure");
                for text in entry.causes {
                    check(*code, "cause", *text, 12);
                }
                for text in entry.cure {
                    check(*code, "cure", *text, 12);
                }
            }
        }
    }

    #[test]
    fn a_code_that_means_two_things_says_both() {
        let meanings = explain(40001).unwrap().entries;
        assert_eq!(meanings.len(), 3);
        assert!(meanings[0].meaning.en.contains("AppSecret"));
        assert!(meanings[1].meaning.en.contains("token"));
        assert!(meanings[2].endpoint.en.contains("/sns"));
        assert!(explain(45009).unwrap().entries.len() >= 2);
        assert!(explain(45011).unwrap().entries.len() >= 2);
    }
}
