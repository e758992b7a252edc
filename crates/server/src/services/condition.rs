//! How the server is, as its doors tell it: put together from the first round of fetches, the store and the copies.
//!
//! Must not know: who is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::http::condition::{Condition, StoreTrouble};
use crate::sink::Sinks;
use crate::store::Shared;
use crate::telemetry::Sharing;
use crate::words::Sentence;

/// Readiness, and the store's trouble where replicas share one.
pub(super) fn of(
    ready: Arc<AtomicBool>,
    shared: Option<&Arc<dyn Shared>>,
    sinks: Sinks,
) -> Condition {
    let shared = shared.cloned();
    Condition {
        ready: Arc::new(move || {
            let is_ready = ready.load(Ordering::Acquire);
            is_ready
                .then_some(())
                .ok_or("the first round of fetches is under way")
        }),
        copies: Arc::new(move || sinks.redis()),
        store: Arc::new(move || {
            let (trouble, since) = shared.as_ref()?.health().trouble?;
            Some(StoreTrouble {
                name: trouble.name(),
                what: Sentence::of(&trouble),
                since,
            })
        }),
    }
}

/// The same for the metrics.
pub(super) fn sharing(shared: &dyn Shared) -> Sharing {
    let health = shared.health();
    Sharing {
        trouble: health.trouble.map(|(trouble, _)| trouble.name()),
        reconnects: health.reconnects,
        refilled: health.refilled,
    }
}
