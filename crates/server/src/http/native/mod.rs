//! The native API under `/v1`, and the health checks: JSON, Bearer keys, RFC 9457 problems.
//!
//! Must not know: WeChat's errcodes, listeners.

pub(crate) mod apps;
pub(crate) mod batch;
pub(crate) mod credential;
pub(crate) mod dead;
pub(crate) mod health;
pub(crate) mod stream;

use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

use super::Reply;

pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub(crate) const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// A good answer that nobody may keep.
pub(crate) fn fresh_json(body: Vec<u8>) -> Reply {
    let mut reply = Reply::new(body.into());
    reply.headers_mut().insert(CONTENT_TYPE, JSON);
    reply.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    reply
}
