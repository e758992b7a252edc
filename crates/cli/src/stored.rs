//! Opens the store of a configuration for the subcommands that work on it while no server runs.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;

use wxtoken_server::clock::SystemClock;
use wxtoken_server::config;
use wxtoken_server::store::{EmbeddedStore, KeyFileError, MasterKey, MasterKeys, OpenError};

/// Where the embedded store's own master key lies, when the configuration gives none.
const KEY_FILE: &str = "master.key";

/// Why the store cannot be worked on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoStore {
    /// There is none.
    #[error(
        "there is no store in {0}: a server that has run with this configuration makes one; is [store] path right?"
    )]
    Missing(PathBuf),
    /// Its folder cannot be made.
    #[error("the store's folder {path} cannot be made")]
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
}

/// A store, and what it is sealed under.
pub(crate) struct Stored {
    pub(crate) store: EmbeddedStore,
    pub(crate) keys: MasterKeys,
}

/// Whether there is a store at all.
pub(crate) fn exists(store: &config::Store) -> bool {
    EmbeddedStore::file_in(&store.path).exists()
}

/// Opens a store that is there.
pub(crate) fn open(store: &config::Store) -> Result<Stored, NoStore> {
    if !exists(store) {
        return Err(NoStore::Missing(store.path.clone()));
    }
    let current = match &store.master_key {
        Some(key) => key.clone(),
        None => MasterKey::read_file(&store.path.join(KEY_FILE))?,
    };
    with_key(store, current)
}

/// Opens a store, or makes one.
pub(crate) fn open_or_make(store: &config::Store) -> Result<Stored, NoStore> {
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
    with_key(store, current)
}

fn with_key(store: &config::Store, current: MasterKey) -> Result<Stored, NoStore> {
    let previous = store.previous_master_key.clone();
    let keys = MasterKeys { current, previous };
    let store = EmbeddedStore::open(&store.path, keys.clone(), Arc::new(SystemClock))?;
    Ok(Stored { store, keys })
}
