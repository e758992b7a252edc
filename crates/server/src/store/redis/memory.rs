//! What this process knows of each app's row: enough to notice changes, and to fill a Redis that has forgotten.
//!
//! Rows stay sealed. Must not know: Redis.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Wall;

use super::super::sealed::Label;
use super::row::{Body, Row};

/// A sealed body, and what its seal is bound to.
pub(super) type Kept = (Label, Arc<[u8]>);

/// All of it.
#[derive(Default)]
pub(super) struct Memory(Mutex<HashMap<AppId, Known, RandomState>>);

#[derive(Default)]
struct Known {
    version: u64,
    epoch: u64,
    shown: Option<Wall>,
    kept: Option<Kept>,
}

impl Memory {
    /// The newest version or epoch met: what comes next must be beyond it.
    pub(super) fn newest(&self, app: &AppId) -> u64 {
        let known = self.lock();
        known
            .get(app)
            .map_or(0, |known| known.version.max(known.epoch))
    }

    pub(super) fn version(&self, app: &AppId) -> u64 {
        self.lock().get(app).map_or(0, |known| known.version)
    }

    /// The newest epoch met.
    pub(super) fn epoch(&self, app: &AppId) -> u64 {
        self.lock().get(app).map_or(0, |known| known.epoch)
    }

    /// The late mint that the writer in this process has been shown, and has written nothing since.
    pub(super) fn shown(&self, app: &AppId) -> Option<Wall> {
        self.lock().get(app)?.shown
    }

    pub(super) fn show(&self, app: &AppId, late: Option<Wall>) {
        self.lock().entry(*app).or_default().shown = late;
    }

    /// The newest body that was read or written.
    pub(super) fn kept(&self, app: &AppId) -> Option<Kept> {
        self.lock().get(app)?.kept.clone()
    }

    /// A row was read or written whose body can be opened. Says what is kept that it lacks.
    pub(super) fn met(&self, app: &AppId, row: &Row) -> Option<Kept> {
        let mut known = self.lock();
        let known = known.entry(*app).or_default();
        known.epoch = known.epoch.max(row.fence.epoch);
        let older = row.version < known.version;
        known.version = known.version.max(row.version);
        let missing = known.kept.as_ref().filter(|(kept, _)| match &row.body {
            Body::Sealed(label, _) => older || is_beyond(kept, label),
            Body::None | Body::Odd => true,
        });
        if let Some(missing) = missing {
            return Some(missing.clone());
        }
        if let Body::Sealed(label, sealed) = &row.body {
            known.kept = Some((*label, sealed.as_slice().into()));
        }
        None
    }

    /// A body was written, and made this version.
    pub(super) fn wrote(&self, label: Label, sealed: Vec<u8>, version: u64) {
        let mut known = self.lock();
        let known = known.entry(label.app).or_default();
        known.epoch = known.epoch.max(label.fence.epoch);
        // What is noted from here on has not been shown, even if it happened before.
        known.shown = None;
        if version > known.version {
            known.version = version;
            known.kept = Some((label, sealed.into()));
        }
    }

    /// A body from elsewhere, for a Redis that has forgotten or never knew it; what was read or written here is better.
    pub(super) fn seed(&self, label: Label, sealed: Vec<u8>) {
        let mut known = self.lock();
        let known = known.entry(label.app).or_default();
        if known.kept.is_none() {
            known.kept = Some((label, sealed.into()));
        }
    }

    /// The app is configured no more: what is known of it is no longer offered to anybody.
    pub(super) fn drop(&self, app: &AppId) {
        self.lock().remove(app);
    }

    /// Every app that was met.
    pub(super) fn apps(&self) -> Vec<AppId> {
        self.lock().keys().copied().collect()
    }

    /// How many they are.
    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AppId, Known, RandomState>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a generation of the first is newer.
fn is_beyond(one: &Label, other: &Label) -> bool {
    one.generations
        .iter()
        .zip(other.generations)
        .any(|(one, other)| *one > other)
}
