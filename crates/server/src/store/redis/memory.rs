//! What this process knows of each app's row: enough to notice changes, and to fill a Redis that has forgotten.
//!
//! Rows stay sealed. Must not know: Redis.

use std::collections::{HashMap, HashSet};
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
pub(super) struct Memory(Mutex<All>);

#[derive(Default)]
struct All {
    apps: HashMap<AppId, Known, RandomState>,
    /// Configured no more: what was under way when that was said brings none of them back.
    gone: HashSet<AppId, RandomState>,
    /// Looked for before the others at a start.
    expected: HashSet<AppId, RandomState>,
}

#[derive(Default)]
struct Known {
    version: u64,
    epoch: u64,
    shown: Option<Wall>,
    kept: Option<Kept>,
}

impl Memory {
    /// Those may have records.
    pub(super) fn expect(&self, apps: impl IntoIterator<Item = AppId>) {
        self.lock().expected.extend(apps);
    }

    /// The apps that may have records, for the one who looks for them.
    pub(super) fn expected(&self) -> Vec<AppId> {
        std::mem::take(&mut self.lock().expected)
            .into_iter()
            .collect()
    }

    /// The newest version or epoch met: what comes next must be beyond it.
    pub(super) fn newest(&self, app: &AppId) -> u64 {
        let known = self.lock();
        let known = known.apps.get(app);
        known.map_or(0, |known| known.version.max(known.epoch))
    }

    pub(super) fn version(&self, app: &AppId) -> u64 {
        self.lock().apps.get(app).map_or(0, |known| known.version)
    }

    /// The newest epoch met.
    pub(super) fn epoch(&self, app: &AppId) -> u64 {
        self.lock().apps.get(app).map_or(0, |known| known.epoch)
    }

    /// The late mint that the writer in this process has been shown, and has written nothing since.
    pub(super) fn shown(&self, app: &AppId) -> Option<Wall> {
        self.lock().apps.get(app)?.shown
    }

    pub(super) fn show(&self, app: &AppId, late: Option<Wall>) {
        if let Some(known) = self.lock().of(app) {
            known.shown = late;
        }
    }

    /// The newest body that was read or written.
    pub(super) fn kept(&self, app: &AppId) -> Option<Kept> {
        self.lock().apps.get(app)?.kept.clone()
    }

    /// A row was read or written whose body can be opened. Says what is kept that it lacks.
    pub(super) fn met(&self, app: &AppId, row: &Row) -> Option<Kept> {
        let mut known = self.lock();
        let known = known.of(app)?;
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
        let Some(known) = known.of(&label.app) else {
            return;
        };
        known.epoch = known.epoch.max(label.fence.epoch);
        // What is noted from here on has not been shown, even if it happened before.
        known.shown = None;
        if version > known.version {
            known.version = version;
            known.kept = Some((label, sealed.into()));
        }
    }

    /// What was kept and a row that was read have been made one; unless something newer came meanwhile.
    pub(super) fn join(&self, before: &Kept, label: Label, sealed: Vec<u8>) {
        let mut known = self.lock();
        if let Some(known) = known.of(&label.app)
            && let Some((_, kept)) = &known.kept
            && Arc::ptr_eq(kept, &before.1)
        {
            known.kept = Some((label, sealed.into()));
        }
    }

    /// A body from elsewhere, for a Redis that has forgotten or never knew it; what was read or written here is better.
    pub(super) fn seed(&self, label: Label, sealed: Vec<u8>) {
        let mut known = self.lock();
        if let Some(known) = known.of(&label.app)
            && known.kept.is_none()
        {
            known.kept = Some((label, sealed.into()));
        }
    }

    /// The app is configured no more: what is known of it is no longer offered to anybody.
    pub(super) fn drop(&self, app: &AppId) {
        let mut known = self.lock();
        known.apps.remove(app);
        known.gone.insert(*app);
    }

    /// It is configured, or is again.
    pub(super) fn want(&self, app: &AppId) {
        self.lock().gone.remove(app);
    }

    /// Whether it is configured no more.
    pub(super) fn is_gone(&self, app: &AppId) -> bool {
        self.lock().gone.contains(app)
    }

    /// Every app that was met.
    pub(super) fn apps(&self) -> Vec<AppId> {
        self.lock().apps.keys().copied().collect()
    }

    /// How many they are.
    pub(super) fn count(&self) -> usize {
        self.lock().apps.len()
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl All {
    /// What is known of an app, of one that was not met before too; nothing is of one that is gone.
    fn of(&mut self, app: &AppId) -> Option<&mut Known> {
        let is_gone = self.gone.contains(app);
        (!is_gone).then(|| self.apps.entry(*app).or_default())
    }
}

/// Whether a generation of the first is newer.
fn is_beyond(one: &Label, other: &Label) -> bool {
    one.generations
        .iter()
        .zip(other.generations)
        .any(|(one, other)| *one > other)
}
