//! The users of several machines: one key a user in the Redis that the replicas share, each ended by Redis itself.
//!
//! Every change is one script on the keys of one user. A Redis that was emptied has lost its users: they are asked again, and
//! nothing else comes of it. Must not know: how connections are made, who writes when.

mod names;
mod notes;
mod reseal;
mod walk;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use redis::Value;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::{Clock, Wall};
use wxtoken_core::store::StoreError;
use wxtoken_core::user::{Held, OnceKey, OpenId, Purged, UserRecord, UserStore, Written};

use super::super::keys::MasterKeys;
use super::super::redis::Lua;
use super::super::sealed::StoreId;
use super::new_version;
use super::seal::{Sealed, UserSeal};
use super::wire::User;
use crate::redis::{Link, Trouble, bytes};
use names::{Key, Keys};
use reseal::Resealing;

static WRITE: LazyLock<Lua> = LazyLock::new(|| Lua::new(include_str!("scripts/write.lua")));
static FIND: LazyLock<Lua> = LazyLock::new(|| Lua::new(include_str!("scripts/find.lua")));
static REPLACE: LazyLock<Lua> = LazyLock::new(|| Lua::new(include_str!("scripts/replace.lua")));

/// Bytes of the version before what is sealed.
const VERSION: usize = 8;
/// Redis counts no further in all its versions.
const LATEST: u64 = 1 << 53;

/// Users' records in Redis.
pub struct RedisUsers {
    link: Arc<Link>,
    keys: Keys,
    seal: UserSeal,
    clock: Arc<dyn Clock>,
    resealing: tokio::sync::Mutex<Resealing>,
}

impl RedisUsers {
    /// Over the connection of the records.
    pub(in crate::store) fn new(
        link: Arc<Link>,
        prefix: &str,
        keys: &MasterKeys,
        store: StoreId,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let resealing = Resealing::new(keys.previous.is_some());
        Self {
            link,
            keys: Keys::new(prefix),
            seal: UserSeal::new(keys.clone(), store),
            clock,
            resealing: tokio::sync::Mutex::new(resealing),
        }
    }

    /// Under which a user's record may lie, the newer first.
    fn keys_of(&self, app: &AppId, openid: &OpenId) -> Vec<Key> {
        let names = self.seal.names(app, openid).all();
        names
            .map(|name| self.keys.user(app, openid, name))
            .collect()
    }

    async fn try_write(
        &self,
        keys: &[Key],
        over: Option<u64>,
        sealed: &Sealed,
        until: Wall,
    ) -> Result<Option<Value>, Trouble> {
        let over = over.map(|over| over.to_be_bytes().to_vec());
        let arguments = vec![over.unwrap_or_default(), packed(sealed), ends(until)];
        let keys = keys.iter().map(|key| key.text.clone()).collect();
        let said = WRITE.on(keys, arguments).run(&self.link).await?;
        if said == Value::Int(1) {
            self.link.written();
            return Ok(None);
        }
        Ok(Some(said))
    }

    /// What lies under one of these keys: at one moment, so that one that changes its name is not missed.
    async fn find(&self, keys: &[Key]) -> Result<Option<Vec<u8>>, Trouble> {
        if let [key] = keys {
            let answer = self.link.ask(redis::cmd("GET").arg(&key.text)).await?;
            return Ok(bytes(answer));
        }
        let keys = keys.iter().map(|key| key.text.clone()).collect();
        Ok(bytes(FIND.on(keys, Vec::new()).run(&self.link).await?))
    }

    /// Whose it is and what it says, with its version.
    fn opened(
        &self,
        keys: &[Key],
        app: &AppId,
        openid: &OpenId,
        value: &[u8],
    ) -> Option<(User, u64)> {
        let tries = keys.iter().filter_map(|key| unpacked(key, value));
        let sealed: Vec<Sealed> = tries.collect();
        let fits = sealed.iter().find(|sealed| self.seal.open(sealed).is_ok());
        let found = fits.or_else(|| sealed.first())?;
        let user = self.seal.user(app, openid, found)?;
        Some((user, found.version))
    }

    fn held(&self, keys: &[Key], app: &AppId, openid: &OpenId, value: &[u8]) -> Option<Held> {
        let (User { record, .. }, version) = self.opened(keys, app, openid, value)?;
        Some(Held { record, version })
    }

    /// Takes a value that cannot be opened out of the way.
    async fn drop_damaged(&self, keys: &[Key], value: &[u8]) -> Result<(), Trouble> {
        for key in keys {
            let both = vec![key.text.clone(), key.text.clone()];
            let arguments = vec![value.to_vec(), Vec::new(), ends(Wall(0))];
            REPLACE.on(both, arguments).run(&self.link).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl UserStore for RedisUsers {
    async fn read(&self, app: &AppId, openid: &OpenId) -> Result<Option<Held>, StoreError> {
        let keys = self.keys_of(app, openid);
        let found = self.find(&keys).await?;
        Ok(found.and_then(|value| self.held(&keys, app, openid, &value)))
    }

    async fn write(
        &self,
        app: &AppId,
        openid: &OpenId,
        record: &UserRecord,
        over: Option<u64>,
        until: Wall,
    ) -> Result<Written, StoreError> {
        let version = new_version()?;
        let sealed = self.seal.seal(app, openid, record, until, version)?;
        let keys = self.keys_of(app, openid);
        // Once more where something that nobody can read was in the way.
        for _ in 0..2 {
            let Some(there) = self.try_write(&keys, over, &sealed, until).await? else {
                return Ok(Written::Yes(version));
            };
            let Some(value) = bytes(there) else {
                return Ok(Written::Overtaken(None));
            };
            if let Some(held) = self.held(&keys, app, openid, &value) {
                return Ok(Written::Overtaken(Some(held)));
            }
            self.drop_damaged(&keys, &value).await?;
        }
        Ok(Written::Overtaken(None))
    }

    async fn delete(&self, app: &AppId, openid: &OpenId) -> Result<bool, StoreError> {
        let mut delete = redis::cmd("DEL");
        for key in self.keys_of(app, openid) {
            delete.arg(key.text);
        }
        let gone = self.link.ask(&delete).await?;
        Ok(matches!(gone, Value::Int(1..)))
    }

    async fn put_once(
        &self,
        key: OnceKey,
        content: &[u8],
        until: Wall,
    ) -> Result<bool, StoreError> {
        Ok(self.leave(&key, content, until).await?)
    }

    async fn take_once(&self, key: OnceKey) -> Result<Option<Vec<u8>>, StoreError> {
        let mut taker = [0; 16];
        aws_lc_rs::rand::fill(&mut taker).map_err(|_| Trouble::NoRandom)?;
        Ok(self.take(&key, taker).await?)
    }

    async fn purge(&self) -> Result<Purged, StoreError> {
        let more = self.reseal().await?;
        Ok(Purged { purged: 0, more })
    }
}

/// As it lies in Redis.
fn packed(sealed: &Sealed) -> Vec<u8> {
    [sealed.version.to_be_bytes().as_slice(), &sealed.bytes].concat()
}

fn unpacked(key: &Key, value: &[u8]) -> Option<Sealed> {
    let (version, bytes) = value.split_first_chunk::<VERSION>()?;
    Some(Sealed {
        name: key.name,
        version: u64::from_be_bytes(*version),
        bytes: bytes.to_vec(),
    })
}

fn ends(until: Wall) -> Vec<u8> {
    until.0.clamp(1, LATEST).to_string().into_bytes()
}

impl fmt::Debug for RedisUsers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisUsers").finish_non_exhaustive()
    }
}
