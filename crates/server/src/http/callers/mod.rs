//! Who may ask: the callers of the configuration, found by the hash of their key.
//!
//! A snapshot that is swapped as a whole; limits of callers that stay as they were go on. Holds no key, only hashes.
//! Must not know: HTTP, routes.

mod caller;
mod epoch;

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::{ArcSwap, Guard};
use aws_lc_rs::{constant_time, digest};
use wxtoken_core::app::AppId;

use crate::config::{self, KeyHash};
use crate::gateway::virtual_token::CallerMark;
use crate::http::peer::Peer;
use crate::store::Revocations;
pub use caller::{Caller, OpenRequest};
use epoch::Epochs;

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

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyDigest(redacted)")
    }
}

/// All callers at one moment.
#[derive(Debug, Default)]
pub struct Book {
    edition: u64,
    by_key: HashMap<KeyDigest, u32, foldhash::fast::RandomState>,
    by_mark: HashMap<CallerMark, u32, foldhash::fast::RandomState>,
    all: Vec<Arc<Caller>>,
}

/// The next edition: no two books of this process have the same.
static EDITION: AtomicU64 = AtomicU64::new(1);

/// Where a caller stands in one edition of the book; nowhere in any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallerAt {
    edition: u64,
    index: u32,
}

impl Book {
    fn new(callers: &[config::Caller], before: &Self, epochs: &Epochs) -> Self {
        let all: Vec<Arc<Caller>> = callers
            .iter()
            .map(|config| {
                let before = before.all.iter().find(|old| old.name() == &*config.name);
                Arc::new(Caller::new(config, before.map(Arc::as_ref), epochs))
            })
            .collect();
        let by_key = (0..)
            .zip(&all)
            .filter_map(|(index, caller)| Some((KeyDigest(caller.config().key?.0), index)))
            .collect();
        let by_mark = (0..)
            .zip(&all)
            .map(|(index, caller)| (caller.mark(), index))
            .collect();
        Self {
            edition: EDITION.fetch_add(1, Ordering::Relaxed),
            by_key,
            by_mark,
            all,
        }
    }

    /// The caller that a virtual token names.
    #[must_use]
    pub(crate) fn by_mark(&self, mark: CallerMark) -> Option<&Arc<Caller>> {
        self.all.get(*self.by_mark.get(&mark)? as usize)
    }

    /// The caller of this name.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<&Arc<Caller>> {
        self.by_mark(CallerMark::of(name))
            .filter(|caller| caller.name() == name)
    }

    /// The caller that has this key.
    #[must_use]
    pub fn by_key(&self, key: &[u8]) -> Option<&Arc<Caller>> {
        self.by_digest(&KeyDigest::of(key))
    }

    fn by_digest(&self, digest: &KeyDigest) -> Option<&Arc<Caller>> {
        self.all.get(*self.by_key.get(digest)? as usize)
    }

    /// The first caller of an app that may send the app's own AppSecret in the place of a key, from there.
    #[must_use]
    pub fn by_app_secret(&self, app: &AppId, peer: Peer) -> Option<&Arc<Caller>> {
        self.all.iter().find(|caller| {
            caller.config().accept_app_secret && caller.sees(app) && caller.may_come_from(peer)
        })
    }

    /// Where the caller stands that has this key: to be kept, and asked [`at`](Self::at) again.
    #[must_use]
    pub fn find(&self, key: &[u8]) -> Option<CallerAt> {
        Some(CallerAt {
            edition: self.edition,
            index: *self.by_key.get(&KeyDigest::of(key))?,
        })
    }

    /// The caller that stands there; none if that is the place of another edition: it may have lost its key since.
    #[must_use]
    pub fn at(&self, place: CallerAt) -> Option<&Arc<Caller>> {
        self.all
            .get(place.index as usize)
            .filter(|_| place.edition == self.edition)
    }

    /// What has become of a caller that was admitted under an earlier book: none if it or its key is gone.
    #[must_use]
    pub fn still(&self, caller: &Caller) -> Option<&Arc<Caller>> {
        match caller.config().key {
            Some(KeyHash(hash)) => self.by_digest(&KeyDigest(hash)),
            None => self.all.iter().find(|now| now.name() == caller.name()),
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
pub struct Callers {
    book: ArcSwap<Book>,
    epochs: Epochs,
}

impl Callers {
    /// The callers of a configuration, none of them ever revoked.
    #[must_use]
    pub fn new(callers: &[config::Caller]) -> Self {
        Self::revoked(callers, Revocations::default())
    }

    /// The callers of a configuration, with the revocations that are known.
    #[must_use]
    pub fn revoked(callers: &[config::Caller], known: Revocations) -> Self {
        let epochs = Epochs::new(known);
        let book = Book::new(callers, &Book::default(), &epochs);
        Self {
            book: ArcSwap::from_pointee(book),
            epochs,
        }
    }

    /// Another replica ended the virtual tokens of a caller, which this one may know or come to know.
    pub(crate) fn revoke(&self, caller: CallerMark, epoch: u64) {
        self.epochs.of(caller).raise(epoch);
    }

    /// Puts others in their place, and gives those that are gone. A caller whose name and rate stay keeps what it has used.
    pub fn replace(&self, callers: &[config::Caller]) -> Vec<Arc<Caller>> {
        let before = self.book.load_full();
        let book = Arc::new(Book::new(callers, &before, &self.epochs));
        self.book.store(Arc::clone(&book));
        let gone = |caller: &&Arc<Caller>| book.by_name(caller.name()).is_none();
        before.all.iter().filter(gone).cloned().collect()
    }

    /// The callers of this moment: for a look, not to be kept.
    pub fn now(&self) -> Guard<Arc<Book>> {
        self.book.load()
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use wxtoken_core::clock::{Boot, Now};
    use wxtoken_core::credential::Kind;

    use super::*;
    use crate::config::{AppScope, Permission, Permissions};

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
        let there = callers.now().find(b"key");
        callers.replace(&[limited("a", "new-key")]);
        let book = callers.now();
        assert!(book.by_key(b"key").is_none() && book.by_key(b"other").is_none());
        assert!(book.still(&before).is_none());
        assert!(there.is_some() && book.at(there.unwrap()).is_none());
        assert!(book.by_key(b"new-key").unwrap().take(at(0)).is_err());
    }

    #[test]
    fn a_revoked_caller_stays_revoked_when_it_is_removed_and_comes_back() {
        let mut known = Revocations::default();
        known.raise(CallerMark::of("a").0, 70);
        let callers = Callers::revoked(&[limited("b", "key-b")], known);
        callers.replace(&[limited("a", "key-a"), limited("b", "key-b")]);
        let epoch = |name: &str| callers.now().by_name(name).unwrap().epoch();
        assert_eq!((epoch("a"), epoch("b")), (70, 0));
        let early = Now::default();
        assert_eq!(callers.now().by_name("a").unwrap().revoke(early), 71);
        callers.replace(&[limited("b", "key-b")]);
        assert!(callers.now().by_name("a").is_none());
        callers.replace(&[limited("a", "another-key"), limited("b", "key-b")]);
        assert_eq!((epoch("a"), epoch("b")), (71, 0));
    }

    #[tokio::test]
    async fn whoever_waits_for_a_revocation_is_told() {
        let callers = Callers::new(&[limited("a", "key-a")]);
        let caller = Arc::clone(callers.now().by_name("a").unwrap());
        let waiting = Arc::clone(&caller);
        let waiting = tokio::spawn(async move { waiting.revoked_since(0).await });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        let epoch = caller.revoke(Now::default());
        assert_eq!(waiting.await.unwrap(), epoch);
        assert_eq!(caller.revoked_since(0).await, epoch);
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
