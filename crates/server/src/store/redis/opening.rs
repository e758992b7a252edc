//! Opening the store: what belongs together is put together, and what it does by itself is begun.
//!
//! Must not know: what is asked of it afterwards.

use std::sync::{Arc, Mutex};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use wxtoken_core::clock::Clock;

use super::super::keys::MasterKeys;
use super::super::sealed::Sealer;
use super::RedisStore;
use super::changes::{Change, Listener};
use super::identity::{self, Identity};
use super::leases::Leases;
use super::memory::Memory;
use super::refilled::Refilled;
use super::revoked::Revoked;
use super::row::Names;
use super::rows::Rows;
use super::sentinels::follow_sentinels;
use super::settings::{Settings, Timing};
use crate::redis::{Door, Link, Trouble};

/// Apps whose records are offered at one time.
const REFILLS: usize = 128;

/// What a store does by itself, and what that works on.
struct Chores {
    rows: Arc<Rows>,
    leases: Arc<Leases>,
    clock: Arc<dyn Clock>,
    changes: UnboundedSender<Change>,
    timing: Timing,
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

    pub(super) fn with(
        settings: Settings,
        keys: MasterKeys,
        clock: Arc<dyn Clock>,
        timing: Timing,
    ) -> Result<(Self, UnboundedReceiver<Change>), Trouble> {
        let rows = Arc::new(rows(settings, keys, &clock, timing));
        let leases = Arc::new(Leases::new(new_holder()?, timing.lease));
        let (sender, changes) = unbounded_channel();
        let told = sender.downgrade();
        let stop = CancellationToken::new();
        let chores = Chores {
            rows: Arc::clone(&rows),
            leases: Arc::clone(&leases),
            clock: Arc::clone(&clock),
            changes: sender,
            timing,
        };
        let store = Self {
            rows,
            leases,
            clock,
            changes: told,
            _stops_with_it: stop.clone().drop_guard(),
            tasks: Mutex::new(chores.begin(&stop)),
            stop,
        };
        Ok((store, changes))
    }
}

impl Chores {
    fn begin(self, stop: &CancellationToken) -> Vec<JoinHandle<()>> {
        let Self {
            rows,
            leases,
            clock,
            changes,
            timing,
        } = self;
        let listener = Listener {
            rows: Arc::clone(&rows),
            clock: Arc::clone(&clock),
            every: timing.compare,
            changes: changes.clone(),
            revoked: Notify::new(),
        };
        let keeping = leases.keep(
            Arc::clone(&rows),
            Arc::clone(&clock),
            timing.keep,
            changes,
            stop.clone(),
        );
        let following = follow_sentinels(rows, clock, timing.compare, stop.clone());
        vec![
            tokio::spawn(listener.run(stop.clone())),
            tokio::spawn(keeping),
            tokio::spawn(following),
        ]
    }
}

fn rows(settings: Settings, keys: MasterKeys, clock: &Arc<dyn Clock>, timing: Timing) -> Rows {
    let names = Names::new(&settings.prefix);
    let sealer = Arc::new(Sealer::new(keys, identity::store_id(&settings.prefix)));
    let identity = Identity {
        key: names.identity(),
        sealer: Arc::clone(&sealer),
    };
    let door = door(settings, timing);
    Rows {
        names,
        sealer,
        link: Link::new(door, Box::new(identity), Arc::clone(clock)),
        memory: Memory::default(),
        refills: Semaphore::new(REFILLS),
        offers: timing.offers,
        revoked: Revoked::default(),
        refilled: Refilled::default(),
        lives: timing.lease,
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
