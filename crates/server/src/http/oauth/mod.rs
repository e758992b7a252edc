//! `POST /v1/oauth/redeem`: a site's server learns who came back with a code.
//!
//! Must not know: how a code is made, what the browser went through.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use http::{Request, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Wall;
use wxtoken_core::store::StoreError;
use wxtoken_core::user::OpenId;

use super::door::Admitted;
use super::error::{ApiError, Problem};
use super::input;
use super::native::fresh_json;
use super::services::Services;
use super::users::mix_up;
use crate::config::Permission;
use crate::relay::{NotRedeemed, Redeemable};

/// A code that a user brought back.
#[derive(Deserialize, ToSchema)]
pub(crate) struct RedeemRequest {
    /// The `code` of the page's address.
    code: String,
}

/// Who came back.
#[derive(Serialize, ToSchema)]
pub(crate) struct RedeemReply {
    /// The app they signed in to.
    #[schema(example = "wx0123456789abcdef")]
    appid: String,
    /// The user, to this app.
    openid: String,
    /// The user, to all apps of one open-platform account; where WeChat tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    unionid: Option<String>,
    /// What was granted, in WeChat's words.
    #[schema(example = "snsapi_userinfo")]
    scope: String,
    /// A made-up user of a snapshot page (快照页): openid, name and picture are not real.
    snapshot_user: bool,
    /// When it was granted, in Unix seconds.
    granted_at: u64,
}

/// Tells who came back with a code; once, within a minute, and only the caller whose `return_to` lists the page.
#[utoipa::path(post, path = "/v1/oauth/redeem", tag = "users", security(("caller_key" = [])),
    request_body = RedeemRequest,
    responses(
        (status = 200, body = RedeemReply),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 408, body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn redeem(
    State(services): State<Arc<Services>>,
    Admitted(request): Admitted,
    body: Request<Body>,
) -> Result<Response<Body>, ApiError> {
    let caller = request.caller();
    if !caller.may(Permission::Users) {
        return Err(ApiError::NotAllowed(Permission::Users));
    }
    let body = input::body(body.into_body(), &services.limits).await?;
    let RedeemRequest { code } = input::json(&body, r#"{"code":"…"}"#)?;
    mix_up::relays_code(&services, &code)?;
    let store = services.users.store().as_ref();
    let taken = Redeemable::take(&code, caller.name(), &services.relay, store).await;
    let found = taken.map_err(|why| match why {
        NotRedeemed::Unknown | NotRedeemed::Seal => ApiError::UnknownCode,
        NotRedeemed::Store(error) => away(&error, ApiError::NoUserStore),
    })?;
    let app: AppId = found.app.parse().map_err(|_| ApiError::UnknownCode)?;
    let openid: OpenId = found.openid.parse().map_err(|_| ApiError::UnknownCode)?;
    if !caller.sees(&app) {
        return Err(ApiError::ForeignApp);
    }
    let held = store.read(&app, &openid).await;
    let held = held.map_err(|error| away(&error, ApiError::CodeSpent))?;
    // What was deleted in between is not handed out.
    if held.and_then(|held| held.record.grant).is_none() {
        return Err(ApiError::UnknownCode);
    }
    let reply = RedeemReply {
        appid: found.app,
        openid: found.openid,
        unionid: found.unionid,
        scope: found.scope,
        snapshot_user: found.is_snapshot,
        granted_at: Wall(found.granted_at).unix_seconds(),
    };
    Ok(fresh_json(serde_json::to_vec(&reply).unwrap_or_default()).map(Body::from))
}

fn away(error: &StoreError, told: ApiError) -> ApiError {
    tracing::error!(%error, "a code could not be redeemed: {error}");
    told
}
