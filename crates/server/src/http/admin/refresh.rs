//! `POST /admin/apps/{appid}/{kind}/refresh`: an operator's refresh, within the budgets.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use http::{Request, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wxtoken_core::budget::BudgetKind;
use wxtoken_core::credential::{Credential, CredentialKey, Kind};
use wxtoken_core::refresh::HeldBack;

use super::super::error::{ApiError, Problem};
use super::super::native::fresh_json;
use super::super::{input, render};
use super::AdminServices;
use super::apps::{BudgetReport, budgets};
use crate::keeper::{KeeperStopped, RefreshOutcome};
use crate::words::Sentence;

/// How long an operator waits for the outcome.
const WAIT: Duration = Duration::from_secs(30);

/// How to refresh.
#[derive(Deserialize, ToSchema)]
pub(crate) struct RefreshRequest {
    /// Stable with `force_refresh`: ends the value everybody holds; 20 a day, 30 s apart.
    #[serde(default)]
    force: bool,
}

/// What became of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RefreshReply {
    /// WeChat's forced quota as it was before this call: used and allowed today.
    #[serde(skip_serializing_if = "Option::is_none")]
    forced_before: Option<BudgetReport>,
    /// `refreshed`; `unchanged`: WeChat answers with the value we have; `failed`; `over_budget` or `held_back`: nothing
    /// was asked, and nothing is left to be asked later.
    #[schema(example = "refreshed")]
    outcome: &'static str,
    /// What went wrong, and the cure.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// The same in Chinese.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail_zh: Option<String>,
    /// The generation handed out now.
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<u64>,
    /// When that ends, in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<u64>,
}

/// Refreshes now.
#[utoipa::path(post, path = "/admin/apps/{appid}/{kind}/refresh", tag = "admin", security(("admin_key" = [])),
    params(
        ("appid" = String, Path, description = "An AppID"),
        ("kind" = String, Path, description = "access_token, jsapi_ticket or card_ticket"),
    ),
    request_body = RefreshRequest,
    responses(
        (status = 200, body = RefreshReply),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn refresh(
    State(admin): State<Arc<AdminServices>>,
    path: Result<Path<(String, String)>, PathRejection>,
    request: Request<Body>,
) -> Result<Response<Body>, ApiError> {
    let Path((app, kind)) = path.map_err(|_| ApiError::UnknownApp)?;
    let app = app.parse().map_err(|_| ApiError::UnknownApp)?;
    let kind: Kind = kind.parse().map_err(|_| ApiError::UnknownKind)?;
    let body = input::body(request.into_body(), &admin.services.limits).await?;
    let force = match body.is_empty() {
        true => false,
        false => input::json::<RefreshRequest>(&body, "{\"force\":true}")?.force,
    };
    if force && kind != Kind::AccessToken {
        return Err(ApiError::Malformed(
            "only an access token can be forced: WeChat answers a ticket request with the ticket it has".to_owned(),
        ));
    }
    let key = CredentialKey { app, kind };
    let reply = outcome(&admin, key, force).await?;
    Ok(fresh_json(serde_json::to_vec(&reply).unwrap_or_default()).map(Body::from))
}

async fn outcome(
    admin: &AdminServices,
    key: CredentialKey,
    force: bool,
) -> Result<RefreshReply, ApiError> {
    let keeper = &admin.services.keeper;
    let forced_before = forced(admin, &key).await?;
    let outcome = tokio::select! {
        outcome = keeper.refresh(key, force, WAIT) => outcome?,
        () = admin.services.time_is_up() => return Err(ApiError::Stopping),
    };
    let outcome = outcome.map_err(|absent| ApiError::absent(absent, keeper.now().wall))?;
    let (name, detail, value) = match outcome {
        RefreshOutcome::Refreshed(value) => ("refreshed", None, Some(value)),
        RefreshOutcome::Unchanged(value) => ("unchanged", None, Some(value)),
        RefreshOutcome::Failed(detail) => ("failed", Some(detail), None),
        RefreshOutcome::OverBudget(kind) => {
            let why = HeldBack::OverBudget(kind);
            ("over_budget", Some(Sentence::of(&why)), None)
        }
        RefreshOutcome::HeldBack(why) => ("held_back", Some(Sentence::of(&why)), None),
    };
    let value = value.as_deref();
    let (detail, detail_zh) = detail.map(|why: Sentence| (why.en, why.zh)).unzip();
    Ok(RefreshReply {
        forced_before,
        outcome: name,
        detail,
        detail_zh,
        generation: value.map(|value: &Credential| value.generation.0),
        expires_at: value.map(|value| render::expires_at(value, keeper.now())),
    })
}

async fn forced(
    admin: &AdminServices,
    key: &CredentialKey,
) -> Result<Option<BudgetReport>, KeeperStopped> {
    let states = admin.services.keeper.status(vec![key.app]).await?;
    let budgets = states.first().map(budgets).unwrap_or_default();
    Ok(budgets
        .into_iter()
        .find(|budget| budget.is_of(BudgetKind::Forced)))
}
