//! The sealed copy on this machine: an ordinary store of one machine, written behind everybody's back.
//!
//! What is to be written waits in memory, the newest of each app whichever came last; a disk that takes nothing costs nothing
//! else.
//! Must not know: Redis.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foldhash::fast::RandomState;
use futures_util::future::join_all;
use futures_util::join;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::{Clock, Wall, millis};
use wxtoken_core::merge::merged;
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
    waiting: Mutex<Waiting>,
    more: Notify,
    is_ending: AtomicBool,
}

/// What is to be written.
#[derive(Default)]
struct Waiting {
    records: HashMap<AppId, Record, RandomState>,
    /// The newest epoch of callers that were revoked.
    revoked: BTreeMap<u64, u64>,
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
        self.desk.waiting().put(*app, record);
        self.desk.more.notify_one();
    }

    /// The newest there is of an app. What is not written yet counts, and what cannot be read does not.
    pub(super) async fn read(&self, app: &AppId) -> Option<Box<Record>> {
        let waiting = self.desk.waiting().records.get(app).cloned();
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
        self.desk.waiting().records.remove(app);
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

    /// As [`Self::put`]: a caller's virtual tokens of earlier epochs are over.
    pub(super) fn put_revoked(&self, caller: u64, epoch: u64) {
        self.desk.waiting().revoke(caller, epoch);
        self.desk.more.notify_one();
    }

    pub(super) async fn settle(
        &self,
        callers: Vec<Configured>,
        now: Wall,
    ) -> Result<(), StoreError> {
        self.desk.store.settle(callers, now).await
    }

    pub(super) async fn note(&self, callers: Vec<Configured>) -> Result<(), StoreError> {
        // Who is gone from here on is missed by no start: that its tokens are over is to be written first.
        let first = self.desk.waiting().take_revoked();
        if let Some(why) = self.desk.write(first).await {
            self.desk.more.notify_one(); // tried again, as all that waits
            return Err(StoreError::Unavailable(why));
        }
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
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes these; gives back why some could not be, which wait again.
    async fn write(&self, some: Waiting) -> Option<Sentence> {
        let fence = self.store.fence();
        let writes = some.records.iter();
        let writes = writes.map(|(app, record)| self.store.write(app, record, fence));
        let revocations = some.revoked.iter();
        let revocations = revocations.map(|(caller, epoch)| self.store.revoke(*caller, *epoch));
        let (written, revoked) = join!(join_all(writes), join_all(revocations));
        let mut why = None;
        for ((app, record), outcome) in some.records.into_iter().zip(written) {
            match outcome {
                Err(StoreError::Unavailable(reason)) => {
                    self.waiting().put_before(app, record);
                    why = Some(reason);
                }
                // What is older than what lies there may be newer in something else.
                Err(StoreError::Stale(Some(held))) if is_ahead(&record, &held) => {
                    self.waiting().put_before(app, merged(&held, &record));
                }
                Ok(()) | Err(StoreError::Stale(_)) => {}
            }
        }
        for ((caller, epoch), outcome) in some.revoked.into_iter().zip(revoked) {
            if let Err(StoreError::Unavailable(reason)) = outcome {
                self.waiting().revoke(caller, epoch);
                why = Some(reason);
            }
        }
        why
    }
}

impl Waiting {
    fn put(&mut self, app: AppId, record: Record) {
        let newest = match self.records.remove(&app) {
            Some(earlier) => newest_of(earlier, record),
            None => record,
        };
        self.records.insert(app, newest);
    }

    /// As if it had been put before what waits.
    fn put_before(&mut self, app: AppId, record: Record) {
        let newest = match self.records.remove(&app) {
            Some(later) => newest_of(record, later),
            None => record,
        };
        self.records.insert(app, newest);
    }

    fn revoke(&mut self, caller: u64, epoch: u64) {
        let newest = self.revoked.entry(caller).or_default();
        *newest = epoch.max(*newest);
    }

    fn is_empty(&self) -> bool {
        self.records.is_empty() && self.revoked.is_empty()
    }

    fn take_revoked(&mut self) -> Self {
        Self {
            records: HashMap::default(),
            revoked: std::mem::take(&mut self.revoked),
        }
    }

    fn take_some(&mut self) -> Self {
        let apps: Vec<AppId> = self.records.keys().take(TOGETHER).copied().collect();
        let records = apps
            .into_iter()
            .filter_map(|app| self.records.remove_entry(&app));
        let records = records.collect();
        Self {
            records,
            ..self.take_revoked()
        }
    }
}

/// Of two records that come one after the other, the later, unless the other is ahead of it.
fn newest_of(earlier: Record, later: Record) -> Record {
    match (is_ahead(&earlier, &later), is_ahead(&later, &earlier)) {
        (false, _) => later,
        (true, false) => earlier,
        (true, true) => merged(&earlier, &later),
    }
}

/// Whether a generation of the first is newer.
fn is_ahead(one: &Record, other: &Record) -> bool {
    let mut pairs = one.handed_out.iter().zip(other.handed_out);
    pairs.any(|(one, other)| one.generation > other.generation)
}

async fn write(desk: Arc<Desk>, clock: Arc<dyn Clock>) {
    let mut is_refused = false;
    loop {
        let some = desk.waiting().take_some();
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
