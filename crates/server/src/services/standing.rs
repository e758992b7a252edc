//! Which callers there are, as the store is told at a start and at every reload: whoever is gone finds its old virtual tokens
//! dead if it comes back, whether or not a server was there to see it go.
//!
//! Must not know: what a virtual token is made of.

use std::sync::Arc;

use wxtoken_core::clock::Wall;
use wxtoken_core::store::StoreError;

use crate::config::{Caller, HandsOut};
use crate::gateway::virtual_token::CallerMark;
use crate::store::{Configured, Ledger, Revocations};

fn configured(callers: &[Caller]) -> Vec<Configured> {
    let all = callers.iter().map(|caller| Configured {
        caller: CallerMark::of(&caller.name).0,
        is_handed_virtual: caller.hands_out == HandsOut::Virtual,
    });
    all.collect()
}

/// Whose virtual tokens are over from the start on: also of those who were removed while no server ran.
pub(super) async fn at_start(store: &dyn Ledger, callers: &[Caller], now: Wall) -> Revocations {
    let callers = configured(callers);
    let before = store.revoked();
    let mut revoked = before.clone();
    revoked.settle(&callers, now.0);
    // A start that changes nothing writes nothing.
    if revoked != before
        && let Err(error) = store.settle(callers, now).await
    {
        // Nothing is lost yet: what is not written is found again by the next start.
        tracing::warn!("which callers there are could not be saved: {error}");
    }
    revoked
}

/// These are all callers from now on. What it gives has to be awaited: those that are gone are revoked then, and that is saved.
pub(super) fn after_reload(
    store: &Arc<dyn Ledger>,
    callers: &[Caller],
) -> impl Future<Output = Result<(), StoreError>> + use<> {
    let (store, callers) = (Arc::clone(store), configured(callers));
    async move { store.note(callers).await }
}
