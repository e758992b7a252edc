//! A call's arrival: where it wants to go, who it is from, what it carries; and its line in the log when it is answered.
//!
//! Must not know: what becomes of a call once it is let in.

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, Version};

use super::Gateway;
use super::body::Tape;
use super::call::Call;
use super::family::{self, Family};
use super::headers;
use super::identify::{Asking, Identity, Prefixed, admit, may_call, prefixed, who};
use super::introduction::Introduction;
use super::line::Line;
use super::mix_up::mixed_up;
use super::presented::Presented;
use super::refusal::Refusal;
use super::relay::{Resumed, Stage};
use super::secrets::Given;
use super::target::{BadTarget, Target};
use super::telling::Telling;
use crate::http::callers::Caller;
use crate::http::error::ApiError;
use crate::http::input;
use crate::http::peer::Peer;
use crate::http::request_id::RequestId;
use crate::http::services::Services;
use crate::wechat::AppUpstream;

/// No caller key is shorter; no segment of WeChat's paths is so long.
const SHORTEST_KEY: usize = 20;

/// Answers a call. One that was begun by the relay goes on from where it stands.
pub(crate) async fn answer(
    services: &Arc<Services>,
    peer: Peer,
    id: &RequestId,
    mut request: Request<Body>,
) -> Response<Body> {
    let started = request.extensions_mut().remove().and_then(Resumed::take);
    let (head, body) = request.into_parts();
    let (mut telling, begun) = match started {
        Some(started) => (started.telling, Some(started.stage)),
        None => (Telling::of(services, &head.method, id.clone()), None),
    };
    let answered = forward(services, peer, head, body, begun, &mut telling.line).await;
    let response = answered.unwrap_or_else(|refusal| telling.refused(&refusal).map(Body::from));
    telling.status = Some(response.status());
    response
}

async fn forward(
    services: &Services,
    peer: Peer,
    head: Parts,
    body: Body,
    begun: Option<Stage>,
    line: &mut Line,
) -> Result<Response<Body>, Refusal> {
    let gateway = &*services.gateway;
    if head.method == Method::TRACE {
        return Err(Refusal::TRACE);
    }
    let target = target(&head)?;
    if headers::is_coded(&head.headers) {
        return Err(Refusal::CODED);
    }
    let (prefix, sort) = destination(services, &target, line)?;
    let (body, given) = if sort.takes_secret() {
        let whole = input::strangers_body(body, &services.limits).await?;
        let given = Given::read(sort, target.query, &whole);
        (Sent::Whole(whole), given)
    } else {
        (Sent::Streamed(body), Given::read(sort, target.query, &[]))
    };
    let presented = Presented::in_query(services, target.query).await?;
    let (Identity { open, app, family }, first) = match begun {
        Some(stage) => stage.identity(sort)?,
        None => {
            let asking = Asking {
                path: prefix.path,
                said: Introduction::in_headers(&head.headers),
                known: None,
                presented: &presented,
                given: &given,
                peer,
                now: services.keeper.now(),
                certified: head.extensions.get(),
            };
            (let_in(services, &asking, &prefix, line)?, None)
        }
    };
    let upstream = app.and_then(|app| gateway.directory.upstream(&app));
    let upstream = upstream.as_ref();
    let query = query_with_secret(family, &given, target.query, upstream)?;
    let call = Call {
        gateway,
        services,
        app,
        family,
        own: upstream.and_then(|upstream| upstream.base_url.as_ref()),
        method: head.method.clone(),
        path: prefix.path,
        query: query.as_deref().or(target.query),
        presented: &presented,
        headers: headers_up(&head, family),
        tape: gateway.tape(body.written(&given, upstream), services, open.caller()),
    };
    let done = call.run(first, line).await?;
    Ok(call.finish(
        done,
        open,
        upstream.map(|upstream| upstream.secret.expose()),
    ))
}

/// Lets a call in, or not: who calls, for which app, with the right kind of token.
pub(super) fn let_in(
    services: &Services,
    asking: &Asking<'_>,
    prefix: &Prefixed<'_>,
    line: &mut Line,
) -> Result<Identity, Refusal> {
    let (caller, app) = who(services, asking, prefix, may_call)?;
    // Noted before anything is refused: the line of a refused call is what its caller's owner looks for.
    caller.name().clone_into(&mut line.caller);
    line.app = asking.presented.users_app(asking.path).or(app);
    let identity = admit(asking, &caller, app)?;
    mixed_up(identity.family, asking.presented)?;
    Ok(identity)
}

/// Where a call goes, if anything goes there.
pub(super) fn destination<'t>(
    services: &Services,
    target: &'t Target<'_>,
    line: &mut Line,
) -> Result<(Prefixed<'t>, Family), Refusal> {
    let prefix = prefixed(&target.path, |app| services.keeper.shelf().knows(app));
    line.path = family::shown(prefix.path);
    if holds_a_key(services, prefix.path) {
        return Err(Refusal::KEY_IN_PATH);
    }
    match Family::of(prefix.path) {
        Family::Minting => Err(Refusal::MINTING),
        family => Ok((prefix, family)),
    }
}

fn headers_up(head: &Parts, family: Family) -> HeaderMap {
    let mut headers = headers::upwards(&head.headers, true);
    if family.takes_secret() {
        // The AppSecret need not be as long as the key in whose place it stands.
        headers.remove(CONTENT_LENGTH);
    }
    headers
}

/// The target of a request; HTTP/2 always names a scheme and a host, HTTP/1 only to a proxy for others.
fn target(head: &Parts) -> Result<Target<'_>, BadTarget> {
    let absolute = head.uri.scheme().is_some() && head.version < Version::HTTP_2;
    if absolute || head.method == Method::CONNECT {
        return Err(BadTarget::NotAPath);
    }
    Target::read(
        head.uri
            .path_and_query()
            .map_or("", |target| target.as_str()),
    )
}

/// Whether a caller key stands in a path where none belongs: it would go to WeChat, and into the log.
fn holds_a_key(services: &Services, path: &str) -> bool {
    let looks_like_one = |segment: &&str| segment.len() >= SHORTEST_KEY;
    let book = services.callers.now();
    let mut segments = path.split('/').filter(looks_like_one);
    segments.any(|segment| book.by_key(segment.as_bytes()).is_some())
}

fn query_with_secret(
    family: Family,
    given: &Given,
    query: Option<&str>,
    upstream: Option<&AppUpstream>,
) -> Result<Option<String>, Refusal> {
    if !family.takes_secret() {
        return Ok(None);
    }
    let upstream = upstream.ok_or(ApiError::UnknownApp)?;
    Ok(given.query_with(query, upstream.secret.expose()))
}

/// A body as it is sent.
enum Sent {
    Streamed(Body),
    Whole(Bytes),
}

impl Gateway {
    fn tape(&self, body: Body, services: &Services, caller: &Caller) -> Tape {
        Tape::new(body, self.tape_limits(), self.share_of(services, caller))
    }
}

impl Sent {
    /// As it goes up, with the AppSecret in its place.
    fn written(self, given: &Given, upstream: Option<&AppUpstream>) -> Body {
        match (self, upstream) {
            (Self::Streamed(body), _) => body,
            (Self::Whole(body), Some(upstream)) => {
                given.body_with(&body, upstream.secret.expose()).into()
            }
            (Self::Whole(body), None) => body.into(),
        }
    }
}
