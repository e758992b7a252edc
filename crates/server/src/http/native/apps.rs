//! `GET /v1/apps`: what a caller may see and how it stands, page by page. No values.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use http::Response;
use serde::Serialize;
use utoipa::ToSchema;
use wxtoken_core::app::AppId;
use wxtoken_core::credential::{CredentialKey, Kind};

use super::super::callers::Caller;
use super::super::door::Admitted;
use super::super::error::{ApiError, Problem};
use super::super::input::Query;
use super::super::render;
use super::super::services::Services;
use super::fresh_json;
use crate::keeper::{Absent, Keeper};

/// The most apps on one page.
const PAGE: usize = 1000;

/// The state of what can be read.
const LIVE: &str = "live";

/// One page.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AppsReply {
    /// In the order of their AppIDs.
    apps: Vec<AppState>,
    /// Where the next page begins: send it as `after`. Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// One app.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AppState {
    /// Its AppID.
    appid: String,
    /// The credentials the caller may read.
    credentials: Vec<CredentialState>,
}

/// How one credential stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CredentialState {
    /// `access_token`, `jsapi_ticket` or `card_ticket`.
    kind: &'static str,
    /// `live`, or why there is none: `starting`, `refused` …
    #[schema(example = "live")]
    state: &'static str,
    /// Of a live access token: `stable` or `classic`.
    #[serde(skip_serializing_if = "Option::is_none")]
    lane: Option<&'static str>,
    /// Of a live one: its generation.
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<u64>,
    /// Of a live one: when it ends, in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<u64>,
    /// Of an absent one: since when, in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<u64>,
    /// Of an absent one: when something is next tried, in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_try: Option<u64>,
}

/// What this caller may see, 1,000 apps a page.
#[utoipa::path(get, path = "/v1/apps", tag = "read", security(("caller_key" = [])),
    params(("after" = Option<String>, Query, description = "The `next` of the page before")),
    responses(
        (status = 200, body = AppsReply),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn list(
    State(services): State<Arc<Services>>,
    Admitted(request): Admitted,
    RawQuery(query): RawQuery,
) -> Result<Response<Body>, ApiError> {
    let after = match Query::new(query.as_deref().unwrap_or_default()).get("after") {
        None => None,
        Some(text) => Some(text.parse::<AppId>().map_err(|error| {
            ApiError::Malformed(format!("`after` is the `next` of the page before: {error}"))
        })?),
    };
    let page = page(&services.keeper, request.caller(), after);
    Ok(fresh_json(serde_json::to_vec(&page).unwrap_or_default()).map(Body::from))
}

fn page(keeper: &Keeper, caller: &Caller, after: Option<AppId>) -> AppsReply {
    let mut apps: Vec<(AppId, Vec<Kind>)> = Vec::new();
    keeper.shelf().each(|app, kinds| {
        if caller.sees(app) && after.is_none_or(|after| *app > after) {
            let readable = kinds
                .iter()
                .copied()
                .filter(|kind| caller.lacks_to_read(*kind).is_none());
            apps.push((*app, readable.collect()));
        }
    });
    apps.sort_unstable_by_key(|(app, _)| *app);
    let more = apps.len() > PAGE;
    apps.truncate(PAGE);
    AppsReply {
        next: apps.last().filter(|_| more).map(|(app, _)| app.to_string()),
        apps: apps
            .iter()
            .map(|(app, kinds)| app_state(keeper, app, kinds))
            .collect(),
    }
}

/// How an app's credentials stand, of the kinds given.
pub(crate) fn app_state(keeper: &Keeper, app: &AppId, kinds: &[Kind]) -> AppState {
    AppState {
        appid: app.to_string(),
        credentials: kinds
            .iter()
            .filter_map(|kind| state(keeper, app, *kind))
            .collect(),
    }
}

impl AppState {
    pub(crate) fn appid(&self) -> &str {
        &self.appid
    }

    /// Whether there is a live value of every kind.
    pub(crate) fn is_live(&self) -> bool {
        self.credentials
            .iter()
            .all(|credential| credential.state == LIVE)
    }
}

/// How a credential stands; none if it has gone meanwhile.
fn state(keeper: &Keeper, app: &AppId, kind: Kind) -> Option<CredentialState> {
    let mut state = CredentialState {
        kind: kind.name(),
        state: LIVE,
        lane: None,
        generation: None,
        expires_at: None,
        since: None,
        next_try: None,
    };
    match keeper.peek(&CredentialKey { app: *app, kind }) {
        Ok(value) => {
            state.lane = value.lane.map(|lane| lane.name());
            state.generation = Some(value.generation.0);
            state.expires_at = Some(render::expires_at(&value, keeper.now()));
        }
        Err(Absent::NoLive(why)) => {
            state.state = why.reason;
            state.since = Some(why.since.unix_seconds());
            state.next_try = why.next_try.map(|at| at.unix_seconds());
        }
        Err(Absent::UnknownApp | Absent::UnknownKind) => return None,
    }
    Some(state)
}
