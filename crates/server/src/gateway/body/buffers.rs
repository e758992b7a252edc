//! What all calls together may keep, in memory and in files: one number that is never exceeded; and of that no caller more
//! than it leaves free, so that there is room for whoever comes next.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The room for everything that is kept.
#[derive(Debug)]
pub(crate) struct Buffers {
    limit: AtomicU64,
    taken: AtomicU64,
    folder: PathBuf,
}

/// What the calls of one caller keep together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Portion(Arc<AtomicU64>);

impl Portion {
    /// Counts more; gives how much that is then.
    fn add(&self, bytes: u64) -> u64 {
        self.0.fetch_add(bytes, Ordering::Relaxed) + bytes
    }

    fn sub(&self, bytes: u64) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// There is no room left, or none for this caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

impl Buffers {
    /// Room for so many bytes; files are made in this folder.
    pub(crate) fn new(limit: u64, folder: PathBuf) -> Arc<Self> {
        Arc::new(Self {
            limit: AtomicU64::new(limit),
            taken: AtomicU64::new(0),
            folder,
        })
    }

    /// Another limit from now on; what is taken stays.
    pub(crate) fn set_limit(&self, limit: u64) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// How much is taken now.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// An empty share, to be made larger. A caller that has no portion is the only one there is.
    pub(crate) fn share(self: &Arc<Self>, portion: Option<Portion>) -> Share {
        Share {
            of: Arc::clone(self),
            portion,
            bytes: 0,
        }
    }

    /// Takes so much, if `own` is left free behind it.
    fn take(&self, bytes: u64, own: u64) -> Result<(), Full> {
        let limit = self.limit.load(Ordering::Relaxed);
        let grown = |taken: u64| {
            let sum = taken.checked_add(bytes)?;
            (sum.checked_add(own)? <= limit).then_some(sum)
        };
        self.taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown)
            .map_or(Err(Full), |_| Ok(()))
    }
}

/// What one call keeps; given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    of: Arc<Buffers>,
    portion: Option<Portion>,
    bytes: u64,
}

impl Share {
    /// Where files are made.
    pub(crate) fn folder(&self) -> &Path {
        &self.of.folder
    }

    /// Makes it larger by so much.
    ///
    /// # Errors
    /// [`Full`]; the share stays as it was.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), Full> {
        if bytes == 0 {
            return Ok(());
        }
        let bytes = bytes as u64;
        // Counted before it is asked, so that two calls at one moment see each other.
        let own = self.portion.as_ref().map_or(0, |own| own.add(bytes));
        if let Err(full) = self.of.take(bytes, own) {
            self.portion.iter().for_each(|own| own.sub(bytes));
            return Err(full);
        }
        self.bytes += bytes;
        Ok(())
    }

    /// An empty one that is no part of the caller's portion.
    pub(crate) fn beside(&self) -> Self {
        self.of.share(None)
    }

    /// Gives all of it back.
    pub(crate) fn clear(&mut self) {
        self.of.taken.fetch_sub(self.bytes, Ordering::Relaxed);
        self.portion.iter().for_each(|own| own.sub(self.bytes));
        self.bytes = 0;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_shares_together_never_exceed_the_limit() {
        let buffers = Buffers::new(10, std::env::temp_dir());
        let (mut one, mut other) = (buffers.share(None), buffers.share(None));
        one.grow(6).unwrap();
        assert_eq!(other.grow(5), Err(Full));
        other.grow(4).unwrap();
        assert_eq!(one.grow(1), Err(Full));
        assert_eq!(one.grow(usize::MAX), Err(Full));
        drop(one);
        assert_eq!(buffers.taken(), 4);
        other.grow(6).unwrap();
        other.clear();
        assert_eq!(buffers.taken(), 0);
    }

    #[test]
    fn a_lower_limit_takes_nothing_away() {
        let buffers = Buffers::new(10, std::env::temp_dir());
        let mut share = buffers.share(None);
        share.grow(8).unwrap();
        buffers.set_limit(4);
        assert_eq!(share.grow(1), Err(Full));
        drop(share);
        assert_eq!(buffers.taken(), 0);
    }

    #[test]
    fn no_caller_keeps_more_than_it_leaves_free() {
        let buffers = Buffers::new(12, std::env::temp_dir());
        let (greedy, modest) = (Portion::default(), Portion::default());
        let share = |portion: &Portion| buffers.share(Some(portion.clone()));
        let mut kept: Vec<_> = (0..3).map(|_| share(&greedy)).collect();
        for share in &mut kept {
            share.grow(2).unwrap();
        }
        assert_eq!(share(&greedy).grow(1), Err(Full), "half is its own");
        let mut other = share(&modest);
        other.grow(3).unwrap();
        assert_eq!(other.grow(1), Err(Full), "half of what was left");
        buffers.share(None).grow(3).unwrap();
        drop(kept);
        other.grow(3).unwrap();
        drop(other);
        share(&greedy).grow(6).unwrap();
        assert_eq!(buffers.taken(), 0);
    }
}
