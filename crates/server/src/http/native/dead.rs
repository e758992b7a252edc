//! `POST /v1/apps/{appid}/{kind}/dead`: "this token is dead". The keeper decides what becomes of it (rule 8).

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use http::{Request, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wxtoken_core::credential::{Credential, CredentialKey};
use wxtoken_core::refresh::verdict::{Evidence, Verdict};

use super::super::advice::{self, Advice};
use super::super::callers::Caller;
use super::super::door::MayRead;
use super::super::error::{ApiError, Problem};
use super::super::handout::handed;
use super::super::services::Services;
use super::super::{input, number, render};
use super::credential::CredentialReply;
use super::fresh_json;
use crate::config::Permission;
use crate::keeper::Report;

/// How long a reporter waits for the replacement before it is told `pending`.
const WAIT: Duration = Duration::from_secs(10);

/// What is reported.
#[derive(Deserialize, ToSchema)]
pub(crate) struct DeadRequest {
    /// The value that WeChat refused.
    token: String,
}

/// What is known of the reported value, and what to use now.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeadReply {
    /// `replaced`: there was a newer one already. `alive`: WeChat says it is alive. `refreshed`: it was dead, here is a
    /// new one. `pending`: not known yet, or no new one yet; see `next_try`. `wrong_kind`: it is something else of
    /// ours. `unknown`: it is nothing of ours.
    #[schema(example = "refreshed")]
    verdict: String,
    /// The credential to use now; absent while there is no live one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    current: Option<CredentialReply>,
    /// With `pending`: when something is next tried, in Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next_try: Option<u64>,
    /// With `wrong_kind`, where it is a user's web token: what to do with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    advice: Option<Advice>,
}

/// Reports a token dead; a thousand clients at once cost one probe and one fetch.
#[utoipa::path(post, path = "/v1/apps/{appid}/{kind}/dead", tag = "read", security(("caller_key" = [])),
    params(
        ("appid" = String, Path, description = "An AppID"),
        ("kind" = String, Path, description = "access_token, jsapi_ticket or card_ticket"),
    ),
    request_body = DeadRequest,
    responses(
        (status = 200, body = DeadReply),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn report_dead(
    State(services): State<Arc<Services>>,
    MayRead { request, key }: MayRead,
    body: Request<Body>,
) -> Result<Response<Body>, ApiError> {
    if !request.caller().may(Permission::Report) {
        return Err(ApiError::NotAllowed(Permission::Report));
    }
    let body = input::body(body.into_body(), &services.limits).await?;
    let DeadRequest { token } = input::json(&body, r#"{"token":"…"}"#)?;
    if token.is_empty() {
        return Err(ApiError::Malformed(
            "`token` is empty: send the value that WeChat refused".to_owned(),
        ));
    }
    let keeper = &services.keeper;
    if is_web_token(&services, &token) {
        return Ok(fresh_json(render_web_token()).map(Body::from));
    }
    let mut report = match reported(&services, request.caller(), &key, &token) {
        Reported::Over => Report {
            verdict: Verdict::Replaced,
            current: keeper.peek(&key).ok(),
            next_try: None,
        },
        Reported::Behind(real) => ask(&services, key, real.token.expose()).await?,
        Reported::Sent => ask(&services, key, &token).await?,
    };
    let hand = |value| handed(&services, request.caller(), &key, value, keeper.now());
    report.current = report.current.map(hand).transpose()?;
    Ok(fresh_json(rendered(&services, &key.app, &report)).map(Body::from))
}

/// Has the keeper look into it.
async fn ask(services: &Services, key: CredentialKey, token: &str) -> Result<Report, ApiError> {
    let keeper = &services.keeper;
    let asked = keeper.report_dead(key, token, Evidence::Report, WAIT);
    tokio::select! {
        report = asked => report?.map_err(|absent| ApiError::absent(absent, keeper.now().wall)),
        () = services.time_is_up() => Err(ApiError::Stopping),
    }
}

/// A user's web token is no credential: nothing is looked into, and nothing renewed.
fn is_web_token(services: &Services, token: &str) -> bool {
    let id = services.keeper.id_of(token);
    services.keeper.owner_of(id).is_none() && services.gateway.web_token_app(id).is_some()
}

fn render_web_token() -> Vec<u8> {
    let reply = DeadReply {
        verdict: Verdict::WrongKind.name().to_owned(),
        current: None,
        next_try: None,
        advice: Some(Advice::from(advice::web_token())),
    };
    serde_json::to_vec(&reply).unwrap_or_default()
}

/// What a report is about.
enum Reported {
    /// A virtual token of this caller that was revoked: that says nothing of the value behind it.
    Over,
    /// The live value behind a virtual token of this caller and app: that is what failed.
    Behind(Arc<Credential>),
    /// What was sent.
    Sent,
}

fn reported(services: &Services, caller: &Caller, key: &CredentialKey, token: &str) -> Reported {
    let now = services.keeper.now().wall;
    let claims = services.gateway.virtual_tokens.check(token, now).ok();
    let its_own = claims.filter(|claims| claims.caller == caller.mark() && claims.app == key.app);
    match (its_own, services.keeper.peek(key)) {
        (Some(claims), _) if claims.epoch < caller.epoch() => Reported::Over,
        (Some(_), Ok(behind)) => Reported::Behind(behind),
        (Some(_), Err(_)) | (None, _) => Reported::Sent,
    }
}

fn rendered(services: &Services, app: &wxtoken_core::app::AppId, report: &Report) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    out.extend_from_slice(b"{\"verdict\":\"");
    out.extend_from_slice(report.verdict.name().as_bytes());
    out.push(b'"');
    if let Some(current) = &report.current {
        out.extend_from_slice(b",\"current\":");
        render::credential(&mut out, app, current, services.keeper.now());
    }
    if let Some(next_try) = report.next_try {
        out.extend_from_slice(b",\"next_try\":");
        number::push(&mut out, next_try.unix_seconds());
    }
    out.push(b'}');
    out
}
