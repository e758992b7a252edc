//! Users whose file cannot be opened yet: each call says why, and now and then it is tried again.
//!
//! Credentials do not wait for it. Must not know: what is in the file.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use tokio::sync::Mutex;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::{Boot, Clock, Wall};
use wxtoken_core::store::StoreError;
use wxtoken_core::user::{Held, OnceKey, OpenId, Purged, UserRecord, UserStore, Written};

use super::super::embedded::OpenError;
use super::super::keys::MasterKeys;
use super::EmbeddedUsers;
use crate::words::Sentence;

/// Between two tries, milliseconds.
const EVERY: u64 = 10_000;

/// The users' file of one machine, which may come late.
pub(in crate::store) struct LateUsers(Arc<Waiting>);

struct Waiting {
    folder: PathBuf,
    keys: MasterKeys,
    clock: Arc<dyn Clock>,
    opened: OnceLock<EmbeddedUsers>,
    refused: Mutex<Refused>,
}

struct Refused {
    why: Sentence,
    again: Boot,
}

impl LateUsers {
    /// The file in this folder was refused just now.
    pub(in crate::store) fn new(
        folder: PathBuf,
        keys: MasterKeys,
        clock: Arc<dyn Clock>,
        error: &OpenError,
    ) -> Self {
        tracing::error!(
            "nobody can be signed in, and no user read, for now: {error}. Credentials are not affected; it is tried again when \
             users come"
        );
        let refused = Mutex::new(Refused {
            why: Sentence::of(error),
            again: clock.now().boot.plus(EVERY),
        });
        Self(Arc::new(Waiting {
            folder,
            keys,
            clock,
            opened: OnceLock::new(),
            refused,
        }))
    }

    async fn there(&self) -> Result<&EmbeddedUsers, StoreError> {
        if self.0.opened.get().is_none() {
            // Ends what it began, also when whoever asked has gone: no two open the file at the same time.
            let trying = tokio::spawn(Arc::clone(&self.0).again());
            trying.await.map_err(|_| interrupted())??;
        }
        self.0.opened.get().ok_or_else(interrupted)
    }
}

impl Waiting {
    async fn again(self: Arc<Self>) -> Result<(), StoreError> {
        let mut refused = self.refused.lock().await;
        if self.opened.get().is_some() {
            return Ok(());
        }
        let now = self.clock.now().boot;
        if now < refused.again {
            return Err(StoreError::Unavailable(refused.why.clone()));
        }
        refused.again = now.plus(EVERY);
        let at = Arc::clone(&self);
        let opening = tokio::task::spawn_blocking(move || {
            EmbeddedUsers::open(&at.folder, &at.keys, Arc::clone(&at.clock))
        });
        match opening.await.map_err(|_| interrupted())? {
            Ok(users) => {
                self.opened.get_or_init(|| users);
                tracing::info!("the users' file is open: users can be signed in and read again");
                Ok(())
            }
            Err(error) => {
                let why = Sentence::of(&error);
                if why != refused.why {
                    tracing::error!("users still cannot be signed in or read: {error}");
                }
                refused.why = why.clone();
                Err(StoreError::Unavailable(why))
            }
        }
    }
}

fn interrupted() -> StoreError {
    StoreError::Unavailable(Sentence::new(
        "打开用户文件时被打断；再试一次",
        "interrupted while opening the users' file; try again",
    ))
}

#[async_trait]
impl UserStore for LateUsers {
    async fn read(&self, app: &AppId, openid: &OpenId) -> Result<Option<Held>, StoreError> {
        self.there().await?.read(app, openid).await
    }

    async fn write(
        &self,
        app: &AppId,
        openid: &OpenId,
        record: &UserRecord,
        over: Option<u64>,
        until: Wall,
    ) -> Result<Written, StoreError> {
        let there = self.there().await?;
        there.write(app, openid, record, over, until).await
    }

    async fn delete(&self, app: &AppId, openid: &OpenId) -> Result<bool, StoreError> {
        self.there().await?.delete(app, openid).await
    }

    async fn put_once(
        &self,
        key: OnceKey,
        content: &[u8],
        until: Wall,
    ) -> Result<bool, StoreError> {
        self.there().await?.put_once(key, content, until).await
    }

    async fn take_once(&self, key: OnceKey) -> Result<Option<Vec<u8>>, StoreError> {
        self.there().await?.take_once(key).await
    }

    async fn purge(&self) -> Result<Purged, StoreError> {
        self.there().await?.purge().await
    }
}
