//! One connection, from accept to close.

use std::{net::IpAddr, sync::Arc, time::Duration};

use http::{HeaderValue, Request, Response, header, request::Parts};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;

use super::{
    Answer, Ask,
    body::{self, SimBody},
    date::date_header,
    decide::decide,
};
use crate::{
    clock::SimTime,
    endpoints::{self, Door, Route},
    rules::{Framing, PathId, Rules},
    world::Shared,
};

/// An idle or half-sent connection is closed after this.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);

/// Serves calls until the peer goes away.
pub(crate) async fn serve_connection(shared: Arc<Shared>, socket: TcpStream, from: IpAddr) {
    let service = service_fn(|request| serve_call(&shared, request, from));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .auto_date_header(false)
        .serve_connection(TokioIo::new(socket), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection to the simulator ended early");
    }
}

async fn serve_call(
    shared: &Shared,
    request: Request<Incoming>,
    from: IpAddr,
) -> Result<Response<SimBody>, hyper::Error> {
    let (head, incoming) = request.into_parts();
    let path = collapse_slashes(head.uri.path());
    let route = endpoints::route(&path);
    let (rules, now) = (shared.rules(), shared.clock.now());
    if let Some(answer) = refusal_before_body(shared, route, (&head, &path), from, now, &rules) {
        return Ok(dress(answer, route, &rules, now));
    }
    let body = body::read(incoming, route.keeps_body).await?;
    let ask = Ask::new(&head, &path, from, (&body.kept, body.len, &body.sha256));
    let answer = decide(shared, route, &ask, shared.clock.now(), &rules);
    Ok(dress(answer, route, &rules, now))
}

/// With that reading switched on, a bad token is refused while its body is still on the way.
fn refusal_before_body(
    shared: &Shared,
    route: &Route,
    (head, path): (&Parts, &str),
    from: IpAddr,
    now: SimTime,
    rules: &Rules,
) -> Option<Answer> {
    if !rules.readings.refuse_before_body || route.door != Door::Token {
        return None;
    }
    let nothing = bytes::Bytes::new();
    let ask = Ask::new(head, path, from, (&nothing, 0, ""));
    let asked = super::Asked::new(shared, rules, now, &ask, route, PathId(0));
    // What is left of the body is not waited for, so the connection cannot be used again.
    let close = HeaderValue::from_static("close");
    asked
        .shows_bad_token()
        .then(|| decide(shared, route, &ask, now, rules).with_header(header::CONNECTION, close))
}

/// `//cgi-bin//token` is `/cgi-bin/token`: some SDKs write it so, and WeChat accepts it.
fn collapse_slashes(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for c in path.chars() {
        if c != '/' || !out.ends_with('/') {
            out.push(c);
        }
    }
    out
}

fn dress(answer: Answer, route: &Route, rules: &Rules, now: SimTime) -> Response<SimBody> {
    let content = answer.content_type(route.family, &rules.dress);
    let body = match rules.dress.framing {
        Framing::ContentLength => SimBody::Whole(Some(answer.body)),
        Framing::Chunked => SimBody::Chunked(Some(answer.body)),
    };
    let mut response = Response::new(body);
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, content);
    headers.insert(header::DATE, date_header(now));
    headers.extend(answer.headers);
    response
}
