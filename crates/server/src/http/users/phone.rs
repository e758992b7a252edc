//! `POST /v1/apps/{appid}/phone-number`: the number behind a mini program's phone-number button.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use http::{Request, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::super::error::{ApiError, Problem};
use super::super::input;
use super::super::particular::Particular;
use super::super::services::Services;
use super::asked::{OfApp, openid};
use super::{finished, mix_up, reply};
use crate::config::Permission;
use crate::users::PhoneCode;
use crate::words::Sentence;

/// Whose number is asked for.
#[derive(Deserialize, ToSchema)]
pub(crate) struct PhoneRequest {
    /// What the phone-number button gave; it is not the code of `wx.login`.
    code: String,
    /// Who pressed it, to be checked by WeChat.
    openid: Option<String>,
}

/// The number.
#[derive(Serialize, ToSchema)]
pub(crate) struct PhoneReply {
    /// WeChat's fields, the watermark among them, which names this app.
    #[schema(value_type = Object)]
    phone_info: Map<String, Value>,
}

/// The phone number behind a code (`/wxa/business/getuserphonenumber`); refuses another app's.
#[utoipa::path(post, path = "/v1/apps/{appid}/phone-number", tag = "login", security(("caller_key" = [])),
    params(("appid" = String, Path, description = "An AppID")),
    request_body = PhoneRequest,
    responses(
        (status = 200, body = PhoneReply),
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
pub(crate) async fn number(
    State(services): State<Arc<Services>>,
    of: OfApp,
    body: Request<Body>,
) -> Result<Response<Body>, ApiError> {
    of.needs(Permission::Login)?;
    let body = input::body(body.into_body(), &services.limits).await?;
    let asked: PhoneRequest = input::json(&body, r#"{"code":"…"}"#)?;
    // These have 64 hex digits, as the relay's have, so that one cannot be told from the other.
    mix_up::no_token(&services, "code", &asked.code)?;
    let code = asked.code.parse::<PhoneCode>();
    let code = code.map_err(|why| Particular::malformed(Sentence::of(&why)))?;
    let openid = asked.openid.as_deref();
    let openid = openid
        .map(|text| self::openid(&services, text))
        .transpose()?;
    let asked = services.users.phone_number(&of.app, &code, openid.as_ref());
    let info = finished(&services, &of.app, "phone_number", asked).await?;
    Ok(reply(&PhoneReply {
        phone_info: info.into_fields(),
    }))
}
