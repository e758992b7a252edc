//! The store of several machines: sealed records in one Redis or Valkey, a lease per app, changes told to each other.
//!
//! Every change of a row is one script on the keys of one app; scripts compare fences and generations, so a writer that was
//! overtaken is refused by Redis itself. `docs/decisions/0015` argues leases, epochs and offers.
//! Must not know: how connections are made (see [`crate::redis`]), when records change, what they mean.

mod changes;
mod identity;
mod kept;
mod leases;
mod load;
mod memory;
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
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Clock;
use wxtoken_core::store::{Record, StoreError};

use super::keys::{MasterKeys, ValueHasher};
use super::precedence::NO_FENCE;
use super::sealed::{Label, Sealer};
use changes::Listener;
use identity::Identity;
use leases::Leases;
use memory::Memory;
use revoked::Revoked;
use row::Names;
use rows::{Opened, Rows};
use settings::Timing;

pub use crate::redis::{Address, Health, Host, InvalidAddress, Servers, Trouble};
use crate::redis::{Door, Link};
pub use changes::Change;
pub use settings::{InvalidPrefix, Prefix, Settings};
pub use survey::Survey;

/// Sealed records in Redis. Dropping it gives its leases back; [`Self::stop`] waits until that is done.
pub struct RedisStore {
    rows: Arc<Rows>,
    leases: Arc<Leases>,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
    _stops_with_it: DropGuard,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl RedisStore {
    /// A store that connects when it is first asked, or first heard from; it works, or says why not, from then on. Needs a
    /// tokio runtime. What others change comes out of the receiver.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn open(
        settings: Settings,
        keys: MasterKeys,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, UnboundedReceiver<Change>), Trouble> {
        Self::with(settings, keys, clock, Timing::REAL)
    }

    /// As [`Self::open`], and connects at once.
    ///
    /// # Errors
    /// Redis cannot be reached, or its records are sealed under another master key: nothing was changed.
    pub async fn connect(
        settings: Settings,
        keys: MasterKeys,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, UnboundedReceiver<Change>), Trouble> {
        let (store, changes) = Self::open(settings, keys, clock)?;
        store.rows.link.live().await?;
        Ok((store, changes))
    }

    fn with(
        settings: Settings,
        keys: MasterKeys,
        clock: Arc<dyn Clock>,
        timing: Timing,
    ) -> Result<(Self, UnboundedReceiver<Change>), Trouble> {
        let names = Names::new(&settings.prefix);
        let sealer = Arc::new(Sealer::new(keys, identity::store_id(&settings.prefix)));
        let identity = Identity {
            key: names.identity(),
            sealer: Arc::clone(&sealer),
        };
        let rows = Arc::new(Rows {
            names,
            sealer,
            link: Link::new(
                door(settings, timing),
                Box::new(identity),
                Arc::clone(&clock),
            ),
            memory: Memory::default(),
            offers: timing.offers,
            revoked: Revoked::default(),
            refilled: AtomicUsize::new(0),
            lives: timing.lease,
        });
        let leases = Arc::new(Leases::new(new_holder()?, timing.lease));
        let (sender, changes) = unbounded_channel();
        let stop = CancellationToken::new();
        let listener = Listener {
            rows: Arc::clone(&rows),
            clock: Arc::clone(&clock),
            every: timing.compare,
            changes: sender.clone(),
        };
        let keeping = Arc::clone(&leases).keep(
            Arc::clone(&rows),
            Arc::clone(&clock),
            timing.keep,
            sender,
            stop.clone(),
        );
        let following = sentinels::follow_sentinels(
            Arc::clone(&rows),
            Arc::clone(&clock),
            timing.compare,
            stop.clone(),
        );
        let tasks = vec![
            tokio::spawn(listener.run(stop.clone())),
            tokio::spawn(keeping),
            tokio::spawn(following),
        ];
        let store = Self {
            rows,
            leases,
            clock,
            _stops_with_it: stop.clone().drop_guard(),
            stop,
            tasks: Mutex::new(tasks),
        };
        Ok((store, changes))
    }

    /// Gives all leases back and ends.
    pub async fn stop(&self) {
        self.stop.cancel();
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            let _ = task.await;
        }
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
        self.rows.link.health.look()
    }

    /// Takes a record that was kept elsewhere for better than nothing: it goes into a Redis that lacks it, and to whoever asks.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn seed(&self, app: &AppId, record: &Record) -> Result<(), Trouble> {
        let label = Label::of(*app, record, NO_FENCE);
        let sealed = self.rows.seal(&label, record)?;
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

fn door(settings: Settings, timing: Timing) -> Door {
    let Settings {
        address,
        ca,
        sentinel_password,
        ..
    } = settings;
    Door::new(
        address,
        ca,
        sentinel_password,
        timing.connect,
        timing.answer,
    )
}

/// A name nobody else has.
fn new_holder() -> Result<String, Trouble> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Trouble::NoRandom)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}
