//! `export` and `import`: what goes out comes in again, and nothing of it can be read on the way.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use wxtoken_core::app::AppId;
use wxtoken_core::budget::BudgetKind;
use wxtoken_core::clock::{Clock, Wall};
use wxtoken_core::store::{Lease, Loaded, Record, RecordStore};
use wxtoken_core::user::{OpenId, Session, SessionKey, UserRecord, UserStore, Written};
use wxtoken_server::clock::SystemClock;
use wxtoken_server::store::users::EmbeddedUsers;
use wxtoken_server::store::{EmbeddedStore, MasterKey};

use crate::program::Run;

const APP: &str = "wx0123456789abcdef";
const PASSPHRASE: &str = "five quite random words here";

fn master_key() -> MasterKey {
    MasterKey::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap()
}

/// A folder with a configuration, and with a store that has seen so many stable calls.
fn machine(calls: Option<u32>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = "[admin]\nkey = \"0123456789abcdef0123456789abcdef\"\n[store]\npath = \"data\"\nmaster_key = \"${MASTER}\"\n";
    std::fs::write(folder.path().join("wxtoken.toml"), text).unwrap();
    if let Some(calls) = calls {
        on_store(folder.path(), async |store| {
            let now = SystemClock.now().wall;
            let mut record = Record {
                saved_at: now,
                ..Record::default()
            };
            (0..calls).for_each(|_| record.budgets.spend(BudgetKind::Stable, now));
            let app = APP.parse().unwrap();
            let Lease::Won { fence, .. } =
                store.lease(&app, std::time::Duration::MAX).await.unwrap()
            else {
                panic!("nobody else is here")
            };
            store.write(&app, &record, fence).await.unwrap();
        });
    }
    folder
}

fn on_store<R>(folder: &Path, work: impl AsyncFnOnce(&EmbeddedStore) -> R) -> R {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = EmbeddedStore::open(&folder.join("data"), master_key().into(), clock).unwrap();
    runtime.block_on(work(&store))
}

fn calls_counted(folder: &Path) -> u32 {
    on_store(folder, async |store| {
        let mut calls = 0;
        let mut each = |loaded: Loaded| {
            if let Loaded::Record(_, record) = loaded {
                calls = record.budgets.used(BudgetKind::Stable, Wall(0));
            }
        };
        store.load_all(&mut each).await.unwrap();
        calls
    })
}

fn run(folder: &Path, words: &[&str]) -> Run {
    let config = folder.join("wxtoken.toml");
    let mut all = vec![words[0], "--config", config.to_str().unwrap()];
    all.extend(&words[1..]);
    Run::of(&all)
        .env("MASTER", &master_key().expose_base64())
        .env("WXTOKEN_PASSPHRASE", PASSPHRASE)
}

fn backup(folder: &Path) -> PathBuf {
    folder.join("wxtoken.backup")
}

#[test]
fn a_store_moves_to_another_machine_under_a_passphrase() {
    let (from, to) = (machine(Some(3)), machine(None));
    let file = backup(from.path());
    let named = file.to_str().unwrap();
    run(from.path(), &["export", "--to", named])
        .said()
        .shows(&["exported 1 apps"]);
    let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert!(!String::from_utf8_lossy(&std::fs::read(&file).unwrap()).contains(APP));
    run(to.path(), &["import", "--from", named])
        .said()
        .shows(&["1 new, 0 updated, 0 kept"]);
    assert_eq!(calls_counted(to.path()), 3);
    run(to.path(), &["import", "--from", named])
        .said()
        .shows(&["0 new"]);
    assert_eq!(calls_counted(to.path()), 3);
}

/// A mini-program's user, with a session.
fn user(session_key: &str) -> (AppId, OpenId, UserRecord) {
    let session = Session {
        unionid: None,
        session_key: SessionKey::new(session_key.to_owned()).unwrap(),
        since: SystemClock.now().wall,
    };
    let record = UserRecord {
        grant: None,
        session: Some(session),
    };
    let openid = "oLVPpjqs9BhvzwPj5A-vTYAX3GLc".parse().unwrap();
    (APP.parse().unwrap(), openid, record)
}

fn on_users<R>(folder: &Path, work: impl AsyncFnOnce(&EmbeddedUsers) -> R) -> R {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let users = EmbeddedUsers::open(&folder.join("data"), &master_key().into(), clock).unwrap();
    runtime.block_on(work(&users))
}

#[test]
fn users_move_with_the_store_and_those_that_are_newer_stay() {
    let (from, to) = (machine(Some(1)), machine(None));
    let file = backup(from.path());
    let named = file.to_str().unwrap();
    let (app, openid, record) = user("canary-session-key-01==");
    let until = SystemClock.now().wall.plus(24 * 3_600_000);
    on_users(from.path(), async |users| {
        let kept = users.write(&app, &openid, &record, None, until).await;
        assert!(matches!(kept.unwrap(), Written::Yes(_)));
    });
    run(from.path(), &["export", "--to", named])
        .said()
        .shows(&["exported 1 apps, 1 users"]);
    let bytes = std::fs::read(&file).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    assert!(!text.contains("canary") && !text.contains(openid.as_str()));
    run(to.path(), &["import", "--from", named])
        .said()
        .shows(&["users: 1 new"]);
    let (.., newer) = user("canary-session-key-02==");
    on_users(to.path(), async |users| {
        let held = users.read(&app, &openid).await.unwrap().unwrap();
        assert_eq!(held.record, record);
        let over = Some(held.version);
        let kept = users.write(&app, &openid, &newer, over, until).await;
        assert!(matches!(kept.unwrap(), Written::Yes(_)));
    });
    run(to.path(), &["import", "--from", named])
        .said()
        .shows(&["users: 0 new"]);
    let held = on_users(to.path(), async |users| users.read(&app, &openid).await);
    assert_eq!(held.unwrap().unwrap().record, newer);
}

#[test]
fn an_export_overwrites_nothing_and_a_wrong_passphrase_imports_nothing() {
    let folder = machine(Some(1));
    let file = backup(folder.path());
    let named = file.to_str().unwrap();
    std::fs::write(&file, "mine").unwrap();
    run(folder.path(), &["export", "--to", named])
        .said()
        .fails(1, &["does not exist yet"]);
    assert_eq!(std::fs::read(&file).unwrap(), b"mine");
    std::fs::remove_file(&file).unwrap();
    run(folder.path(), &["export", "--to", named])
        .said()
        .shows(&["exported"]);
    run(folder.path(), &["import", "--from", named])
        .env("WXTOKEN_PASSPHRASE", "another five words, all wrong")
        .said()
        .fails(1, &["nothing was imported"]);
    run(
        folder.path(),
        &["import", "--from", named, "--seal", "master"],
    )
    .said()
    .fails(1, &["sealed under a passphrase"]);
}

#[test]
fn a_backup_under_the_master_key_needs_no_passphrase() {
    let folder = machine(Some(2));
    let file = backup(folder.path());
    let named = file.to_str().unwrap();
    run(
        folder.path(),
        &["export", "--to", named, "--seal", "master"],
    )
    .said()
    .shows(&["1 apps"]);
    run(
        folder.path(),
        &["import", "--from", named, "--seal", "master"],
    )
    .said()
    .shows(&["0 new"]);
}

#[test]
fn a_weak_passphrase_leaves_no_file() {
    let folder = machine(Some(1));
    let file = backup(folder.path());
    run(folder.path(), &["export", "--to", file.to_str().unwrap()])
        .env("WXTOKEN_PASSPHRASE", "short")
        .said()
        .fails(1, &["too short"]);
    assert!(!file.exists());
}

#[test]
fn a_store_that_is_not_there_or_in_use_is_told() {
    let empty = machine(None);
    let file = backup(empty.path());
    let words = ["export", "--to", file.to_str().unwrap()];
    run(empty.path(), &words).said().fails(1, &["no store in"]);
    let used = machine(Some(1));
    on_store(used.path(), async |_| {
        run(used.path(), &words)
            .said()
            .fails(1, &["is held by", "stop that process"]);
    });
}
