//! When a connection has been quiet for too long.
//!
//! Must not know: what is asked on it.

use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::time::{Instant, Sleep};
use tokio_util::sync::WaitForCancellationFuture;

/// Notices that nothing is asked for too long, or that the server stops, at no cost while requests keep coming.
pub(super) struct Quiet<'t, 's> {
    pub(super) timer: Pin<&'t mut Sleep>,
    pub(super) stopped: Pin<&'t mut WaitForCancellationFuture<'s>>,
    pub(super) half: Duration,
    /// No request came in the half period before this one.
    pub(super) was_quiet: bool,
    /// Timer and signal know whom to wake.
    pub(super) registered: bool,
}

impl Quiet<'_, '_> {
    /// Whether to stop waiting. Only looks closely when woken without anything to read, or when the timer has run out:
    /// both futures stay registered with the task meanwhile.
    pub(super) fn is_over(&mut self, cx: &mut Context<'_>, first: bool) -> bool {
        if first && self.registered && !self.timer.is_elapsed() {
            return false;
        }
        self.registered = true;
        if self.stopped.as_mut().poll(cx).is_ready() {
            return true;
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            if std::mem::replace(&mut self.was_quiet, true) {
                return true;
            }
            let next = Instant::now() + self.half;
            self.timer.as_mut().reset(next);
        }
        false
    }
}
