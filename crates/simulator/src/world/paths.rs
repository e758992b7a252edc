//! The paths that were asked for, as small numbers, and how often each was.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::rules::PathId;

/// More different paths than this share one number: a scan of random paths must not fill the memory.
const MOST: usize = 4096;

/// Every path seen, with its number and its exact count of calls.
pub(crate) struct Paths(RwLock<Tables>);

struct Tables {
    ids: HashMap<Arc<str>, PathId>,
    seen: Vec<(Arc<str>, AtomicU64)>,
}

impl Default for Paths {
    fn default() -> Self {
        let other = ("(other)".into(), AtomicU64::new(0));
        Self(RwLock::new(Tables {
            ids: HashMap::new(),
            seen: vec![other],
        }))
    }
}

impl Paths {
    /// Counts a call of this path; gives its number and its name.
    pub(crate) fn seen(&self, path: &str) -> (PathId, Arc<str>) {
        {
            let tables = self.0.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(id) = tables.ids.get(path) {
                return (*id, tables.count(*id));
            }
        }
        let id = self.learn(path);
        let name = self
            .0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .count(id);
        (id, if id == PathId(0) { path.into() } else { name })
    }

    /// The number of a path that was seen.
    pub(crate) fn find(&self, path: &str) -> Option<PathId> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .ids
            .get(path)
            .copied()
    }

    /// Calls of every path, most used first.
    pub(crate) fn counts(&self) -> Vec<(Arc<str>, u64)> {
        let tables = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let count = |(name, calls): &(Arc<str>, AtomicU64)| {
            (Arc::clone(name), calls.load(Ordering::Relaxed))
        };
        let mut counts: Vec<_> = tables
            .seen
            .iter()
            .map(count)
            .filter(|(_, calls)| *calls > 0)
            .collect();
        counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        counts
    }

    fn learn(&self, path: &str) -> PathId {
        let mut tables = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = tables.ids.get(path) {
            return *id;
        }
        let next = tables.seen.len();
        let Some(id) = u16::try_from(next).ok().filter(|_| next < MOST).map(PathId) else {
            return PathId(0);
        };
        let name: Arc<str> = path.into();
        tables.ids.insert(Arc::clone(&name), id);
        tables.seen.push((name, AtomicU64::new(0)));
        id
    }
}

impl Tables {
    fn count(&self, id: PathId) -> Arc<str> {
        let (name, calls) = &self.seen[usize::from(id.0)];
        calls.fetch_add(1, Ordering::Relaxed);
        Arc::clone(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_counted_exactly_and_a_scan_of_random_ones_stays_bounded() {
        let paths = Paths::default();
        for n in 0..MOST + 100 {
            let (_, name) = paths.seen(&format!("/{n}"));
            assert_eq!(*name, *format!("/{n}"));
        }
        paths.seen("/1");
        assert_eq!(
            paths
                .counts()
                .iter()
                .find(|(name, _)| &**name == "/1")
                .unwrap()
                .1,
            2
        );
        assert_eq!(paths.counts()[0], ("(other)".into(), 101));
        assert_eq!(paths.find("/4200"), None);
    }
}
