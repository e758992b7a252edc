//! In front of every public route: the rate of the address, and headers that keep a browser from doing more than it should.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderValue;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};

use super::pages::{self, Language, Page};
use super::{Peer, PublicServices, jssdk};

/// Lets a request through to its handler, or tells it to come back later.
pub(super) async fn guard(
    State(public): State<Arc<PublicServices>>,
    request: Request,
    next: Next,
) -> Response {
    let language = Language::of_request(&request);
    let mut response = match admit(&public, &request) {
        Ok(()) => next.run(request).await,
        Err(page) => page.answer(language),
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (X_FRAME_OPTIONS, "DENY"),
        (CACHE_CONTROL, "no-store"),
    ] {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    headers
        .entry(CONTENT_SECURITY_POLICY)
        .or_insert_with(pages::policy);
    response
}

fn admit(public: &PublicServices, request: &Request) -> Result<(), Box<Page>> {
    if jssdk::asks_itself(request) {
        return Ok(());
    }
    // Put there by the front, for every request.
    let Some(peer) = request.extensions().get::<Peer>() else {
        return Err(Box::new(Page::broken()));
    };
    let admitted = public.admit(*peer, request.headers());
    admitted.map_err(|wait| Box::new(Page::too_often(wait)))
}
