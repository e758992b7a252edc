//! Users' records that are forgotten with the process: for tests.
//!
//! Must not know: sealing, files. Same contract as every other store, durability aside.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::{Clock, Wall};
use wxtoken_core::store::StoreError;
use wxtoken_core::user::{Held, OnceKey, OpenId, Purged, UserRecord, UserStore, Written};

use super::{Everyone, Met, PORTION, User, new_version};

/// Records and notes in maps.
#[derive(Clone)]
pub struct MemoryUsers {
    held: Arc<Mutex<Maps>>,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct Maps {
    records: HashMap<(AppId, OpenId), Kept<Held>>,
    notes: HashMap<OnceKey, Kept<Vec<u8>>>,
}

/// Something, and when its time is over.
struct Kept<T> {
    what: T,
    until: Wall,
}

impl MemoryUsers {
    /// An empty store. A clone of it holds the same.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let held = Arc::default();
        Self { held, clock }
    }

    fn held(&self) -> MutexGuard<'_, Maps> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Wall {
        self.clock.now().wall
    }
}

impl Maps {
    fn find(&self, key: &(AppId, OpenId), now: Wall) -> Option<Held> {
        let kept = self.records.get(key).filter(|kept| now < kept.until)?;
        Some(kept.what.clone())
    }
}

#[async_trait]
impl UserStore for MemoryUsers {
    async fn read(&self, app: &AppId, openid: &OpenId) -> Result<Option<Held>, StoreError> {
        Ok(self.held().find(&(*app, openid.clone()), self.now()))
    }

    async fn write(
        &self,
        app: &AppId,
        openid: &OpenId,
        record: &UserRecord,
        over: Option<u64>,
        until: Wall,
    ) -> Result<Written, StoreError> {
        let (key, version) = ((*app, openid.clone()), new_version()?);
        let mut held = self.held();
        let there = held.find(&key, self.now());
        if there.as_ref().map(|there| there.version) != over {
            return Ok(Written::Overtaken(there));
        }
        let record = record.clone();
        let what = Held { record, version };
        held.records.insert(key, Kept { what, until });
        Ok(Written::Yes(version))
    }

    async fn delete(&self, app: &AppId, openid: &OpenId) -> Result<bool, StoreError> {
        let (key, now) = ((*app, openid.clone()), self.now());
        let gone = self.held().records.remove(&key);
        Ok(gone.is_some_and(|gone| now < gone.until))
    }

    async fn put_once(
        &self,
        key: OnceKey,
        content: &[u8],
        until: Wall,
    ) -> Result<bool, StoreError> {
        let (mut held, now) = (self.held(), self.now());
        if held.notes.get(&key).is_some_and(|kept| now < kept.until) {
            return Ok(false);
        }
        let what = content.to_vec();
        held.notes.insert(key, Kept { what, until });
        Ok(true)
    }

    async fn take_once(&self, key: OnceKey) -> Result<Option<Vec<u8>>, StoreError> {
        let now = self.now();
        let taken = self.held().notes.remove(&key);
        Ok(taken.filter(|kept| now < kept.until).map(|kept| kept.what))
    }

    async fn purge(&self) -> Result<Purged, StoreError> {
        let (mut held, now) = (self.held(), self.now());
        let Maps { records, notes } = &mut *held;
        let over: Vec<_> = records
            .extract_if(|_, kept| kept.until <= now)
            .take(PORTION)
            .collect();
        let left = PORTION - over.len();
        let spent = notes.extract_if(|_, kept| kept.until <= now).take(left);
        let purged = over.len() + spent.count();
        Ok(Purged {
            purged: purged as u64,
            more: purged == PORTION,
        })
    }
}

#[async_trait]
impl Everyone for MemoryUsers {
    async fn each(&self, each: &mut (dyn FnMut(Met) -> bool + Send)) -> Result<(), StoreError> {
        let now = self.now();
        for ((app, openid), kept) in &self.held().records {
            let user = User {
                app: *app,
                openid: openid.clone(),
                until: kept.until,
                record: kept.what.record.clone(),
            };
            if now < kept.until && !each(Met::User(Box::new(user))) {
                break;
            }
        }
        Ok(())
    }

    async fn kept_until(&self, app: &AppId, openid: &OpenId) -> Result<Option<Wall>, StoreError> {
        let (held, now) = (self.held(), self.now());
        let kept = held.records.get(&(*app, openid.clone()));
        Ok(kept.map(|kept| kept.until).filter(|until| now < *until))
    }
}

impl fmt::Debug for MemoryUsers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryUsers").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use wxtoken_core::clock::Now;

    use super::super::contract::{self, Subject};
    use super::*;
    use crate::clock::ManualClock;

    struct InMemory {
        store: MemoryUsers,
        clock: Arc<ManualClock>,
    }

    #[async_trait]
    impl Subject for InMemory {
        fn store(&self) -> Arc<dyn UserStore> {
            Arc::new(self.store.clone())
        }
        async fn reopened(self: Box<Self>) -> Box<dyn Subject> {
            self
        }
        async fn now(&self) -> Wall {
            self.clock.now().wall
        }
        async fn come_to(&self, then: Wall) {
            contract::set(&self.clock, then);
        }
        async fn lies_there(&self, _app: &AppId, _openid: &OpenId) -> Option<bool> {
            None
        }
        async fn damage(&self, _app: &AppId, _openid: &OpenId) -> bool {
            false
        }
    }

    #[tokio::test]
    async fn users_in_memory_keep_the_contract() {
        contract::check(async || {
            let clock = Arc::new(ManualClock::new(Now {
                wall: Wall(1_795_000_000_000),
                ..Now::default()
            }));
            let store = MemoryUsers::new(Arc::clone(&clock) as Arc<dyn Clock>);
            Box::new(InMemory { store, clock }) as Box<dyn Subject>
        })
        .await;
    }
}
