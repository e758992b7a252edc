//! Counts the credentials by their state whenever the metrics page is asked for: nothing is kept per app for it.

use std::time::Duration;

use wxtoken_core::credential::CredentialKey;

use crate::keeper::{Absent, Keeper};
use crate::telemetry::{Census, Metrics, State};

/// Less than this left: it should have been renewed by now.
const AT_RISK: Duration = Duration::from_secs(200);

/// Lets the metrics take a census of what the keeper hands out.
pub(super) fn take(metrics: &Metrics, keeper: &Keeper) {
    let keeper = keeper.clone();
    metrics.count_credentials(move |census| count(&keeper, census));
}

fn count(keeper: &Keeper, census: &mut Census) {
    let now = keeper.now();
    keeper.shelf().each(|app, kinds| {
        for kind in kinds {
            let key = CredentialKey {
                app: *app,
                kind: *kind,
            };
            match keeper.shelf().peek(&key, now) {
                Ok(value) => {
                    let left = Duration::from_millis(value.left(now));
                    let state = if left < AT_RISK {
                        State::AtRisk
                    } else {
                        State::Live
                    };
                    census.count(*kind, state, Some(left));
                }
                Err(Absent::NoLive(why)) => {
                    census.count(*kind, State::Absent, None);
                    census.trouble(*app, *kind, why.reason);
                }
                Err(Absent::UnknownApp | Absent::UnknownKind) => {}
            }
        }
    });
}
