//! How the server is, for whoever asks: ready, or what it waits for; and what is wrong with the store that replicas share.
//!
//! Must not know: which store that is.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;
use wxtoken_core::clock::Wall;

use crate::sink::{Events, RedisStatus, SWITCH_ON};
use crate::words::Sentence;

/// Whether the server is ready, or what it waits for, as a short name.
pub type Readiness = Arc<dyn Fn() -> Result<(), &'static str> + Send + Sync>;

/// What is wrong with the shared store, if anything is.
pub type StoreWatch = Arc<dyn Fn() -> Option<StoreTrouble> + Send + Sync>;

/// How every Redis fares that copies are kept in.
pub type CopiesWatch = Arc<dyn Fn() -> Vec<RedisStatus> + Send + Sync>;

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
    /// How every Redis fares that copies are kept in: it makes no server unready either.
    pub copies: CopiesWatch,
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

/// A Redis that copies are kept in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CopiesReport {
    /// Which, without user and password.
    redis: String,
    /// How many copies are kept there.
    copies: usize,
    /// `on` where it tells what happens to them, so that a change by others is noticed at once; `off` or `cluster` where it is
    /// noticed within seconds; `unknown`.
    events: &'static str,
    /// How to switch the events on, where they are off.
    #[serde(skip_serializing_if = "Option::is_none")]
    switch_on: Option<&'static str>,
    /// What keeps them from being kept true, with the cure.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// The same in Chinese.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail_zh: Option<String>,
    /// Since when, in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<u64>,
}

impl From<RedisStatus> for CopiesReport {
    fn from(status: RedisStatus) -> Self {
        let (what, since) = status.trouble.unzip();
        let (detail, detail_zh) = what.map(|what| (what.en, what.zh)).unzip();
        Self {
            redis: status.at,
            copies: status.sinks,
            events: status.events.name(),
            switch_on: (status.events == Events::Off).then_some(SWITCH_ON),
            detail,
            detail_zh,
            since: since.map(Wall::unix_seconds),
        }
    }
}

impl Condition {
    /// Every Redis that copies are kept in, for those with the admin key.
    pub(crate) fn copies(&self) -> Vec<CopiesReport> {
        (self.copies)().into_iter().map(Into::into).collect()
    }

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
