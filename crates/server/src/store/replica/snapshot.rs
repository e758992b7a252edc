//! The sealed copy on this machine: an ordinary store of one machine, written behind everybody's back.
//!
//! What is to be written waits in memory, the newest of each app; a disk that takes nothing costs nothing else.
//! Must not know: Redis.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foldhash::fast::RandomState;
use futures_util::future::join_all;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::{Clock, Wall, millis};
use wxtoken_core::store::{Lease, Loaded, Record, RecordStore, StoreError};

use super::super::EmbeddedStore;
use super::super::revocations::{Configured, Revocations};
use crate::words::Sentence;

/// Records that are written together.
const TOGETHER: usize = 500;
/// After the disk refused.
const PAUSE: Duration = Duration::from_secs(5);

/// The copy.
pub(super) struct Snapshot {
    desk: Arc<Desk>,
    writing: Mutex<Option<JoinHandle<()>>>,
}

/// What the writing task shares.
struct Desk {
    store: EmbeddedStore,
    waiting: Mutex<HashMap<AppId, Record, RandomState>>,
    more: Notify,
    is_ending: AtomicBool,
}

impl Snapshot {
    /// Needs a tokio runtime.
    pub(super) fn new(store: EmbeddedStore, clock: Arc<dyn Clock>) -> Self {
        let desk = Arc::new(Desk {
            store,
            waiting: Mutex::default(),
            more: Notify::new(),
            is_ending: AtomicBool::new(false),
        });
        let writing = tokio::spawn(write(Arc::clone(&desk), clock));
        Self {
            desk,
            writing: Mutex::new(Some(writing)),
        }
    }

    /// Will be written; waits for nothing.
    pub(super) fn put(&self, app: &AppId, record: Record) {
        self.desk.waiting().insert(*app, record);
        self.desk.more.notify_one();
    }

    /// The newest there is of an app. What is not written yet counts, and what cannot be read does not.
    pub(super) async fn read(&self, app: &AppId) -> Option<Box<Record>> {
        let waiting = self.desk.waiting().get(app).cloned();
        if let Some(record) = waiting {
            return Some(Box::new(record));
        }
        match self.desk.store.lease(app, Duration::MAX).await {
            Ok(Lease::Won { record, .. }) => record,
            Ok(Lease::Taken { .. }) | Err(_) => None,
        }
    }

    pub(super) async fn load_all(
        &self,
        each: &mut (dyn FnMut(Loaded) + Send),
    ) -> Result<(), StoreError> {
        self.desk.store.load_all(each).await
    }

    pub(super) async fn forget(&self, app: &AppId) -> Result<(), StoreError> {
        self.desk.waiting().remove(app);
        self.desk.store.forget(app).await
    }

    pub(super) async fn remember(&self, app: &AppId) -> Result<(), StoreError> {
        self.desk.store.remember(app).await
    }

    pub(super) async fn forgotten(&self) -> Result<Vec<AppId>, StoreError> {
        self.desk.store.forgotten().await
    }

    pub(super) fn revoked(&self) -> &Revocations {
        self.desk.store.revoked()
    }

    pub(super) async fn revoke(&self, caller: u64, epoch: u64) -> Result<(), StoreError> {
        self.desk.store.revoke(caller, epoch).await
    }

    pub(super) async fn settle(
        &self,
        callers: Vec<Configured>,
        now: Wall,
    ) -> Result<(), StoreError> {
        self.desk.store.settle(callers, now).await
    }

    pub(super) async fn note(&self, callers: Vec<Configured>) -> Result<(), StoreError> {
        self.desk.store.note(callers).await
    }

    /// Writes what waits, and ends; what the disk refuses stays unwritten.
    pub(super) async fn end(&self) {
        self.desk.is_ending.store(true, Ordering::Relaxed);
        self.desk.more.notify_one();
        let writing = self.writing().take();
        if let Some(writing) = writing {
            let _ = writing.await;
        }
    }

    fn writing(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        if let Some(writing) = self.writing().take() {
            writing.abort();
        }
    }
}

impl Desk {
    fn waiting(&self) -> MutexGuard<'_, HashMap<AppId, Record, RandomState>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_some(&self) -> Vec<(AppId, Record)> {
        let mut waiting = self.waiting();
        let apps: Vec<AppId> = waiting.keys().take(TOGETHER).copied().collect();
        let taken = apps
            .into_iter()
            .filter_map(|app| waiting.remove_entry(&app));
        taken.collect()
    }

    /// Writes these; gives back why some could not be, which wait again.
    async fn write(&self, some: Vec<(AppId, Record)>) -> Option<Sentence> {
        let fence = self.store.fence();
        let writes = some
            .iter()
            .map(|(app, record)| self.store.write(app, record, fence));
        let outcomes = join_all(writes).await;
        let mut why = None;
        for ((app, record), outcome) in some.into_iter().zip(outcomes) {
            // Stale is what is older than what lies there: that may stay.
            if let Err(StoreError::Unavailable(reason)) = outcome {
                self.waiting().entry(app).or_insert(record);
                why = Some(reason);
            }
        }
        why
    }
}

async fn write(desk: Arc<Desk>, clock: Arc<dyn Clock>) {
    let mut is_refused = false;
    loop {
        let some = desk.take_some();
        if some.is_empty() {
            if desk.is_ending.load(Ordering::Relaxed) {
                return;
            }
            desk.more.notified().await;
            continue;
        }
        let refused = desk.write(some).await;
        match &refused {
            Some(why) if !is_refused => tracing::warn!(
                "the local copy of the store cannot be written, and is tried again: {why}. Redis has everything; but a restart \
                 while Redis is away would serve what the copy holds"
            ),
            None if is_refused => tracing::info!("the local copy of the store is written again"),
            Some(_) | None => {}
        }
        is_refused = refused.is_some();
        if is_refused && desk.is_ending.load(Ordering::Relaxed) {
            return;
        }
        if is_refused {
            clock
                .sleep_until(clock.now().boot.plus(millis(PAUSE)))
                .await;
        }
    }
}
