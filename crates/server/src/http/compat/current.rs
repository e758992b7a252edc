//! The value a compatible reader gets: the current one; or, if its question says that this failed, what the keeper makes
//! of that within two seconds. Never forces anything upstream.

use std::sync::Arc;
use std::time::Duration;

use wxtoken_core::credential::{Credential, CredentialKey};
use wxtoken_core::refresh::verdict::{Evidence, Verdict};

use super::super::callers::Caller;
use super::super::error::ApiError;
use super::super::handout::is_virtual;
use super::super::services::Services;
use super::memory::Given;

/// The longest a reader waits for its hearsay to be looked into (design rule 8).
const HEARSAY_WAIT: Duration = Duration::from_secs(2);

/// The value to hand out to a caller; `failed` if it says that the last one did.
pub(super) async fn current(
    services: &Services,
    caller: &Caller,
    key: CredentialKey,
    failed: bool,
) -> Result<Arc<Credential>, ApiError> {
    let keeper = &services.keeper;
    let absent = |absent| ApiError::absent(absent, keeper.now().wall);
    let wait = services.limits.first_token_wait;
    let mut value = tokio::select! {
        value = keeper.get(&key, wait) => value.map_err(absent)?,
        () = services.time_is_up() => keeper.peek(&key).map_err(absent)?,
    };
    let given = Given {
        app: &key.app,
        kind: key.kind,
        id: value.id,
    };
    // What fails for such a caller is seen by the gateway itself.
    if is_virtual(caller, key.kind) {
        return Ok(value);
    }
    if services
        .memory
        .is_hearsay(caller.name(), given, failed, keeper.now())
    {
        let report = keeper.report_dead(key, value.token.expose(), Evidence::Hearsay, HEARSAY_WAIT);
        let report = tokio::select! {
            report = report => report,
            () = services.time_is_up() => return Ok(value),
        };
        let alive = matches!(&report, Ok(Ok(report)) if report.verdict == Verdict::Alive);
        services.memory.answered(given, alive, keeper.now());
        value = match report {
            Ok(Ok(report)) => report
                .current
                .map_or_else(|| keeper.peek(&key), Ok)
                .map_err(absent)?,
            Ok(Err(gone)) => return Err(absent(gone)),
            // The server is stopping: what it has is still good.
            Err(_) => value,
        };
    }
    let given = Given {
        app: &key.app,
        kind: key.kind,
        id: value.id,
    };
    services.memory.gave(caller.name(), given, keeper.now());
    Ok(value)
}
