//! Opens the store a configuration describes, with the master key it gives or the one that lies in its folder.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wxtoken_core::clock::Clock;
use wxtoken_core::store::RecordStore;
use wxtoken_core::user::UserStore;

use super::redis::{RedisStore, Settings, Trouble};
use super::serving::{Belongings, Ledger, ServerStore};
use super::users::{EmbeddedUsers, Everyone, LateUsers};
use super::{
    Contents, EmbeddedStore, KeyFileError, MasterKey, MasterKeys, OpenError, ReplicaStore,
};
use crate::config;
use crate::words::InChinese;

/// Where the embedded store's own master key lies, when the configuration gives none.
const KEY_FILE: &str = "master.key";

/// Why the store cannot be worked on.
#[derive(Debug, thiserror::Error)]
pub enum NoStore {
    /// There is none.
    #[error(
        "there is no store in {0}: a server that has run with this configuration makes one; is [store] path right?"
    )]
    Missing(PathBuf),
    /// Its folder cannot be made.
    #[error(
        "the store's folder {path} cannot be made: {source}; make it, or give [store] path one that can be"
    )]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Its master key cannot be had.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// It cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Redis holds another store's records.
    #[error("the store in Redis: {0}")]
    Redis(#[from] Trouble),
    /// The process is going down.
    #[error("interrupted while opening the store; start it again")]
    Interrupted,
}

impl InChinese for NoStore {
    fn in_chinese(&self) -> String {
        match self {
            Self::Missing(path) => format!(
                "{} 里没有存储：用这份配置运行过的服务器会创建它；[store] path 对吗？",
                path.display()
            ),
            Self::Folder { path, source } => format!(
                "建不了存储文件夹 {}：{}；把它建好，或让 [store] path 指向建得了的地方",
                path.display(),
                source.in_chinese()
            ),
            Self::Key(why) => why.in_chinese(),
            Self::Open(why) => why.in_chinese(),
            Self::Redis(why) => format!("Redis 里的存储：{}", why.in_chinese()),
            Self::Interrupted => "打开存储时被打断；再启动一次".to_owned(),
        }
    }
}

/// A store, and what it is sealed under.
pub struct Stored {
    /// The store.
    pub store: EmbeddedStore,
    /// Its keys.
    pub keys: MasterKeys,
}

/// Whether there is a store at all.
#[must_use]
pub fn exists(store: &config::Store) -> bool {
    EmbeddedStore::file_in(&store.path).exists()
}

/// Opens a store that is there. Blocks for a moment.
///
/// # Errors
/// There is none, or it, or its key, cannot be used.
pub fn open(store: &config::Store, clock: Arc<dyn Clock>) -> Result<Stored, NoStore> {
    if !exists(store) {
        return Err(NoStore::Missing(store.path.clone()));
    }
    let current = match &store.master_key {
        Some(key) => key.clone(),
        None => MasterKey::read_file(&store.path.join(KEY_FILE))?,
    };
    with_key(store, current, clock)
}

/// Opens a store, or makes one. Blocks for a moment.
///
/// # Errors
/// It, or its key, cannot be made or used.
pub fn open_or_make(store: &config::Store, clock: Arc<dyn Clock>) -> Result<Stored, NoStore> {
    let folder = |source| NoStore::Folder {
        path: store.path.clone(),
        source,
    };
    fs::DirBuilder::new()
        .mode(0o700)
        .recursive(true)
        .create(&store.path)
        .map_err(folder)?;
    let current = match &store.master_key {
        Some(key) => key.clone(),
        None => MasterKey::read_or_make_file(
            &store.path.join(KEY_FILE),
            &EmbeddedStore::file_in(&store.path),
        )?,
    };
    with_key(store, current, clock)
}

/// Opens, or makes, the store a server works on.
///
/// # Errors
/// It, or its key, cannot be made or used. That a shared Redis is away is no error, nor that the users' file cannot be opened:
/// credentials come first.
pub async fn for_server(
    store: &config::Store,
    clock: Arc<dyn Clock>,
) -> Result<ServerStore, NoStore> {
    let (place, at) = (store.clone(), Arc::clone(&clock));
    let opened = tokio::task::spawn_blocking(move || open_or_make(&place, at)).await;
    let Stored { store: here, keys } = opened.map_err(|_| NoStore::Interrupted)??;
    let Some(settings) = &store.redis else {
        let users = users_for_server(store, &keys, clock).await?;
        let store = Arc::new(here);
        return Ok(ServerStore {
            own: Some(store.fence()),
            records: Arc::clone(&store) as Arc<dyn RecordStore>,
            belongings: Arc::clone(&store) as Arc<dyn Belongings>,
            ledger: store,
            users,
            shared: None,
            keys,
        });
    };
    warn_of_left_users(&store.path);
    let store = ReplicaStore::open(settings.clone(), here, keys.clone(), clock).await?;
    let store = Arc::new(store);
    Ok(ServerStore {
        own: None,
        records: Arc::clone(&store) as Arc<dyn RecordStore>,
        belongings: Arc::clone(&store) as Arc<dyn Belongings>,
        ledger: Arc::clone(&store) as Arc<dyn Ledger>,
        users: Arc::new(store.users()),
        shared: Some(store),
        keys,
    })
}

/// The users of a server, who may come late.
async fn users_for_server(
    store: &config::Store,
    keys: &MasterKeys,
    clock: Arc<dyn Clock>,
) -> Result<Arc<dyn UserStore>, NoStore> {
    match with_users(store, keys, Arc::clone(&clock)).await {
        Ok(users) => Ok(users),
        Err(NoStore::Open(error)) => {
            let folder = store.path.clone();
            let late = LateUsers::new(folder, keys.clone(), clock, &error);
            Ok(Arc::new(late))
        }
        Err(error) => Err(error),
    }
}

/// A users' file from before the store was in Redis: nobody serves it, and nobody deletes from it.
fn warn_of_left_users(folder: &Path) {
    let file = EmbeddedUsers::file_in(folder);
    if file.exists() {
        tracing::warn!(
            "{} is from before users were in Redis: it is not served any more, nor is anything deleted from it. If its users \
             were not moved yet, export with the old [store] and import with this one; then remove it",
            file.display()
        );
    }
}

/// Opens the users' file beside a store that is open.
async fn with_users(
    store: &config::Store,
    keys: &MasterKeys,
    clock: Arc<dyn Clock>,
) -> Result<Arc<EmbeddedUsers>, NoStore> {
    let (path, keys) = (store.path.clone(), keys.clone());
    let opening =
        tokio::task::spawn_blocking(move || EmbeddedUsers::open(&path, &keys, clock)).await;
    let users = opening.map_err(|_| NoStore::Interrupted)??;
    Ok(Arc::new(users))
}

/// A store that one command works on.
pub struct ForCommand {
    /// The records: those that replicas share, if they do.
    pub records: Arc<dyn RecordStore>,
    /// The users.
    pub users: Arc<dyn Everyone>,
    /// What they are sealed under.
    pub keys: MasterKeys,
}

impl ForCommand {
    /// All of it.
    #[must_use]
    pub fn contents(&self) -> Contents<'_> {
        Contents {
            records: self.records.as_ref(),
            users: self.users.as_ref(),
        }
    }
}

/// Opens a store for one command; one that replicas share also while they run. `makes`: where there is none yet.
///
/// # Errors
/// There is none, or it, or its key, cannot be used; Redis cannot be reached.
pub async fn for_command(
    store: &config::Store,
    makes: bool,
    clock: Arc<dyn Clock>,
) -> Result<ForCommand, NoStore> {
    if let Some((settings, keys)) = shared(store) {
        let (redis, _) = RedisStore::connect(settings, keys.clone(), clock).await?;
        return Ok(ForCommand {
            users: Arc::new(redis.users()),
            records: Arc::new(redis),
            keys,
        });
    }
    let at = Arc::clone(&clock);
    let Stored { store: here, keys } = if makes {
        open_or_make(store, at)?
    } else {
        open(store, at)?
    };
    Ok(ForCommand {
        users: with_users(store, &keys, clock).await?,
        records: Arc::new(here),
        keys,
    })
}

/// Where the store is that replicas share, and its keys; a configuration that names one has a key.
#[must_use]
pub fn shared(store: &config::Store) -> Option<(Settings, MasterKeys)> {
    let keys = MasterKeys {
        current: store.master_key.clone()?,
        previous: store.previous_master_key.clone(),
    };
    Some((store.redis.clone()?, keys))
}

fn with_key(
    store: &config::Store,
    current: MasterKey,
    clock: Arc<dyn Clock>,
) -> Result<Stored, NoStore> {
    let previous = store.previous_master_key.clone();
    let keys = MasterKeys { current, previous };
    let store = EmbeddedStore::open(&store.path, keys.clone(), clock)?;
    Ok(Stored { store, keys })
}

#[cfg(test)]
#[path = "configured_tests.rs"]
mod tests;
