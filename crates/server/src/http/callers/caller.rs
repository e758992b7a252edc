//! One caller: what it may do, and what it has used of its limits.
//!
//! Must not know: keys, other callers.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Now;
use wxtoken_core::credential::Kind;

use super::epoch::{Epoch, Epochs};
use crate::config::{self, HandsOut, Permission, Rate};
use crate::gateway::Portion;
use crate::gateway::virtual_token::CallerMark;
use crate::http::peer::Peer;

/// Time as the request has it: the limiter reads no clock of its own.
#[derive(Debug, Default)]
struct RequestTime(AtomicU64);

impl RequestTime {
    fn advance_to(&self, now: Now) {
        let nanos = now.boot.0.saturating_mul(1_000_000);
        self.0.fetch_max(nanos, Ordering::Relaxed);
    }
}

impl Clock for RequestTime {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(self.0.load(Ordering::Relaxed))
    }
}

type Limiter = RateLimiter<NotKeyed, InMemoryState, RequestTime, NoOpMiddleware<Nanos>>;

/// What a caller has used of its limits. Outlives a reload that leaves its rate alone.
#[derive(Debug)]
struct Usage {
    rate: Option<Rate>,
    limiter: Option<Limiter>,
    open: AtomicU32,
    admitted: AtomicU64,
    limited: AtomicU64,
    kept: Portion,
}

impl Usage {
    fn new(rate: Option<Rate>) -> Self {
        let quota = rate.and_then(|rate| {
            Some(Quota::with_period(rate.per / rate.count.get())?.allow_burst(rate.count))
        });
        Self {
            rate,
            limiter: quota.map(|quota| Limiter::direct_with_clock(quota, RequestTime::default())),
            open: AtomicU32::new(0),
            admitted: AtomicU64::new(0),
            limited: AtomicU64::new(0),
            kept: Portion::default(),
        }
    }
}

/// One caller.
#[derive(Debug)]
pub struct Caller {
    config: config::Caller,
    usage: Arc<Usage>,
    mark: CallerMark,
    epoch: Arc<Epoch>,
}

impl Caller {
    /// A caller as configured. What it used under the same rate before goes on.
    pub(super) fn new(config: &config::Caller, before: Option<&Self>, epochs: &Epochs) -> Self {
        let mark = CallerMark::of(&config.name);
        let usage = before
            .map(|old| &old.usage)
            .filter(|usage| usage.rate == config.rate);
        Self {
            usage: usage
                .cloned()
                .unwrap_or_else(|| Arc::new(Usage::new(config.rate))),
            config: config.clone(),
            mark,
            epoch: epochs.of(mark),
        }
    }

    /// Its name, for people.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// Its configuration.
    #[must_use]
    pub const fn config(&self) -> &config::Caller {
        &self.config
    }

    /// How its virtual tokens name it.
    pub(crate) const fn mark(&self) -> CallerMark {
        self.mark
    }

    /// Which of its virtual tokens are good: those of this epoch, and of later ones that another replica knows already.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch.number()
    }

    /// Virtual tokens made until now are over from now on. Gives the epoch that is good from here.
    pub fn revoke(&self, now: Now) -> u64 {
        let next = now.wall.0.max(self.epoch().saturating_add(1));
        self.epoch.raise(next);
        self.epoch()
    }

    /// Returns once its epoch is not `seen` any more.
    pub(crate) async fn revoked_since(&self, seen: u64) -> u64 {
        self.epoch.past(seen).await
    }

    /// What is kept of the bodies of its calls.
    pub(crate) fn portion(&self) -> &Portion {
        &self.usage.kept
    }

    /// Requests let in so far, and requests refused for its limits.
    #[must_use]
    pub fn totals(&self) -> (u64, u64) {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (read(&self.usage.admitted), read(&self.usage.limited))
    }

    /// Whether it may come from there.
    #[must_use]
    pub fn may_come_from(&self, peer: Peer) -> bool {
        self.config.from.is_empty() || peer.is_in(&self.config.from)
    }

    /// Whether an app is among its apps.
    #[must_use]
    pub fn sees(&self, app: &AppId) -> bool {
        self.config.apps.contains(app)
    }

    /// Whether it may do this.
    #[must_use]
    pub const fn may(&self, permission: Permission) -> bool {
        self.config.allow.allows(permission)
    }

    /// What it lacks to read a kind; none if it may.
    #[must_use]
    pub fn lacks_to_read(&self, kind: Kind) -> Option<Permission> {
        let (needed, comes_with) = match (kind, self.config.hands_out) {
            (Kind::AccessToken, _) => (Permission::Read, Permission::Read),
            (Kind::JsapiTicket | Kind::CardTicket, HandsOut::Real) => {
                (Permission::Ticket, Permission::Read)
            }
            (Kind::JsapiTicket | Kind::CardTicket, HandsOut::Virtual) => {
                (Permission::Ticket, Permission::Ticket)
            }
        };
        (!self.may(needed) && !self.may(comes_with)).then_some(needed)
    }

    /// Takes one request off its rate.
    ///
    /// # Errors
    /// How long until the next is allowed.
    pub fn take(&self, now: Now) -> Result<(), Duration> {
        if let Some(limiter) = &self.usage.limiter {
            limiter.clock().advance_to(now);
            if let Err(until) = limiter.check() {
                return Err(until.wait_time_from(limiter.clock().now()));
            }
        }
        self.usage.admitted.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Whether another request may be open now: for answers that are given at once.
    #[must_use]
    pub fn has_room(&self) -> bool {
        let limit = self.config.concurrency.map_or(u32::MAX, NonZeroU32::get);
        self.usage.open.load(Ordering::Relaxed) < limit
    }

    /// Opens a request; none if too many are open.
    #[must_use]
    pub fn open(self: &Arc<Self>) -> Option<OpenRequest> {
        let limit = self.config.concurrency.map_or(u32::MAX, NonZeroU32::get);
        let opened = self
            .usage
            .open
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| {
                (open < limit).then_some(open + 1)
            });
        opened.ok().map(|_| OpenRequest(Arc::clone(self)))
    }

    /// How many requests are open now.
    #[must_use]
    pub fn open_now(&self) -> u32 {
        self.usage.open.load(Ordering::Relaxed)
    }

    /// A request was refused for the caller's limits.
    pub(in crate::http) fn note_limited(&self) {
        self.usage.limited.fetch_add(1, Ordering::Relaxed);
    }
}

/// A request a caller has open, closed when dropped.
#[derive(Debug)]
pub struct OpenRequest(Arc<Caller>);

impl OpenRequest {
    /// Whose it is.
    #[must_use]
    pub const fn caller(&self) -> &Arc<Caller> {
        &self.0
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.0.usage.open.fetch_sub(1, Ordering::Relaxed);
    }
}
