//! `/healthz` and `/readyz`: for load balancers and supervisors, so without a key and without names.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use http::{Response, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::services::Services;
use super::fresh_json;

/// How the server is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HealthReply {
    /// `ok`, or `waiting`.
    status: &'static str,
    /// While waiting: for what.
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting_for: Option<&'static str>,
    /// What is wrong with the store that replicas share, if anything is: handing out goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<&'static str>,
}

/// Alive: the process answers.
#[utoipa::path(get, path = "/healthz", tag = "health", responses((status = 200, body = HealthReply)))]
pub(crate) async fn alive() -> Response<Body> {
    reply(Ok(()), None)
}

/// Ready: configuration and store read, listeners up, the first round of fetches tried. Trouble with one app, or
/// with the shared store, does not make the server unready.
#[utoipa::path(get, path = "/readyz", tag = "health", responses(
    (status = 200, body = HealthReply),
    (status = 503, body = HealthReply, description = "Not yet, or stopping"),
))]
pub(crate) async fn ready(State(services): State<Arc<Services>>) -> Response<Body> {
    let store = (services.condition.store)().map(|trouble| trouble.name);
    reply(readiness(&services), store)
}

/// Whether requests should be sent here.
pub(crate) fn readiness(services: &Services) -> Result<(), &'static str> {
    if services.stop.is_told() {
        return Err("its end: the server is stopping");
    }
    (services.condition.ready)()
}

fn reply(ready: Result<(), &'static str>, store: Option<&'static str>) -> Response<Body> {
    let health = HealthReply {
        status: if ready.is_ok() { "ok" } else { "waiting" },
        waiting_for: ready.err(),
        store,
    };
    let mut reply = fresh_json(serde_json::to_vec(&health).unwrap_or_default());
    if ready.is_err() {
        *reply.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    reply.map(Body::from)
}
