//! `POST /v1/apps/{appid}/jssdk-signature`: what a page gives to `wx.config`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use http::{Request, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Wall;
use wxtoken_core::credential::{Kind, Token};

use super::super::error::{ApiError, Problem};
use super::super::input;
use super::super::native::fresh_json;
use super::super::services::Services;
use super::{MaySign, Unsignable};
use crate::jssdk::{Nonce, PageUrl, page_signature};

/// The most names of functions that a page asks for.
const MOST: usize = 100;
/// The longest name, in bytes.
const LONGEST: usize = 64;

/// The page that is to be signed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PageRequest {
    /// The page's own address, `location.href`. What follows a `#` is cut off; all else is signed as it is.
    #[schema(example = "https://shop.example.com/cart?id=7")]
    url: String,
    /// The functions that the page wants; they come back in `jsApiList`.
    #[serde(default)]
    #[schema(example = json!(["chooseImage"]))]
    js_api_list: Vec<String>,
}

/// What `wx.config` wants, by the names that it has there.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct PageReply {
    /// The AppID.
    #[schema(example = "wx0123456789abcdef")]
    app_id: String,
    /// When it was signed, in Unix seconds.
    timestamp: u64,
    /// A random text that was signed too.
    nonce_str: String,
    /// The signature.
    signature: String,
    /// The functions that were asked for.
    js_api_list: Vec<String>,
}

impl PageReply {
    /// Signs a page.
    pub(crate) fn signed(
        app: &AppId,
        ticket: &Token,
        nonce: &Nonce,
        now: Wall,
        page: &PageUrl,
        js_api_list: Vec<String>,
    ) -> Self {
        let timestamp = now.unix_seconds();
        let signature = page_signature(ticket, nonce, timestamp, page);
        Self {
            app_id: app.to_string(),
            timestamp,
            nonce_str: nonce.as_str().to_owned(),
            signature: signature.as_str().to_owned(),
            js_api_list,
        }
    }

    /// As JSON.
    pub(crate) fn json(&self) -> Result<Vec<u8>, ApiError> {
        serde_json::to_vec(self).map_err(|_| ApiError::Internal)
    }
}

/// Signs a page for the JS-SDK: the answer is what `wx.config` wants. The page's origin must be among the caller's
/// `sign_origins`. The ticket stays here.
#[utoipa::path(post, path = "/v1/apps/{appid}/jssdk-signature", tag = "sign", security(("caller_key" = [])),
    params(("appid" = String, Path, description = "An AppID")),
    request_body = PageRequest,
    responses(
        (status = 200, body = PageReply),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn sign_page(
    State(services): State<Arc<Services>>,
    MaySign { request, app }: MaySign,
    body: Request<Body>,
) -> Result<Response<Body>, ApiError> {
    let body = input::body(body.into_body(), &services.limits).await?;
    let PageRequest { url, js_api_list } = input::json(
        &body,
        r#"{"url":"https://…","js_api_list":["chooseImage"]}"#,
    )?;
    let page: PageUrl = url
        .parse()
        .map_err(|why: crate::jssdk::InvalidPageUrl| ApiError::Malformed(why.to_string()))?;
    check_list(&js_api_list)?;
    let origins = &request.caller().config().sign_origins;
    if !origins.contains(page.origin()) {
        return Err(Unsignable::OriginNotListed(page.origin().clone()).into());
    }
    let ticket = super::ticket(&services, app, Kind::JsapiTicket).await?;
    let now = services.keeper.now().wall;
    let nonce = super::nonce()?;
    let reply = PageReply::signed(&app, &ticket.token, &nonce, now, &page, js_api_list);
    Ok(fresh_json(reply.json()?).map(Body::from))
}

/// They are given back as they are, so they must be what they are meant for.
fn check_list(names: &[String]) -> Result<(), ApiError> {
    let is_name = |name: &String| {
        (1..=LONGEST).contains(&name.len())
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_.:-".contains(&b))
    };
    if names.len() <= MOST && names.iter().all(is_name) {
        return Ok(());
    }
    Err(ApiError::Malformed(format!(
        "`js_api_list` has at most {MOST} names such as \"chooseImage\", of letters and digits"
    )))
}
