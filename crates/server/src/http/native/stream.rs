//! `GET /v1/stream`: changes as server-sent events, to callers who may see them, for as long as they may.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use bytes::Bytes;
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Response};
use serde::Serialize;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use wxtoken_core::app::AppId;
use wxtoken_core::credential::Kind;

use super::super::callers::Caller;
use super::super::callers::OpenRequest;
use super::super::door::Admitted;
use super::super::error::Problem;
use super::super::handout::handed;
use super::super::input::Query;
use super::super::render;
use super::super::services::Services;
use super::NO_STORE;
use crate::keeper::Notice;

/// A comment is sent when nothing else was for so long, so that proxies keep the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The stream of one client.
struct Listener {
    services: Arc<Services>,
    request: OpenRequest,
    notices: Receiver<Notice>,
    values: bool,
    /// The caller's epoch as last told: virtual tokens of earlier ones are over.
    epoch: u64,
    greeted: bool,
    keep_alive: Duration,
}

/// Server-sent events. `credential`: a new value, or a later end of the same (appid, kind, lane, expires_at,
/// generation; with `values=1` the whole credential). `gone`: no live value any more. `trouble` and `cleared`: something
/// a person should know, and its end. `resync`: events were missed, or none is known yet; read what you need.
#[utoipa::path(get, path = "/v1/stream", tag = "read", security(("caller_key" = [])),
    params(("values" = Option<u8>, Query, description = "1: credentials come with their values")),
    responses(
        (status = 200, content_type = "text/event-stream", body = String),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn listen(
    State(services): State<Arc<Services>>,
    Admitted(request): Admitted,
    RawQuery(query): RawQuery,
) -> Response<Body> {
    let values = Query::new(query.as_deref().unwrap_or_default()).get("values");
    let listener = Listener {
        notices: services.keeper.subscribe(),
        services,
        epoch: request.caller().epoch(),
        request,
        values: values.as_deref() == Some("1"),
        greeted: false,
        keep_alive: KEEP_ALIVE,
    };
    let events = stream::unfold(listener, |mut listener| async move {
        let event = listener.next().await?;
        Some((Ok::<_, Infallible>(event), listener))
    });
    let mut response = Response::new(Body::from_stream(events));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, NO_STORE);
    // nginx would otherwise hold events back.
    headers.insert(
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    response
}

impl Listener {
    /// The next bytes to send; none when the stream ends: the server stops, or the caller is gone.
    async fn next(&mut self) -> Option<Bytes> {
        if !self.greeted {
            self.greeted = true;
            return Some(resync());
        }
        // From the last thing sent: what this caller may not see keeps no connection alive.
        let mut quiet = pin!(tokio::time::sleep(self.keep_alive));
        loop {
            let notice = tokio::select! {
                notice = self.notices.recv() => notice,
                () = &mut quiet => {
                    self.caller()?;
                    return Some(Bytes::from_static(b": still here\n\n"));
                }
                epoch = self.request.caller().revoked_since(self.epoch) => {
                    self.epoch = epoch;
                    return Some(resync());
                }
                () = self.services.stop.wait() => return None,
            };
            match notice {
                Ok(notice) => {
                    let caller = self.caller()?;
                    if let Some(event) = self.event(&caller, &notice) {
                        return Some(event.into());
                    }
                }
                Err(RecvError::Lagged(_)) => return Some(resync()),
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// The caller as the configuration has it now.
    fn caller(&self) -> Option<Arc<Caller>> {
        self.services
            .callers
            .now()
            .still(self.request.caller())
            .cloned()
    }

    /// A notice as an event, if this caller may see it.
    fn event(&self, caller: &Caller, notice: &Notice) -> Option<Vec<u8>> {
        let readable =
            |app: &AppId, kind: Kind| caller.sees(app) && caller.lacks_to_read(kind).is_none();
        // What befalls an app as a whole is for those who read its tokens.
        let concerned = |app: &AppId| readable(app, Kind::AccessToken);
        match notice {
            Notice::Credential(key, value) => readable(&key.app, key.kind).then(|| {
                let now = self.services.keeper.now();
                let value = &handed(&self.services, caller, key, Arc::clone(value), now).ok()?;
                let mut out = b"event: credential\ndata: ".to_vec();
                if self.values {
                    render::credential(&mut out, &key.app, value, now);
                } else {
                    render::announcement(&mut out, &key.app, value, now);
                }
                out.extend_from_slice(b"\n\n");
                Some(out)
            })?,
            Notice::Gone(key) => readable(&key.app, key.kind).then(|| {
                event(
                    "gone",
                    &About {
                        appid: key.app.as_str(),
                        kind: Some(key.kind.name()),
                        ..About::default()
                    },
                )
            }),
            Notice::Trouble {
                app,
                kind,
                name,
                detail,
            } => {
                let readable = kind.map_or_else(|| concerned(app), |kind| readable(app, kind));
                let kind = kind.map(Kind::name);
                let about = About {
                    appid: app.as_str(),
                    kind,
                    name: Some(name),
                    detail: Some(detail),
                };
                readable.then(|| event("trouble", &about))
            }
            Notice::Cleared { app, name } => concerned(app).then(|| {
                event(
                    "cleared",
                    &About {
                        appid: app.as_str(),
                        name: Some(name),
                        ..About::default()
                    },
                )
            }),
        }
    }
}

/// What an event without a value is about.
#[derive(Default, Serialize)]
struct About<'a> {
    appid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

fn resync() -> Bytes {
    Bytes::from_static(b"event: resync\ndata: {}\n\n")
}

fn event(name: &str, about: &About<'_>) -> Vec<u8> {
    // JSON has no raw line breaks, so one `data:` line is enough.
    let data = serde_json::to_string(about).unwrap_or_default();
    format!("event: {name}\ndata: {data}\n\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::door;
    use crate::http::peer::Peer;
    use crate::http::testing::{KEY, World, usual_callers};

    /// A listener that was greeted already.
    fn listener(services: &Arc<Services>, keep_alive: Duration) -> Listener {
        let book = services.callers.now();
        let caller = book.by_key(KEY.as_bytes()).unwrap();
        let request = door::open(caller, Peer::Local, services.keeper.now()).unwrap();
        Listener {
            notices: services.keeper.subscribe(),
            services: Arc::clone(services),
            epoch: request.caller().epoch(),
            request,
            values: false,
            greeted: true,
            keep_alive,
        }
    }

    #[tokio::test]
    async fn a_listener_whose_tokens_are_revoked_is_told_to_read_anew_once() {
        let world = World::new();
        let mut listener = listener(&world.services, Duration::from_millis(100));
        let caller = listener.caller().unwrap();
        caller.revoke(world.services.keeper.now());
        world.services.callers.replace(&usual_callers());
        assert_eq!(listener.next().await.unwrap(), resync());
        assert_eq!(listener.next().await.unwrap(), ": still here\n\n");
    }

    #[tokio::test]
    async fn notices_that_a_caller_may_not_see_put_off_no_keep_alive() {
        let world = World::new();
        let mut listener = listener(&world.services, Duration::from_millis(100));
        let foreign = Notice::Cleared {
            app: "wxforeign".parse().unwrap(),
            name: "refused",
        };
        let mut often = tokio::time::interval(Duration::from_millis(10));
        let busy = async {
            loop {
                often.tick().await;
                world.notices.send(foreign.clone()).unwrap();
            }
        };
        let patience = tokio::time::sleep(Duration::from_secs(10));
        let event = tokio::select! {
            event = listener.next() => event,
            () = busy => None,
            () = patience => None,
        };
        assert_eq!(event.unwrap(), ": still here\n\n");
    }
}
