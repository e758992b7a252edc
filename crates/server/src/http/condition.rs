//! How the server is, for whoever asks: ready, or what it waits for; and what is wrong with the store that replicas share.
//!
//! Must not know: which store that is.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;
use wxtoken_core::clock::Wall;

use crate::words::Sentence;

/// Whether the server is ready, or what it waits for, as a short name.
pub type Readiness = Arc<dyn Fn() -> Result<(), &'static str> + Send + Sync>;

/// What is wrong with the shared store, if anything is.
pub type StoreWatch = Arc<dyn Fn() -> Option<StoreTrouble> + Send + Sync>;

/// What is wrong with the shared store.
#[derive(Debug, Clone)]
pub struct StoreTrouble {
    /// A stable name.
    pub name: &'static str,
    /// In plain words, with the cure; no secret, but perhaps a host.
    pub what: Sentence,
    /// Since when.
    pub since: Wall,
}

/// How the server is.
#[derive(Clone)]
pub struct Condition {
    /// Whether requests should be sent here.
    pub ready: Readiness,
    /// The store's trouble: it makes no server unready.
    pub store: StoreWatch,
}

/// What is wrong with the shared store; handing out goes on.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StoreReport {
    /// `unreachable`, `slow`, `read_only`, `out_of_memory`, `loading`, `cannot_persist`, `auth` …
    trouble: &'static str,
    /// In plain words, with the cure.
    detail: String,
    /// The same in Chinese.
    detail_zh: String,
    /// Since when, in Unix seconds.
    since: u64,
}

impl Condition {
    /// For those with the admin key.
    pub(crate) fn report(&self) -> Option<StoreReport> {
        let StoreTrouble { name, what, since } = (self.store)()?;
        Some(StoreReport {
            trouble: name,
            detail: what.en,
            detail_zh: what.zh,
            since: since.unix_seconds(),
        })
    }
}
