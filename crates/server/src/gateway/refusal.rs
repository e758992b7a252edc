//! Why a call does not go out, in WeChat's own form, with an `errmsg` that says what to do.

use super::mix_up::MixUp;
use super::target::BadTarget;
use super::upstream::Failure;
use super::virtual_token::NotVirtual;
use crate::http::Reply;
use crate::http::compat::refusal::{self as compat, answer};
use crate::http::error::ApiError;

/// Why a call does not go out, or has no answer.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// WeChat's code and our words.
    Said(i64, &'static str),
    /// Anything that the other doors would refuse too.
    Api(ApiError),
    /// One kind of token taken for the other.
    MixUp(MixUp),
    /// The request-target is none that is forwarded: HTTP 400.
    Target(BadTarget),
    /// It went out, and no answer came.
    Failed(Failure),
    /// Its caller left in the middle of its body.
    Gone,
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

impl From<BadTarget> for Refusal {
    fn from(why: BadTarget) -> Self {
        Self::Target(why)
    }
}

impl Refusal {
    pub(crate) const NO_CALLER: Self = Self::Said(
        40001,
        "invalid credential: a token alone does not say who asks; send a caller key as Bearer, use /k/{key}/ as base URL (path_key = true), take hands_out = \"virtual\", show a client certificate named in `certificate`, or list this address in `from` of a [[caller]] without a key",
    );
    pub(crate) const TWO_CALLERS: Self = Self::Said(
        40001,
        "invalid credential: the request carries the keys or tokens of two different callers; send one",
    );
    pub(crate) const TWO_APPS: Self = Self::Said(
        40013,
        "invalid appid: the request names two different apps (token, Wxtoken-App, path, appid); name one",
    );
    pub(crate) const REVOKED: Self = Self::Said(
        40001,
        "invalid credential: this virtual token's caller was removed, revoked or lost the app; get a new token from /cgi-bin/token here",
    );
    pub(crate) const FORGED: Self = Self::Said(
        40001,
        "invalid credential: this looks like a virtual token but was not made here; get one from /cgi-bin/token of this server",
    );
    pub(crate) const ENDED: Self = Self::Said(
        42001,
        "access_token expired: this virtual token has ended; get a new one from /cgi-bin/token here",
    );
    pub(crate) const NO_TOKEN: Self = Self::Said(
        41001,
        "access_token missing: nothing says for which app this call is; send a token of this server, the header Wxtoken-App, or /k/{key}/{appid}/ as base URL",
    );
    pub(crate) const UNKNOWN_TOKEN: Self = Self::Said(
        40001,
        "invalid credential, access_token is invalid or not latest: it is no token that this server handed out, and nothing else says for which app this call is; get one from /cgi-bin/token here, or send Wxtoken-App",
    );
    pub(crate) const TOO_MANY_TOKENS: Self = Self::Said(
        40035,
        "invalid parameter: the query has more than four access tokens; send one",
    );
    pub(crate) const NEEDLESS_TOKEN: Self = Self::Said(
        40035,
        "invalid parameter: clear_quota/v2 takes the AppSecret and no access_token; leave the token out",
    );
    pub(crate) const TWO_APP_HEADERS: Self = Self::Said(
        40013,
        "invalid appid: Wxtoken-App was sent twice; send it once",
    );
    pub(crate) const NO_APPID: Self = Self::Said(41002, "appid missing");
    pub(crate) const PATH: Self = Self::Said(
        48001,
        "api unauthorized: this caller may not call this path; see `call_paths` in its [[caller]] table (calls that clear quotas or read rids must be named there)",
    );
    pub(crate) const PATH_KEY: Self = Self::Said(
        40001,
        "invalid credential: the key in the path is not known here, or may not stand there; see the [[caller]] tables, and path_key in them",
    );
    pub(crate) const KEY_IN_PATH: Self = Self::Said(
        40001,
        "invalid credential: a caller key stands in the path where none belongs; with path_key = true it is /k/{key}/… in lower case",
    );
    pub(crate) const MINTING: Self = Self::Said(
        48001,
        "api unauthorized: tokens and tickets are not fetched through this server in this spelling; use /cgi-bin/token, /cgi-bin/stable_token or /cgi-bin/ticket/getticket exactly",
    );
    pub(crate) const TRACE: Self = Self::Said(
        43001,
        "require GET method: TRACE is answered with the request as it arrived, and that holds the token",
    );
    pub(crate) const CODED: Self = Self::Said(
        47001,
        "data format error: of Transfer-Encoding only `chunked` is understood here",
    );
    pub(crate) const FULL: Self = Self::Said(
        45011,
        "api minute-quota reach limit, must slower, retry next minute: the gateway's buffers are full, or this caller keeps as much in them as it leaves free for all others (gateway.buffers_total)",
    );

    pub(crate) fn not_virtual(why: NotVirtual) -> Self {
        match why {
            NotVirtual::Ended => Self::ENDED,
            NotVirtual::Forged | NotVirtual::Foreign => Self::FORGED,
        }
    }

    /// WeChat's code for it.
    pub(crate) fn errcode(&self) -> i64 {
        self.code().0
    }

    fn code(&self) -> (i64, String) {
        match self {
            Self::Said(code, text) => (*code, (*text).to_owned()),
            Self::Api(error @ (ApiError::BadKey | ApiError::NoKey)) => {
                (40001, format!("invalid credential: {error}"))
            }
            Self::Api(error) => compat::code(error),
            Self::MixUp(mix_up) => mix_up.told(),
            Self::Target(why) => (43003, format!("invalid url: {why}")),
            Self::Failed(why) => (-1, format!("system error: {why}")),
            Self::Gone => (
                47001,
                "data format error: the request's body broke off".to_owned(),
            ),
        }
    }

    /// The answer: HTTP 200 as WeChat has it, 400 for a target that goes nowhere.
    pub(crate) fn reply(&self, id: &str) -> Reply {
        let (errcode, text) = self.code();
        let mut reply = answer(errcode, &text, id);
        if matches!(self, Self::Target(_)) {
            *reply.status_mut() = http::StatusCode::BAD_REQUEST;
        }
        reply
    }
}
