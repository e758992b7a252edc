//! Lets a request in or not: who it is from, whether it may come from there, whether the caller's limits allow it, and
//! whether it may see what it asks for. One order of checks for every path: key, address, rate, concurrency, permission.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Path};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Now;
use wxtoken_core::credential::{CredentialKey, Kind};

use super::callers::{Caller, OpenRequest};
use super::error::ApiError;
use super::peer::Peer;
use super::services::Services;

/// The key of an `Authorization: Bearer` header, sent once.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<&[u8], ApiError> {
    let mut sent = headers.get_all(AUTHORIZATION).iter();
    match (sent.next(), sent.next()) {
        (Some(value), None) => bearer_in(value.as_bytes()),
        _ => Err(ApiError::NoKey),
    }
}

/// The key in the value of such a header.
pub(crate) fn bearer_in(value: &[u8]) -> Result<&[u8], ApiError> {
    match value.split_at_checked(7) {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case(b"bearer ") && !key.is_empty() => {
            Ok(key.trim_ascii())
        }
        _ => Err(ApiError::NoKey),
    }
}

/// Opens a request of the caller that has this key.
pub(crate) fn admit(services: &Services, key: &[u8], peer: Peer) -> Result<OpenRequest, ApiError> {
    let book = services.callers.now();
    let caller = book.by_key(key).ok_or(ApiError::BadKey)?;
    open(caller, peer, services.keeper.now())
}

/// Opens a request of a caller who is known by now.
pub(crate) fn open(caller: &Arc<Caller>, peer: Peer, now: Now) -> Result<OpenRequest, ApiError> {
    if !caller.may_come_from(peer) {
        return Err(ApiError::WrongAddress);
    }
    let taken = caller
        .take(now)
        .map_err(|retry_after| ApiError::TooFast { retry_after });
    let opened = taken.and_then(|()| caller.open().ok_or(ApiError::TooManyAtOnce));
    if opened.is_err() {
        caller.note_limited();
    }
    opened
}

/// The credential that a path names, if the caller may read it. An app that is not the caller's is refused whether it
/// exists or not.
pub(crate) fn may_read(caller: &Caller, app: &str, kind: &str) -> Result<CredentialKey, ApiError> {
    let app: AppId = app.parse().map_err(|_| ApiError::UnknownApp)?;
    if !caller.sees(&app) {
        return Err(ApiError::ForeignApp);
    }
    let kind: Kind = kind.parse().map_err(|_| ApiError::UnknownKind)?;
    match caller.lacks_to_read(kind) {
        None => Ok(CredentialKey { app, kind }),
        Some(lacking) => Err(ApiError::NotAllowed(lacking)),
    }
}

/// Where a request comes from; put there by the front.
pub(crate) fn peer(parts: &Parts) -> Result<Peer, ApiError> {
    parts.extensions.get().copied().ok_or(ApiError::Internal)
}

/// A caller let in by its Bearer key; its request is open while this lives.
pub(crate) struct Admitted(pub(crate) OpenRequest);

impl FromRequestParts<Arc<Services>> for Admitted {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        services: &Arc<Services>,
    ) -> Result<Self, ApiError> {
        let key = bearer(&parts.headers)?;
        admit(services, key, peer(parts)?).map(Self)
    }
}

/// A caller let in, and the credential of the path, which it may read.
pub(crate) struct MayRead {
    pub(crate) request: OpenRequest,
    pub(crate) key: CredentialKey,
}

impl FromRequestParts<Arc<Services>> for MayRead {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        services: &Arc<Services>,
    ) -> Result<Self, ApiError> {
        let Admitted(request) = Admitted::from_request_parts(parts, services).await?;
        let path = Path::<(String, String)>::from_request_parts(parts, services).await;
        let Path((app, kind)) = path.map_err(|_| ApiError::UnknownApp)?;
        let key = may_read(request.caller(), &app, &kind)?;
        Ok(Self { request, key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn key_of(value: &'static str) -> Option<Vec<u8>> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static(value));
        bearer(&headers).ok().map(<[u8]>::to_vec)
    }

    #[test]
    fn a_bearer_key_is_read_whatever_the_case_of_its_scheme() {
        assert_eq!(key_of("Bearer abc").as_deref(), Some(&b"abc"[..]));
        assert_eq!(key_of("bEARER  abc ").as_deref(), Some(&b"abc"[..]));
        assert_eq!(key_of("Bearer "), None);
        assert_eq!(key_of("Basic abc"), None);
        assert_eq!(key_of("Bear"), None);
    }

    #[test]
    fn two_authorization_headers_are_as_good_as_none() {
        let mut headers = HeaderMap::new();
        headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer a"));
        headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer b"));
        assert!(bearer(&headers).is_err());
    }
}
