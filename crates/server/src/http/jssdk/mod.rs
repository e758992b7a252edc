//! `POST /v1/apps/{appid}/jssdk-signature` and `/card-signature`: signs for pages, with the live ticket, which stays here.
//!
//! Must not know: how a signature is made, how tickets are kept.

pub(crate) mod card;
pub(crate) mod page;
mod unsignable;

use std::sync::Arc;

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use wxtoken_core::app::AppId;
use wxtoken_core::credential::{Credential, CredentialKey, Kind};

use super::callers::OpenRequest;
use super::door::Admitted;
use super::error::ApiError;
use super::services::Services;
use crate::config::Permission;
use crate::jssdk::Nonce;
pub(crate) use unsignable::Unsignable;

/// A caller let in, and the app of the path, for which it may have things signed.
pub(crate) struct MaySign {
    pub(crate) request: OpenRequest,
    pub(crate) app: AppId,
}

impl FromRequestParts<Arc<Services>> for MaySign {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        services: &Arc<Services>,
    ) -> Result<Self, ApiError> {
        let Admitted(request) = Admitted::from_request_parts(parts, services).await?;
        let path = Path::<String>::from_request_parts(parts, services).await;
        let app = path.ok().and_then(|Path(app)| app.parse::<AppId>().ok());
        let app = app.ok_or(ApiError::UnknownApp)?;
        if !request.caller().sees(&app) {
            return Err(ApiError::ForeignApp);
        }
        if !request.caller().may(Permission::Sign) {
            return Err(ApiError::NotAllowed(Permission::Sign));
        }
        Ok(Self { request, app })
    }
}

/// The app's live ticket of a kind. A reader that comes first waits for it, as any reader does.
pub(super) async fn ticket(
    services: &Services,
    app: AppId,
    kind: Kind,
) -> Result<Arc<Credential>, ApiError> {
    let key = CredentialKey { app, kind };
    let found = services.get(&key, services.limits.first_token_wait).await;
    found.map_err(|error| match error {
        ApiError::UnknownKind => Unsignable::TicketNotKept(kind).into(),
        other => other,
    })
}

/// What makes the signature another each time.
pub(super) fn nonce() -> Result<Nonce, ApiError> {
    Nonce::fresh().map_err(|error| {
        tracing::error!("nothing can be signed: {error}");
        ApiError::Internal
    })
}
