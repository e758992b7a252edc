//! What a server makes of a folder whose users' file is in trouble.

use std::time::Duration;

use wxtoken_core::clock::{Now, Wall};
use wxtoken_core::store::{Record, StoreError};
use wxtoken_core::user::{OnceKey, UserStore};

use super::super::keys::tests::key;
use super::*;
use crate::clock::ManualClock;

const NOW: Wall = Wall(1_795_000_000_000);
const NOTE: OnceKey = OnceKey([1; 32]);

fn still() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Now {
        wall: NOW,
        ..Now::default()
    }))
}

fn place(folder: &Path) -> config::Store {
    config::Store {
        path: folder.into(),
        master_key: Some(key(1)),
        ..config::Store::default()
    }
}

async fn opened(folder: &Path, clock: &Arc<ManualClock>) -> ServerStore {
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    for_server(&place(folder), clock).await.unwrap()
}

/// A folder with a record and a note.
async fn filled(clock: &Arc<ManualClock>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(folder.path(), clock).await;
    let fence = store.own.unwrap();
    let (app, record) = ("wx01".parse().unwrap(), Record::default());
    store.records.write(&app, &record, fence).await.unwrap();
    let left = store.users.put_once(NOTE, b"said", NOW.plus(1_000_000));
    assert!(left.await.unwrap());
    folder
}

async fn has_its_record(store: &ServerStore) -> bool {
    let mut records = 0;
    let mut each = |_| records += 1;
    store.records.load_all(&mut each).await.unwrap();
    records == 1
}

async fn refused(users: &dyn UserStore) -> String {
    let StoreError::Unavailable(why) = users.take_once(NOTE).await.unwrap_err() else {
        panic!("refused, but not as it should be");
    };
    assert!(!why.zh.is_empty());
    why.en
}

/// Users come when the file is good again, and not a moment before they are looked for.
async fn comes_back(users: &dyn UserStore, clock: &ManualClock) {
    refused(users).await;
    clock.advance(Duration::from_secs(10));
    let taken = users.take_once(NOTE).await.unwrap();
    assert_eq!(taken.as_deref(), Some(&b"said"[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_file_that_cannot_be_read_leaves_credentials_alone_and_is_tried_again() {
    let clock = still();
    let folder = filled(&clock).await;
    let file = EmbeddedUsers::file_in(folder.path());
    let away = folder.path().join("away");
    fs::rename(&file, &away).unwrap();
    fs::create_dir(&file).unwrap();
    let store = opened(folder.path(), &clock).await;
    assert!(has_its_record(&store).await);
    let why = refused(store.users.as_ref()).await;
    assert!(
        why.contains("users.db is not a regular file; move it away"),
        "{why}"
    );
    assert!(store.users.purge().await.is_err());
    fs::remove_dir(&file).unwrap();
    fs::rename(&away, &file).unwrap();
    comes_back(store.users.as_ref(), &clock).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_file_of_another_master_key_leaves_credentials_alone_and_is_left_as_it_is() {
    let clock = still();
    let (folder, other) = (filled(&clock).await, tempfile::tempdir().unwrap());
    let file = EmbeddedUsers::file_in(folder.path());
    let foreign = EmbeddedUsers::open(other.path(), &key(2).into(), still()).unwrap();
    drop(foreign);
    let (away, foreign) = (
        folder.path().join("away"),
        EmbeddedUsers::file_in(other.path()),
    );
    fs::rename(&file, &away).unwrap();
    fs::copy(&foreign, &file).unwrap();
    let store = opened(folder.path(), &clock).await;
    assert!(has_its_record(&store).await);
    let why = refused(store.users.as_ref()).await;
    assert!(
        why.contains("users.db was sealed under another master key")
            && why.contains("give the key"),
        "{why}"
    );
    assert_eq!(fs::read(&file).unwrap(), fs::read(&foreign).unwrap());
    fs::rename(&away, &file).unwrap();
    comes_back(store.users.as_ref(), &clock).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_users_file_leaves_credentials_alone() {
    let clock = still();
    let folder = filled(&clock).await;
    let version = |number: i64| {
        let connection = rusqlite::Connection::open(EmbeddedUsers::file_in(folder.path())).unwrap();
        connection
            .pragma_update(None, "user_version", number)
            .unwrap();
    };
    version(99);
    let store = opened(folder.path(), &clock).await;
    assert!(has_its_record(&store).await);
    let why = refused(store.users.as_ref()).await;
    assert!(why.contains("format 99"), "{why}");
    version(1);
    comes_back(store.users.as_ref(), &clock).await;
}
