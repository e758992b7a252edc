//! The store of several machines: sealed records in one Redis or Valkey, a lease per app, changes told to each other.
//!
//! Every change of a row is one script on the keys of one app; scripts compare fences and generations, so a writer that was
//! overtaken is refused by Redis itself. `docs/decisions/0015` argues leases, epochs and offers.
//! Must not know: how connections are made (see [`crate::redis`]), when records change, what they mean.

mod changes;
mod comparing;
mod identity;
mod kept;
mod leases;
mod load;
mod memory;
mod offers;
mod opening;
mod refilled;
mod revoked;
mod row;
mod rows;
mod scripts;
mod sentinels;
mod settings;
mod survey;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::WeakUnboundedSender;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Clock;
use wxtoken_core::store::{Record, StoreError};

use super::keys::ValueHasher;
use super::precedence::NO_FENCE;
use super::sealed::Label;
use super::users::RedisUsers;
use leases::Leases;
use rows::{Opened, Rows};

pub use crate::redis::{Address, Health, Host, InvalidAddress, Servers, Trouble};
pub use changes::Change;
pub(in crate::store) use scripts::Lua;
pub use settings::{InvalidPrefix, Prefix, Settings};
pub use survey::Survey;

/// Sealed records in Redis. Dropping it gives its leases back; [`Self::stop`] waits until that is done.
pub struct RedisStore {
    rows: Arc<Rows>,
    leases: Arc<Leases>,
    clock: Arc<dyn Clock>,
    /// As long as somebody listens to the others; then nobody waits for more.
    changes: WeakUnboundedSender<Change>,
    stop: CancellationToken,
    _stops_with_it: DropGuard,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl RedisStore {
    /// Gives all leases back and ends.
    pub async fn stop(&self) {
        self.stop.cancel();
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            let _ = task.await;
        }
    }

    /// The users that are kept beside the records, over the same connection.
    #[must_use]
    pub fn users(&self) -> RedisUsers {
        let Rows {
            link,
            names,
            sealer,
            ..
        } = &*self.rows;
        RedisUsers::new(
            Arc::clone(link),
            names.prefix(),
            sealer.keys(),
            *sealer.store(),
            Arc::clone(&self.clock),
        )
    }

    /// What was found out on the way to something else.
    fn tell(&self, change: Change) {
        if let Some(changes) = self.changes.upgrade() {
            let _ = changes.send(change);
        }
    }

    /// These apps may have records: a start reads them before it looks for others.
    pub fn expect(&self, apps: impl IntoIterator<Item = AppId>) {
        self.rows.memory.expect(apps);
    }

    /// Connects, if that has not been done.
    ///
    /// # Errors
    /// Redis cannot be reached, or is not this store's.
    pub async fn reach(&self) -> Result<(), Trouble> {
        self.rows.link.live().await.map(drop)
    }

    /// What keeps Redis from being asked or written, as of the last time it was.
    #[must_use]
    pub fn trouble(&self) -> Option<Trouble> {
        self.rows.link.trouble()
    }

    /// How Redis is, for people.
    #[must_use]
    pub fn health(&self) -> Health {
        Health {
            refilled: self.rows.refilled.ever(),
            ..self.rows.link.health.look()
        }
    }

    /// Takes a record that was kept elsewhere for better than nothing: it goes into a Redis that lacks it, and to whoever asks.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn seed(&self, app: &AppId, record: &Record) -> Result<(), Trouble> {
        let label = Label::of(*app, record, NO_FENCE);
        let sealed = self.rows.seal(&label, record)?;
        self.rows.memory.want(app);
        self.rows.memory.seed(label, sealed);
        Ok(())
    }

    /// An app is configured no more: its record is kept for 24 hours from the first time that is said, and dropped when it is
    /// said again after that, unless somebody has asked for its lease since.
    ///
    /// # Errors
    /// Redis cannot be asked.
    pub async fn forget(&self, app: &AppId) -> Result<(), StoreError> {
        Ok(self.rows.forget(app).await?)
    }

    /// An app is configured again.
    ///
    /// # Errors
    /// Redis cannot be asked.
    pub async fn remember(&self, app: &AppId) -> Result<(), StoreError> {
        Ok(self.rows.remember(app).await?)
    }

    /// A caller's virtual tokens of earlier epochs are over, for every replica.
    ///
    /// # Errors
    /// Redis cannot be written; it is told as soon as it can be.
    pub async fn revoke(&self, caller: u64, epoch: u64) -> Result<(), StoreError> {
        self.rows.revoked.raise(caller, epoch);
        Ok(self
            .rows
            .tell_revoked(caller, epoch, self.clock.now().wall)
            .await?)
    }

    /// What was known before a start is known again.
    pub fn seed_revoked(&self, caller: u64, epoch: u64) {
        self.rows.revoked.raise(caller, epoch);
    }

    /// Whose virtual tokens are over: callers with their epochs.
    ///
    /// # Errors
    /// Redis cannot be asked.
    pub async fn revoked(&self) -> Result<Vec<(u64, u64)>, StoreError> {
        self.rows.compare_revoked(self.clock.now().wall).await?;
        Ok(self.rows.revoked.all())
    }

    /// What tells values apart in this store.
    #[must_use]
    pub fn value_hasher(&self) -> ValueHasher {
        self.rows.sealer.keys().current.value_hasher()
    }

    /// The newest version of an app's record that was read or written here.
    #[must_use]
    pub fn version(&self, app: &AppId) -> u64 {
        self.rows.memory.version(app)
    }

    /// An app's record as it is now, without asking for its lease. It counts as heard of, not as shown to a writer.
    ///
    /// # Errors
    /// Redis cannot be asked.
    pub async fn read(&self, app: &AppId) -> Result<Option<Box<Record>>, StoreError> {
        let row = self.rows.fetch(app).await?;
        let is_young = row.fence.epoch > 0 && row.fence.number == 0;
        if is_young && self.rows.memory.kept(app).is_some() {
            // What only we know is offered before what others have offered takes its place.
            return Ok(self.rows.refill(app, None).await?);
        }
        Ok(match self.rows.take(app, &row)? {
            Opened::Record(record) => Some(record),
            Opened::Nothing | Opened::Damaged(_) => None,
        })
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("trouble", &self.trouble())
            .finish_non_exhaustive()
    }
}
