//! Why a running server could not be asked or did not do it, and what to do about it.

use http::StatusCode;
use serde::Deserialize;

use super::target::InvalidTarget;
use super::wire::NoAnswer;

/// Which of a server's doors is used: each has its own address and key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// The API that callers read from.
    Api,
    /// The admin listener.
    Admin,
}

impl Door {
    /// The variable that names its address.
    pub(crate) const fn url_name(self) -> &'static str {
        match self {
            Self::Api => "WXTOKEN_URL",
            Self::Admin => "WXTOKEN_ADMIN_URL",
        }
    }

    /// The variable that holds its key.
    pub(crate) const fn key_name(self) -> &'static str {
        match self {
            Self::Api => "WXTOKEN_KEY",
            Self::Admin => "WXTOKEN_ADMIN_KEY",
        }
    }

    /// Where it is if nothing is said.
    pub(crate) const fn default_url(self) -> &'static str {
        match self {
            Self::Api => "http://127.0.0.1:7200",
            Self::Admin => "http://127.0.0.1:7201",
        }
    }

    /// How the key is asked for on a terminal.
    pub(crate) const fn question(self) -> &'static str {
        match self {
            Self::Api => "Caller key (not shown)",
            Self::Admin => "Admin key (not shown)",
        }
    }

    const fn in_words(self) -> &'static str {
        match self {
            Self::Api => "API ([server] listen in wxtoken.toml)",
            Self::Admin => "admin listener ([admin] listen in wxtoken.toml)",
        }
    }

    const fn whose_key(self) -> &'static str {
        match self {
            Self::Api => "a caller's key ([[caller]] in wxtoken.toml; `wxtoken key` makes one)",
            Self::Admin => "the admin key ([admin] key in wxtoken.toml)",
        }
    }
}

/// What went wrong, each with its cure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// The address is malformed.
    #[error("{name} is not an address of a server")]
    Address {
        /// Which variable.
        name: &'static str,
        /// What is wrong with it.
        #[source]
        source: InvalidTarget,
    },
    /// The key cannot be sent.
    #[error("{0} holds a character that no key has (a line end, perhaps)")]
    KeyCharacters(&'static str),
    /// An AppID or kind that cannot be in a path; both are checked before, so a defect.
    #[error("that cannot be asked for")]
    Path,
    /// No server there.
    #[error(
        "no server answers at {url}: is it running? Start it with `wxtoken serve`, or set {name} to where it listens"
    )]
    NotRunning {
        /// Where.
        url: String,
        /// Which variable names it.
        name: &'static str,
        /// Why not.
        #[source]
        source: NoAnswer,
    },
    /// TLS failed.
    #[error(
        "the certificate of {url} is not accepted; if your own authority signed it, set WXTOKEN_CA to that \
         authority's PEM file"
    )]
    Certificate {
        /// Where.
        url: String,
        /// Why not.
        #[source]
        source: NoAnswer,
    },
    /// The connection broke or took too long.
    #[error("{url} did not answer properly")]
    NoAnswer {
        /// Where.
        url: String,
        /// Why not.
        #[source]
        source: NoAnswer,
    },
    /// 401.
    #[error("the server at {url} does not know this key (401): {name} must hold {whose}")]
    Unauthorized {
        /// Where.
        url: String,
        /// Which variable.
        name: &'static str,
        /// What it must be.
        whose: &'static str,
    },
    /// 403.
    #[error("the server does not allow that (403): {0}")]
    Forbidden(String),
    /// 404.
    #[error("not found (404): {0}. `wxtoken status` lists the apps and kinds the server has")]
    NotFound(String),
    /// 404 on a route that every server of this version has there.
    #[error(
        "{url} has no such path (404): is that the right one of its two addresses? {name} must name the {which}"
    )]
    OtherDoor {
        /// Where.
        url: String,
        /// Which variable names it.
        name: &'static str,
        /// What it must name.
        which: &'static str,
    },
    /// 429.
    #[error("too many requests with this key (429); try again in {0} s")]
    TooMany(u64),
    /// 503.
    #[error("there is no live value now: {0}")]
    NoLive(String),
    /// Any other refusal.
    #[error("the server answered {status}: {detail}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What it said.
        detail: String,
    },
    /// Something else listens there.
    #[error(
        "what answers at {url} (HTTP {status}) is not a wxtoken server of this version; is the address right?"
    )]
    NotOurs {
        /// Where.
        url: String,
        /// The HTTP status.
        status: u16,
    },
}

/// What a refusal holds (RFC 9457).
#[derive(Debug, Default, Deserialize)]
struct Problem {
    #[serde(rename = "type")]
    kind: Option<String>,
    title: Option<String>,
    detail: Option<String>,
    reason: Option<String>,
    errcode: Option<i64>,
    next_try: Option<u64>,
}

impl Problem {
    fn into_text(self) -> Option<String> {
        let mut text = self.detail.or(self.title)?;
        if let Some(reason) = self.reason.filter(|reason| !text.contains(reason)) {
            text = format!("{text} ({reason})");
        }
        if let Some(code) = self.errcode {
            text = format!("{text}; WeChat said {code}, see `wxtoken explain {code}`");
        }
        if let Some(at) = self.next_try {
            text = format!("{text}; next try at {}", crate::when::clock_time(at));
        }
        Some(text)
    }
}

impl Trouble {
    pub(super) fn no_answer(door: Door, url: &str, source: NoAnswer) -> Self {
        let url = url.to_owned();
        match source {
            NoAnswer::Connect(_) => Self::NotRunning {
                url,
                name: door.url_name(),
                source,
            },
            NoAnswer::Tls(_) => Self::Certificate { url, source },
            NoAnswer::TimedOut(_)
            | NoAnswer::Name(_)
            | NoAnswer::Roots { .. }
            | NoAnswer::Broken(_) => Self::NoAnswer { url, source },
        }
    }

    pub(super) fn refused(
        door: Door,
        url: &str,
        status: StatusCode,
        retry_after: Option<u64>,
        body: &[u8],
    ) -> Self {
        let problem = serde_json::from_slice::<Problem>(body).ok();
        let no_live = problem.as_ref().is_some_and(|p| p.reason.is_some());
        let no_path = problem
            .as_ref()
            .and_then(|p| p.kind.as_deref())
            .is_some_and(|kind| kind.ends_with(":no-such-path"));
        let said = problem.and_then(Problem::into_text);
        let Some(detail) = said else {
            return Self::NotOurs {
                url: url.to_owned(),
                status: status.as_u16(),
            };
        };
        match status {
            StatusCode::UNAUTHORIZED => Self::Unauthorized {
                url: url.to_owned(),
                name: door.key_name(),
                whose: door.whose_key(),
            },
            StatusCode::FORBIDDEN => Self::Forbidden(detail),
            StatusCode::NOT_FOUND if no_path => Self::OtherDoor {
                url: url.to_owned(),
                name: door.url_name(),
                which: door.in_words(),
            },
            StatusCode::NOT_FOUND => Self::NotFound(detail),
            StatusCode::TOO_MANY_REQUESTS => Self::TooMany(retry_after.unwrap_or(1)),
            StatusCode::SERVICE_UNAVAILABLE if no_live => Self::NoLive(detail),
            _ => Self::Refused {
                status: status.as_u16(),
                detail,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: StatusCode, body: &str) -> String {
        Trouble::refused(Door::Api, "http://x", status, None, body.as_bytes()).to_string()
    }

    #[test]
    fn every_refusal_names_its_cure() {
        let body = r#"{"type":"about:blank","title":"no","detail":"app wx1 is not yours"}"#;
        assert!(refused(StatusCode::UNAUTHORIZED, body).contains("WXTOKEN_KEY must hold"));
        assert!(refused(StatusCode::FORBIDDEN, body).contains("wx1 is not yours"));
        assert!(refused(StatusCode::NOT_FOUND, body).contains("wxtoken status"));
        assert!(refused(StatusCode::TOO_MANY_REQUESTS, body).contains("in 1 s"));
        assert!(refused(StatusCode::BAD_REQUEST, body).contains("400"));
    }

    #[test]
    fn a_path_that_is_not_there_means_the_other_address() {
        let body = r#"{"type":"urn:wxtoken:problem:no-such-path","title":"No such path"}"#;
        let said = refused(StatusCode::NOT_FOUND, body);
        assert!(said.contains("WXTOKEN_URL must name the API"), "{said}");
    }

    #[test]
    fn no_live_token_is_told_with_the_reason_wechats_code_and_the_next_try() {
        let body = r#"{"detail":"WeChat refuses","reason":"refused","errcode":40164,"next_try":1795000000}"#;
        let text = refused(StatusCode::SERVICE_UNAVAILABLE, body);
        for part in [
            "WeChat refuses",
            "refused",
            "wxtoken explain 40164",
            "2026-11-18",
        ] {
            assert!(text.contains(part), "{part} is missing: {text}");
        }
    }

    #[test]
    fn an_answer_that_is_no_problem_document_is_not_ours() {
        assert!(refused(StatusCode::BAD_GATEWAY, "<html>").contains("not a wxtoken server"));
    }
}
