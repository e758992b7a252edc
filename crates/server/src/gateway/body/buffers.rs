//! What all calls together may keep, in memory and in files: one number that is never exceeded.

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

/// There is no room left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the gateway's buffers are full (gateway.buffers_total); try again in a moment")]
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

    /// An empty share, to be made larger.
    pub(crate) fn share(self: &Arc<Self>) -> Share {
        Share {
            of: Arc::clone(self),
            bytes: 0,
        }
    }

    fn take(&self, bytes: u64) -> Result<(), Full> {
        let limit = self.limit.load(Ordering::Relaxed);
        let grown = |taken: u64| taken.checked_add(bytes).filter(|sum| *sum <= limit);
        self.taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown)
            .map_or(Err(Full), |_| Ok(()))
    }
}

/// What one call keeps; given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    of: Arc<Buffers>,
    bytes: u64,
}

impl Share {
    /// Where files are made.
    pub(super) fn folder(&self) -> &Path {
        &self.of.folder
    }

    /// Makes it larger by so much.
    ///
    /// # Errors
    /// [`Full`]; the share stays as it was.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), Full> {
        let bytes = bytes as u64;
        self.of.take(bytes)?;
        self.bytes += bytes;
        Ok(())
    }

    /// Gives all of it back.
    pub(crate) fn clear(&mut self) {
        self.of.taken.fetch_sub(self.bytes, Ordering::Relaxed);
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
        let (mut one, mut other) = (buffers.share(), buffers.share());
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
        let mut share = buffers.share();
        share.grow(8).unwrap();
        buffers.set_limit(4);
        assert_eq!(share.grow(1), Err(Full));
        drop(share);
        assert_eq!(buffers.taken(), 0);
    }
}
