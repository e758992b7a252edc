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
mod row;
mod rows;
mod scripts;
mod settings;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Clock;
use wxtoken_core::store::{Record, StoreError};

use super::keys::{MasterKeys, ValueHasher};
use super::sealed::Sealer;
use changes::Listener;
use identity::Identity;
use leases::Leases;
use memory::Memory;
use row::Names;
use rows::{Opened, Rows};
use settings::Timing;

pub use crate::redis::{Address, Host, InvalidAddress, Servers, Trouble};
use crate::redis::{Door, Link};
pub use changes::Change;
pub use settings::{InvalidPrefix, Prefix, Settings};

/// Sealed records in Redis. Dropping it gives its leases back; [`Self::stop`] waits until that is done.
pub struct RedisStore {
    rows: Arc<Rows>,
    leases: Arc<Leases>,
    clock: Arc<dyn Clock>,
    stop: DropGuard,
    tasks: Vec<JoinHandle<()>>,
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
        let Settings {
            address,
            ca,
            sentinel_password,
            ..
        } = settings;
        let door = Door::new(
            address,
            ca,
            sentinel_password,
            timing.connect,
            timing.answer,
        );
        let rows = Arc::new(Rows {
            names,
            sealer,
            link: Link::new(door, Box::new(identity), Arc::clone(&clock)),
            memory: Memory::default(),
            offers: timing.offers,
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
        let following =
            changes::follow_sentinels(Arc::clone(&rows), Arc::clone(&clock), stop.clone());
        let tasks = vec![
            tokio::spawn(listener.run(stop.clone())),
            tokio::spawn(keeping),
            tokio::spawn(following),
        ];
        let store = Self {
            rows,
            leases,
            clock,
            stop: stop.drop_guard(),
            tasks,
        };
        Ok((store, changes))
    }

    /// Gives all leases back and ends.
    pub async fn stop(self) {
        drop(self.stop);
        for task in self.tasks {
            let _ = task.await;
        }
    }

    /// What keeps Redis from being asked, as of the last time it was.
    #[must_use]
    pub fn trouble(&self) -> Option<Trouble> {
        self.rows.link.trouble()
    }

    /// What tells values apart in this store.
    #[must_use]
    pub fn value_hasher(&self) -> ValueHasher {
        self.rows.sealer.keys().current.value_hasher()
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

/// A name nobody else has.
fn new_holder() -> Result<String, Trouble> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Trouble::NoRandom)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}
