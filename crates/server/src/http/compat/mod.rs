//! WeChat's own endpoints, so that an SDK needs only another base URL: HTTP 200 always, WeChat's JSON and errcodes.
//!
//! The SDK's `secret` carries a caller key; a key in the path, `/k/{key}/…`, does the same where the caller allows it.
//! Must not know: how the native API answers, listeners.

pub(crate) mod memory;
pub(crate) mod ticket;
pub(crate) mod token;

mod current;
mod identify;
pub(crate) mod refusal;

use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Now;
use wxtoken_core::credential::Credential;

use super::certified::Certified;
use super::error::ApiError;
use super::native::{JSON, NO_STORE};
use super::peer::Peer;
use super::request_id::RequestId;
use super::services::Services;
use super::{Reply, door, render};
use crate::config::CompatExpiresIn;

pub(crate) use refusal::wrong_method;

/// What a compatible endpoint looks at besides its parameters.
pub(crate) struct Visit {
    pub(crate) peer: Peer,
    /// What the client's certificate names, if it had to show one.
    pub(crate) certified: Option<Certified>,
    pub(crate) id: RequestId,
    /// The key in the path, where there is one.
    pub(crate) path_key: Option<String>,
    /// The app in the path, where there is one.
    pub(crate) path_app: Option<AppId>,
}

impl FromRequestParts<Arc<Services>> for Visit {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        services: &Arc<Services>,
    ) -> Result<Self, ApiError> {
        let path = RawPathParams::from_request_parts(parts, services)
            .await
            .ok();
        let named = |wanted: &str| {
            let mut pairs = path.as_ref()?.iter();
            pairs.find_map(|(name, value)| (name == wanted).then(|| value.to_owned()))
        };
        let path_app = match named("appid") {
            None => None,
            Some(text) => Some(text.parse().map_err(|_| ApiError::UnknownApp)?),
        };
        Ok(Self {
            peer: door::peer(parts)?,
            certified: parts.extensions.get().cloned(),
            id: parts.extensions.get().cloned().ok_or(ApiError::Internal)?,
            path_key: named("key"),
            path_app,
        })
    }
}

/// What `expires_in` says to a caller.
pub(crate) fn told_expires_in(told: CompatExpiresIn, value: &Credential, now: Now) -> u64 {
    match told {
        CompatExpiresIn::Remaining => render::expires_in(value, now),
        CompatExpiresIn::Fixed(seconds) => seconds.into(),
        CompatExpiresIn::Add(seconds) => render::expires_in(value, now) + u64::from(seconds),
    }
}

fn wechat_json(body: Vec<u8>) -> Reply {
    let mut reply = Reply::new(body.into());
    reply.headers_mut().insert(CONTENT_TYPE, JSON);
    reply.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    reply
}
