//! `POST /v1/apps/{appid}/users/{openid}/decrypt`: a mini program's encrypted data, with the session that is kept here.

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
use super::asked::{Allowed, OfUser};
use super::{answered, reply};
use crate::config::Permission;
use crate::users::Encrypted;
use crate::words::Sentence;

/// What the mini program was given.
#[derive(Deserialize, ToSchema)]
pub(crate) struct DecryptRequest {
    /// `encryptedData`.
    encrypted_data: String,
    /// `iv`.
    iv: String,
    /// `rawData`, to be checked together with `signature`.
    raw_data: Option<String>,
    /// `signature`.
    signature: Option<String>,
}

/// What it says.
#[derive(Serialize, ToSchema)]
pub(crate) struct DecryptReply {
    /// WeChat's fields, the watermark among them, which names this app.
    #[schema(value_type = Object)]
    data: Map<String, Value>,
}

/// Decrypts a mini program's user data with the session that is kept; refuses another app's.
#[utoipa::path(post, path = "/v1/apps/{appid}/users/{openid}/decrypt", tag = "login", security(("caller_key" = [])),
    params(
        ("appid" = String, Path, description = "An AppID"),
        ("openid" = String, Path, description = "The user, to this app"),
    ),
    request_body = DecryptRequest,
    responses(
        (status = 200, body = DecryptReply),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 408, body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn decrypt(
    State(services): State<Arc<Services>>,
    asked: OfUser,
    body: Request<Body>,
) -> Result<Response<Body>, ApiError> {
    let Allowed { of, openid, .. } = asked.allowed(Permission::Login, &services)?;
    let body = input::body(body.into_body(), &services.limits).await?;
    let sent: DecryptRequest = input::json(&body, r#"{"encrypted_data":"…","iv":"…"}"#)?;
    let signed = match (sent.raw_data.as_deref(), sent.signature.as_deref()) {
        (Some(raw), Some(signature)) => Some((raw, signature)),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => return Err(half()),
    };
    let encrypted = Encrypted {
        data: &sent.encrypted_data,
        iv: &sent.iv,
        signed,
    };
    let asked = services.users.decrypt(&of.app, &openid, encrypted);
    let data = answered(&services, &of.app, "decrypt", asked).await?;
    Ok(reply(&DecryptReply { data }))
}

fn half() -> ApiError {
    Particular::malformed(Sentence::new(
        "`raw_data` 和 `signature` 要么都给，要么都不给",
        "`raw_data` and `signature` go together: send both, or neither",
    ))
    .into()
}
