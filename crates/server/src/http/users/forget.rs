//! `DELETE /v1/apps/{appid}/users/{openid}`: everything that is kept of a user goes.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use http::header::CACHE_CONTROL;
use http::{Response, StatusCode};

use super::super::error::{ApiError, Problem};
use super::super::native::NO_STORE;
use super::super::services::Services;
use super::answered;
use super::asked::{Allowed, OfUser};
use crate::config::Permission;

/// Deletes what is kept of a user: grant and session. The same where nothing was.
#[utoipa::path(delete, path = "/v1/apps/{appid}/users/{openid}", tag = "users", security(("caller_key" = [])),
    params(
        ("appid" = String, Path, description = "An AppID"),
        ("openid" = String, Path, description = "The user, to this app"),
    ),
    responses(
        (status = 204),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn forget(
    State(services): State<Arc<Services>>,
    asked: OfUser,
) -> Result<Response<Body>, ApiError> {
    let Allowed { of, openid, .. } = asked.allowed(Permission::Users, &services)?;
    let asked = services.users.delete(&of.app, &openid);
    answered(&services, &of.app, "delete", asked).await?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    Ok(response)
}
