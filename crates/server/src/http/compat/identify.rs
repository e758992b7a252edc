//! Who asks at a compatible endpoint, and for which app: from a key in `secret`, in the path or as Bearer; from an app's
//! own AppSecret or the caller's address, where the caller allows it.

use wxtoken_core::app::AppId;

use super::super::callers::OpenRequest;
use super::super::door;
use super::super::error::ApiError;
use super::super::services::Services;
use super::Visit;
use super::refusal::Refusal;

/// The caller of a request with a `secret` parameter.
pub(super) fn by_secret(
    services: &Services,
    visit: &Visit,
    appid: &str,
    secret: Option<&str>,
) -> Result<OpenRequest, Refusal> {
    if let Some(key) = &visit.path_key {
        return by_path_key(services, visit, key);
    }
    let secret = secret
        .filter(|secret| !secret.is_empty())
        .ok_or(Refusal::NO_SECRET)?;
    let book = services.callers.now();
    let now = services.keeper.now();
    if let Some(caller) = book.by_key(secret.as_bytes()) {
        return Ok(door::open(caller, visit.peer, now)?);
    }
    let app: AppId = appid.parse().map_err(|_| ApiError::BadKey)?;
    match book.by_app_secret(&app, visit.peer) {
        Some(caller) if (services.is_app_secret)(&app, secret) => {
            Ok(door::open(caller, visit.peer, now)?)
        }
        _ => Err(ApiError::BadKey.into()),
    }
}

/// The caller whose key stands in the path, if it allows that.
pub(super) fn by_path_key(
    services: &Services,
    visit: &Visit,
    key: &str,
) -> Result<OpenRequest, Refusal> {
    let book = services.callers.now();
    match book.by_key(key.as_bytes()) {
        Some(caller) if caller.config().path_key => {
            Ok(door::open(caller, visit.peer, services.keeper.now())?)
        }
        _ => Err(Refusal::PATH_KEY),
    }
}
