//! `POST /v1/read`: up to a thousand credentials in one trip, each with its own answer or problem.

mod plain;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use futures_util::future;
use http::{Request, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wxtoken_core::clock::Now;
use wxtoken_core::credential::{Credential, CredentialKey};

use super::super::callers::Caller;
use super::super::door::{self, Admitted};
use super::super::error::{ApiError, Problem};
use super::super::services::Services;
use super::super::{Reply, handout, input, render};
use super::credential::CredentialReply;
use super::fresh_json;
use crate::keeper::Absent;

/// The most that is answered at once.
const MOST: usize = 1000;
/// Room for as many is made at first.
const USUAL: usize = 16;
const OPEN: &[u8] = b"{\"answers\":[";
const CLOSE: &[u8] = b"]}";

/// What is wanted.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct BatchRequest<'a> {
    /// At most 1,000.
    #[serde(borrow)]
    want: Vec<Want<'a>>,
}

/// One credential that is wanted.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Want<'a> {
    /// An AppID.
    #[serde(borrow)]
    appid: std::borrow::Cow<'a, str>,
    /// `access_token`, `jsapi_ticket` or `card_ticket`.
    #[serde(borrow)]
    kind: std::borrow::Cow<'a, str>,
}

/// The answers, in the order of what was wanted.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct BatchReply {
    /// One for each that was wanted.
    answers: Vec<BatchAnswer>,
}

/// A credential, or why there is none.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum BatchAnswer {
    /// As from `GET /v1/apps/{appid}/{kind}`.
    Found(CredentialReply),
    /// What that would have answered instead, and for what.
    Missing {
        /// As it was asked for.
        appid: String,
        /// As it was asked for.
        kind: String,
        /// Why there is no answer.
        problem: Problem,
    },
}

/// Many credentials at once. Counts as one request.
#[utoipa::path(post, path = "/v1/read", tag = "read", security(("caller_key" = [])),
    request_body = BatchRequest,
    responses(
        (status = 200, body = BatchReply),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn read_many(
    State(services): State<Arc<Services>>,
    Admitted(request): Admitted,
    body: Request<Body>,
) -> Result<Response<Body>, ApiError> {
    let body = input::body(body.into_body(), &services.limits).await?;
    let reply = answer(&services, request.caller(), &body).await;
    reply.map(|reply| reply.map(Body::from))
}

/// The answer to a body from a caller who was let in.
pub(crate) async fn answer(
    services: &Services,
    caller: &Caller,
    body: &[u8],
) -> Result<Reply, ApiError> {
    let batch = understood(body)?;
    let answers = answers(services, caller, &batch.want).await;
    Ok(fresh_json(rendered(services, &batch, &answers)))
}

/// Appends the answer, if everything that is wanted is at hand and the caller's to read. Otherwise what was appended means
/// nothing: [`answer`] knows more.
pub(crate) fn at_hand(
    services: &Services,
    caller: &Caller,
    body: &[u8],
    now: Now,
    out: &mut Vec<u8>,
) -> bool {
    let mut keys = Vec::with_capacity(USUAL);
    let take = |keys: &mut Vec<CredentialKey>, app: &str, kind: &str| {
        let key = door::may_read(caller, app, kind);
        let key = key
            .ok()
            .filter(|key| !handout::is_virtual(caller, key.kind));
        key.map(|key| keys.push(key)).is_some()
    };
    let plain = plain::each(body, MOST, |app, kind| take(&mut keys, app, kind));
    let readable = plain.unwrap_or_else(|| {
        keys.clear();
        understood(body).is_ok_and(|batch| {
            let mut want = batch.want.iter();
            want.all(|want| take(&mut keys, &want.appid, &want.kind))
        })
    });
    out.extend_from_slice(OPEN);
    let start = out.len();
    let complete = services
        .keeper
        .shelf()
        .look()
        .with_each(&keys, |key, value| {
            if out.len() > start {
                out.push(b',');
            }
            let live = value.filter(|value| value.live_at(now));
            live.map(|value| render::credential(out, &key.app, value, now))
                .is_some()
        });
    out.extend_from_slice(CLOSE);
    readable && complete
}

fn understood(body: &[u8]) -> Result<BatchRequest<'_>, ApiError> {
    let expected = r#"{"want":[{"appid":"wx…","kind":"access_token"}]}"#;
    let batch: BatchRequest<'_> = input::json(body, expected)?;
    if batch.want.len() > MOST {
        return Err(ApiError::Malformed(format!(
            "{} credentials were asked for; {MOST} are the most at once",
            batch.want.len()
        )));
    }
    Ok(batch)
}

type Found = (CredentialKey, Arc<Credential>);

/// What is there is taken at once; for what is not, all wait together, as long as any reader does for a first value.
async fn answers(
    services: &Services,
    caller: &Caller,
    want: &[Want<'_>],
) -> Vec<Result<Found, ApiError>> {
    let keeper = &services.keeper;
    let now = keeper.now();
    let mut waiting = Vec::new();
    let at_once = want.iter().enumerate().map(|(at, want)| {
        let key = door::may_read(caller, &want.appid, &want.kind)?;
        let value = keeper.shelf().peek(&key, now).map_err(|absent| {
            if matches!(absent, Absent::NoLive(_)) {
                waiting.push((at, key));
            }
            ApiError::absent(absent, now.wall)
        });
        Ok((key, value?))
    });
    let mut answers: Vec<_> = at_once.collect();
    let wait = services.limits.first_token_wait;
    let late = future::join_all(waiting.iter().map(|(_, key)| keeper.get(key, wait)));
    let late = tokio::select! {
        late = late => late,
        () = services.time_is_up() => Vec::new(),
    };
    for ((at, key), value) in waiting.into_iter().zip(late) {
        let value = value.map_err(|absent| ApiError::absent(absent, keeper.now().wall));
        answers[at] = value.map(|value| (key, value));
    }
    let now = keeper.now();
    let hand = |(key, value)| Ok((key, handout::handed(services, caller, &key, value, now)?));
    answers
        .into_iter()
        .map(|answer| answer.and_then(hand))
        .collect()
}

fn rendered(
    services: &Services,
    batch: &BatchRequest<'_>,
    answers: &[Result<Found, ApiError>],
) -> Vec<u8> {
    let now = services.keeper.now();
    let mut out = Vec::with_capacity(32 + answers.len() * 400);
    out.extend_from_slice(OPEN);
    for (at, (want, answer)) in batch.want.iter().zip(answers).enumerate() {
        if at > 0 {
            out.push(b',');
        }
        match answer {
            Ok((key, value)) => render::credential(&mut out, &key.app, value, now),
            Err(error) => missing(&mut out, want, error),
        }
    }
    out.extend_from_slice(CLOSE);
    out
}

fn missing(out: &mut Vec<u8>, want: &Want<'_>, error: &ApiError) {
    let answer = BatchAnswer::Missing {
        appid: want.appid.clone().into_owned(),
        kind: want.kind.clone().into_owned(),
        problem: error.problem(),
    };
    out.extend(serde_json::to_vec(&answer).unwrap_or_else(|_| b"null".to_vec()));
}
