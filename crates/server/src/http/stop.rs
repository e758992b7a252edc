//! The signal to finish: requests in flight are answered, long polls and streams end at once, nothing new is taken.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

/// Tells everyone who holds a clone to finish. A child can be told alone.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    token: CancellationToken,
    /// The same news without the token's lock, for a look after every answer.
    told: Arc<AtomicBool>,
    parent_told: Arc<AtomicBool>,
}

impl Stop {
    /// Nobody has been told yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells everyone to finish.
    pub fn tell(&self) {
        self.told.store(true, Ordering::Release);
        self.token.cancel();
    }

    /// Whether this signal or its parent was told.
    #[must_use]
    pub fn is_told(&self) -> bool {
        self.told.load(Ordering::Acquire) || self.parent_told.load(Ordering::Acquire)
    }

    /// Resolves once this signal or a parent of it is told.
    pub fn wait(&self) -> WaitForCancellationFuture<'_> {
        self.token.cancelled()
    }

    /// A signal that follows this one and can also be told alone.
    #[must_use]
    pub fn child(&self) -> Self {
        Self {
            token: self.token.child_token(),
            told: Arc::default(),
            parent_told: Arc::clone(&self.told),
        }
    }

    /// Tells everyone to finish when what this gives is dropped, unless it was said to be done before.
    #[must_use]
    pub fn unless_done(&self) -> Undone {
        Undone(Some(self.clone()))
    }
}

/// Something begun: given up half-way, it takes with it whatever listens to its signal.
#[derive(Debug)]
pub struct Undone(Option<Stop>);

impl Undone {
    /// It came to its end; nobody is told.
    pub fn done(mut self) {
        self.0 = None;
    }
}

impl Drop for Undone {
    fn drop(&mut self) {
        if let Some(stop) = &self.0 {
            stop.tell();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_hears_its_parent_and_a_parent_not_its_child() {
        let parent = Stop::new();
        let (first, second) = (parent.child(), parent.child());
        first.tell();
        assert!(first.is_told() && !second.is_told() && !parent.is_told());
        parent.tell();
        assert!(second.is_told());
    }

    #[test]
    fn what_is_given_up_tells_everyone_and_what_is_done_nobody() {
        let stop = Stop::new();
        stop.unless_done().done();
        assert!(!stop.is_told());
        drop(stop.unless_done());
        assert!(stop.is_told());
    }
}
