//! The embedded store: the contract first, then what only a file can suffer.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use tempfile::TempDir;
use wxtoken_core::clock::{Boot, Now};

use super::super::contract::{self, Subject, load, records::*, won};
use super::super::keys::tests::key;
use super::*;
use crate::clock::ManualClock;

mod damage;
mod file;

/// A clock that stands still.
pub(super) fn still(wall: u64) -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Now {
        wall: Wall(wall),
        boot: Boot(0),
    }))
}

pub(super) const NOW: u64 = 1_795_000_000_000;

pub(super) fn open_in(folder: &Path) -> EmbeddedStore {
    try_open(folder, 1).unwrap()
}

pub(super) fn try_open(folder: &Path, seed: u8) -> Result<EmbeddedStore, OpenError> {
    EmbeddedStore::open(folder, key(seed).into(), still(NOW))
}

/// Runs SQL on a closed store, as a person with the file would.
pub(super) fn tamper(folder: &Path, sql: &str) {
    let connection = rusqlite::Connection::open(EmbeddedStore::file_in(folder)).unwrap();
    connection.execute_batch(sql).unwrap();
}

struct InFolder {
    store: Option<EmbeddedStore>,
    folder: TempDir,
    damaged: Vec<AppId>,
}

#[async_trait]
impl Subject for InFolder {
    fn store(&self) -> &dyn RecordStore {
        self.store.as_ref().unwrap()
    }
    async fn reopened(mut self: Box<Self>) -> Box<dyn Subject> {
        self.store = None;
        for app in std::mem::take(&mut self.damaged) {
            let flip = "UPDATE record SET sealed = CAST(sealed || x'00' AS BLOB) WHERE app = ";
            tamper(self.folder.path(), &format!("{flip}'{app}'"));
        }
        self.store = Some(open_in(self.folder.path()));
        self
    }
    async fn damage(&mut self, app: &AppId) -> bool {
        self.damaged.push(*app);
        true
    }
}

#[tokio::test]
async fn the_embedded_store_keeps_the_contract() {
    contract::check(async || {
        let folder = tempfile::tempdir().unwrap();
        let store = Some(open_in(folder.path()));
        Box::new(InFolder {
            store,
            folder,
            damaged: vec![],
        }) as Box<dyn Subject>
    })
    .await;
}
