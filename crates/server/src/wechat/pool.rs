//! Connections that wait for their next call.
//!
//! Never opens one by itself, so there are never more connections than calls in flight and the few idle ones kept here.
//! Must not know: requests, what is asked.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::SendRequest;
use tokio::time::Instant;

use super::base::Base;

/// Shorter than any upstream's own limit, so that connections seldom die while a request is on its way.
const IDLE_FOR: Duration = Duration::from_secs(20);
/// Idle connections kept to one host.
const IDLE_MOST: usize = 64;

/// The sending half of a connection.
pub(super) type Sender = SendRequest<Full<Bytes>>;

/// Idle connections by host.
#[derive(Default)]
pub(super) struct Pool {
    idle: Mutex<HashMap<Base, Vec<Idle>>>,
}

struct Idle {
    sender: Sender,
    since: Instant,
}

impl Pool {
    /// The idle connection used last, if it is still open.
    pub(super) fn take(&self, base: &Base) -> Option<Sender> {
        let mut hosts = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = hosts.get_mut(base)?;
        let now = Instant::now();
        idle.retain(|idle| idle.is_good(now));
        let taken = idle.pop().map(|idle| idle.sender);
        if idle.is_empty() {
            hosts.remove(base);
        }
        taken
    }

    /// Keeps a connection that is ready for its next call.
    pub(super) fn put(&self, base: &Base, sender: Sender) {
        let mut hosts = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = hosts.entry(base.clone()).or_default();
        let now = Instant::now();
        idle.retain(|idle| idle.is_good(now));
        if idle.len() < IDLE_MOST {
            idle.push(Idle { sender, since: now });
        }
    }
}

impl Idle {
    fn is_good(&self, now: Instant) -> bool {
        now.duration_since(self.since) < IDLE_FOR && self.sender.is_ready()
    }
}
