//! `GET /v1/apps/{appid}/{kind}`: one credential, with ETag and long poll. The hot path answers the plain form itself and
//! comes here for all that is not at hand.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wxtoken_core::clock::Now;
use wxtoken_core::credential::{Credential, CredentialKey};

use super::super::callers::Caller;
use super::super::door::MayRead;
use super::super::error::{ApiError, Problem};
use super::super::handout::handed;
use super::super::input::Query;
use super::super::services::Services;
use super::super::{Reply, etag, render};
use super::JSON;

/// The longest a long poll may wait.
const LONGEST_WAIT: u64 = 60;

/// A credential, as it is answered. It holds the value, so it has no `Debug`.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CredentialReply {
    /// Whose it is.
    #[schema(example = "wx0123456789abcdef")]
    appid: String,
    /// `access_token`, `jsapi_ticket` or `card_ticket`.
    #[schema(example = "access_token")]
    kind: String,
    /// Of an access token: `stable` or `classic`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lane: Option<String>,
    /// The value of an access token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    access_token: Option<String>,
    /// The value of a ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ticket: Option<String>,
    /// Seconds until it ends.
    expires_in: u64,
    /// When it ends, in Unix seconds.
    expires_at: u64,
    /// Grows with each new value.
    generation: u64,
}

/// One credential: waits a moment for a first one. With `If-None-Match` 304 if it is the same still; with `wait` as
/// well, answers as soon as it changes and 304 after that many seconds.
#[utoipa::path(get, path = "/v1/apps/{appid}/{kind}", tag = "read", security(("caller_key" = [])),
    params(
        ("appid" = String, Path, description = "An AppID"),
        ("kind" = String, Path, description = "access_token, jsapi_ticket or card_ticket"),
        ("wait" = Option<u64>, Query, description = "With If-None-Match: wait for a change so many seconds, at most 60"),
        ("If-None-Match" = Option<String>, Header, description = "The ETag of the value you have"),
    ),
    responses(
        (status = 200, body = CredentialReply, headers(("ETag" = String, description = "Names this value"))),
        (status = 304, description = "It is the same still"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn show(
    State(services): State<Arc<Services>>,
    MayRead { request, key }: MayRead,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response<Body>, ApiError> {
    let wait = wait_of(query.as_deref().unwrap_or_default())?;
    let known: Vec<&[u8]> = headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    let known = known.join(&b","[..]);
    let reply = read(&services, request.caller(), &key, &known, wait).await;
    drop(request);
    reply.map(|reply| reply.map(Body::from))
}

fn wait_of(query: &str) -> Result<Duration, ApiError> {
    let Some(text) = Query::new(query).get("wait") else {
        return Ok(Duration::ZERO);
    };
    let seconds = text.parse::<u64>().map_err(|_| {
        ApiError::Malformed("`wait` is a whole number of seconds, at most 60".to_owned())
    })?;
    Ok(Duration::from_secs(seconds.min(LONGEST_WAIT)))
}

/// The answer for a credential the caller may read and of which it knows the values named in `known`.
pub(crate) async fn read(
    services: &Services,
    caller: &Caller,
    key: &CredentialKey,
    known: &[u8],
    wait: Duration,
) -> Result<Reply, ApiError> {
    let keeper = &services.keeper;
    let first_wait = services.limits.first_token_wait.max(wait);
    let mut value = services.get(key, first_wait).await?;
    let hand = |value, now| handed(services, caller, key, value, now);
    let epoch = caller.epoch();
    let given = hand(Arc::clone(&value), keeper.now())?;
    if !wait.is_zero() && is_known(known, &given) {
        let changed = tokio::select! {
            changed = keeper.changed(key, value.id, wait) => changed,
            _ = caller.revoked_since(epoch) => Ok(None), // a virtual token is another one now
            () = services.stop.wait() => Ok(None),
        };
        match changed {
            Ok(Some(other)) => value = other,
            // The wait is over. What the client has may have died meanwhile, with nothing in its place.
            Ok(None) => value = services.peek(key)?,
            Err(absent) => return Err(ApiError::absent(absent, keeper.now().wall)),
        }
    }
    let now = keeper.now();
    let value = hand(value, now)?;
    Ok(if is_known(known, &value) {
        unchanged(&value, now)
    } else {
        found(key, &value, now)
    })
}

fn is_known(known: &[u8], value: &Credential) -> bool {
    if known.is_empty() {
        return false;
    }
    let mut tag = Vec::with_capacity(32);
    etag::push(&mut tag, value);
    etag::is_named(known, &tag)
}

fn found(key: &CredentialKey, value: &Credential, now: Now) -> Reply {
    let mut body = Vec::with_capacity(768);
    render::credential(&mut body, &key.app, value, now);
    let mut reply = Reply::new(body.into());
    reply.headers_mut().insert(CONTENT_TYPE, JSON);
    named(&mut reply, value, now);
    reply
}

fn unchanged(value: &Credential, now: Now) -> Reply {
    let mut reply = Reply::new(Bytes::new());
    *reply.status_mut() = StatusCode::NOT_MODIFIED;
    named(&mut reply, value, now);
    reply
}

fn named(reply: &mut Reply, value: &Credential, now: Now) {
    let (mut cache, mut tag) = (Vec::with_capacity(24), Vec::with_capacity(32));
    render::cache_control(&mut cache, value, now);
    etag::push(&mut tag, value);
    for (name, text) in [(CACHE_CONTROL, cache), (ETAG, tag)] {
        if let Ok(text) = HeaderValue::from_maybe_shared(Bytes::from(text)) {
            reply.headers_mut().insert(name, text);
        }
    }
}
