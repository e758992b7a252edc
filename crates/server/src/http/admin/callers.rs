//! `POST /admin/callers/{name}/revoke`: ends every virtual token that a caller was handed.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use http::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::error::{ApiError, Problem};
use super::super::native::fresh_json;
use super::AdminServices;
use crate::config::HandsOut;
use crate::words::Sentence;

/// What was done.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RevokeReply {
    /// Whose.
    name: String,
    /// Virtual tokens handed out before are dead; those handed out from now on are of this epoch. It only grows.
    epoch: u64,
    /// What this caller is handed: `virtual`; or `real`, and then it may hold WeChat's own token, which this does not end.
    #[schema(example = "virtual")]
    hands_out: &'static str,
}

/// Ends every virtual token of a caller at once, for good. Its key stays as it is.
#[utoipa::path(post, path = "/admin/callers/{name}/revoke", tag = "admin", security(("admin_key" = [])),
    params(("name" = String, Path, description = "The `name` of a [[caller]]")),
    responses(
        (status = 200, body = RevokeReply),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn revoke(
    State(admin): State<Arc<AdminServices>>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Response<Body>, ApiError> {
    let Path(name) = name.map_err(|_| ApiError::UnknownCaller)?;
    let services = &admin.services;
    let caller = services.callers.now().by_name(&name).cloned();
    let caller = caller.ok_or(ApiError::UnknownCaller)?;
    // Dead first, whatever becomes of the store.
    let epoch = caller.revoke(services.keeper.now());
    tracing::warn!(caller = name, "the virtual tokens of {name} were revoked");
    (admin.keep_revocation)(caller.mark().0, epoch)
        .await
        .map_err(|error| ApiError::NotSaved(Sentence::of(&error)))?;
    let reply = RevokeReply {
        name,
        epoch,
        hands_out: match caller.config().hands_out {
            HandsOut::Real => "real",
            HandsOut::Virtual => "virtual",
        },
    };
    Ok(fresh_json(serde_json::to_vec(&reply).unwrap_or_default()).map(Body::from))
}
