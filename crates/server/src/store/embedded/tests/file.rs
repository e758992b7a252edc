//! What may be done to the folder and the file: keys, holders, exchanged rows, forgetting.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::super::super::keys::MasterKeys;
use super::super::super::rekey::rekeyed;
use super::super::super::revocations::Configured;
use super::*;

/// Writes records for apps 0..count under generations that grow.
pub(super) async fn filled(folder: &Path, count: u32) -> BTreeMap<AppId, Record> {
    let store = open_in(folder);
    let mut written = BTreeMap::new();
    for number in 0..count {
        let record = contract::generation(full_record(), 0, NOW + 100_000 + u64::from(number));
        let (fence, _) = won(&store, &app(number)).await;
        store.write(&app(number), &record, fence).await.unwrap();
        written.insert(app(number), record);
    }
    written
}

pub(super) fn bytes(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect()
}

#[tokio::test]
async fn a_wrong_master_key_is_said_so_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let written = filled(folder.path(), 3).await;
    let mut before = bytes(folder.path());
    let error = try_open(folder.path(), 2).unwrap_err();
    assert!(matches!(error, OpenError::WrongKey(_)), "{error}");
    let mut after = bytes(folder.path());
    for files in [&mut before, &mut after] {
        files.remove("wxtoken.lock"); // it names the one who tried
    }
    assert_eq!(before, after);
    assert_eq!(load(&open_in(folder.path())).await, (written, vec![]));
}

#[tokio::test]
async fn a_second_opening_is_told_who_holds_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let held = open_in(folder.path());
    let error = try_open(folder.path(), 1).unwrap_err().to_string();
    let us = format!("process {}", std::process::id());
    assert!(error.contains(&us), "{error}");
    assert!(error.contains("since 2026-11-18T"), "{error}");
    drop(held);
    open_in(folder.path());
}

#[tokio::test]
async fn after_one_start_with_both_keys_the_previous_one_may_go() {
    let folder = tempfile::tempdir().unwrap();
    let mut written = filled(folder.path(), 5).await;
    let both = MasterKeys {
        current: key(2),
        previous: Some(key(1)),
    };
    let clock = still(NOW);
    let store = EmbeddedStore::open(folder.path(), both, clock).unwrap();
    for record in written.values_mut() {
        *record = rekeyed(record.clone(), &key(2).value_hasher());
    }
    assert_eq!(load(&store).await, (written.clone(), vec![]));
    drop(store);
    assert!(matches!(
        try_open(folder.path(), 1),
        Err(OpenError::WrongKey(_))
    ));
    let store = try_open(folder.path(), 2).unwrap();
    assert_eq!(load(&store).await, (written, vec![]));
}

#[tokio::test]
async fn rows_exchanged_between_apps_are_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let written = filled(folder.path(), 4).await;
    tamper(
        folder.path(),
        "UPDATE record SET app = 'x' WHERE id = 1; UPDATE record SET app = (SELECT 'wx0000000000000000') WHERE id = 2;
         UPDATE record SET app = 'wx0000000000000001' WHERE id = 1",
    );
    let (records, damaged) = load(&open_in(folder.path())).await;
    assert_eq!(records.len(), 2);
    assert!(records.iter().all(|(app, record)| written[app] == *record));
    assert_eq!(damaged.len(), 2);
}

#[tokio::test]
async fn a_row_put_back_to_an_older_state_is_noticed_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path(), 3).await;
    let old = folder.path().join("old.db");
    fs::copy(EmbeddedStore::file_in(folder.path()), &old).unwrap();
    let newer = contract::generation(full_record(), 0, NOW * 2);
    {
        let store = open_in(folder.path());
        let (fence, _) = won(&store, &app(1)).await;
        store.write(&app(1), &newer, fence).await.unwrap();
    }
    tamper(
        folder.path(),
        &format!(
            "DELETE FROM record WHERE id = 2; ATTACH '{}' AS old;
             INSERT INTO record SELECT * FROM old.record WHERE id = 2",
            old.display()
        ),
    );
    let (records, damaged) = load(&open_in(folder.path())).await;
    assert_eq!(records.len(), 3);
    assert_eq!(damaged.len(), 1);
    assert!(damaged[0].0.is_none() && damaged[0].1.contains("put back"));
    let (records, damaged) = load(&open_in(folder.path())).await;
    assert_eq!((records.len(), damaged), (3, vec![]), "said once");
}

#[tokio::test]
async fn a_removed_row_is_noticed_and_so_is_a_false_mark_of_forgetting() {
    for sql in [
        "DELETE FROM record WHERE id = 2",
        "UPDATE record SET forgotten = 5 WHERE id = 2",
    ] {
        let folder = tempfile::tempdir().unwrap();
        filled(folder.path(), 3).await;
        tamper(folder.path(), sql);
        let (_, damaged) = load(&open_in(folder.path())).await;
        assert!(damaged[0].1.contains("removed"), "{sql}: {damaged:?}");
    }
}

/// Opens the store at a time, and reads everything: so many records.
async fn opened(folder: &Path, now: u64, there: usize) -> EmbeddedStore {
    let clock = still(now);
    let store = EmbeddedStore::open(folder, key(1).into(), clock).unwrap();
    let (records, damaged) = load(&store).await;
    assert_eq!((records.len(), damaged), (there, vec![]), "at {now}");
    store
}

const DAY: u64 = 24 * 3600 * 1000;

#[tokio::test]
async fn a_forgotten_apps_record_is_kept_for_24_hours_from_the_first_time_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path(), 3).await;
    for now in [NOW, NOW + DAY, NOW + DAY + 1] {
        let store = opened(folder.path(), now, 3).await;
        store.forget(&app(1)).await.unwrap();
    }
    opened(folder.path(), NOW, 2).await;
}

#[tokio::test]
async fn a_record_is_purged_only_when_its_app_is_said_to_be_gone_still() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path(), 2).await;
    let store = open_in(folder.path());
    store.forget(&app(1)).await.unwrap();
    drop(store);
    for _ in 0..2 {
        let store = opened(folder.path(), NOW + 2 * DAY, 2).await;
        assert_eq!(store.forgotten().await.unwrap(), [app(1)]);
    }
    let unread = EmbeddedStore::open(folder.path(), key(1).into(), still(NOW * 2));
    unread.unwrap().forget(&app(1)).await.unwrap();
    opened(folder.path(), NOW + 2 * DAY, 2).await;
}

#[tokio::test]
async fn an_app_that_is_back_is_kept_though_nothing_of_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path(), 2).await;
    let store = open_in(folder.path());
    for at in 0..2 {
        store.forget(&app(at)).await.unwrap();
    }
    store.remember(&app(0)).await.unwrap();
    assert!(won(&store, &app(1)).await.1.is_some());
    drop(store);
    let store = opened(folder.path(), NOW + 2 * DAY, 2).await;
    assert!(store.forgotten().await.unwrap().is_empty());
    for at in 0..2 {
        store.forget(&app(at)).await.unwrap();
    }
    drop(store);
    opened(folder.path(), NOW + 2 * DAY, 2).await;
}

#[tokio::test]
async fn a_forgotten_app_stays_forgotten_in_a_new_file() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path(), 3).await;
    open_in(folder.path()).forget(&app(1)).await.unwrap();
    let parts = writer::open_store(folder.path(), key(1).into(), Wall(NOW)).unwrap();
    let mut writer = writer::Writer::new(parts, still(NOW));
    writer.rebuild().unwrap();
    drop(writer);
    for (days, there) in [(0, 3), (2, 3), (2, 2)] {
        let store = opened(folder.path(), NOW + days * DAY, there).await;
        store.forget(&app(1)).await.unwrap();
    }
}

#[tokio::test]
async fn a_forgotten_app_that_is_written_again_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path(), 1).await;
    let store = open_in(folder.path());
    store.forget(&app(0)).await.unwrap();
    let (fence, record) = won(&store, &app(0)).await;
    let written = store.write(&app(0), &record.unwrap(), fence).await;
    written.unwrap();
    drop(store);
    for _ in 0..2 {
        let clock = still(NOW * 2);
        let store = EmbeddedStore::open(folder.path(), key(1).into(), clock).unwrap();
        let (records, damaged) = load(&store).await;
        assert_eq!((records.len(), damaged), (1, vec![]));
    }
}

#[tokio::test]
async fn folder_and_files_are_closed_to_others() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("a/data");
    fs::create_dir_all(&data).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).unwrap();
    let store = open_in(&data);
    let (fence, _) = won(&store, &app(0)).await;
    let written = store.write(&app(0), &full_record(), fence).await;
    written.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    let names: Vec<_> = bytes(&data).into_keys().collect();
    assert_eq!(names, ["wxtoken.db", "wxtoken.db-wal", "wxtoken.lock"]);
    for name in names {
        assert_eq!(mode(&data.join(&name)), 0o600, "{name}");
    }
}

#[tokio::test]
async fn strange_files_are_refused_by_name_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = EmbeddedStore::file_in(folder.path());
    fs::write(
        &path,
        "not a database at all, but quite long enough to look at",
    )
    .unwrap();
    let error = try_open(folder.path(), 1).unwrap_err();
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
    assert!(error.to_string().contains("move it away"));
    fs::remove_file(&path).unwrap();
    tamper(folder.path(), "CREATE TABLE other (x)");
    let before = fs::read(&path).unwrap();
    let error = try_open(folder.path(), 1).unwrap_err();
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
    fs::remove_file(&path).unwrap();
    drop(open_in(folder.path()));
    tamper(folder.path(), "PRAGMA user_version = 9");
    let error = try_open(folder.path(), 1).unwrap_err();
    assert!(
        matches!(error, OpenError::Newer { found: 9, .. }),
        "{error}"
    );
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/dev/null", &path).unwrap();
    let error = try_open(folder.path(), 1).unwrap_err();
    assert!(matches!(error, OpenError::NotAFile(_)), "{error}");
}

#[tokio::test]
async fn a_making_cut_short_is_begun_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = EmbeddedStore::file_in(folder.path());
    fs::write(&path, "").unwrap();
    drop(open_in(folder.path()));
    fs::remove_file(&path).unwrap();
    tamper(folder.path(), "PRAGMA journal_mode = WAL");
    drop(open_in(folder.path()));
    tamper(folder.path(), "DELETE FROM meta");
    drop(open_in(folder.path()));
}

#[tokio::test]
async fn a_lost_identity_is_never_replaced_over_records() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path(), 1).await;
    tamper(folder.path(), "DELETE FROM meta WHERE name = 'store'");
    let error = try_open(folder.path(), 1).unwrap_err();
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
}

#[tokio::test]
async fn a_caller_that_is_gone_at_a_later_start_is_missed() {
    let folder = tempfile::tempdir().unwrap();
    let caller = Configured {
        caller: 7,
        is_handed_virtual: true,
    };
    let store = open_in(folder.path());
    store.settle(vec![caller], Wall(NOW)).await.unwrap();
    drop(store);
    let store = open_in(folder.path());
    assert_eq!(store.revoked().epoch_of(7), 0);
    store.settle(vec![], Wall(NOW + 1)).await.unwrap();
    drop(store);
    assert_eq!(open_in(folder.path()).revoked().epoch_of(7), NOW + 1);
}

#[tokio::test]
async fn what_was_revoked_is_known_after_a_restart_a_change_of_keys_and_a_new_file() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path(), 2).await;
    let store = open_in(folder.path());
    assert_eq!(store.revoked().epoch_of(7), 0);
    store.revoke(7, NOW).await.unwrap();
    store.revoke(7, NOW - 1).await.unwrap();
    drop(store);
    let both = MasterKeys {
        current: key(2),
        previous: Some(key(1)),
    };
    let store = EmbeddedStore::open(folder.path(), both, still(NOW)).unwrap();
    assert_eq!(store.revoked().epoch_of(7), NOW);
    assert_eq!(store.revoked().epoch_of(8), 0);
    let (records, damaged) = load(&store).await;
    assert_eq!((records.len(), damaged), (2, vec![]), "the sum still fits");
    drop(store);
    let mut writer = writer::Writer::new(
        writer::open_store(folder.path(), key(2).into(), Wall(NOW)).unwrap(),
        still(NOW),
    );
    writer.rebuild().unwrap();
    drop(writer);
    let store = try_open(folder.path(), 2).unwrap();
    assert_eq!(store.revoked().epoch_of(7), NOW);
}

/// A file that is to be replaced, and what stands in the way of that.
async fn obstructed(folder: &Path) -> (BTreeMap<AppId, Record>, writer::Writer, PathBuf) {
    let written = filled(folder, 3).await;
    let opened = writer::open_store(folder, key(1).into(), Wall(NOW)).unwrap();
    let mut writer = writer::Writer::new(opened, still(NOW));
    let obstacle = folder.join(format!("wxtoken.db.damaged-{NOW}-1"));
    fs::create_dir_all(obstacle.join("in the way")).unwrap();
    writer.rebuild().unwrap_err();
    (written, writer, obstacle)
}

#[tokio::test]
async fn a_file_that_could_not_be_replaced_is_replaced_at_a_later_write_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (mut written, mut writer, obstacle) = obstructed(folder.path()).await;
    let record = written[&app(0)].clone();
    let write = |record: &Record, fence| {
        [writer::Change::Write(
            app(0),
            Box::new(record.clone()),
            fence,
        )]
    };
    for _ in 0..2 {
        let refused = writer.commit(&write(&record, writer.fence)).remove(0);
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("tried again"), "{refused}");
        assert!(writer.read(&app(0)).is_err());
    }
    fs::remove_dir_all(&obstacle).unwrap();
    let record = contract::generation(record, 0, NOW + 200_000);
    let saved = writer.commit(&write(&record, writer.fence)).remove(0);
    saved.unwrap();
    assert_eq!(writer.read(&app(0)).unwrap().as_deref(), Some(&record));
    assert!(obstacle.is_file(), "the broken file is kept");
    drop(writer);
    written.insert(app(0), record);
    assert_eq!(load(&open_in(folder.path())).await, (written, vec![]));
}

#[tokio::test]
async fn a_new_file_for_which_there_is_no_room_is_made_once_there_is_however_late() {
    let folder = tempfile::tempdir().unwrap();
    let written = filled(folder.path(), 3).await;
    let opened = writer::open_store(folder.path(), key(1).into(), Wall(NOW)).unwrap();
    let mut writer = writer::Writer::new(opened, still(NOW));
    let obstacle = folder.path().join("wxtoken.db.rebuilt");
    fs::create_dir_all(obstacle.join("in the way")).unwrap();
    let kept = folder.path().join(format!("wxtoken.db.damaged-{NOW}-1"));
    let mut work = || {
        writer.mending(|_| match kept.exists() {
            true => Ok(()),
            false => {
                let corrupt = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
                Err(rusqlite::Error::SqliteFailure(corrupt, None).into())
            }
        })
    };
    for _ in 0..5 {
        work().unwrap_err();
    }
    fs::remove_dir_all(&obstacle).unwrap();
    work().unwrap();
    drop(writer);
    assert_eq!(load(&open_in(folder.path())).await, (written, vec![]));
}

#[tokio::test]
async fn a_crash_before_a_file_is_replaced_loses_nothing() {
    // Before the broken file has gone, and where it has and the new one has not come yet.
    for gone in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let (written, writer, _) = obstructed(folder.path()).await;
        drop(writer);
        if gone {
            fs::remove_file(EmbeddedStore::file_in(folder.path())).unwrap();
        }
        assert_eq!(load(&open_in(folder.path())).await, (written, vec![]));
    }
}

#[tokio::test]
async fn a_store_that_forgot_who_was_revoked_believes_no_virtual_token_made_before() {
    for sql in [
        "DELETE FROM meta WHERE name = 'ledger'",
        "UPDATE meta SET value = CAST(value || x'00' AS BLOB) WHERE name = 'ledger'",
    ] {
        let folder = tempfile::tempdir().unwrap();
        filled(folder.path(), 1).await;
        open_in(folder.path()).revoke(7, NOW - 5).await.unwrap();
        tamper(folder.path(), sql);
        let store = open_in(folder.path());
        assert_eq!(store.revoked().epoch_of(7), NOW, "{sql}");
        assert_eq!(store.revoked().epoch_of(8), NOW, "{sql}");
        let (fence, record) = won(&store, &app(0)).await;
        let written = store.write(&app(0), &record.unwrap(), fence).await;
        written.unwrap();
        drop(store);
        assert_eq!(open_in(folder.path()).revoked().epoch_of(8), NOW);
    }
}
