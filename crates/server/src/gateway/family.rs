//! What sort of call a path is: whether it takes the app's token, whether its AppSecret is ours to put in, whether it must
//! be allowed by name.
//!
//! Pure. Upper and lower case count as the same wherever it makes a path more guarded: how WeChat reads them is not
//! documented. Must not know: callers, tokens.

use crate::byte_set::ByteSet;

/// What sort of call a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// Takes the app's token: nearly everything.
    App,
    /// `/cgi-bin/clear_quota/v2` (clearQuotaByAppSecret): takes the AppSecret in query or body, no token.
    ClearQuotaBySecret,
    /// `/sns/oauth2/access_token` and `/sns/jscode2session`: a user's code for the user's token or session, with the
    /// AppSecret in the query. Never repeated: a code works once.
    Exchange,
    /// `/sns/oauth2/refresh_token`: the user's refresh token for a new web token. Never repeated.
    Renewal,
    /// `/cgi-bin/token`, `stable_token` and `ticket/getticket` in another spelling than ours: what these give is kept here,
    /// and asking WeChat for it would mint.
    Minting,
    /// The rest of `/sns`: takes the user's web token, never the app's.
    User,
}

/// Calls that harm other programs of the same app, or tell of them: only for callers whose `call_paths` name them.
const GUARDED: [&str; 4] = [
    "/cgi-bin/openapi/rid/get",
    "/cgi-bin/openapi/quota/clear",
    "/cgi-bin/clear_quota",
    "/cgi-bin/component/clear_quota",
];

impl Family {
    /// The family of a path as it is sent.
    pub(crate) fn of(path: &str) -> Self {
        let path = path.strip_suffix('/').unwrap_or(path);
        let is = |known: &str| path.eq_ignore_ascii_case(known);
        if !starts_with_segment(path, "/sns") {
            let minting = [
                "/cgi-bin/token",
                "/cgi-bin/stable_token",
                "/cgi-bin/ticket/getticket",
            ];
            return if minting.into_iter().any(is) {
                Self::Minting
            } else if is("/cgi-bin/clear_quota/v2") {
                Self::ClearQuotaBySecret
            } else {
                Self::App
            };
        }
        if is("/sns/oauth2/access_token") || is("/sns/jscode2session") {
            Self::Exchange
        } else if is("/sns/oauth2/refresh_token") {
            Self::Renewal
        } else {
            Self::User
        }
    }

    /// Whether the app's token is put in.
    pub(crate) const fn takes_app_token(self) -> bool {
        matches!(self, Self::App)
    }

    /// Whether the caller's key in `secret` becomes the AppSecret.
    pub(crate) const fn takes_secret(self) -> bool {
        matches!(self, Self::Exchange | Self::ClearQuotaBySecret)
    }

    /// Whether `appid` says which app a call is for.
    pub(crate) const fn names_its_app(self) -> bool {
        matches!(
            self,
            Self::Exchange | Self::Renewal | Self::ClearQuotaBySecret
        )
    }

    /// Whether the same request may be sent again after trouble. Of `/sns` only what is sure to spend no code.
    pub(crate) fn may_repeat(self, path: &str) -> bool {
        match self {
            Self::App => true,
            Self::User => ["/sns/userinfo", "/sns/auth"].contains(&path),
            Self::Exchange | Self::Renewal | Self::ClearQuotaBySecret | Self::Minting => false,
        }
    }
}

/// Whether a path starts with these whole segments. `/` is every path.
fn starts_with_segment(path: &str, prefix: &str) -> bool {
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    path.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        && matches!(path.as_bytes().get(prefix.len()), None | Some(b'/'))
}

/// Whether `call_paths` allow a path: by whole segments, in the case they are written in, and guarded paths only by their
/// own name.
pub(crate) fn allowed(call_paths: &[Box<str>], path: &str) -> bool {
    let guard = GUARDED
        .iter()
        .find(|guarded| starts_with_segment(path, guarded));
    call_paths.iter().any(|allowed| {
        let named = guard.is_none_or(|guard| starts_with_segment(allowed, guard));
        let trimmed = allowed.strip_suffix('/').unwrap_or(allowed);
        named && starts_with_segment(path, trimmed) && path.starts_with(trimmed)
    })
}

/// A short name for metrics: the first two segments, if they look like a path of WeChat's. Bounded, so that nobody can fill
/// the metrics with names.
pub(crate) fn label(path: &str) -> &'static str {
    const KNOWN: [&str; 14] = [
        "cgi-bin",
        "wxa",
        "sns",
        "card",
        "datacube",
        "customservice",
        "merchant",
        "wxaapi",
        "product",
        "shop",
        "device",
        "semantic",
        "business",
        "channels",
    ];
    let first = path.trim_start_matches('/').split('/').next();
    first
        .and_then(|first| {
            KNOWN
                .into_iter()
                .find(|known| known.eq_ignore_ascii_case(first))
        })
        .unwrap_or("other")
}

/// A path as it may be told in a log: what does not look like a word of WeChat's may be a secret at the wrong place.
pub(crate) fn shown(path: &str) -> String {
    const LONGEST: usize = 32;
    static IN_A_WORD: ByteSet = ByteSet::alphanumeric_and(b"_-.");
    let is_word = |segment: &str| {
        let digits = || segment.bytes().filter(u8::is_ascii_digit).count();
        segment.len() <= LONGEST && IN_A_WORD.has_all_of(segment) && digits() <= 4
    };
    let mut shown = String::with_capacity(path.len().min(8 * LONGEST));
    for (at, segment) in path.split('/').take(8).enumerate() {
        if at > 0 {
            shown.push('/');
        }
        shown.push_str(if is_word(segment) { segment } else { "***" });
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(allowed: &[&str]) -> Vec<Box<str>> {
        allowed.iter().map(|path| (*path).into()).collect()
    }

    #[test]
    fn every_path_has_one_family() {
        for (path, family) in [
            ("/cgi-bin/menu/get", Family::App),
            ("/wxa/getwxacode", Family::App),
            ("/snsx/userinfo", Family::App),
            ("/", Family::App),
            ("/cgi-bin/ticket/getticket/", Family::Minting),
            ("/CGI-bin/token", Family::Minting),
            ("/cgi-bin/stable_token/", Family::Minting),
            ("/cgi-bin/clear_quota", Family::App),
            ("/cgi-bin/clear_quota/v2", Family::ClearQuotaBySecret),
            ("/sns/oauth2/access_token", Family::Exchange),
            ("/SNS/oauth2/access_token/", Family::Exchange),
            ("/sns/jscode2session", Family::Exchange),
            ("/sns/oauth2/refresh_token", Family::Renewal),
            ("/sns/userinfo", Family::User),
            ("/Sns/userinfo", Family::User),
            ("/sns", Family::User),
        ] {
            assert_eq!(Family::of(path), family, "{path}");
        }
    }

    #[test]
    fn paths_are_allowed_by_whole_segments() {
        let some = paths(&["/cgi-bin/message", "/wxa/"]);
        for path in [
            "/cgi-bin/message",
            "/cgi-bin/message/custom/send",
            "/wxa/x",
            "/wxa",
        ] {
            assert!(allowed(&some, path), "{path}");
        }
        for path in [
            "/cgi-bin/messages",
            "/cgi-bin",
            "/cgi-bin/menu",
            "/CGI-BIN/message",
            "/wxax",
        ] {
            assert!(!allowed(&some, path), "{path}");
        }
        assert!(allowed(&paths(&["/"]), "/anything") && !allowed(&paths(&[]), "/anything"));
    }

    #[test]
    fn what_harms_others_must_be_named() {
        let guarded = [
            "/cgi-bin/clear_quota",
            "/cgi-bin/clear_quota/v2",
            "/CGI-bin/Clear_quota/v2",
            "/cgi-bin/openapi/rid/get",
            "/cgi-bin/openapi/quota/clear",
        ];
        for path in guarded {
            assert!(
                !allowed(&paths(&["/", "/cgi-bin", "/cgi-bin/openapi"]), path),
                "{path}"
            );
        }
        assert!(allowed(
            &paths(&["/cgi-bin/clear_quota"]),
            "/cgi-bin/clear_quota/v2"
        ));
        assert!(allowed(
            &paths(&["/", "/cgi-bin/openapi/rid/get"]),
            "/cgi-bin/openapi/rid/get"
        ));
        assert!(!allowed(
            &paths(&["/cgi-bin/clear_quota/v2"]),
            "/cgi-bin/clear_quota"
        ));
        assert!(allowed(&paths(&["/"]), "/cgi-bin/openapi/quota/get"));
    }

    #[test]
    fn a_path_is_told_without_what_may_be_a_secret() {
        for path in [
            "/cgi-bin/message/custom/send",
            "/wxa/getwxacodeunlimit",
            "/cgi-bin/clear_quota/v2",
        ] {
            assert_eq!(shown(path), path);
        }
        assert_eq!(shown("/K/0b5e55ed00112233445566778899aabb/x"), "/K/***/x");
        assert_eq!(shown("/a\nforged/微信"), "/***/***");
        assert!(shown(&"/x".repeat(1000)).len() < 20);
    }

    #[test]
    fn what_may_spend_a_code_is_never_repeated() {
        let repeated = |path| Family::of(path).may_repeat(path);
        assert!(
            repeated("/sns/userinfo") && repeated("/sns/auth") && repeated("/cgi-bin/user/info")
        );
        for path in [
            "/sns/oauth2/access_token",
            "/sns/oauth2/refresh_token",
            "/sns/oauth2/component/access_token",
            "/sns/component/jscode2session",
        ] {
            assert!(!repeated(path), "{path}");
        }
    }

    #[test]
    fn a_label_is_one_of_a_few() {
        assert_eq!(label("/cgi-bin/menu/get"), "cgi-bin");
        assert_eq!(label("/WXA/x"), "wxa");
        assert_eq!(label("/x0123/y"), "other");
        assert_eq!(label("/"), "other");
    }
}
