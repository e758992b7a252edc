//! What a caller is handed for a value: WeChat's own, or a virtual token that is good at the gateway alone.
//!
//! A virtual token takes the form of a credential, so that every answer is written the same way whichever it is.
//! Must not know: how answers are written.

use std::sync::Arc;

use wxtoken_core::clock::{Now, millis};
use wxtoken_core::credential::{Credential, CredentialKey, Kind, Token};

use super::callers::Caller;
use super::error::ApiError;
use super::services::Services;
use crate::config::HandsOut;

/// Whether this caller is handed virtual tokens for this kind. Tickets are of no use at the gateway: they are always real.
pub(crate) fn is_virtual(caller: &Caller, kind: Kind) -> bool {
    kind == Kind::AccessToken && caller.config().hands_out == HandsOut::Virtual
}

/// What the caller is handed in the place of a live value.
pub(crate) fn handed(
    services: &Services,
    caller: &Caller,
    key: &CredentialKey,
    value: Arc<Credential>,
    now: Now,
) -> Result<Arc<Credential>, ApiError> {
    if !is_virtual(caller, key.kind) {
        return Ok(value);
    }
    let mark = caller.mark();
    let made = services
        .gateway
        .virtual_tokens
        .make(mark, key.app, caller.epoch(), now.wall);
    let (token, good_for) = made.ok_or(ApiError::Internal)?;
    Ok(Arc::new(Credential {
        id: services.keeper.id_of(&token),
        token: Token::new(&token).map_err(|_| ApiError::Internal)?,
        kind: key.kind,
        lane: value.lane,
        generation: value.generation,
        sent: now.boot,
        expires: now.boot.plus(millis(good_for)),
        adopted: value.adopted,
    }))
}
