//! A token in the place of one that WeChat called bad at first hand (design rule 8).
//!
//! Must not know: what call was made with it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use wxtoken_core::app::AppId;
use wxtoken_core::credential::Credential;
use wxtoken_core::refresh::verdict::{Evidence, Verdict as Known};

use super::call::key;
use super::quiet::QuietPaths;
use crate::keeper::Keeper;

/// How long a call waits for its dead token to be replaced.
const REPLACED_WITHIN: Duration = Duration::from_secs(12);
/// A value younger than this may not be known to all of WeChat yet, in milliseconds: a call that it failed for is made once
/// more, a little later (design rule 8).
const YOUNG: u64 = 10_000;
const A_LITTLE: Duration = Duration::from_secs(1);

/// The token handed out by now, if it is not the one that failed.
pub(crate) fn newer(keeper: &Keeper, app: AppId, failed: &Credential) -> Option<Arc<Credential>> {
    let now = keeper.peek(&key(app)).ok();
    now.filter(|other| other.id != failed.id)
}

/// Reports the token that failed on a path: gives one that differs; or the same, if it was so young that it may work a moment
/// later; none if it lives, or there is no other.
pub(crate) async fn replacement(
    keeper: &Keeper,
    quiet: &QuietPaths,
    app: AppId,
    path: &str,
    failed: &Arc<Credential>,
) -> Option<Arc<Credential>> {
    if quiet.is_silenced(&app, path, keeper.now().boot) {
        return None;
    }
    let evidence = Evidence::FirstHand;
    let report = keeper.report_dead(key(app), failed.token.expose(), evidence, REPLACED_WITHIN);
    let report = report.await.ok()?.ok()?;
    if report.verdict != Known::Alive {
        return report.current.filter(|other| other.id != failed.id);
    }
    if keeper.now().boot.since(failed.sent) < YOUNG {
        sleep(A_LITTLE).await;
        return Some(Arc::clone(failed));
    }
    quiet.silence(&app, path, keeper.now().boot);
    None
}
