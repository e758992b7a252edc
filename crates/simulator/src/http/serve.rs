//! One call: read, decided, delayed, dressed.

use std::{net::IpAddr, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header, request::Parts};
use hyper::body::Incoming;
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};

use super::{
    Ask,
    body::{self, ReadBody},
    date::date_header,
    decide::{Decision, appid_of, decide, is_refused_early},
    sending::{Cut, SimBody},
    socket::Sent,
};
use crate::{
    control::{self, Controlled},
    endpoints::{self, Route},
    faults::{Bent, Fault, Place, Wire},
    passage::{Passage, UnderWay},
    rules::{Framing, Rules},
    world::{Shared, World},
};

/// What a control call may bring.
const CONTROL_BODY: usize = 4 * 1024 * 1024;

/// Why a call gets no answer. The connection is closed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unanswered {
    /// A fault wants it so.
    #[error(transparent)]
    Cut(#[from] Cut),
    /// The caller went away, or sent no proper HTTP.
    #[error("the body did not arrive")]
    Body(#[from] hyper::Error),
}

/// The head of a call.
struct Head {
    parts: Parts,
    /// With doubled slashes collapsed.
    path: String,
    from: IpAddr,
}

impl Head {
    fn ask<'a>(&'a self, body: &'a ReadBody) -> Ask<'a> {
        Ask::new(&self.parts, &self.path, self.from, body)
    }
}

pub(super) async fn serve_call(
    world: &World,
    request: Request<Incoming>,
    from: IpAddr,
    sent: &Sent,
) -> Result<Response<SimBody>, Unanswered> {
    let shared = &*world.0;
    let (parts, incoming) = request.into_parts();
    let head = Head {
        path: collapse_slashes(parts.uri.path()),
        parts,
        from,
    };
    if control::owns(&head.path) {
        let body = body::read(incoming, CONTROL_BODY).await?;
        return Ok(controlled(control::answer(world, &head.ask(&body))));
    }
    let (route, rules) = (endpoints::route(&head.path), shared.rules());
    if let Some(answer) = answer_to_head(world, route, &head, &rules)? {
        return Ok(answer);
    }
    let body = body::read(incoming, route.keeps_body).await?;
    let under_way = begin(world, route, &head.ask(&body), &rules);
    let passage = under_way.passage();
    let bent = bent(shared, route, &head.ask(&body), &rules, false);
    wait_before(shared, &bent).await;
    let decision = decide(shared, route, &head.ask(&body), &rules, &bent, passage);
    let tell = wait_after(shared, &bent).await;
    let response = dress(decision, route, &rules)?;
    let mut response = response.map(|body| body.ending(under_way));
    if let Some(waiting) = tell {
        response = response.map(|body| body.telling(sent.clone(), waiting));
    }
    Ok(response)
}

/// What is decided on the head alone: the fault `drop`, and a refusal before the body where that reading is on.
fn answer_to_head(
    world: &World,
    route: &Route,
    head: &Head,
    rules: &Rules,
) -> Result<Option<Response<SimBody>>, Unanswered> {
    let shared = &*world.0;
    let early = rules.readings.refuse_before_body;
    if shared.faults.is_empty() && !early {
        return Ok(None);
    }
    let nothing = ReadBody::default();
    let ask = head.ask(&nothing);
    let under_way = || begin(world, route, &ask, rules);
    let dropping = bent(shared, route, &ask, rules, true);
    if !dropping.is_straight() {
        decide(shared, route, &ask, rules, &dropping, under_way().passage());
        return Err(Cut.into());
    }
    if !is_refused_early(shared, route, &ask, rules) {
        return Ok(None);
    }
    let under_way = under_way();
    let straight = Bent::default();
    let decision = decide(shared, route, &ask, rules, &straight, under_way.passage());
    let response = dress(decision, route, rules)?;
    let mut response = response.map(|body| body.ending(under_way));
    // What is left of the body is not waited for, so the connection cannot be used again.
    response
        .headers_mut()
        .insert(header::CONNECTION, HeaderValue::from_static("close"));
    Ok(Some(response))
}

/// The call is under way from now on.
fn begin(world: &World, route: &Route, ask: &Ask<'_>, rules: &Rules) -> UnderWay {
    let appid = appid_of(&world.0, route, ask, rules);
    let host = ask.headers.get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    UnderWay::begin(world, Passage::new(appid, ask.path, host, world.now()))
}

/// The faults that bend this call.
fn bent(shared: &Shared, route: &Route, ask: &Ask<'_>, rules: &Rules, dropping: bool) -> Bent {
    if shared.faults.is_empty() {
        return Bent::default();
    }
    let appid = appid_of(shared, route, ask, rules);
    Bent(shared.faults.take(route, ask, appid.as_deref(), dropping))
}

async fn wait_before(shared: &Shared, bent: &Bent) {
    for fault in bent.faults() {
        match fault {
            Fault::Delay { ms, before: true } => sleep(Duration::from_millis(*ms)).await,
            Fault::Hold { before: true } => shared.faults.hold().await,
            _ => {}
        }
    }
}

/// Waits as the faults want; gives who is to be told when the answer has gone.
async fn wait_after(shared: &Shared, bent: &Bent) -> Option<oneshot::Sender<()>> {
    let mut tell = None;
    for hit in &bent.0 {
        match hit.fault {
            Fault::Delay { ms, before: false } => sleep(Duration::from_millis(ms)).await,
            Fault::Hold { before: false } => shared.faults.hold().await,
            Fault::Reorder { ms } => match hit.pair.arrive() {
                // No second call in time, or it was cut off: then the answer goes all the same.
                Place::First(answered) => drop(timeout(Duration::from_millis(ms), answered).await),
                Place::Second(first) => tell = Some(first),
            },
            _ => {}
        }
    }
    tell
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

fn dress(decision: Decision, route: &Route, rules: &Rules) -> Result<Response<SimBody>, Cut> {
    let Decision { answer, wire, now } = decision;
    let content = answer.content_type(route.family, &rules.dress);
    let full = HeaderValue::from(answer.body.len());
    let body = match (wire, rules.dress.framing) {
        (Wire::Nothing, _) => return Err(Cut),
        (Wire::Half, _) => SimBody::half(&answer.body),
        (Wire::Endless, _) => SimBody::endless(&answer.body),
        (Wire::Drip(ms), _) => SimBody::drip(answer.body, Duration::from_millis(ms)),
        (Wire::Whole, Framing::ContentLength) => SimBody::whole(answer.body),
        (Wire::Whole, Framing::Chunked) => SimBody::chunked(answer.body),
    };
    let mut response = Response::new(body);
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, content);
    headers.insert(header::DATE, date_header(now));
    if wire == Wire::Half {
        headers.insert(header::CONTENT_LENGTH, full);
    }
    headers.extend(answer.headers);
    Ok(response)
}

fn controlled(answer: Controlled) -> Response<SimBody> {
    let mut response = Response::new(SimBody::whole(Bytes::from(answer.text)));
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(answer.content),
    );
    if let Some(cookie) = answer.cookie {
        headers.insert(header::SET_COOKIE, cookie);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubled_slashes_collapse() {
        assert_eq!(collapse_slashes("//cgi-bin///token/"), "/cgi-bin/token/");
        assert_eq!(collapse_slashes(""), "");
    }
}
