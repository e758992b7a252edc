//! WeChat's errcodes as we answer them, each with an `errmsg` that says what is wrong here and how to cure it.

use axum::body::Body;
use axum::extract::Request;
use http::{Method, Response};
use serde::Serialize;

use super::super::Reply;
use super::super::counters::Outcome;
use super::super::error::ApiError;
use super::super::request_id::RequestId;
use super::{Visit, wechat_json};

/// Why a compatible endpoint gives no value.
#[derive(Debug)]
pub(super) enum Refusal {
    /// A parameter is missing or wrong; WeChat's own code and words.
    Parameter(i64, &'static str),
    /// Anything that the native API would refuse too.
    Api(ApiError),
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

#[derive(Serialize)]
struct Errcode<'a> {
    errcode: i64,
    errmsg: &'a str,
}

impl Refusal {
    pub(super) const NO_APPID: Self = Self::Parameter(41002, "appid missing");
    pub(super) const NO_SECRET: Self = Self::Parameter(41004, "appsecret missing");
    pub(super) const PATH_KEY: Self = Self::Parameter(
        40125,
        "invalid appsecret: the key in the path is not known here, or may not stand there; see the [[caller]] tables, and path_key in them",
    );
    pub(super) const GRANT_TYPE: Self =
        Self::Parameter(40002, "invalid grant_type: it must be client_credential");
    pub(super) const NOT_JSON: Self =
        Self::Parameter(47001, "data format error: send one JSON object");

    fn outcome(&self) -> Outcome {
        match self {
            Self::Parameter(..) => Outcome::Refused,
            Self::Api(error) => Outcome::of(&error.reply()),
        }
    }

    /// WeChat's code for it, and what to say.
    fn code(&self) -> (i64, String) {
        match self {
            Self::Parameter(code, text) => (*code, (*text).to_owned()),
            Self::Api(error) => code(error),
        }
    }

    /// The answer; as in WeChat's, the request's id stands at the end of `errmsg`.
    pub(super) fn reply(&self, id: &str) -> Reply {
        let (errcode, text) = self.code();
        let mut reply = answer(errcode, &text, id);
        reply.extensions_mut().insert(self.outcome());
        reply
    }
}

/// WeChat's code for what the native API would refuse too, and what to say.
pub(crate) fn code(error: &ApiError) -> (i64, String) {
    match error {
        ApiError::BadKey | ApiError::NoKey => (
            40125,
            "invalid appsecret: send a caller key of this server as `secret`".to_owned(),
        ),
        ApiError::ForeignApp | ApiError::UnknownApp => (40013, format!("invalid appid: {error}")),
        // Not -1, which means "busy" and which SDKs repeat by themselves.
        ApiError::WrongAddress => (40164, format!("invalid ip, not in whitelist: {error}")),
        ApiError::NotAllowed(_) => (48001, format!("api unauthorized: {error}")),
        ApiError::TooFast { .. } | ApiError::TooManyAtOnce => (
            45011,
            format!("api minute-quota reach limit, must slower, retry next minute: {error}"),
        ),
        // It stays until somebody changes the configuration.
        ApiError::NoLive { why, .. } if why.reason == "shadow" => {
            (48001, format!("api unauthorized: {}", why.detail))
        }
        ApiError::NoLive { why, .. } => (
            why.errcode.unwrap_or(-1),
            format!("no live token: {}", why.detail),
        ),
        other => (-1, format!("system error: {other}")),
    }
}

/// An errcode as WeChat answers it: HTTP 200, the request's id at the end of `errmsg`.
pub(crate) fn answer(errcode: i64, text: &str, id: &str) -> Reply {
    let errmsg = format!("{text} rid: {id}");
    let body = serde_json::to_vec(&Errcode {
        errcode,
        errmsg: &errmsg,
    });
    wechat_json(body.unwrap_or_default())
}

/// A known path with another method: 43001 and 43002, as WeChat has it.
pub(crate) async fn wrong_method(visit: Visit, request: Request) -> Response<Body> {
    wrong(request.method(), &visit.id).map(Body::from)
}

fn wrong(method: &Method, id: &RequestId) -> Reply {
    let refusal = match *method {
        Method::GET | Method::HEAD => Refusal::Parameter(43002, "require POST method"),
        _ => Refusal::Parameter(43001, "require GET method"),
    };
    refusal.reply(id.as_str())
}
