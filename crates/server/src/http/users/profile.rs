//! `GET /v1/apps/{appid}/users/{openid}/profile`: who consented on a page, by their web token.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use http::Response;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::super::error::{ApiError, Problem};
use super::super::services::Services;
use super::asked::{Allowed, OfUser};
use super::{answered, reply};
use crate::config::Permission;
use crate::users::Standing;

/// A user who consented. It holds what they are called, so it has no `Debug`.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProfileReply {
    /// WeChat's call.
    #[schema(example = "/sns/userinfo")]
    source: &'static str,
    /// Which kind of `access_token` it was made with.
    #[schema(example = "web")]
    token: &'static str,
    /// WeChat's fields.
    #[schema(value_type = Object)]
    user: Map<String, Value>,
    /// How their grant stands.
    grant: GrantState,
}

/// How a grant stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GrantState {
    /// What was granted, in WeChat's words.
    #[schema(example = "snsapi_userinfo")]
    scope: String,
    /// When, in Unix seconds.
    granted_at: u64,
    /// Until when it can be renewed without the user, in Unix seconds.
    refresh_expires_at: u64,
    /// A made-up user of a snapshot page (快照页): openid, name and picture are not real.
    snapshot_user: bool,
    /// The user should be sent through the page again soon.
    #[serde(skip_serializing_if = "Option::is_none")]
    ask_again: Option<AskAgainState>,
}

/// Why and since when.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AskAgainState {
    /// `expired`, `invalid` or `revoked`.
    reason: &'static str,
    /// In Unix seconds.
    since: u64,
}

impl From<Standing> for GrantState {
    fn from(grant: Standing) -> Self {
        Self {
            scope: grant.scope.into(),
            granted_at: grant.granted_at,
            refresh_expires_at: grant.refresh_expires_at,
            snapshot_user: grant.is_snapshot,
            ask_again: grant.ask_again.map(|again| AskAgainState {
                reason: again.reason.name(),
                since: again.since.unix_seconds(),
            }),
        }
    }
}

/// A user who consented, by their own web access_token (`/sns/userinfo`), which is renewed when it has to be.
#[utoipa::path(get, path = "/v1/apps/{appid}/users/{openid}/profile", tag = "users", security(("caller_key" = [])),
    params(
        ("appid" = String, Path, description = "An AppID"),
        ("openid" = String, Path, description = "The user, to this app"),
        ("lang" = Option<String>, Query, description = "zh_CN, zh_TW or en"),
        ("fields" = Option<String>, Query, description = "These fields alone, with commas between them"),
    ),
    responses(
        (status = 200, body = ProfileReply),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
        (status = 502, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn show(
    State(services): State<Arc<Services>>,
    asked: OfUser,
) -> Result<Response<Body>, ApiError> {
    let Allowed { of, openid, asks } = asked.allowed(Permission::Users, &services)?;
    asks.of_profiles()?;
    let asked = services.users.profile(&of.app, &openid, asks.language);
    let profile = answered(&services, &of.app, "profile", asked).await?;
    Ok(reply(&ProfileReply {
        source: "/sns/userinfo",
        token: "web",
        user: asks.picked(profile.user.into_fields()),
        grant: profile.grant.into(),
    }))
}
