//! Routes about apps' users: two kinds of user information, mini-program login, decryption, deletion.
//!
//! Must not know: WeChat's JSON, where records are kept, which token a call is made with.

mod asked;
pub(crate) mod decrypt;
pub(crate) mod forget;
pub(crate) mod info;
pub(crate) mod login;
pub(crate) mod mix_up;
pub(crate) mod phone;
mod problem;
pub(crate) mod profile;

use axum::body::Body;
use http::Response;
use serde::Serialize;
use wxtoken_core::app::AppId;

use super::error::ApiError;
use super::native::fresh_json;
use super::services::Services;
use crate::users::{Happening, UserError};

/// Waits for the answer about a user, unless the server stops, and counts how it ended.
async fn answered<T>(
    services: &Services,
    app: &AppId,
    call: &'static str,
    answer: impl Future<Output = Result<T, UserError>>,
) -> Result<T, ApiError> {
    tokio::select! {
        answer = finished(services, app, call, answer) => answer,
        () = services.time_is_up() => Err(ApiError::Stopping),
    }
}

/// The same for what spends a code: waited for though the server stops, or the code would be spent for nothing.
async fn finished<T>(
    services: &Services,
    app: &AppId,
    call: &'static str,
    answer: impl Future<Output = Result<T, UserError>>,
) -> Result<T, ApiError> {
    let answer = answer.await;
    let outcome = answer.as_ref().map_or_else(problem::name, |_| "ok");
    services.users.tell(app, Happening::Asked { call, outcome });
    answer.map_err(|error| problem::problem(error, services.keeper.now().wall))
}

/// A good answer, which nobody may keep.
fn reply(body: &impl Serialize) -> Response<Body> {
    fresh_json(serde_json::to_vec(body).unwrap_or_default()).map(Body::from)
}
