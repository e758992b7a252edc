//! Who may use the admin listener: its key, under its own name, and no page of another site.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{HOST, ORIGIN};
use http::uri::Authority;

use super::super::door;
use super::super::error::ApiError;
use super::AdminServices;

/// Lets a request through to its handler, or answers why not.
pub(crate) async fn guard(
    State(admin): State<Arc<AdminServices>>,
    request: Request,
    next: Next,
) -> Response {
    match check(&admin, &request) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

fn check(admin: &AdminServices, request: &Request) -> Result<(), ApiError> {
    let is_probe = matches!(request.uri().path(), "/healthz" | "/readyz");
    if is_probe && request.uri().query().is_none() {
        return Ok(());
    }
    let host = host(request).ok_or(ApiError::ForeignHost)?;
    // Under TLS the certificate says whose name it is; a rebound name has none.
    if !admin.has_tls && !is_loopback(&host) {
        return Err(ApiError::ForeignHost);
    }
    if !is_same_site(request, &host, admin.has_tls) {
        return Err(ApiError::ForeignOrigin);
    }
    let access = admin.access.load();
    if access.open_metrics && request.uri().path() == "/metrics" {
        return Ok(());
    }
    let sent = door::bearer(request.headers())?;
    let sent = std::str::from_utf8(sent).map_err(|_| ApiError::BadKey)?;
    match access.key {
        Some(key) if key.is_of(sent) => Ok(()),
        Some(_) | None => Err(ApiError::BadKey),
    }
}

/// The name the request came to: of its target (HTTP/2), or of its one `Host`.
fn host(request: &Request) -> Option<Authority> {
    if let Some(authority) = request.uri().authority() {
        return Some(authority.clone());
    }
    let mut sent = request.headers().get_all(HOST).iter();
    match (sent.next(), sent.next()) {
        (Some(host), None) => host.to_str().ok()?.parse().ok(),
        _ => None,
    }
}

fn is_loopback(host: &Authority) -> bool {
    let name = host.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// Whether the request is from no page at all, or from one of this very listener.
fn is_same_site(request: &Request, host: &Authority, tls: bool) -> bool {
    let scheme = if tls { "https" } else { "http" };
    let own = format!("{scheme}://{host}");
    let mut origins = request.headers().get_all(ORIGIN).iter();
    origins.all(|origin| origin.as_bytes().eq_ignore_ascii_case(own.as_bytes()))
}
