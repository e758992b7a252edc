//! A start: with Redis if it is there within two seconds, else with the copy, and Redis is joined when it comes.
//!
//! Must not know: which apps are configured.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::timeout;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Clock;
use wxtoken_core::store::{Loaded, Record, RecordStore, StoreError};

use super::super::EmbeddedStore;
use super::super::keys::MasterKeys;
use super::super::redis::{RedisStore, Settings, Trouble};
use super::ReplicaStore;
use super::snapshot::Snapshot;
use super::turns::Turns;

/// A start waits this long for Redis.
const FIRST_WAIT: Duration = Duration::from_secs(2);

impl ReplicaStore {
    /// Joins what Redis holds with the copy in `here`. Needs a tokio runtime.
    ///
    /// # Errors
    /// Redis is there and holds another store's records; or there is no chance. That Redis is away is no error.
    pub async fn open(
        settings: Settings,
        here: EmbeddedStore,
        keys: MasterKeys,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Trouble> {
        let (redis, changes) = RedisStore::open(settings, keys, Arc::clone(&clock))?;
        let snapshot = Snapshot::new(here, clock);
        let mut revoked = snapshot.revoked().clone();
        for (caller, epoch) in revoked.epochs() {
            redis.seed_revoked(caller, epoch);
        }
        let is_joined = is_there(&redis).await?;
        if is_joined && let Ok(epochs) = redis.revoked().await {
            for (caller, epoch) in epochs {
                if revoked.epoch_of(caller) < epoch {
                    snapshot.put_revoked(caller, epoch); // a start without Redis has to know of it
                }
                revoked.raise(caller, epoch);
            }
        }
        Ok(Self {
            redis,
            snapshot,
            turns: Turns::new(),
            changes: Mutex::new(Some(changes)),
            is_joined: AtomicBool::new(is_joined),
            revoked,
        })
    }

    /// Everything that is known, each app once: by Redis if it is there, and with what the copy holds newer.
    pub(super) async fn load(
        &self,
        each: &mut (dyn FnMut(Loaded) + Send),
    ) -> Result<(), StoreError> {
        let mut here = self.load_copy().await;
        if self.is_joined.load(Ordering::Relaxed) {
            self.redis.expect(here.keys().copied());
            let loaded = self
                .redis
                .load_all(&mut |loaded| each(self.reconciled(loaded, &mut here)))
                .await;
            if let Err(error) = loaded {
                self.is_joined.store(false, Ordering::Relaxed);
                tracing::warn!(
                    "records are served from the local copy until Redis can be read: {error}"
                );
            }
        }
        for (app, record) in here {
            each(Loaded::Record(app, record));
        }
        Ok(())
    }

    /// The copy; Redis is given what it lacks of it.
    async fn load_copy(&self) -> HashMap<AppId, Box<Record>> {
        let mut here = HashMap::new();
        let mut each = |loaded| match loaded {
            Loaded::Record(app, record) => {
                if let Err(trouble) = self.redis.seed(&app, &record) {
                    tracing::warn!(app.id = %app, "{trouble}");
                }
                here.insert(app, record);
            }
            Loaded::Damaged { app, reason } => {
                let app = app.map(|app| app.to_string());
                tracing::warn!(
                    app.id = app,
                    "a record of the local copy was damaged: {reason}"
                );
            }
        };
        if let Err(error) = self.snapshot.load_all(&mut each).await {
            tracing::warn!("the local copy of the store cannot be read: {error}");
        }
        here
    }

    /// What Redis holds, which knows of the copy; and where that is damaged, the copy.
    fn reconciled(&self, loaded: Loaded, here: &mut HashMap<AppId, Box<Record>>) -> Loaded {
        match loaded {
            Loaded::Record(app, record) => {
                if here.remove(&app).as_ref() != Some(&record) {
                    self.snapshot.put(&app, record.as_ref().clone());
                }
                Loaded::Record(app, record)
            }
            Loaded::Damaged {
                app: Some(app),
                reason,
            } => match here.remove(&app) {
                Some(record) => {
                    tracing::warn!(app.id = %app, "the record of {app} in Redis is damaged ({reason}); that of the local copy is used");
                    Loaded::Record(app, record)
                }
                None => Loaded::Damaged {
                    app: Some(app),
                    reason,
                },
            },
            other @ Loaded::Damaged { app: None, .. } => other,
        }
    }
}

/// Whether Redis is there in time.
async fn is_there(redis: &RedisStore) -> Result<bool, Trouble> {
    match timeout(FIRST_WAIT, redis.reach()).await {
        Ok(Ok(())) => return Ok(true),
        Ok(Err(trouble)) if trouble.is_of_another_store() => return Err(trouble),
        Ok(Err(_)) | Err(_) => {}
    }
    // What the trouble is has been told by name.
    tracing::warn!(
        "Redis was not there at the start: what the local copy holds is served, and Redis is joined when it comes"
    );
    Ok(false)
}
