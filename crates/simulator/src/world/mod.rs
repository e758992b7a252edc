//! The hand inside the simulated WeChat.
//!
//! Owns: [`World`] and what it shares with the connections. `looking` only reads, `meddling` changes what WeChat
//! knows, `users` lets people act, `breaking` sets faults, `waiting` waits for calls.

mod breaking;
mod looking;
mod meddling;
mod media;
mod paths;
mod users;
mod waiting;

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError, RwLock,
    atomic::{AtomicU64, Ordering},
};

use crate::{
    apps::{AppCell, Directory},
    clock::SimClock,
    faults::FaultTable,
    log::CallLog,
    passage::Passages,
    people::People,
    rules::{Lane, Rules},
    token::Minter,
    upstream::Gate,
};
pub use meddling::WhitelistError;
pub(crate) use media::{Media, MediaStore};
pub(crate) use paths::Paths;
pub use users::{EncryptError, Encrypted, UserCode};
pub use waiting::CallWait;

/// A handle on a running simulator: cheap to clone, safe to share. The same things can be done over HTTP, below
/// `/_sim/`.
#[derive(Clone)]
pub struct World(pub(crate) Arc<Shared>);

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "World({} apps, {} calls)",
            self.0.apps.len(),
            self.0.log.count()
        )
    }
}

/// No app has this AppID.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the simulator knows no app {0}; add it with add_app first")]
pub struct UnknownApp(pub String);

/// A whitelist entry that is neither an address nor a block.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no whitelist entry; write 10.0.0.1, 172.0.0.* or 10.0.0.0/8")]
pub struct BadWhitelist(pub String);

/// What all connections and all [`World`]s share.
pub(crate) struct Shared {
    pub(crate) clock: SimClock,
    pub(crate) apps: Directory,
    pub(crate) minter: Minter,
    pub(crate) log: CallLog,
    pub(crate) paths: Paths,
    pub(crate) passages: Passages,
    pub(crate) gate: Gate,
    pub(crate) faults: FaultTable,
    people: Mutex<People>,
    media: Mutex<MediaStore>,
    rules: RwLock<Arc<Rules>>,
    salt: AtomicU64,
    minted: [AtomicU64; 4],
}

impl Shared {
    pub(crate) fn new(
        clock: SimClock,
        rules: Rules,
        seed: u64,
        log_capacity: usize,
        gate: Gate,
    ) -> Self {
        Self {
            clock,
            apps: Directory::default(),
            minter: Minter::new(seed),
            log: CallLog::new(log_capacity),
            paths: Paths::default(),
            passages: Passages::default(),
            gate,
            faults: FaultTable::default(),
            people: Mutex::new(People::new(Minter::new(seed))),
            media: Mutex::default(),
            rules: RwLock::new(Arc::new(rules)),
            salt: AtomicU64::new(seed),
            minted: [const { AtomicU64::new(0) }; 4],
        }
    }

    pub(crate) fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set_rules(&self, rules: Rules) {
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
    }

    pub(crate) fn people(&self) -> MutexGuard<'_, People> {
        self.people.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn media(&self) -> MutexGuard<'_, MediaStore> {
        self.media.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number that differs at every call and repeats with the seed.
    pub(crate) fn next_salt(&self) -> u64 {
        self.salt.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn count_minted(&self, lane: Lane) {
        self.minted[usize::from(lane.code())].fetch_add(1, Ordering::Relaxed);
    }

    fn app(&self, appid: &str) -> Result<Arc<AppCell>, UnknownApp> {
        self.apps
            .find(appid)
            .ok_or_else(|| UnknownApp(appid.to_owned()))
    }
}
