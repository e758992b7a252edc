//! `GET /admin/status`: the server at a glance: readiness, callers and what they used, answers given.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use http::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::callers::Caller;
use super::super::condition::{CopiesReport, StoreReport};
use super::super::counters::{Outcome, Surface};
use super::super::error::Problem;
use super::super::native::{fresh_json, health};
use super::AdminServices;

/// The server.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StatusReply {
    /// Its version.
    version: &'static str,
    /// Its time, in Unix seconds.
    now: u64,
    /// Whether requests should be sent here.
    ready: bool,
    /// While not ready: what it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting_for: Option<&'static str>,
    /// What is wrong with the store that replicas share, if anything is.
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<StoreReport>,
    /// Every Redis that copies are kept in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    copies: Vec<CopiesReport>,
    /// How many apps it has.
    apps: usize,
    /// Every caller.
    callers: Vec<CallerReport>,
    /// Answers since the start, by surface and outcome; zeros left out.
    answers: Vec<AnswersReport>,
}

/// One caller.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CallerReport {
    /// Its name.
    name: String,
    /// Requests let in since the start.
    admitted: u64,
    /// Requests refused for its rate or concurrency.
    limited: u64,
    /// Requests open now.
    open: u32,
}

/// Answers of one sort.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AnswersReport {
    /// `native`, `compat` or `other`.
    surface: &'static str,
    /// `ok`, `unchanged`, `refused`, `limited`, `unavailable` or `error`.
    outcome: &'static str,
    /// How many.
    total: u64,
}

/// The server at a glance.
#[utoipa::path(get, path = "/admin/status", tag = "admin", security(("admin_key" = [])),
    responses(
        (status = 200, body = StatusReply),
        (status = 401, body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn show(State(admin): State<Arc<AdminServices>>) -> Response<Body> {
    let reply = status(&admin);
    fresh_json(serde_json::to_vec(&reply).unwrap_or_default()).map(Body::from)
}

fn status(admin: &AdminServices) -> StatusReply {
    let services = &admin.services;
    let ready = health::readiness(services);
    let mut apps = 0;
    services.keeper.shelf().each(|_, _| apps += 1);
    let callers = services.callers.now();
    StatusReply {
        version: env!("CARGO_PKG_VERSION"),
        now: services.keeper.now().wall.unix_seconds(),
        ready: ready.is_ok(),
        waiting_for: ready.err(),
        store: services.condition.report(),
        copies: services.condition.copies(),
        apps,
        callers: callers
            .all()
            .iter()
            .map(|caller| caller_report(caller))
            .collect(),
        answers: answers(admin),
    }
}

fn caller_report(caller: &Caller) -> CallerReport {
    let (admitted, limited) = caller.totals();
    CallerReport {
        name: caller.name().to_owned(),
        admitted,
        limited,
        open: caller.open_now(),
    }
}

fn answers(admin: &AdminServices) -> Vec<AnswersReport> {
    let all = Surface::ALL.into_iter().flat_map(|surface| {
        Outcome::ALL
            .into_iter()
            .map(move |outcome| (surface, outcome))
    });
    all.map(|(surface, outcome)| AnswersReport {
        surface: surface.name(),
        outcome: outcome.name(),
        total: admin.services.counters.total(surface, outcome),
    })
    .filter(|answers| answers.total > 0)
    .collect()
}
