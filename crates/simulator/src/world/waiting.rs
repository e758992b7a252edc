//! Waiting for what the client does, instead of sleeping.

use std::{future::Future, io, pin::Pin, sync::Arc};

use super::World;
use crate::log::{Call, CallMatch};

/// A call that is waited for. It stands on its own: it may outlive the borrow of the [`World`] it came from.
pub type CallWait = Pin<Box<dyn Future<Output = Arc<Call>> + Send>>;

impl World {
    /// The next call that matches. Counted from the moment this is called, not from the first poll: take it, then do
    /// what makes the call happen, then await it. A path is a matcher too.
    pub fn next_call(&self, matcher: impl Into<CallMatch>) -> CallWait {
        self.nth_call_since(self.call_count(), matcher, 1)
    }

    /// The first call that matches and whose number is greater than `seq`: [`World::call_count`] gives one to start
    /// from, [`Call::seq`] goes on from a call.
    pub fn call_since(&self, seq: u64, matcher: impl Into<CallMatch>) -> CallWait {
        self.nth_call_since(seq, matcher, 1)
    }

    /// Waits until `n` calls matched, counting all that are still remembered; gives the `n`th.
    pub fn calls_reach(&self, matcher: impl Into<CallMatch>, n: usize) -> CallWait {
        self.nth_call_since(0, matcher, n)
    }

    fn nth_call_since(&self, seq: u64, matcher: impl Into<CallMatch>, n: usize) -> CallWait {
        let (shared, matcher) = (Arc::clone(&self.0), matcher.into());
        Box::pin(async move { shared.log.nth_since(seq, matcher, n).await })
    }

    /// Nobody listens any more: open connections are cut, new ones refused, until [`World::come_up`].
    pub async fn go_down(&self) -> io::Result<()> {
        self.0.gate.ask(false).await
    }

    /// Listens again on the same port.
    pub async fn come_up(&self) -> io::Result<()> {
        self.0.gate.ask(true).await
    }
}
