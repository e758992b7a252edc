//! Which of a caller's virtual tokens are good: those of its epoch and later ones. Raised to end all that were made before.
//!
//! Outlives every reload, so that a caller that was removed and comes back is as revoked as before. Must not know: tokens,
//! where it is kept.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::gateway::virtual_token::CallerMark;
use crate::store::Revocations;

/// The epoch of one caller.
#[derive(Debug, Default)]
pub(super) struct Epoch {
    number: AtomicU64,
    raised: Notify,
}

impl Epoch {
    pub(super) fn number(&self) -> u64 {
        self.number.load(Ordering::Acquire)
    }

    /// Raises it; it never goes back.
    pub(super) fn raise(&self, to: u64) {
        self.number.fetch_max(to, Ordering::AcqRel);
        self.raised.notify_waiters();
    }

    /// Returns once it is not `seen` any more.
    pub(super) async fn past(&self, seen: u64) -> u64 {
        loop {
            let raised = self.raised.notified();
            let number = self.number();
            if number != seen {
                return number;
            }
            raised.await;
        }
    }
}

/// The epochs of all callers there ever were, in this process.
#[derive(Debug, Default)]
pub(super) struct Epochs {
    /// As the store had them at the start.
    known: Revocations,
    of: Mutex<HashMap<CallerMark, Arc<Epoch>>>,
}

impl Epochs {
    pub(super) fn new(known: Revocations) -> Self {
        Self {
            known,
            of: Mutex::default(),
        }
    }

    /// A caller's own.
    pub(super) fn of(&self, caller: CallerMark) -> Arc<Epoch> {
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        let epoch = of.entry(caller).or_insert_with(|| {
            let epoch = Epoch::default();
            epoch.raise(self.known.epoch_of(caller.0));
            Arc::new(epoch)
        });
        Arc::clone(epoch)
    }
}
