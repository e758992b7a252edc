//! `/healthz`, `/readyz` and, with the key, `/readyz?apps`: which apps have what they need.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::condition::StoreReport;
use super::super::error::Problem;
use super::super::input::Query;
use super::super::native::apps::{AppState, app_state};
use super::super::native::health::{self, HealthReply};
use super::super::native::{NO_STORE, fresh_json};
use super::AdminServices;
use crate::telemetry::CONTENT_TYPE as OPEN_METRICS;

/// Every app that lacks something.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReadyAppsReply {
    /// Whether requests should be sent here.
    ready: bool,
    /// While not ready: what it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting_for: Option<&'static str>,
    /// What is wrong with the store that replicas share, if anything is.
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<StoreReport>,
    /// How many apps have a live value of every kind.
    complete: usize,
    /// The others.
    incomplete: Vec<AppState>,
}

/// Alive: the process answers.
#[utoipa::path(get, path = "/healthz", tag = "health", responses((status = 200, body = HealthReply)))]
pub(crate) async fn alive() -> Response<Body> {
    health::alive().await
}

/// Ready. With `?apps`, and the key, the apps that lack something are listed.
#[utoipa::path(get, path = "/readyz", tag = "health",
    params(("apps" = Option<String>, Query, description = "List apps that lack something; needs the key")),
    responses(
        (status = 200, body = HealthReply, description = "With `?apps`: ReadyAppsReply, whatever the state"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = HealthReply, description = "Not yet, or stopping"),
    ))]
pub(crate) async fn ready(
    State(admin): State<Arc<AdminServices>>,
    RawQuery(query): RawQuery,
) -> Response<Body> {
    if Query::new(query.as_deref().unwrap_or_default())
        .get("apps")
        .is_none()
    {
        return health::ready(State(Arc::clone(&admin.services))).await;
    }
    let reply = apps(&admin);
    fresh_json(serde_json::to_vec(&reply).unwrap_or_default()).map(Body::from)
}

fn apps(admin: &AdminServices) -> ReadyAppsReply {
    let keeper = &admin.services.keeper;
    let (mut complete, mut incomplete) = (0, Vec::new());
    keeper.shelf().each(|app, kinds| {
        let state = app_state(keeper, app, kinds);
        if state.is_live() {
            complete += 1;
        } else {
            incomplete.push(state);
        }
    });
    incomplete.sort_unstable_by(|a, b| a.appid().cmp(b.appid()));
    let ready = health::readiness(&admin.services);
    ReadyAppsReply {
        ready: ready.is_ok(),
        waiting_for: ready.err(),
        store: admin.services.condition.report(),
        complete,
        incomplete,
    }
}

/// The metrics, as OpenMetrics text.
#[utoipa::path(get, path = "/metrics", tag = "admin", security(("admin_key" = [])),
    responses(
        (status = 200, content_type = "application/openmetrics-text", body = String),
        (status = 401, body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn metrics(State(admin): State<Arc<AdminServices>>) -> Response<Body> {
    let mut reply = fresh_json((admin.metrics)().into_bytes());
    reply
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(OPEN_METRICS));
    reply
        .headers_mut()
        .insert(http::header::CACHE_CONTROL, NO_STORE);
    reply.map(Body::from)
}
