//! The store of a replica: the records in Redis that all replicas share, and a sealed copy of them on this machine's disk.
//!
//! Redis decides; the copy serves while Redis is away, and gives an emptied Redis back what it had. The copy is written after
//! and apart: it never delays a write of Redis, nor makes one fail. `docs/decisions/0016` argues it.
//! Must not know: what a record says, who is told of changes.

mod follow;
mod open;
mod snapshot;
mod turns;

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::{BoxFuture, join_all};
use futures_util::join;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Wall;
use wxtoken_core::store::{Fence, Lease, Loaded, Record, RecordStore, StoreError};

use super::precedence::NO_FENCE;
use super::redis::{Change, Health, RedisStore};
use super::revocations::{Configured, Revocations};
use super::serving::{Belongings, Ears, Ledger, Shared};
use super::users::RedisUsers;
use snapshot::Snapshot;
use turns::Turns;

/// How long a stop waits for Redis, and for the disk.
const LAST_WAIT: Duration = Duration::from_secs(3);

/// Records in Redis, and a copy of them here.
pub struct ReplicaStore {
    redis: RedisStore,
    snapshot: Snapshot,
    turns: Turns,
    changes: Mutex<Option<UnboundedReceiver<Change>>>,
    /// Redis was there when it was opened, and is asked for what it holds.
    is_joined: AtomicBool,
    revoked: Revocations,
}

#[async_trait]
impl RecordStore for ReplicaStore {
    async fn load_all(&self, each: &mut (dyn FnMut(Loaded) + Send)) -> Result<(), StoreError> {
        self.load(each).await
    }

    async fn lease(&self, app: &AppId, holds_for: Duration) -> Result<Lease, StoreError> {
        if holds_for.is_zero() {
            return self.look(app).await;
        }
        let _turn = self.turns.of(app).await;
        let lease = self.redis.lease(app, holds_for).await?;
        self.copy_of(app, &lease);
        Ok(lease)
    }

    async fn write(&self, app: &AppId, record: &Record, fence: Fence) -> Result<(), StoreError> {
        let _turn = self.turns.of(app).await;
        let written = self.redis.write(app, record, fence).await;
        match &written {
            Ok(()) => self.snapshot.put(app, record.clone()),
            Err(StoreError::Stale(held)) => {
                if let Some(held) = held {
                    self.snapshot.put(app, held.as_ref().clone());
                }
            }
            // What was asked before is known all the same; but a call that now does not leave has minted nothing.
            Err(StoreError::Unavailable(_)) => {
                let mut notes = record.intents.iter().flatten();
                if notes.all(|note| note.fence != fence) {
                    self.snapshot.put(app, record.clone());
                }
            }
        }
        written
    }

    async fn release(&self, app: &AppId, fence: Fence) {
        let _turn = self.turns.of(app).await;
        self.redis.release(app, fence).await;
    }

    async fn note_late_mint(&self, app: &AppId, sent: Wall) -> Result<(), StoreError> {
        let _turn = self.turns.of(app).await;
        self.redis.note_late_mint(app, sent).await
    }
}

impl ReplicaStore {
    /// The users in Redis. There is no copy of them: without Redis nobody is signed in, and nothing is lost that could not be
    /// asked for again.
    #[must_use]
    pub fn users(&self) -> RedisUsers {
        self.redis.users()
    }

    /// An app that is new to this process, and may have been here in an earlier life. The disk is not waited for in turn.
    async fn look(&self, app: &AppId) -> Result<Lease, StoreError> {
        let here = self.snapshot.read(app).await;
        if let Some(record) = &here {
            self.redis.seed(app, record)?;
        }
        let _turn = self.turns.of(app).await;
        let holds_for = Duration::ZERO;
        let lease = match self.redis.lease(app, holds_for).await {
            Ok(lease) => lease,
            // What cannot be written, as a new epoch or the word that somebody has the app, can perhaps be read.
            Err(_) => Lease::Won {
                fence: NO_FENCE,
                holds_for,
                record: self.redis.read(app).await.ok().flatten().or(here),
                begins_epoch: false,
            },
        };
        self.copy_of(app, &lease);
        Ok(lease)
    }

    fn copy_of(&self, app: &AppId, lease: &Lease) {
        if let Lease::Won {
            record: Some(record),
            ..
        } = lease
        {
            self.snapshot.put(app, record.as_ref().clone());
        }
    }
}

#[async_trait]
impl Belongings for ReplicaStore {
    async fn forget(&self, app: &AppId) -> Result<(), StoreError> {
        let there = async {
            let _turn = self.turns.of(app).await;
            self.redis.forget(app).await
        };
        let (there, here) = join!(there, self.snapshot.forget(app));
        there.and(here)
    }

    async fn remember(&self, app: &AppId) -> Result<(), StoreError> {
        let there = async {
            let _turn = self.turns.of(app).await;
            self.redis.remember(app).await
        };
        let (there, here) = join!(there, self.snapshot.remember(app));
        there.and(here)
    }

    /// Those of the copy: in Redis, whoever has an app configured takes the mark away with the first lease.
    async fn forgotten(&self) -> Result<Vec<AppId>, StoreError> {
        self.snapshot.forgotten().await
    }
}

/// Epochs are shared; who is configured, each replica knows of itself: while a change of the configuration goes from replica
/// to replica, a caller that one of them does not know yet is not gone.
#[async_trait]
impl Ledger for ReplicaStore {
    fn revoked(&self) -> Revocations {
        self.revoked.clone()
    }

    async fn revoke(&self, caller: u64, epoch: u64) -> Result<(), StoreError> {
        self.snapshot.put_revoked(caller, epoch);
        self.redis.revoke(caller, epoch).await
    }

    async fn settle(&self, callers: Vec<Configured>, now: Wall) -> Result<(), StoreError> {
        let mut revoked = self.revoked.clone();
        revoked.settle(&callers, now.0);
        let raised = revoked.epochs();
        let raised = raised.filter(|(caller, epoch)| *epoch > self.revoked.epoch_of(*caller));
        // All are known before anything can fail: what cannot be told now is told by the comparison that succeeds first.
        let telling = raised.map(|(caller, epoch)| {
            self.redis.seed_revoked(caller, epoch);
            self.redis.revoke(caller, epoch)
        });
        let telling: Vec<_> = telling.collect();
        let (told, here) = join!(join_all(telling), self.snapshot.settle(callers, now));
        told.into_iter().collect::<Result<(), _>>().and(here)
    }

    async fn note(&self, callers: Vec<Configured>) -> Result<(), StoreError> {
        self.snapshot.note(callers).await
    }
}

impl Shared for ReplicaStore {
    fn follow(self: Arc<Self>, ears: Ears) -> BoxFuture<'static, ()> {
        let changes = self.changes.lock();
        let changes = changes.unwrap_or_else(PoisonError::into_inner).take();
        Box::pin(async move {
            if let Some(changes) = changes {
                self.tell(changes, &ears).await;
            }
        })
    }

    fn handed_out(&self, app: &AppId, record: Record) {
        self.snapshot.put(app, record);
    }

    fn ask_about(self: Arc<Self>, app: AppId) -> BoxFuture<'static, Option<Box<Record>>> {
        Box::pin(async move { self.redis.read(&app).await.ok().flatten() })
    }

    fn expect(&self, apps: &[AppId]) {
        self.redis.expect(apps.iter().copied());
    }

    fn health(&self) -> Health {
        self.redis.health()
    }

    fn stop(self: Arc<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            // What is not given back ends by itself within seconds.
            let _ = timeout(LAST_WAIT, self.redis.stop()).await;
            if timeout(LAST_WAIT, self.snapshot.end()).await.is_err() {
                tracing::warn!(
                    "the local copy of the store was not finished; the next start goes by Redis"
                );
            }
        })
    }
}

impl std::fmt::Debug for ReplicaStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReplicaStore")
            .field("redis", &self.redis)
            .field("is_joined", &self.is_joined.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}
