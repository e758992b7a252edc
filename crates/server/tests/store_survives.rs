//! The embedded store against what happens to machines: killed processes, two processes, full and read-only disks.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use wxtoken_core::app::AppId;
use wxtoken_core::clock::{Boot, Clock, Now, Wall};
use wxtoken_core::credential::{Credential, Generation, Kind, Lane, Token, ValueId};
use wxtoken_core::store::{Lease, Loaded, Record, RecordStore, StoreError, StoredToken};
use wxtoken_core::user::OnceKey;
use wxtoken_server::clock::ManualClock;
use wxtoken_server::config::{self, FileFormat, FileSinkConfig};
use wxtoken_server::sink::{FileSink, FileSinkError, FileState};
use wxtoken_server::store::{EmbeddedStore, MasterKey, OpenError, configured};

/// Tells a copy of this program that it is the child, and where to write.
const CHILD: &str = "WXTOKEN_TEST_CHILD_FOLDER";
const WRITERS: u64 = 6;

/// It stands still here.
const NOW: Now = Now {
    wall: Wall(1_795_000_000_000),
    boot: Boot(0),
};

fn open(folder: &Path) -> Result<EmbeddedStore, OpenError> {
    let (key, file) = (folder.join("key"), EmbeddedStore::file_in(folder));
    fs::create_dir_all(folder).unwrap();
    let key = MasterKey::read_or_make_file(&key, &file).unwrap();
    EmbeddedStore::open(folder, key.into(), Arc::new(ManualClock::new(NOW)))
}

fn app(number: u64) -> AppId {
    format!("wx{number:016x}").parse().unwrap()
}

/// A record all of whose parts say the same number, so that a mixture of two would show.
fn record(number: u64) -> Record {
    let mut record = Record {
        saved_at: Wall(number),
        ..Record::default()
    };
    record.handed_out[0].generation = Generation(number);
    record.lanes[1] = Some(StoredToken {
        token: Token::new(&format!("68_{number}_{}", "x".repeat(300))).unwrap(),
        id: ValueId(number),
        sent: Wall(number),
        expires: Wall(number),
        lifetime: number,
        dead: false,
        noted: None,
    });
    record
}

async fn write(store: &EmbeddedStore, app: AppId, number: u64) -> Result<(), StoreError> {
    let lease = store.lease(&app, Duration::from_secs(30)).await?;
    let Lease::Won { fence, .. } = lease else {
        panic!("the store is ours alone");
    };
    store.write(&app, &record(number), fence).await
}

async fn held(store: &EmbeddedStore) -> BTreeMap<AppId, Record> {
    let mut held = BTreeMap::new();
    let mut each = |loaded| match loaded {
        Loaded::Record(app, record) => assert!(held.insert(app, *record).is_none()),
        Loaded::Damaged { app, reason } => panic!("{app:?}: {reason}"),
    };
    store.load_all(&mut each).await.unwrap();
    held
}

/// Writes for ever, several at once, and says of each write when it is acknowledged.
async fn write_until_killed(folder: PathBuf) {
    let store = open(&folder).unwrap();
    let writers = (0..WRITERS).map(|writer| {
        let store = &store;
        async move {
            let begun = store.lease(&app(writer), Duration::MAX).await.unwrap();
            let Lease::Won { record, .. } = begun else {
                panic!("the store is ours alone");
            };
            let mut number = record.map_or(0, |held| held.saved_at.0);
            loop {
                number += 1;
                write(store, app(writer), number).await.unwrap();
                let mut out = std::io::stdout();
                writeln!(out, "acknowledged {writer} {number}").unwrap();
            }
        }
    });
    futures_util::future::join_all(writers).await;
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9_and_a_second_process_is_told_who_holds_the_store() {
    if let Some(folder) = std::env::var_os(CHILD) {
        return write_until_killed(folder.into()).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged: BTreeMap<u64, u64> = BTreeMap::new();
    for round in 0..40u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture"])
            .arg("what_was_acknowledged_survives_kill_9_and_a_second_process_is_told_who_holds_the_store")
            .env(CHILD, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut said = lines
            .map_while(Result::ok)
            .filter(|line| line.starts_with("acknowledged "));
        // Somewhere else in its work every time, by what it has said so far.
        let until = usize::try_from(round * round % 71).unwrap();
        let mut seen: Vec<String> = said.by_ref().take(until + 1).collect();
        let told = open(folder.path()).unwrap_err().to_string();
        assert!(told.contains(&format!("process {} ", child.id())), "{told}");
        child.kill().unwrap();
        child.wait().unwrap();
        seen.extend(said);
        for line in seen {
            let mut words = line.split(' ').skip(1).map(|word| word.parse::<u64>());
            // The last line may have been cut.
            let (Some(Ok(writer)), Some(Ok(number))) = (words.next(), words.next()) else {
                continue;
            };
            let known = acknowledged.entry(writer).or_default();
            *known = number.max(*known);
        }
        let held = held(&open(folder.path()).unwrap()).await;
        for (writer, number) in &acknowledged {
            let found = &held[&app(*writer)];
            assert!(found.saved_at.0 >= *number, "round {round}: {writer} lost");
            assert_eq!(*found, record(found.saved_at.0), "whole");
        }
    }
    assert_eq!(acknowledged.len() as u64, WRITERS);
}

/// A small disk of its own, where this machine lets us mount one (as root, with the right to).
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let disk = Self(tempfile::tempdir().unwrap());
        let options = ["-t", "tmpfs", "-o", "size=1m", "none"].map(OsString::from);
        let mounted = Command::new("mount")
            .args(options)
            .arg(disk.0.path())
            .output();
        mounted
            .is_ok_and(|done| done.status.success())
            .then_some(disk)
    }
    fn folder(&self) -> PathBuf {
        self.0.path().join("data")
    }
    /// Leaves no byte free.
    fn fill(&self) {
        let mut file = fs::File::create(self.0.path().join("filler")).unwrap();
        for size in [1 << 16, 1] {
            while file.write_all(&vec![7; size]).is_ok() {}
        }
    }
    fn make_room(&self) {
        fs::remove_file(self.0.path().join("filler")).unwrap();
    }
    fn remount(&self, how: &str) {
        let how = format!("remount,{how}");
        let done = Command::new("mount")
            .args(["-o", &how])
            .arg(self.0.path())
            .status();
        assert!(done.unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).output();
    }
}

#[tokio::test]
async fn a_full_disk_refuses_in_plain_words_and_everything_goes_on_when_there_is_room() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("not checked here: this test mounts a small disk, which needs root");
        return;
    };
    let store = open(&disk.folder()).unwrap();
    write(&store, app(1), 1).await.unwrap();
    disk.fill();
    let mut number = 1;
    let refused = loop {
        assert!(number < 10_000, "the full disk was never felt");
        match write(&store, app(1), number + 1).await {
            Ok(()) => number += 1, // there was some room left in the journal
            Err(error) => break error.to_string(),
        }
    };
    assert!(refused.contains("the disk is full"), "{refused}");
    assert_eq!(
        held(&store).await[&app(1)],
        record(number),
        "still readable"
    );
    // A restart on the full disk serves what is stored.
    drop(store);
    let store = open(&disk.folder()).unwrap();
    assert_eq!(held(&store).await[&app(1)], record(number));
    assert!(write(&store, app(1), number + 1).await.is_err());
    disk.make_room();
    write(&store, app(1), number + 1).await.unwrap();
    write(&store, app(2), 1).await.unwrap();
    drop(store);
    let held = held(&open(&disk.folder()).unwrap()).await;
    assert_eq!(held[&app(1)], record(number + 1));
    assert_eq!(held.len(), 2);
}

#[tokio::test]
async fn a_read_only_disk_is_said_so_and_harms_nothing() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("not checked here: this test mounts a small disk, which needs root");
        return;
    };
    let store = open(&disk.folder()).unwrap();
    write(&store, app(1), 1).await.unwrap();
    drop(store);
    disk.remount("ro");
    let error = open(&disk.folder()).unwrap_err();
    assert!(matches!(error, OpenError::Unavailable { .. }), "{error:?}");
    assert!(error.to_string().contains("ead-only"), "{error}");
    disk.remount("rw");
    let store = open(&disk.folder()).unwrap();
    assert_eq!(held(&store).await[&app(1)], record(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_starts_on_a_full_disk_and_its_users_come_when_there_is_room() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("not checked here: this test mounts a small disk, which needs root");
        return;
    };
    let clock = Arc::new(ManualClock::new(NOW));
    let place = config::Store {
        path: disk.folder(),
        ..config::Store::default()
    };
    let open = async || {
        let clock = Arc::clone(&clock) as Arc<dyn Clock>;
        configured::for_server(&place, clock).await.unwrap()
    };
    let store = open().await;
    let fence = store.own.unwrap();
    store
        .records
        .write(&app(1), &record(1), fence)
        .await
        .unwrap();
    let note = OnceKey([1; 32]);
    let until = NOW.wall.plus(1_000_000);
    assert!(store.users.put_once(note, b"said", until).await.unwrap());
    drop(store);
    disk.fill();
    let store = open().await;
    let lease = store.records.lease(&app(1), Duration::ZERO).await.unwrap();
    let Lease::Won { record: there, .. } = lease else {
        panic!("{lease:?}");
    };
    assert_eq!(there.as_deref(), Some(&record(1)));
    let refused = store.users.take_once(note).await.unwrap_err().to_string();
    assert!(
        refused.contains("full") || refused.contains("space"),
        "{refused}"
    );
    disk.make_room();
    clock.advance(Duration::from_secs(10));
    let taken = store.users.take_once(note).await.unwrap();
    assert_eq!(taken.as_deref(), Some(&b"said"[..]));
}

/// Without root: a limit on the size of files stands in for a full disk.
#[tokio::test]
async fn a_file_that_may_not_grow_refuses_and_goes_on_when_it_may() {
    const NAME: &str = "a_file_that_may_not_grow_refuses_and_goes_on_when_it_may";
    if let Some(folder) = std::env::var_os(CHILD) {
        return write_against_a_limit(Path::new(&folder)).await;
    }
    let folder = tempfile::tempdir().unwrap();
    // The signal that comes with the limit is ignored, as a server would see an error instead.
    let child = Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", NAME])
        .env(CHILD, folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{said}");
    assert!(said.contains("refused, then went on"), "{said}");
}

async fn write_against_a_limit(folder: &Path) {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let limit = |current| {
        let maximum = None;
        setrlimit(Resource::Fsize, Rlimit { current, maximum }).unwrap();
    };
    let store = open(folder).unwrap();
    write(&store, app(0), 1).await.unwrap();
    limit(Some(100_000));
    let mut number = 1;
    while write(&store, app(0), number + 1).await.is_ok() {
        number += 1;
        assert!(number < 10_000, "the limit was never felt");
    }
    assert_eq!(held(&store).await[&app(0)], record(number));
    limit(None);
    write(&store, app(0), number + 1).await.unwrap();
    drop(store);
    let held = held(&open(folder).unwrap()).await;
    assert_eq!(held[&app(0)], record(number + 1));
    let mut out = std::io::stdout();
    writeln!(out, "refused, then went on").unwrap();
}

#[test]
fn a_sink_on_a_full_disk_keeps_what_it_had() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("not checked here: this test mounts a small disk, which needs root");
        return;
    };
    let path = disk.0.path().join("token.json");
    let config = FileSinkConfig {
        path: path.as_path().into(),
        format: FileFormat::Json,
        kind: Kind::AccessToken,
        mode: Some(0o600),
        owner: None,
        group: None,
    };
    let sink = FileSink::new(app(1), config);
    let credential = |value: &str| Credential {
        kind: Kind::AccessToken,
        lane: Some(Lane::Stable),
        token: Token::new(value).unwrap(),
        id: ValueId(1),
        generation: Generation(1),
        sent: Boot(0),
        expires: Boot(7_200_000),
        adopted: false,
    };
    let (one, two) = (credential("68_one"), credential("68_two"));
    sink.write(&one, NOW).unwrap();
    disk.fill();
    let error = sink.write(&two, NOW).unwrap_err();
    assert!(matches!(error, FileSinkError::DiskFull(_)), "{error:?}");
    assert_eq!(sink.check(&one, NOW).unwrap(), FileState::Intact);
    assert_eq!(fs::read_dir(disk.0.path()).unwrap().count(), 2, "no litter");
    disk.make_room();
    sink.write(&two, NOW).unwrap();
    assert_eq!(sink.check(&two, NOW).unwrap(), FileState::Intact);

    // A single file that is mounted by itself cannot be replaced.
    let bound = Command::new("mount")
        .arg("--bind")
        .args([&path, &path])
        .status();
    assert!(bound.unwrap().success());
    let error = sink.write(&one, NOW).unwrap_err();
    let _ = Command::new("umount").arg(&path).status();
    assert!(matches!(error, FileSinkError::Mounted(_)), "{error:?}");
}
