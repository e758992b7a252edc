//! What can go wrong for a client of the native and admin APIs, and the one place that chooses status codes.
//!
//! The answer is RFC 9457 `application/problem+json` with a `type` that never changes; it never holds a secret.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::IntoResponse;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use wxtoken_core::clock::{Wall, millis};

use super::Reply;
use super::jssdk::Unsignable;
use super::particular::Particular;
use crate::config::Permission;
use crate::keeper::{Absent, KeeperStopped, NoLive};
use crate::words::Sentence;

pub use super::problem::Problem;

const AWAY: StatusCode = StatusCode::SERVICE_UNAVAILABLE;

/// Why a request is not answered as hoped. The text is for the client: what is wrong and how to cure it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ApiError {
    /// No key was sent.
    #[error("send a key: `Authorization: Bearer <key>`, once")]
    NoKey,
    /// The key is nobody's.
    #[error(
        "this key is not known here; see the [[caller]] tables and the [admin] section of the configuration"
    )]
    BadKey,
    /// The caller exists but may not come from there.
    #[error("this caller may not come from this address; see `from` in its [[caller]] table")]
    WrongAddress,
    /// The caller's rate is used up.
    #[error("this caller asks too often; see `rate` in its [[caller]] table")]
    TooFast {
        /// When it may ask again.
        retry_after: Duration,
    },
    /// The caller has too many requests open.
    #[error("this caller has too many requests open; see `concurrency` in its [[caller]] table")]
    TooManyAtOnce,
    /// The caller may not do this.
    #[error("this caller may not do this: `allow` in its [[caller]] table lacks \"{}\"", .0.name())]
    NotAllowed(Permission),
    /// The app is not among the caller's.
    #[error("this app is not this caller's; see `apps` in its [[caller]] table")]
    ForeignApp,
    /// There is no such app.
    #[error("there is no such app here; see the [[app]] tables of the configuration")]
    UnknownApp,
    /// The app has no such kind of credential.
    #[error("this app has no such kind of credential here; see `kinds` in its [[app]] table")]
    UnknownKind,
    /// A page or a card is not signed.
    #[error(transparent)]
    Unsignable(#[from] Unsignable),
    /// There is no such caller.
    #[error("there is no such caller here; see the [[caller]] tables of the configuration")]
    UnknownCaller,
    /// The caller is revoked, and the store could not note it.
    #[error(
        "this caller's virtual tokens are dead from now on, but the store could not note that, so a restart would revive them: {0}; cure that and ask again"
    )]
    NotSaved(Sentence),
    /// A code of the OAuth relay is of no use to this caller.
    #[error(
        "this code was redeemed already, is older than a minute, or was not made for this caller: redeem it at once, and only once, with the key of the caller whose return_to lists the page"
    )]
    UnknownCode,
    /// What is kept of users cannot be reached.
    #[error("what is kept of users cannot be reached now; ask again in a moment")]
    NoUserStore,
    /// A code was taken, and then the store could not be asked.
    #[error(
        "the code is spent, but what it stands for could not be looked up: the store of users cannot be used now; let the user sign in again"
    )]
    CodeSpent,
    /// There is no such path.
    #[error("there is no such path; {0} lists what there is")]
    NoSuchPath(&'static str),
    /// The path is one that browsers ask for.
    #[error(
        "there is no such path here: /oauth, /jssdk and /push are on the [public] listener; {0} lists what there is here"
    )]
    OnPublicListener(&'static str),
    /// The path exists, with another method.
    #[error("this path exists, but not with this method; `Allow` names those it has")]
    WrongMethod,
    /// The body is larger than is read here.
    #[error("the body is too large; {0} bytes are the most")]
    TooLarge(usize),
    /// The body did not come in time.
    #[error("the body did not arrive in time")]
    TooSlow,
    /// The request cannot be understood.
    #[error("{0}")]
    Malformed(String),
    /// There is no live value.
    #[error("{}", why.detail)]
    NoLive {
        /// Why.
        why: Arc<NoLive>,
        /// The time of the answer.
        now: Wall,
    },
    /// The request came to a name that is not ours.
    #[error(
        "the admin listener is not known by this name: use a loopback name or the address it listens on"
    )]
    ForeignHost,
    /// A page of another site sent the request.
    #[error("pages of other sites may not use the admin listener")]
    ForeignOrigin,
    /// A problem of one feature.
    #[error(transparent)]
    Particular(Box<Particular>),
    /// The server is stopping.
    #[error("the server is stopping; ask another replica, or again in a few seconds")]
    Stopping,
    /// A fault of ours.
    #[error("something went wrong inside the server; its log says what")]
    Internal,
}

impl ApiError {
    /// The error of a key that is not on the shelf.
    pub(crate) fn absent(absent: Absent, now: Wall) -> Self {
        match absent {
            Absent::UnknownApp => Self::UnknownApp,
            Absent::UnknownKind => Self::UnknownKind,
            Absent::NoLive(why) => Self::NoLive { why, now },
        }
    }

    /// Status, stable name and title.
    const fn sort(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::NoKey => (StatusCode::UNAUTHORIZED, "no-key", "No key was sent"),
            Self::BadKey => (StatusCode::UNAUTHORIZED, "bad-key", "The key is not known"),
            Self::WrongAddress => (
                StatusCode::FORBIDDEN,
                "wrong-address",
                "Not from this address",
            ),
            Self::NotAllowed(_) => (StatusCode::FORBIDDEN, "not-allowed", "Not allowed"),
            Self::ForeignApp => (
                StatusCode::FORBIDDEN,
                "foreign-app",
                "Not this caller's app",
            ),
            Self::UnknownApp => (StatusCode::NOT_FOUND, "unknown-app", "No such app"),
            Self::UnknownKind => (StatusCode::NOT_FOUND, "unknown-kind", "No such kind"),
            Self::Unsignable(why) => why.sort(),
            Self::UnknownCaller => (StatusCode::NOT_FOUND, "unknown-caller", "No such caller"),
            Self::UnknownCode => (StatusCode::NOT_FOUND, "unknown-code", "No such code"),
            Self::NoUserStore => (AWAY, "store-away", "The store is away"),
            Self::CodeSpent => (AWAY, "code-spent", "The code is spent"),
            Self::NotSaved(_) => (AWAY, "not-saved", "Done, but not saved"),
            Self::NoSuchPath(_) | Self::OnPublicListener(_) => {
                (StatusCode::NOT_FOUND, "no-such-path", "No such path")
            }
            Self::WrongMethod => (
                StatusCode::METHOD_NOT_ALLOWED,
                "wrong-method",
                "Wrong method",
            ),
            Self::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "Too large"),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "too-slow", "Too slow"),
            Self::Malformed(_) => (StatusCode::BAD_REQUEST, "malformed", "Not understood"),
            Self::TooFast { .. } => (StatusCode::TOO_MANY_REQUESTS, "too-fast", "Too often"),
            Self::TooManyAtOnce => (
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-at-once",
                "Too many at once",
            ),
            Self::NoLive { .. } => (AWAY, "no-live-token", "No live token"),
            Self::ForeignHost => (StatusCode::FORBIDDEN, "foreign-host", "Unknown host name"),
            Self::ForeignOrigin => (StatusCode::FORBIDDEN, "foreign-origin", "Foreign origin"),
            Self::Particular(problem) => (problem.status, problem.name, problem.title),
            Self::Stopping => (AWAY, "stopping", "Stopping"),
            Self::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "Internal error",
            ),
        }
    }

    /// The status alone.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.sort().0
    }

    /// The problem as it is put into JSON.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let (status, name, title) = self.sort();
        let why = match self {
            Self::NoLive { why, .. } => Some(why),
            _ => None,
        };
        let particular = match self {
            Self::Particular(problem) => Some(problem),
            _ => None,
        };
        let since = why.map(|why| why.since);
        let errcode = why.and_then(|why| why.errcode);
        Problem {
            problem: format!("urn:wxtoken:problem:{name}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: self.to_string(),
            detail_zh: self.in_chinese(),
            reason: why
                .map(|why| why.reason)
                .or(particular.and_then(|why| why.reason))
                .map(str::to_owned),
            since: since
                .or(particular.and_then(|why| why.since))
                .map(Wall::unix_seconds),
            next_try: why.and_then(|why| why.next_try).map(Wall::unix_seconds),
            errcode: errcode.or(particular.and_then(|why| why.errcode)),
        }
    }

    /// In how many seconds asking again makes sense, where that is known.
    pub(in crate::http) fn retry_after(&self) -> Option<u64> {
        match self {
            Self::TooFast { retry_after } => Some(millis(*retry_after).div_ceil(1000).max(1)),
            Self::TooManyAtOnce | Self::Stopping | Self::NoUserStore => Some(1),
            Self::Particular(problem) => problem.retry_after,
            Self::NoLive { why, now } => {
                let next = why.next_try?;
                Some(next.since(*now).div_ceil(1000).max(1))
            }
            _ => None,
        }
    }

    /// The complete answer.
    pub(crate) fn reply(&self) -> Reply {
        let body = serde_json::to_vec(&self.problem()).unwrap_or_default();
        let mut reply = Response::new(body.into());
        *reply.status_mut() = self.status();
        let headers = reply.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after() {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if matches!(self, Self::NoKey | Self::BadKey) {
            headers.insert(
                WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"wxtoken\""),
            );
        }
        reply
    }
}

impl From<KeeperStopped> for ApiError {
    fn from(_: KeeperStopped) -> Self {
        Self::Stopping
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response<Body> {
        self.reply().map(Body::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_token_says_why_since_when_and_when_it_is_tried_again() {
        let why = NoLive {
            reason: "refused",
            detail: Sentence::new(
                "微信说 AppSecret 不对",
                "WeChat says the AppSecret is wrong",
            ),
            errcode: Some(40125),
            since: Wall(1_795_000_000_000),
            next_try: Some(Wall(1_795_000_060_000)),
        };
        let error = ApiError::absent(Absent::NoLive(Arc::new(why)), Wall(1_795_000_001_500));
        let reply = error.reply();
        assert_eq!(reply.status(), 503);
        assert_eq!(reply.headers()[RETRY_AFTER], "59");
        assert_eq!(reply.headers()[CONTENT_TYPE], "application/problem+json");
        let problem: Problem = serde_json::from_slice(reply.body()).unwrap();
        assert_eq!(problem.problem, "urn:wxtoken:problem:no-live-token");
        assert_eq!(problem.reason.as_deref(), Some("refused"));
        assert_eq!(problem.since, Some(1_795_000_000));
        assert_eq!(problem.next_try, Some(1_795_000_060));
        assert_eq!(problem.errcode, Some(40125));
    }

    #[test]
    fn a_refusal_is_explained_in_chinese_too() {
        let refusals = [
            (ApiError::BadKey, "[[caller]]"),
            (ApiError::ForeignApp, "`apps`"),
            (ApiError::NotAllowed(Permission::Login), "\"login\""),
            (ApiError::UnknownCode, "只兑换一次"),
            (ApiError::TooLarge(4096), "4096"),
            (
                ApiError::OnPublicListener("/v1/openapi.json"),
                "[public] 端口",
            ),
            (
                ApiError::NotSaved(Sentence::new("磁盘已满", "disk full")),
                "磁盘已满",
            ),
        ];
        for (refusal, part) in refusals {
            let problem: Problem = serde_json::from_slice(refusal.reply().body()).unwrap();
            assert!(problem.detail_zh.unwrap().contains(part), "{refusal}");
        }
    }

    #[test]
    fn a_refused_key_is_told_how_to_send_one_and_a_fast_caller_when_to_come_back() {
        assert_eq!(
            ApiError::NoKey.reply().headers()[WWW_AUTHENTICATE],
            "Bearer realm=\"wxtoken\""
        );
        let fast = ApiError::TooFast {
            retry_after: Duration::from_millis(1001),
        };
        assert_eq!(fast.reply().headers()[RETRY_AFTER], "2");
        assert_eq!(fast.reply().status(), 429);
    }
}
