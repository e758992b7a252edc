//! In front of the routes, for every request that hyper parsed: names it, tidies its path, catches a panic, counts the
//! answer and dates it.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use futures_util::FutureExt;
use http::header::{CONTENT_LENGTH, DATE};
use http::uri::PathAndQuery;
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use tower::ServiceExt;
use wxtoken_core::clock::Wall;

use super::certified::Certified;
use super::counters::{Outcome, Surface};
use super::date::DateText;
use super::error::ApiError;
use super::peer::Peer;
use super::request_id::{HEADER, RequestId, RequestIds};
use super::services::Services;
use crate::gateway::relay::{Resumed, Started};
use crate::keeper::Keeper;

/// What stands in front of the routes of one listener.
pub(crate) struct Front {
    /// The routes.
    pub(crate) router: Router,
    /// Tells the time.
    pub(crate) keeper: Keeper,
    /// Where answers are counted, if they are.
    pub(crate) services: Option<Arc<Services>>,
}

/// The front for one connection.
#[derive(Clone)]
pub(crate) struct ConnectionFront {
    pub(crate) front: Arc<Front>,
    pub(crate) peer: Peer,
    /// What the client's certificate names, if it had to show one.
    pub(crate) certified: Option<Certified>,
    pub(crate) ids: Arc<RequestIds>,
    /// The connection's first request, if it was begun elsewhere.
    pub(crate) started: Arc<Mutex<Option<Box<Started>>>>,
}

impl hyper::service::Service<Request<Incoming>> for ConnectionFront {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move { Ok(this.answer(request.map(Body::new)).await) })
    }
}

impl ConnectionFront {
    async fn answer(self, mut request: Request<Body>) -> Response<Body> {
        let front = &self.front;
        let started = self
            .started
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let id = match &started {
            Some(started) => started.id().clone(),
            None => RequestId::of(request.headers(), &self.ids, front.keeper.now().wall),
        };
        if let Some(started) = started {
            request.extensions_mut().insert(Resumed::new(started));
        }
        tidy(request.uri_mut());
        request.extensions_mut().insert(self.peer);
        if let Some(certified) = &self.certified {
            request.extensions_mut().insert(certified.clone());
        }
        request.extensions_mut().insert(id.clone());
        let surface = Surface::of(request.uri().path());
        let answering = front.router.clone().oneshot(request);
        let answered = AssertUnwindSafe(answering).catch_unwind().await;
        let mut response = answered.map_or_else(
            |_| {
                tracing::error!(
                    request.id = id.as_str(),
                    "a handler panicked; the request was answered with 500"
                );
                ApiError::Internal.into_response()
            },
            |Ok(response)| response,
        );
        if let Some(services) = &front.services {
            services.counters.count(surface, Outcome::of(&response));
        }
        if response.status() == StatusCode::NOT_MODIFIED {
            response.headers_mut().remove(CONTENT_LENGTH);
        }
        finish(&mut response, &id, front.keeper.now().wall);
        response
    }
}

/// What every answer has: its name and its time. WeChat's own time stays.
fn finish(response: &mut Response<Body>, id: &RequestId, now: Wall) {
    let headers = response.headers_mut();
    headers.insert(HEADER, id.as_header());
    if headers.contains_key(DATE) {
        return;
    }
    let mut date = DateText::at(now);
    if let Ok(value) = HeaderValue::from_bytes(date.of(now)) {
        headers.insert(DATE, value);
    }
}

/// Doubled slashes become one: base URLs are often written with a slash at their end.
fn tidy(uri: &mut Uri) {
    if !uri.path().contains("//") {
        return;
    }
    let mut path = String::with_capacity(uri.path().len());
    for c in uri.path().chars() {
        if c != '/' || !path.ends_with('/') {
            path.push(c);
        }
    }
    if let Some(query) = uri.query() {
        path.push('?');
        path.push_str(query);
    }
    let mut parts = std::mem::take(uri).into_parts();
    parts.path_and_query = PathAndQuery::try_from(path).ok();
    *uri = Uri::from_parts(parts).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubled_slashes_become_one_and_the_query_stays() {
        let mut uri = Uri::from_static("//k//0//cgi-bin///token?x=a//b");
        tidy(&mut uri);
        assert_eq!(uri, "/k/0/cgi-bin/token?x=a//b");
        let mut uri = Uri::from_static("http://host//a");
        tidy(&mut uri);
        assert_eq!(uri, "http://host/a");
    }
}
