//! A call's way through WeChat: from when it was read until its answer had left.
//!
//! Owns: [`Passage`], and which of them are not over. Must not know: what is asked, what is answered.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use crate::{clock::SimTime, world::World};

/// One call on its way. Times are the clock's, whatever a fault makes of them.
#[derive(Debug, Clone)]
pub struct Passage {
    /// The app it names, or whose token it carries; `None` when neither is known here.
    pub appid: Option<Box<str>>,
    /// The path, without the query.
    pub path: Box<str>,
    /// The `Host` it was sent to: a test that gives each client a name of its own tells them apart by it.
    pub host: Box<str>,
    /// When it had been read; decided it may be later, where a fault makes it wait.
    pub began: SimTime,
    ended: OnceLock<SimTime>,
}

impl Passage {
    pub(crate) fn new(appid: Option<Box<str>>, path: &str, host: &str, began: SimTime) -> Self {
        Self {
            appid,
            path: path.into(),
            host: host.into(),
            began,
            ended: OnceLock::new(),
        }
    }

    /// When its answer had left, or nobody waited for one any more; `None` while it is under way.
    pub fn ended(&self) -> Option<SimTime> {
        self.ended.get().copied()
    }

    /// Whether both were under way at one moment.
    pub fn overlaps(&self, other: &Self) -> bool {
        let before = |one: &Self, other: &Self| one.ended().is_some_and(|end| end <= other.began);
        !before(self, other) && !before(other, self)
    }
}

/// The calls that are under way.
#[derive(Default)]
pub(crate) struct Passages(Mutex<Vec<Arc<Passage>>>);

impl Passages {
    pub(crate) fn all(&self) -> Vec<Arc<Passage>> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Passage>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that is under way as long as this lives.
pub(crate) struct UnderWay {
    world: World,
    passage: Arc<Passage>,
}

impl UnderWay {
    pub(crate) fn begin(world: &World, passage: Passage) -> Self {
        let (world, passage) = (world.clone(), Arc::new(passage));
        world.0.passages.lock().push(Arc::clone(&passage));
        Self { world, passage }
    }

    pub(crate) fn passage(&self) -> Arc<Passage> {
        Arc::clone(&self.passage)
    }
}

impl fmt::Debug for UnderWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.passage.fmt(f)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        // Under the list's lock, so that whoever is not in the list has ended.
        let mut all = self.world.0.passages.lock();
        let _first = self.passage.ended.set(self.world.now());
        all.retain(|passage| !Arc::ptr_eq(passage, &self.passage));
    }
}
