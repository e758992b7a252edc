//! Counts records that were put into a Redis that lacked them.

use std::sync::atomic::{AtomicU64, Ordering};

/// How many there were.
#[derive(Debug, Default)]
pub(super) struct Refilled {
    ever: AtomicU64,
    told: AtomicU64,
}

impl Refilled {
    pub(super) fn one_more(&self) {
        self.ever.fetch_add(1, Ordering::Relaxed);
    }

    /// Since the start.
    pub(super) fn ever(&self) -> u64 {
        self.ever.load(Ordering::Relaxed)
    }

    /// Since this was last asked.
    pub(super) fn untold(&self) -> u64 {
        let ever = self.ever();
        ever.saturating_sub(self.told.swap(ever, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_told_once_and_counted_for_ever() {
        let refilled = Refilled::default();
        refilled.one_more();
        refilled.one_more();
        assert_eq!((refilled.untold(), refilled.untold()), (2, 0));
        refilled.one_more();
        assert_eq!((refilled.untold(), refilled.ever()), (1, 3));
    }
}
