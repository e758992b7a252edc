//! `GET /admin/apps`: every app with its credentials, lanes and budgets. No values.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::Response;
use serde::Serialize;
use utoipa::ToSchema;
use wxtoken_core::app::AppId;
use wxtoken_core::budget::BudgetKind;
use wxtoken_core::clock::Wall;

use super::super::condition::StoreReport;
use super::super::error::{ApiError, Problem};
use super::super::native::fresh_json;
use super::AdminServices;
use crate::keeper::{AppStatus, KeeperStopped, KindStatus, LaneStatus};
use crate::words::Sentence;

/// Every app.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the form of an answer that is written in parts")]
pub(crate) struct AppsReport {
    /// What is wrong with the store that replicas share, if anything is.
    store: Option<StoreReport>,
    /// In the order of their AppIDs.
    apps: Vec<AppReport>,
}

/// One app.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AppReport {
    /// Its AppID.
    appid: String,
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Per kind configured.
    kinds: Vec<KindReport>,
    /// Per lane in use.
    lanes: Vec<LaneReport>,
    /// Calls since midnight in Beijing, per kind of call.
    budgets: Vec<BudgetReport>,
}

/// One credential.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KindReport {
    /// `access_token`, `jsapi_ticket` or `card_ticket`.
    kind: &'static str,
    /// The lane handed out; absent for tickets and while nothing is live.
    #[serde(skip_serializing_if = "Option::is_none")]
    lane: Option<&'static str>,
    /// The generation handed out.
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<u64>,
    /// Since when it is known, in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<u64>,
    /// When it ends, in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<u64>,
    /// The last trouble.
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<TroubleReport>,
    /// When something is next done about it, in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_try: Option<u64>,
}

/// One lane.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LaneReport {
    /// `stable` or `classic`.
    lane: &'static str,
    /// Whether it holds a live value.
    live: bool,
    /// When that ends, in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<u64>,
    /// When it is next fetched, in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    due_at: Option<u64>,
    /// The last trouble.
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<TroubleReport>,
}

/// A trouble.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TroubleReport {
    /// In plain words.
    detail: String,
    /// The same in Chinese.
    detail_zh: String,
    /// Since when, in Unix seconds.
    since: u64,
}

/// Calls of one kind.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct BudgetReport {
    /// `classic`, `stable`, `ticket`, `probe` or `forced`.
    kind: &'static str,
    /// Made since midnight in Beijing.
    used: u32,
    /// Allowed a day.
    limit: u16,
}

impl BudgetReport {
    pub(super) fn is_of(&self, kind: BudgetKind) -> bool {
        self.kind == kind.name()
    }
}

/// Every app: credentials, lanes, budgets, troubles.
#[utoipa::path(get, path = "/admin/apps", tag = "admin", security(("admin_key" = [])),
    responses(
        (status = 200, body = AppsReport),
        (status = 401, body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn list(
    State(admin): State<Arc<AdminServices>>,
) -> Result<Response<Body>, ApiError> {
    let mut parts = Parts {
        to_come: admin.services.keeper.apps().into_iter(),
        begun: false,
        listed: false,
        admin,
    };
    // While nothing has been said, a refusal can still be a proper one.
    let first = parts.next().await?.unwrap_or_default();
    if parts.to_come.as_slice().is_empty() {
        return Ok(fresh_json(first.into()).map(Body::from));
    }
    let rest = stream::unfold(parts, |mut parts| async move {
        match parts.next().await {
            Ok(Some(part)) => Some((Ok(part), parts)),
            Ok(None) => None,
            // A list that ends here would look whole: the connection breaks instead.
            Err(stopped) => Some((Err(stopped), parts)),
        }
    });
    let all = stream::iter([Ok(first)]).chain(rest);
    Ok(fresh_json(Vec::new()).map(|_| Body::from_stream(all)))
}

/// The report, made in parts: so neither the keeper's loop is held up nor is the whole ever in memory.
struct Parts {
    admin: Arc<AdminServices>,
    to_come: std::vec::IntoIter<AppId>,
    begun: bool,
    listed: bool,
}

impl Parts {
    /// How many apps the keeper is asked about at a time: a millisecond's work.
    const APPS: usize = 256;

    async fn next(&mut self) -> Result<Option<Bytes>, KeeperStopped> {
        if self.begun && self.to_come.as_slice().is_empty() {
            return Ok(None);
        }
        let asked = self.to_come.by_ref().take(Self::APPS).collect();
        let states = self.admin.services.keeper.status(asked).await?;
        let mut out = Vec::new();
        if !std::mem::replace(&mut self.begun, true) {
            out.push(b'{');
            if let Some(store) = self.admin.services.condition.report() {
                out.extend_from_slice(b"\"store\":");
                out.extend_from_slice(&serde_json::to_vec(&store).unwrap_or_default());
                out.push(b',');
            }
            out.extend_from_slice(b"\"apps\":[");
        }
        for state in &states {
            if std::mem::replace(&mut self.listed, true) {
                out.push(b',');
            }
            let app = serde_json::to_vec(&report(&self.admin, state));
            out.extend_from_slice(&app.unwrap_or_default());
        }
        if self.to_come.as_slice().is_empty() {
            out.extend_from_slice(b"]}");
        }
        Ok(Some(out.into()))
    }
}

fn report(admin: &AdminServices, state: &AppStatus) -> AppReport {
    AppReport {
        appid: state.app.to_string(),
        name: (admin.name)(&state.app),
        kinds: state.kinds.iter().map(kind).collect(),
        lanes: state.lanes.iter().map(lane).collect(),
        budgets: budgets(state),
    }
}

fn kind(state: &KindStatus) -> KindReport {
    KindReport {
        kind: state.kind.name(),
        lane: state.lane.map(|lane| lane.name()),
        generation: state.generation.map(|generation| generation.0),
        since: state.since.map(Wall::unix_seconds),
        expires_at: state.expires_at.map(Wall::unix_seconds),
        trouble: state.trouble.as_ref().map(trouble),
        next_try: state.next_try.map(Wall::unix_seconds),
    }
}

fn lane(state: &LaneStatus) -> LaneReport {
    LaneReport {
        lane: state.lane.name(),
        live: state.live,
        expires_at: state.expires_at.map(Wall::unix_seconds),
        due_at: state.due_at.map(Wall::unix_seconds),
        trouble: state.trouble.as_ref().map(trouble),
    }
}

fn trouble((detail, since): &(Sentence, Wall)) -> TroubleReport {
    TroubleReport {
        detail: detail.en.clone(),
        detail_zh: detail.zh.clone(),
        since: since.unix_seconds(),
    }
}

/// An app's budgets.
pub(super) fn budgets(state: &AppStatus) -> Vec<BudgetReport> {
    let budgets = state.budgets.iter();
    budgets
        .map(|(kind, used, limit)| BudgetReport {
            kind: kind.name(),
            used: *used,
            limit: *limit,
        })
        .collect()
}
