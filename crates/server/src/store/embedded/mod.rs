//! The store of one machine: an SQLite file that only this process opens and that only one thread writes.
//!
//! Durable means fsynced before the future resolves; writers that come at the same time share one fsync.
//! Only this folder and that of the users' file name `rusqlite`. Must not know: when records change, what they mean.

mod forgetting;
mod identity;
mod ledger;
mod load;
mod lock;
mod open;
mod rebuild;
mod schema;
mod table;
mod thread;
mod trouble;
mod writer;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::{Clock, Wall};
use wxtoken_core::store::{Fence, Lease, Loaded, Record, RecordStore, StoreError};

use super::keys::{MasterKeys, ValueHasher};
use super::revocations::{Configured, Revocations};
use super::serving::{Belongings, Ledger};
use crate::words::Sentence;
use thread::Thread;
use writer::Change;

pub use trouble::OpenError;
pub(in crate::store) use {open::prepare_file, trouble::Trouble};

/// Sealed records in one file. Dropping it finishes what was begun, closes the file and lets go of the lock.
pub struct EmbeddedStore {
    thread: Thread,
    fence: Fence,
    keys: MasterKeys,
    revoked: Revocations,
}

impl EmbeddedStore {
    /// Opens the store in `folder`, or makes one. Blocks for a moment: call it where that does no harm.
    ///
    /// # Errors
    /// Another process holds it, the master key is wrong, the file is damaged as a whole or newer than this program, or the
    /// system refuses. In each case nothing that was there is changed.
    pub fn open(folder: &Path, keys: MasterKeys, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let opened = writer::open_store(folder, keys, clock.now().wall)?;
        let writer = writer::Writer::new(opened, clock);
        let (fence, keys) = (writer.fence, writer.keys().clone());
        let revoked = writer.ledger.revoked.clone();
        let thread = Thread::start(writer).map_err(|error| OpenError::Unavailable {
            path: folder.into(),
            reason: Sentence::of(&error),
        })?;
        Ok(Self {
            thread,
            fence,
            keys,
            revoked,
        })
    }

    /// Where the database of a store in `folder` is.
    #[must_use]
    pub fn file_in(folder: &Path) -> PathBuf {
        folder.join(open::FILE)
    }

    /// Under which to write: this store is ours alone.
    #[must_use]
    pub const fn fence(&self) -> Fence {
        self.fence
    }

    /// What tells values apart in this store.
    #[must_use]
    pub fn value_hasher(&self) -> ValueHasher {
        self.keys.current.value_hasher()
    }

    /// An app is configured no more: its record is kept for 24 hours from the first time that is said, and purged when it is
    /// said again after that. Until then it is [`remember`](Self::remember)ed by a write or a lease, too.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn forget(&self, app: &AppId) -> Result<(), StoreError> {
        self.thread.change(Change::Forget(*app)).await
    }

    /// An app is configured again: its record is not that of one that is gone.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn remember(&self, app: &AppId) -> Result<(), StoreError> {
        self.thread.change(Change::Remember(*app)).await
    }

    /// The apps that were forgotten, as everything that was loaded last tells; once.
    ///
    /// # Errors
    /// The store's thread has stopped.
    pub async fn forgotten(&self) -> Result<Vec<AppId>, StoreError> {
        self.thread.forgotten().await
    }

    /// Whose virtual tokens were over when the store was opened.
    #[must_use]
    pub const fn revoked(&self) -> &Revocations {
        &self.revoked
    }

    /// A caller's virtual tokens of earlier epochs are over, after a restart too. It never goes back.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn revoke(&self, caller: u64, epoch: u64) -> Result<(), StoreError> {
        self.thread.change(Change::Revoke(caller, epoch)).await
    }

    /// As a disk that answers nothing, until what this gives is dropped.
    #[cfg(test)]
    pub(crate) fn hold(&self) -> std::sync::mpsc::Sender<()> {
        self.thread.hold()
    }

    /// These are all callers at a start. The virtual tokens of those that were there before, and are gone, are over, also if
    /// they come back.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn settle(&self, callers: Vec<Configured>, now: Wall) -> Result<(), StoreError> {
        self.thread.change(Change::Settle(callers, now)).await
    }

    /// These are all callers from now on; those that are gone were revoked before this.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn note(&self, callers: Vec<Configured>) -> Result<(), StoreError> {
        self.thread.change(Change::Note(callers)).await
    }
}

impl std::fmt::Debug for EmbeddedStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedStore")
            .field("fence", &self.fence)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Belongings for EmbeddedStore {
    async fn forget(&self, app: &AppId) -> Result<(), StoreError> {
        self.forget(app).await
    }

    async fn remember(&self, app: &AppId) -> Result<(), StoreError> {
        self.remember(app).await
    }

    async fn forgotten(&self) -> Result<Vec<AppId>, StoreError> {
        self.forgotten().await
    }
}

#[async_trait]
impl Ledger for EmbeddedStore {
    fn revoked(&self) -> Revocations {
        self.revoked.clone()
    }

    async fn revoke(&self, caller: u64, epoch: u64) -> Result<(), StoreError> {
        self.revoke(caller, epoch).await
    }

    async fn settle(&self, callers: Vec<Configured>, now: Wall) -> Result<(), StoreError> {
        self.settle(callers, now).await
    }

    async fn note(&self, callers: Vec<Configured>) -> Result<(), StoreError> {
        self.note(callers).await
    }
}

#[async_trait]
impl RecordStore for EmbeddedStore {
    async fn load_all(&self, each: &mut (dyn FnMut(Loaded) + Send)) -> Result<(), StoreError> {
        self.thread.load(each).await
    }

    async fn lease(&self, app: &AppId, _holds_for: Duration) -> Result<Lease, StoreError> {
        Ok(Lease::Won {
            fence: self.fence,
            holds_for: Duration::MAX,
            record: self.thread.read(app).await?,
            begins_epoch: false,
        })
    }

    async fn write(&self, app: &AppId, record: &Record, fence: Fence) -> Result<(), StoreError> {
        let record = Box::new(record.clone());
        self.thread.change(Change::Write(*app, record, fence)).await
    }

    async fn release(&self, _app: &AppId, _fence: Fence) {}

    async fn note_late_mint(&self, app: &AppId, sent: Wall) -> Result<(), StoreError> {
        self.thread.change(Change::NoteLateMint(*app, sent)).await
    }
}
