//! The tokens that go by nearly the same name, taken for each other: the app's access_token, a user's web OAuth access_token,
//! and the refresh_token behind that. Whoever mixes them up is told which it was, and no call goes out.
//!
//! Must not know: callers, answers.

use super::family::Family;
use super::presented::{Held, Presented};
use super::refusal::Refusal;
use super::virtual_token::NotVirtual;

/// One kind of token where another belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MixUp {
    /// The app's token on `/sns`.
    AppTokenAtSns,
    /// The app's token as the refresh token of a renewal.
    AppTokenAsRefreshToken,
    /// A user's web token where the app's belongs.
    WebTokenAtApi,
    /// A user's web token as the refresh token of a renewal.
    WebTokenAsRefreshToken,
    /// A user's refresh token where the app's token belongs.
    RefreshTokenAtApi,
    /// A user's refresh token where the web token belongs.
    RefreshTokenAtSns,
}

impl MixUp {
    /// What was sent, what is needed, and where that comes from, in both languages and the documentation's words.
    #[must_use]
    pub const fn lesson(self) -> &'static str {
        match self {
            Self::AppTokenAtSns => {
                "this is the app's access_token (接口调用凭据); /sns needs the user's own, which web OAuth (网页授权) gives in exchange for a code, at /sns/oauth2/access_token. 这是应用的 access_token；/sns 需要用户网页授权的 access_token，用 code 到 /sns/oauth2/access_token 换取"
            }
            Self::AppTokenAsRefreshToken => {
                "this is the app's access_token (接口调用凭据); refresh_token is the user's own, which web OAuth (网页授权) gives beside the web access_token, at /sns/oauth2/access_token. 这是应用的 access_token；此处需要用户的 refresh_token，它与网页授权的 access_token 一起由 /sns/oauth2/access_token 返回"
            }
            Self::WebTokenAtApi => {
                "this is a user's web OAuth access_token (网页授权); this path needs the app's (接口调用凭据), which this server puts in by itself: leave access_token out and name the app, or take the token from /cgi-bin/token here. 这是用户网页授权的 access_token；此接口需要应用的 access_token，由本服务器自动填入：去掉 access_token 并指明应用，或到本服务器的 /cgi-bin/token 获取"
            }
            Self::WebTokenAsRefreshToken => {
                "this is a user's web OAuth access_token (网页授权); refresh_token is the other value that /sns/oauth2/access_token gave with it. 这是用户网页授权的 access_token；此处需要同一次 /sns/oauth2/access_token 返回的 refresh_token"
            }
            Self::RefreshTokenAtApi => {
                "this is a user's refresh_token of web OAuth (网页授权); this path needs the app's access_token (接口调用凭据), which this server puts in by itself: leave access_token out and name the app, or take the token from /cgi-bin/token here. 这是用户网页授权的 refresh_token；此接口需要应用的 access_token，由本服务器自动填入：去掉 access_token 并指明应用，或到本服务器的 /cgi-bin/token 获取"
            }
            Self::RefreshTokenAtSns => {
                "this is a user's refresh_token of web OAuth (网页授权); this path needs the web access_token that /sns/oauth2/refresh_token gives for it. 这是用户网页授权的 refresh_token；此接口需要用它到 /sns/oauth2/refresh_token 换取的 access_token"
            }
        }
    }

    /// The label in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AppTokenAtSns => "app_token_at_sns",
            Self::AppTokenAsRefreshToken => "app_token_as_refresh_token",
            Self::WebTokenAtApi => "web_token_at_api",
            Self::WebTokenAsRefreshToken => "web_token_as_refresh_token",
            Self::RefreshTokenAtApi => "refresh_token_at_api",
            Self::RefreshTokenAtSns => "refresh_token_at_sns",
        }
    }

    /// WeChat's code for it, and our words.
    pub(super) fn told(self) -> (i64, String) {
        let (code, text) = match self {
            Self::AppTokenAsRefreshToken | Self::WebTokenAsRefreshToken => {
                (40030, "invalid refresh_token")
            }
            Self::AppTokenAtSns
            | Self::WebTokenAtApi
            | Self::RefreshTokenAtApi
            | Self::RefreshTokenAtSns => (40001, "invalid credential"),
        };
        (code, format!("{text}: {}", self.lesson()))
    }
}

/// Refuses a call that shows one kind of token where another belongs.
pub(crate) fn mixed_up(family: Family, presented: &Presented) -> Result<(), Refusal> {
    for held in presented.each() {
        if let (Family::ClearQuotaBySecret, Held::Virtual(_) | Held::Ours(_)) = (family, held) {
            return Err(Refusal::NEEDLESS_TOKEN);
        }
        if let Some(mix_up) = as_access_token(family, held) {
            return Err(Refusal::MixUp(mix_up));
        }
    }
    let renewing = presented.renewing.iter();
    match renewing.filter_map(|held| as_refresh_token(*held)).next() {
        Some(mix_up) if family == Family::Renewal => Err(Refusal::MixUp(mix_up)),
        Some(_) | None => Ok(()),
    }
}

/// What is wrong with this in a parameter for an access_token.
pub(super) fn as_access_token(family: Family, held: Held) -> Option<MixUp> {
    let is_sns = matches!(family, Family::User | Family::Exchange | Family::Renewal);
    match (held, family) {
        (Held::Virtual(_) | Held::Ours(_) | Held::NotVirtual(NotVirtual::Ended), _) => {
            is_sns.then_some(MixUp::AppTokenAtSns)
        }
        (Held::Web(_), Family::App) => Some(MixUp::WebTokenAtApi),
        (Held::Refresh(_), Family::App) => Some(MixUp::RefreshTokenAtApi),
        (Held::Refresh(_), Family::User) => Some(MixUp::RefreshTokenAtSns),
        (Held::Web(_) | Held::Refresh(_) | Held::NotVirtual(_) | Held::Other, _) => None,
    }
}

/// What is wrong with this in the place of a refresh token.
fn as_refresh_token(held: Held) -> Option<MixUp> {
    match held {
        Held::Virtual(_) | Held::Ours(_) | Held::NotVirtual(NotVirtual::Ended) => {
            Some(MixUp::AppTokenAsRefreshToken)
        }
        Held::Web(_) => Some(MixUp::WebTokenAsRefreshToken),
        Held::Refresh(_) | Held::NotVirtual(_) | Held::Other => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lesson_is_told_in_both_languages_under_a_name_of_its_own() {
        let all = [
            MixUp::AppTokenAtSns,
            MixUp::AppTokenAsRefreshToken,
            MixUp::WebTokenAtApi,
            MixUp::WebTokenAsRefreshToken,
            MixUp::RefreshTokenAtApi,
            MixUp::RefreshTokenAtSns,
        ];
        let names: std::collections::HashSet<_> = all.iter().map(|one| one.name()).collect();
        assert_eq!(names.len(), all.len());
        for one in all {
            let (english, chinese) = one.lesson().split_once(". ").unwrap();
            assert!(english.starts_with("this is ") && chinese.starts_with("这是"));
            assert!(!one.lesson().contains('"'), "it stands in JSON");
        }
    }

    #[test]
    fn each_token_is_told_apart_where_another_belongs_and_only_there() {
        let app = "wx1".parse().unwrap();
        for (held, family, mix_up) in [
            (Held::Ours(app), Family::User, Some(MixUp::AppTokenAtSns)),
            (Held::Ours(app), Family::App, None),
            (
                Held::NotVirtual(NotVirtual::Ended),
                Family::User,
                Some(MixUp::AppTokenAtSns),
            ),
            (Held::NotVirtual(NotVirtual::Forged), Family::User, None),
            (Held::Web(app), Family::App, Some(MixUp::WebTokenAtApi)),
            (Held::Web(app), Family::User, None),
            (
                Held::Refresh(app),
                Family::App,
                Some(MixUp::RefreshTokenAtApi),
            ),
            (
                Held::Refresh(app),
                Family::User,
                Some(MixUp::RefreshTokenAtSns),
            ),
            (Held::Other, Family::App, None),
            (Held::Other, Family::User, None),
        ] {
            assert_eq!(as_access_token(family, held), mix_up, "{held:?} {family:?}");
        }
        assert_eq!(as_refresh_token(Held::Refresh(app)), None);
        assert_eq!(as_refresh_token(Held::Other), None);
    }
}
