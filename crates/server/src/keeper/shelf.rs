//! The shelf: what readers see. A read takes no lock, waits for no writer and allocates nothing.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use foldhash::fast::RandomState;
use tokio::sync::watch;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Now;
use wxtoken_core::credential::{Credential, CredentialKey, Kind, ValueId};

use super::absent::{Absent, NoLive};
use super::owners::Owners;

/// Waiters are woken by the bell of their app's group: a bell per app would cost more than it saves.
const BELLS: usize = 256;

/// One app's place on the shelf.
#[derive(Debug)]
struct Place {
    /// The app's number in the loop.
    index: u32,
    kinds: [bool; 3],
    values: [ArcSwapOption<Credential>; 3],
    absent: ArcSwapOption<NoLive>,
}

/// As many as arc-swap hands out at once without counting references.
const TOGETHER: usize = 8;

type Places = papaya::HashMap<AppId, Place, RandomState>;

/// A look at the shelf, which sees what is on it at any moment.
#[derive(Debug)]
pub struct Look<'s>(papaya::HashMapRef<'s, AppId, Place, RandomState, papaya::LocalGuard<'s>>);

impl Look<'_> {
    /// Hands a borrowed value to `read`, without touching its reference count.
    pub fn with<R>(&self, key: &CredentialKey, read: impl FnOnce(Option<&Credential>) -> R) -> R {
        let Some(place) = self.0.get(&key.app) else {
            return read(None);
        };
        let value = place.values[key.kind.index()].load();
        read(value.as_deref())
    }

    /// Hands out several values, in order, until `read` refuses one; whether it took them all.
    ///
    /// Steps from key to value are taken for a handful together: the processor fetches side by side what it would otherwise
    /// wait for one after the other.
    pub fn with_each<'k>(
        &self,
        keys: &'k [CredentialKey],
        mut read: impl FnMut(&'k CredentialKey, Option<&Credential>) -> bool,
    ) -> bool {
        keys.chunks(TOGETHER).all(|keys| {
            let mut places = [None; TOGETHER];
            for (place, key) in places.iter_mut().zip(keys) {
                *place = self.0.get(&key.app);
            }
            let mut values = [const { None }; TOGETHER];
            for ((value, place), key) in values.iter_mut().zip(places).zip(keys) {
                *value = place.map(|place| place.values[key.kind.index()].load());
            }
            let values = values.each_ref().map(|value| value.as_ref()?.as_deref());
            let first_bytes = values.iter().flatten();
            black_box(first_bytes.fold(0, |sum, value| sum ^ value.token.expose().as_bytes()[0]));
            keys.iter().zip(values).all(|(key, value)| read(key, value))
        })
    }
}

/// All values that are handed out.
#[derive(Debug)]
pub struct Shelf {
    places: Places,
    bells: Vec<watch::Sender<u64>>,
    owners: Owners,
    /// Whether stored records are still being read.
    reading: watch::Sender<bool>,
    starting: Arc<NoLive>,
}

impl Shelf {
    /// Call this while the process has one thread: what readers rely on asks the kernel once for a barrier, which it grants
    /// at once then, and to a process of several threads only after ten milliseconds or more.
    pub fn before_threads() {
        drop(papaya::HashMap::<u8, u8>::new());
    }

    /// An empty shelf.
    #[must_use]
    pub fn new(now: Now) -> Self {
        Self {
            places: papaya::HashMap::default(),
            owners: Owners::new(),
            reading: watch::Sender::new(false),
            bells: (0..BELLS).map(|_| watch::Sender::new(0)).collect(),
            starting: Arc::new(NoLive::starting(now)),
        }
    }

    /// What is handed out for a credential now.
    ///
    /// # Errors
    /// [`Absent`] says why nothing is.
    pub fn peek(&self, key: &CredentialKey, now: Now) -> Result<Arc<Credential>, Absent> {
        let places = self.places.pin();
        let place = places.get(&key.app).ok_or(Absent::UnknownApp)?;
        if !place.kinds[key.kind.index()] {
            return Err(Absent::UnknownKind);
        }
        match place.values[key.kind.index()].load_full() {
            Some(value) if value.live_at(now) => Ok(value),
            lapsed => Err(Absent::NoLive(place.absent.load_full().unwrap_or_else(
                || match lapsed {
                    Some(_) => Arc::new(NoLive::just_ended(now)),
                    None => Arc::clone(&self.starting),
                },
            ))),
        }
    }

    /// For one or several looks, at the cost of one: the hot path. To be dropped soon, what is taken off waits for it.
    #[must_use]
    pub fn look(&self) -> Look<'_> {
        Look(self.places.pin())
    }

    /// Makes room for this many apps more at once.
    pub(super) fn reserve(&self, apps: usize) {
        // The map takes three quarters for full and a power of two for its size, but grows only at 85 %. Up to four fifths of
        // one is enough: for a hundred thousand apps half of what it would take, a megabyte less.
        self.places.pin().reserve(apps - apps / 16);
        self.owners.reserve(apps);
    }

    /// Stored records are being read from now on, or no more.
    pub(super) fn reading(&self, reading: bool) {
        self.reading.send_replace(reading);
    }

    /// Whether stored records are being read.
    pub(super) fn is_reading(&self) -> bool {
        *self.reading.borrow()
    }

    /// Waits until no record is being read, at most `wait`; false if none was.
    pub(super) async fn until_read(&self, wait: Duration) -> bool {
        if !self.is_reading() {
            return false;
        }
        let mut reading = self.reading.subscribe();
        let read = reading.wait_for(|reading| !reading);
        let _ = tokio::time::timeout(wait, read).await;
        true
    }

    /// A bell that rings whenever something of this app's group changed.
    #[must_use]
    pub fn bell(&self, app: &AppId) -> watch::Receiver<u64> {
        self.bells[group(app)].subscribe()
    }

    /// What is said of an app whose record is still being looked for.
    pub(super) fn starting(&self) -> Arc<NoLive> {
        Arc::clone(&self.starting)
    }

    /// Whether an app has its place here.
    #[must_use]
    pub fn holds(&self, app: &AppId) -> bool {
        self.index_of(app).is_some()
    }

    /// The app's number in the loop.
    pub(super) fn index_of(&self, app: &AppId) -> Option<u32> {
        self.places.pin().get(app).map(|place| place.index)
    }

    /// Whose value this is: of every one that is handed out, stands by or is handing over.
    #[must_use]
    pub fn owner_of(&self, id: ValueId) -> Option<CredentialKey> {
        self.owners.of(id)
    }

    /// The app of this number.
    pub(super) fn app_of(&self, index: u32) -> Option<AppId> {
        self.owners.app_of(index)
    }

    /// The app of this number knows these values as its own now, and those before.
    pub fn own(&self, index: u32, before: &[(ValueId, Kind)], now: &[(ValueId, Kind)]) {
        self.owners.change(index, before, now);
    }

    /// Whether an app is on the shelf.
    #[must_use]
    pub fn knows(&self, app: &AppId) -> bool {
        self.places.pin().contains_key(app)
    }

    /// Every app and the kinds it has.
    pub fn each(&self, mut visit: impl FnMut(&AppId, &[Kind])) {
        for (app, place) in &self.places.pin() {
            let kinds: Vec<Kind> = Kind::ALL
                .into_iter()
                .filter(|kind| place.kinds[kind.index()])
                .collect();
            visit(app, &kinds);
        }
    }

    /// Makes a place for an app, which has this number in the loop, or changes which kinds it has; values that stay are kept.
    pub fn place(&self, app: AppId, kinds: &[Kind], index: u32) {
        self.owners.name(index, app);
        let places = self.places.pin();
        let before = places.get(&app);
        let place = Place {
            index,
            kinds: Kind::ALL.map(|kind| kinds.contains(&kind)),
            values: Kind::ALL.map(|kind| {
                let kept = before.and_then(|p| p.values[kind.index()].load_full());
                ArcSwapOption::new(kept.filter(|_| kinds.contains(&kind)))
            }),
            absent: ArcSwapOption::new(before.and_then(|p| p.absent.load_full())),
        };
        places.insert(app, place);
        drop(places);
        self.ring(&app);
    }

    /// Takes an app off.
    pub fn remove(&self, app: &AppId) {
        self.places.pin().remove(app);
        self.ring(app);
    }

    /// Puts a value up, or takes it down, and wakes those who wait.
    pub fn put(&self, app: &AppId, kind: Kind, value: Option<Arc<Credential>>) {
        if let Some(place) = self.places.pin().get(app) {
            place.values[kind.index()].store(value);
        }
        self.ring(app);
    }

    /// Says why there is no live value; waiters look again.
    pub fn explain(&self, app: &AppId, why: Option<Arc<NoLive>>) {
        if let Some(place) = self.places.pin().get(app) {
            place.absent.store(why);
        }
        self.ring(app);
    }

    fn ring(&self, app: &AppId) {
        self.bells[group(app)].send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Waits until `wanted` finds something, at most `wait`.
    pub(super) async fn until<R>(
        &self,
        app: &AppId,
        wait: Duration,
        mut wanted: impl FnMut() -> Option<R>,
    ) -> Option<R> {
        let mut bell = self.bell(app);
        let deadline = tokio::time::sleep(wait);
        tokio::pin!(deadline);
        loop {
            bell.mark_unchanged();
            if let Some(found) = wanted() {
                return Some(found);
            }
            tokio::select! {
                rung = bell.changed() => if rung.is_err() { return None },
                () = &mut deadline => return wanted(),
            }
        }
    }
}

/// Which bell an app listens to: the last characters of AppIDs are evenly spread.
fn group(app: &AppId) -> usize {
    app.as_str().bytes().fold(0_usize, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(byte.into())
    }) % BELLS
}
