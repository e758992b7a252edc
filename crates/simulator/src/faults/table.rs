//! Which faults are set, where, and how often they still apply.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use serde::{Deserialize, Serialize};
use tokio::sync::{oneshot, watch};

use super::Fault;
use crate::{
    endpoints::Route,
    http::{Ask, Params},
};

/// Where a fault applies: everywhere, unless narrowed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultScope {
    /// Only calls that name this app, or carry its token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub appid: Option<String>,
    /// Only paths that start so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Only calls whose query has these parameters, as in `type=jsapi`: names and values are compared decoded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
}

impl FaultScope {
    /// Every app, every path.
    pub fn everywhere() -> Self {
        Self::default()
    }

    /// One app.
    pub fn app(appid: impl Into<String>) -> Self {
        Self {
            appid: Some(appid.into()),
            ..Self::default()
        }
    }

    /// Paths that start so.
    pub fn path(prefix: impl Into<String>) -> Self {
        Self {
            path: Some(prefix.into()),
            ..Self::default()
        }
    }

    /// And only paths that start so.
    #[must_use]
    pub fn and_path(self, prefix: impl Into<String>) -> Self {
        Self {
            path: Some(prefix.into()),
            ..self
        }
    }

    /// And only calls whose query has these parameters.
    #[must_use]
    pub fn and_query(self, parameters: impl Into<String>) -> Self {
        Self {
            query: Some(parameters.into()),
            ..self
        }
    }

    fn covers(&self, appid: Option<&str>, ask: &Ask<'_>) -> bool {
        self.appid
            .as_deref()
            .is_none_or(|wanted| Some(wanted) == appid)
            && self
                .path
                .as_deref()
                .is_none_or(|prefix| ask.path.starts_with(prefix))
            && self
                .query
                .as_deref()
                .is_none_or(|wanted| ask.params.include(&Params::parse(wanted)))
    }
}

/// The number of a fault that was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FaultId(pub u64);

/// A fault that is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ActiveFault {
    /// Its number.
    pub id: FaultId,
    /// What goes wrong.
    pub fault: Fault,
    /// Where.
    pub scope: FaultScope,
    /// How many calls it will still bend; `None` until cleared.
    pub left: Option<u32>,
    /// How many it has bent.
    pub hits: u64,
}

/// A fault that bends the call at hand.
#[derive(Debug, Clone)]
pub(crate) struct Hit {
    pub(crate) fault: Fault,
    /// Where the two calls of `reorder` find each other.
    pub(crate) pair: Arc<Pair>,
}

/// The place where the first of two calls waits for the second.
#[derive(Debug, Default)]
pub(crate) struct Pair(Mutex<Option<oneshot::Sender<()>>>);

/// Which of the two a call is.
pub(crate) enum Place {
    /// Waits until the other has been answered.
    First(oneshot::Receiver<()>),
    /// Says when it has been answered.
    Second(oneshot::Sender<()>),
}

impl Pair {
    pub(crate) fn arrive(&self) -> Place {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A first that gave up waiting has dropped its end: then this call is the first of another pair.
        if let Some(other) = waiting.take().filter(|other| !other.is_closed()) {
            return Place::Second(other);
        }
        let (answered, wait) = oneshot::channel();
        *waiting = Some(answered);
        Place::First(wait)
    }
}

/// All faults that are set, and the calls that are held.
pub(crate) struct FaultTable {
    faults: Mutex<Vec<Entry>>,
    /// How many there are, so that the usual case costs one load.
    count: AtomicUsize,
    next_id: Mutex<u64>,
    releases: watch::Sender<u64>,
    held: watch::Sender<usize>,
}

struct Entry {
    active: ActiveFault,
    pair: Arc<Pair>,
}

impl Default for FaultTable {
    fn default() -> Self {
        Self {
            faults: Mutex::default(),
            count: AtomicUsize::new(0),
            next_id: Mutex::new(0),
            releases: watch::Sender::new(0),
            held: watch::Sender::new(0),
        }
    }
}

impl FaultTable {
    pub(crate) fn set(&self, scope: FaultScope, fault: Fault, times: Option<u32>) -> FaultId {
        let id = {
            let mut next = self.next_id.lock().unwrap_or_else(PoisonError::into_inner);
            *next += 1;
            FaultId(*next)
        };
        let active = ActiveFault {
            id,
            fault,
            scope,
            left: times,
            hits: 0,
        };
        let mut faults = self.lock();
        faults.push(Entry {
            active,
            pair: Arc::default(),
        });
        self.count.store(faults.len(), Ordering::Release);
        id
    }

    /// Clears one fault, or all; held answers are released.
    pub(crate) fn clear(&self, id: Option<FaultId>) -> usize {
        let mut faults = self.lock();
        let before = faults.len();
        faults.retain(|entry| id.is_some_and(|id| entry.active.id != id));
        self.count.store(faults.len(), Ordering::Release);
        let cleared = before - faults.len();
        drop(faults);
        self.release();
        cleared
    }

    pub(crate) fn list(&self) -> Vec<ActiveFault> {
        self.lock()
            .iter()
            .map(|entry| entry.active.clone())
            .collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    /// The faults that bend this call; each is used up by one. `drop` is asked for apart, before the body is read.
    pub(crate) fn take(
        &self,
        route: &Route,
        ask: &Ask<'_>,
        appid: Option<&str>,
        dropping: bool,
    ) -> Vec<Hit> {
        if self.is_empty() {
            return Vec::new();
        }
        let mut faults = self.lock();
        let mut hits = Vec::new();
        for entry in faults.iter_mut() {
            let active = &mut entry.active;
            let asked = (active.fault == Fault::Drop) == dropping;
            if !asked || active.left == Some(0) || !active.scope.covers(appid, ask) {
                continue;
            }
            if active.fault.applies_to(route, ask.path) {
                active.hits += 1;
                // Two calls make one reordering.
                if !matches!(active.fault, Fault::Reorder { .. }) || active.hits.is_multiple_of(2) {
                    active.left = active.left.map(|left| left - 1);
                }
                hits.push(Hit {
                    fault: active.fault.clone(),
                    pair: Arc::clone(&entry.pair),
                });
            }
        }
        faults.retain(|entry| entry.active.left != Some(0));
        self.count.store(faults.len(), Ordering::Release);
        hits
    }

    /// Waits until held answers are released.
    pub(crate) async fn hold(&self) {
        let mut releases = self.releases.subscribe();
        releases.borrow_and_update();
        self.held.send_modify(|held| *held += 1);
        let _counted = Held(&self.held);
        // The sender lives in `self`, so an error cannot come; if it did, the answer would be free.
        let _released = releases.changed().await;
    }

    pub(crate) fn release(&self) {
        self.releases.send_modify(|releases| *releases += 1);
    }

    pub(crate) fn held(&self) -> watch::Receiver<usize> {
        self.held.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a held call down again, also when its connection goes away.
struct Held<'a>(&'a watch::Sender<usize>);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|held| *held -= 1);
    }
}
