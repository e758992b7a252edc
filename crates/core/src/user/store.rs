//! Where grants and sessions are kept: one record per app and user, and notes that may be used once.
//!
//! Must not know: how records are sealed or laid out. Credentials are kept elsewhere ([`crate::store`]).

use async_trait::async_trait;

use super::{Grant, OpenId, SessionKey, UnionId};
use crate::app::AppId;
use crate::clock::Wall;
use crate::store::StoreError;

/// A mini program's session with one user; page `api_code2session`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The user, as all apps of one open-platform account see them; where WeChat tells.
    pub unionid: Option<UnionId>,
    /// What their data is encrypted under.
    pub session_key: SessionKey,
    /// Since when.
    pub since: Wall,
}

/// All that is kept of one user of one app.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserRecord {
    /// What they gave through web OAuth.
    pub grant: Option<Grant>,
    /// Their session in the mini program.
    pub session: Option<Session>,
}

/// A record as it is kept now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// What it says.
    pub record: UserRecord,
    /// Which writing of it this is. Never the same again for this user, not even after a deletion.
    pub version: u64,
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// It is kept, as this version.
    Yes(u64),
    /// Somebody else wrote in between, or deleted it: nothing was written, and this is what there is.
    Overtaken(Option<Held>),
}

/// The name of a note that may be used once: a digest, so it says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OnceKey(pub [u8; 32]);

/// What was cleared away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Purged {
    /// So many records and notes whose time was over.
    pub purged: u64,
    /// There are more, or there may be.
    pub more: bool,
}

/// Keeps users' records across restarts and replicas. A record that nobody wrote for as long as the retention says is gone.
#[async_trait]
pub trait UserStore: Send + Sync {
    /// What is kept of a user; none where nothing is, or its time is over.
    ///
    /// # Errors
    /// The store cannot be asked. A record that cannot be read is none, with a word in the log.
    async fn read(&self, app: &AppId, openid: &OpenId) -> Result<Option<Held>, StoreError>;

    /// Keeps a record until `until`, if what is there is still the version `over` (none: nothing is there). Durable when this
    /// returns: fsynced in a store of one machine; where replicas share one, taken by Redis, which may lose its last writes if it
    /// falls (`appendfsync`, a failover), and then those users are asked again.
    ///
    /// # Errors
    /// The store cannot be written.
    async fn write(
        &self,
        app: &AppId,
        openid: &OpenId,
        record: &UserRecord,
        over: Option<u64>,
        until: Wall,
    ) -> Result<Written, StoreError>;

    /// Deletes all that is kept of a user, so that nothing of it can be read from the store again; says whether there was
    /// anything.
    ///
    /// # Errors
    /// The store cannot be written.
    async fn delete(&self, app: &AppId, openid: &OpenId) -> Result<bool, StoreError>;

    /// Leaves a note that may be taken once, until `until`; false if one of that name is there already, and then it stays as
    /// it is. Of any number that try at the same time, on any replica, one is told true.
    ///
    /// # Errors
    /// The store cannot be written.
    async fn put_once(&self, key: OnceKey, content: &[u8], until: Wall)
    -> Result<bool, StoreError>;

    /// Takes a note away and gives what it says; none where there is none (any more), or its time is over. Of any number that
    /// try at the same time one is given it.
    ///
    /// # Errors
    /// The store cannot be written.
    async fn take_once(&self, key: OnceKey) -> Result<Option<Vec<u8>>, StoreError>;

    /// Clears away a portion of what is over, and seals anew what is under an older master key. For a store that does this by
    /// itself there is nothing to do.
    ///
    /// # Errors
    /// The store cannot be written.
    async fn purge(&self) -> Result<Purged, StoreError>;
}
