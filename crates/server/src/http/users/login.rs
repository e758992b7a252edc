//! `POST /v1/apps/{appid}/login` and `…/checksession`: a mini program's user signs in, and whether the session still holds.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use http::{Request, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::error::{ApiError, Problem};
use super::super::input;
use super::super::particular::Particular;
use super::super::services::Services;
use super::asked::{Allowed, OfApp, OfUser};
use super::{answered, finished, mix_up, reply};
use crate::config::Permission;
use crate::users::LoginCode;
use crate::words::Sentence;

/// Who signs in.
#[derive(Deserialize, ToSchema)]
pub(crate) struct LoginRequest {
    /// What `wx.login` gave.
    code: String,
}

/// Who that is.
#[derive(Serialize, ToSchema)]
pub(crate) struct LoginReply {
    /// The user, to this app.
    openid: String,
    /// The user, to all apps of one open-platform account; where WeChat tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    unionid: Option<String>,
    /// Only for callers that are allowed `session_key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    session_key: Option<String>,
}

/// Whether a session still holds.
#[derive(Serialize, ToSchema)]
pub(crate) struct CheckReply {
    /// False: have the mini program call `wx.login` again.
    valid: bool,
}

/// A mini program's login code becomes a session, which is kept here (`/sns/jscode2session`).
#[utoipa::path(post, path = "/v1/apps/{appid}/login", tag = "login", security(("caller_key" = [])),
    params(("appid" = String, Path, description = "An AppID")),
    request_body = LoginRequest,
    responses(
        (status = 200, body = LoginReply),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 408, body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
        (status = 502, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn login(
    State(services): State<Arc<Services>>,
    of: OfApp,
    body: Request<Body>,
) -> Result<Response<Body>, ApiError> {
    of.needs(Permission::Login)?;
    let body = input::body(body.into_body(), &services.limits).await?;
    let LoginRequest { code } = input::json(&body, r#"{"code":"…"}"#)?;
    mix_up::login_code(&services, &code)?;
    let code = code.parse::<LoginCode>();
    let code = code.map_err(|why| Particular::malformed(Sentence::of(&why)))?;
    let asked = services.users.login(&of.app, &code);
    let who = finished(&services, &of.app, "login", asked).await?;
    let may = of.request.caller().may(Permission::SessionKey);
    Ok(reply(&LoginReply {
        openid: who.openid.as_str().to_owned(),
        unionid: who.unionid.map(|id| id.as_str().to_owned()),
        session_key: may.then(|| who.session_key.expose().to_owned()),
    }))
}

/// Whether WeChat still knows the session that is kept (`/wxa/checksession`).
#[utoipa::path(post, path = "/v1/apps/{appid}/users/{openid}/checksession", tag = "login", security(("caller_key" = [])),
    params(
        ("appid" = String, Path, description = "An AppID"),
        ("openid" = String, Path, description = "The user, to this app"),
    ),
    responses(
        (status = 200, body = CheckReply),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
        (status = 502, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn check(
    State(services): State<Arc<Services>>,
    asked: OfUser,
) -> Result<Response<Body>, ApiError> {
    let Allowed { of, openid, .. } = asked.allowed(Permission::Login, &services)?;
    let asked = services.users.check_session(&of.app, &openid);
    let valid = answered(&services, &of.app, "checksession", asked).await?;
    Ok(reply(&CheckReply { valid }))
}
