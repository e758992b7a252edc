//! Who may ask: the callers of the configuration, found by the hash of their key, with what each has used of its limits.
//!
//! A snapshot that is swapped as a whole; limits of callers that stay as they were go on. Holds no key, only hashes.
//! Must not know: HTTP, routes.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use aws_lc_rs::{constant_time, digest};
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Now;
use wxtoken_core::credential::Kind;

use super::peer::Peer;
use crate::config::{self, HandsOut, KeyHash, Permission, Rate};

/// The hash of a key, compared in constant time.
#[derive(Clone, Copy, Eq)]
struct KeyDigest([u8; 32]);

impl KeyDigest {
    fn of(key: &[u8]) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, key).as_ref());
        Self(hash)
    }
}

impl PartialEq for KeyDigest {
    fn eq(&self, other: &Self) -> bool {
        constant_time::verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl Hash for KeyDigest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        state.write_u64(u64::from_ne_bytes([a, b, c, d, e, f, g, h]));
    }
}

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
        }
    }
}

/// One caller.
#[derive(Debug)]
pub struct Caller {
    config: config::Caller,
    usage: Arc<Usage>,
}

impl Caller {
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
        let HandsOut::Real = self.config.hands_out;
        let (needed, comes_with) = match kind {
            Kind::AccessToken => (Permission::Read, Permission::Read),
            Kind::JsapiTicket | Kind::CardTicket => (Permission::Ticket, Permission::Read),
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
    pub(super) fn note_limited(&self) {
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

/// All callers at one moment.
#[derive(Debug, Default)]
pub struct Book {
    by_key: HashMap<KeyDigest, Arc<Caller>, foldhash::fast::RandomState>,
    all: Vec<Arc<Caller>>,
}

impl std::fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyDigest(redacted)")
    }
}

impl Book {
    fn new(callers: &[config::Caller], before: &Self) -> Self {
        let all: Vec<Arc<Caller>> = callers
            .iter()
            .map(|config| {
                let kept = before.all.iter().find(|old| old.config.name == config.name);
                let usage = kept
                    .map(|old| &old.usage)
                    .filter(|usage| usage.rate == config.rate);
                Arc::new(Caller {
                    usage: usage
                        .cloned()
                        .unwrap_or_else(|| Arc::new(Usage::new(config.rate))),
                    config: config.clone(),
                })
            })
            .collect();
        let by_key = all
            .iter()
            .filter_map(|caller| Some((KeyDigest(caller.config.key?.0), Arc::clone(caller))))
            .collect();
        Self { by_key, all }
    }

    /// The caller that has this key.
    #[must_use]
    pub fn by_key(&self, key: &[u8]) -> Option<&Arc<Caller>> {
        self.by_key.get(&KeyDigest::of(key))
    }

    /// What has become of a caller that was admitted under an earlier book: none if it or its key is gone.
    #[must_use]
    pub fn still(&self, caller: &Caller) -> Option<&Arc<Caller>> {
        match caller.config.key {
            Some(KeyHash(hash)) => self.by_key.get(&KeyDigest(hash)),
            None => self
                .all
                .iter()
                .find(|now| now.config.name == caller.config.name),
        }
    }

    /// Every caller, in the order of the configuration.
    #[must_use]
    pub fn all(&self) -> &[Arc<Caller>] {
        &self.all
    }
}

/// The callers of now.
#[derive(Debug, Default)]
pub struct Callers(ArcSwap<Book>);

impl Callers {
    /// The callers of a configuration.
    #[must_use]
    pub fn new(callers: &[config::Caller]) -> Self {
        let book = Book::new(callers, &Book::default());
        Self(ArcSwap::from_pointee(book))
    }

    /// Puts others in their place. A caller whose name and rate stay keeps what it has used.
    pub fn replace(&self, callers: &[config::Caller]) {
        let book = Book::new(callers, &self.0.load());
        self.0.store(Arc::new(book));
    }

    /// The callers of this moment: for a look, not to be kept.
    pub fn now(&self) -> Guard<Arc<Book>> {
        self.0.load()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{AppScope, Permissions};
    use wxtoken_core::clock::Boot;

    fn at(millis: u64) -> Now {
        Now {
            boot: Boot(millis),
            ..Now::default()
        }
    }

    fn limited(name: &str, key: &str) -> config::Caller {
        let mut caller = config::Caller::new(name, KeyHash::of(key));
        caller.rate = Some("2/s".parse().unwrap());
        caller.concurrency = NonZeroU32::new(1);
        caller
    }

    #[test]
    fn a_caller_is_found_by_its_key_alone() {
        let callers = Callers::new(&[limited("a", "key-a"), limited("b", "key-b")]);
        assert_eq!(callers.now().by_key(b"key-b").unwrap().name(), "b");
        assert!(callers.now().by_key(b"key-c").is_none());
        assert!(callers.now().by_key(b"").is_none());
    }

    #[test]
    fn a_rate_allows_its_burst_and_then_its_pace() {
        let callers = Callers::new(&[limited("a", "key")]);
        let book = callers.now();
        let caller = book.by_key(b"key").unwrap();
        assert!(caller.take(at(1000)).is_ok() && caller.take(at(1000)).is_ok());
        assert_eq!(caller.take(at(1000)), Err(Duration::from_millis(500)));
        assert!(caller.take(at(1500)).is_ok());
        assert!(caller.take(at(1500)).is_err());
        assert_eq!(caller.totals(), (3, 0));
    }

    #[test]
    fn open_requests_are_bounded_and_given_back() {
        let callers = Callers::new(&[limited("a", "key")]);
        let caller = Arc::clone(callers.now().by_key(b"key").unwrap());
        let first = caller.open().unwrap();
        assert!(caller.open().is_none() && !caller.has_room());
        drop(first);
        assert!(caller.open().is_some());
    }

    #[test]
    fn a_reload_keeps_what_an_unchanged_caller_has_used() {
        let callers = Callers::new(&[limited("a", "key"), limited("b", "other")]);
        let before = Arc::clone(callers.now().by_key(b"key").unwrap());
        before.take(at(0)).unwrap();
        before.take(at(0)).unwrap();
        callers.replace(&[limited("a", "new-key")]);
        let book = callers.now();
        assert!(book.by_key(b"key").is_none() && book.by_key(b"other").is_none());
        assert!(book.still(&before).is_none());
        assert!(book.by_key(b"new-key").unwrap().take(at(0)).is_err());
    }

    #[test]
    fn tickets_come_with_read_and_read_does_not_come_with_ticket() {
        let mut config = limited("a", "key");
        config.apps = AppScope::Some(Box::new(["wx1".parse().unwrap()]));
        config.allow = Permissions::NONE.with(Permission::Read);
        let readers = Callers::new(&[config.clone()]);
        let reader = Arc::clone(&readers.now().all()[0]);
        assert_eq!(reader.lacks_to_read(Kind::JsapiTicket), None);
        assert!(reader.sees(&"wx1".parse().unwrap()) && !reader.sees(&"wx2".parse().unwrap()));
        config.allow = Permissions::NONE.with(Permission::Ticket);
        let ticketers = Callers::new(&[config]);
        let ticketer = Arc::clone(&ticketers.now().all()[0]);
        assert_eq!(
            ticketer.lacks_to_read(Kind::AccessToken),
            Some(Permission::Read)
        );
        assert_eq!(ticketer.lacks_to_read(Kind::CardTicket), None);
    }
}
