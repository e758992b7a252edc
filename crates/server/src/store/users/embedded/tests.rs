//! The users' file: the contract first, then what only a file can suffer.

use std::fs;
use std::time::Duration;

use tempfile::TempDir;
use wxtoken_core::clock::Now;

use super::super::contract::records::{app, full, openid};
use super::super::contract::{self, Subject, look, put};
use super::super::everyone::{Everyone, Met};
use super::*;
use crate::clock::ManualClock;
use crate::store::keys::tests::key;

const NOW: Wall = Wall(1_795_000_000_000);

fn still() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Now {
        wall: NOW,
        ..Now::default()
    }))
}

fn try_open(
    folder: &Path,
    keys: &MasterKeys,
    clock: &Arc<ManualClock>,
) -> Result<EmbeddedUsers, OpenError> {
    EmbeddedUsers::open(folder, keys, Arc::clone(clock) as Arc<dyn Clock>)
}

struct InFolder {
    store: Option<Arc<EmbeddedUsers>>,
    folder: Arc<TempDir>,
    clock: Arc<ManualClock>,
    keys: MasterKeys,
}

impl InFolder {
    fn new() -> Self {
        Self::opened_in(Arc::new(tempfile::tempdir().unwrap()), key(1).into())
    }

    fn opened_in(folder: Arc<TempDir>, keys: MasterKeys) -> Self {
        Self::opened_at(folder, keys, still())
    }

    fn opened_at(folder: Arc<TempDir>, keys: MasterKeys, clock: Arc<ManualClock>) -> Self {
        Self {
            store: Some(Arc::new(try_open(folder.path(), &keys, &clock).unwrap())),
            folder,
            clock,
            keys,
        }
    }

    fn users(&self) -> &EmbeddedUsers {
        self.store.as_ref().unwrap()
    }

    /// Runs SQL on the file, as a person with it would.
    fn tamper(&self, sql: &str, with: &[u8]) -> usize {
        let connection = Connection::open(EmbeddedUsers::file_in(self.folder.path())).unwrap();
        connection.execute(sql, [with]).unwrap()
    }

    /// Everything that lies in the folder.
    fn all_bytes(&self) -> Vec<u8> {
        let files = fs::read_dir(self.folder.path()).unwrap();
        let each = files.map(|file| fs::read(file.unwrap().path()).unwrap());
        each.collect::<Vec<_>>().concat()
    }

    /// What was put aside.
    fn aside(&self) -> Vec<String> {
        let names = fs::read_dir(self.folder.path()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut aside: Vec<_> = names
            .filter(|name| name.starts_with("users.db.damaged-"))
            .collect();
        aside.sort();
        aside
    }

    fn sealed(&self, number: u32) -> Vec<u8> {
        let names = self.users().seal.names(&app(1), &openid(number));
        let connection = Connection::open(EmbeddedUsers::file_in(self.folder.path())).unwrap();
        let found = writer::find(&connection, names).unwrap().unwrap();
        found.sealed.bytes
    }
}

#[async_trait]
impl Subject for InFolder {
    fn store(&self) -> Arc<dyn UserStore> {
        Arc::clone(self.store.as_ref().unwrap()) as Arc<dyn UserStore>
    }
    async fn reopened(mut self: Box<Self>) -> Box<dyn Subject> {
        let store = self.store.take().unwrap();
        drop(Arc::into_inner(store).expect("nobody else has it open"));
        let store = try_open(self.folder.path(), &self.keys, &self.clock).unwrap();
        self.store = Some(Arc::new(store));
        self
    }
    async fn now(&self) -> Wall {
        self.clock.now().wall
    }
    async fn come_to(&self, then: Wall) {
        contract::set(&self.clock, then);
    }
    async fn lies_there(&self, app: &AppId, openid: &OpenId) -> Option<bool> {
        let connection = Connection::open(EmbeddedUsers::file_in(self.folder.path())).unwrap();
        let found = writer::find(&connection, self.users().seal.names(app, openid));
        Some(found.unwrap().is_some())
    }
    async fn damage(&self, app: &AppId, openid: &OpenId) -> bool {
        let name = self.users().seal.names(app, openid).current;
        let slot = "(SELECT slot FROM user WHERE name = ?1)";
        let flip = format!(
            "UPDATE slot SET content = CAST(substr(content, 1, 99) || x'ff00' || substr(content, 102) AS BLOB) WHERE id = {slot}"
        );
        self.tamper(&flip, &name) == 1
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn users_in_a_file_keep_the_contract() {
    contract::check(async || Box::new(InFolder::new()) as Box<dyn Subject>).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_deleted_user_can_be_found_in_any_file() {
    let subject = InFolder::new();
    let store = subject.store();
    let until = NOW.plus(1_000_000_000);
    // Enough that tables grow by many pages and are rearranged, written again with other lengths, and deleted in between.
    let mut gone = Vec::new();
    for round in 0..3 {
        let subject = &subject;
        let everybody =
            (0..300).map(|at| async move { put(subject, round * 300 + at, &full(at)).await });
        let versions = futures_util::future::join_all(everybody).await;
        for (at, version) in (0..300).zip(versions).filter(|(at, _)| at % 3 == 0) {
            let number = round * 300 + at;
            gone.push(subject.sealed(number));
            let mut record = full(at);
            if let Some(grant) = record.grant.as_mut().filter(|_| at % 2 == 0) {
                grant.scope = "x".repeat(usize::try_from(at).unwrap() * 5).into();
            }
            contract::write(&store, number, &record, Some(version), until).await;
            gone.push(subject.sealed(number));
        }
        let numbers = (0..300).filter(|at| at % 3 == 0);
        let deleting = numbers.map(|at| {
            let store = Arc::clone(&store);
            async move { store.delete(&app(1), &openid(round * 300 + at)).await }
        });
        for deleted in futures_util::future::join_all(deleting).await {
            assert!(deleted.unwrap());
        }
    }
    let bytes = subject.all_bytes();
    let kept = subject.sealed(1);
    let finder = memchr::memmem::Finder::new(&kept[40..72]);
    assert!(finder.find(&bytes).is_some(), "who stays is there");
    assert_eq!(gone.len(), 600);
    for sealed in gone {
        // Any copy of it has its nonce, and one that is cut off there its end.
        for piece in [&sealed[21..33], &sealed[sealed.len() - 16..]] {
            assert_eq!(memchr::memmem::find(&bytes, piece), None);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_user_can_be_read_in_the_files() {
    let subject = InFolder::new();
    put(&subject, 1, &full(1)).await;
    let bytes = subject.all_bytes();
    let app = app(1);
    for secret in [
        "canary",
        "snsapi",
        "oLVPpjqs9Bhvzw",
        "tiihtNczf5v6",
        app.as_str(),
    ] {
        assert_eq!(memchr::memmem::find(&bytes, secret.as_bytes()), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_in_anothers_place_is_nobodys() {
    let subject = InFolder::new();
    for number in [1, 2] {
        put(&subject, number, &full(number)).await;
    }
    let name = |number| subject.users().seal.names(&app(1), &openid(number)).current;
    let swap = "UPDATE user SET (version, slot) = (SELECT version, slot FROM user WHERE name <> ?1) WHERE name = ?1";
    assert_eq!(subject.tamper(swap, &name(1)), 1);
    assert_eq!(look(&subject, 1).await, None);
    assert!(look(&subject, 2).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_master_key_is_an_error_and_changes_nothing() {
    let mut subject = InFolder::new();
    put(&subject, 1, &full(1)).await;
    subject.store = None;
    let wrong = try_open(subject.folder.path(), &key(2).into(), &subject.clock);
    assert!(matches!(wrong, Err(OpenError::WrongKey(_))), "{wrong:?}");
    let again = Box::new(InFolder::opened_in(
        Arc::clone(&subject.folder),
        key(1).into(),
    ));
    assert!(look(&*again, 1).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn under_a_new_master_key_all_is_there_and_is_sealed_anew_in_portions() {
    let mut subject = InFolder::new();
    let there = &subject;
    let everybody = (0..1500).map(|number| async move { put(there, number, &full(number)).await });
    let versions = futures_util::future::join_all(everybody).await;
    let folder = Arc::clone(&subject.folder);
    subject.store = None;
    let subject = InFolder::opened_in(Arc::clone(&folder), both());
    let store = subject.store();
    // Found, written, deleted before it was sealed anew.
    assert_eq!(look(&subject, 0).await.unwrap().version, versions[0]);
    let until = NOW.plus(1_000_000_000);
    let written = contract::write(&store, 1, &full(9), Some(versions[1]), until).await;
    assert!(matches!(written, Written::Yes(_)));
    assert!(store.delete(&app(1), &openid(2)).await.unwrap());
    assert_eq!(look(&subject, 2).await, None);
    let mut portions = 0;
    while store.purge().await.unwrap().more {
        portions += 1;
    }
    // A row that is sealed anew has another name, which may lie ahead and is met again.
    assert!((2..=3).contains(&portions), "{portions}");
    drop((store, subject));
    let subject = InFolder::opened_in(folder, key(2).into());
    assert_eq!(look(&subject, 1).await.unwrap().record, full(9));
    assert_eq!(look(&subject, 2).await, None);
    for (number, version) in (3..1500).zip(&versions[3..]) {
        let held = look(&subject, number).await.unwrap();
        assert_eq!((held.record, held.version), (full(number), *version));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_damaged_as_a_whole_is_put_aside_and_a_new_one_begun() {
    let mut subject = InFolder::new();
    put(&subject, 1, &full(1)).await;
    let file = EmbeddedUsers::file_in(subject.folder.path());
    for damage in ["not a database at all", ""] {
        subject.store = None;
        let before = fs::read(&file).unwrap();
        let cut = [damage.as_bytes(), &before[damage.len()..before.len() / 2]].concat();
        fs::write(&file, cut).unwrap();
        if damage.is_empty() {
            Connection::open(&file)
                .unwrap()
                .execute("DROP TABLE meta", [])
                .ok();
        }
        let folder = Arc::clone(&subject.folder);
        subject.clock.advance(Duration::from_millis(1));
        let clock = Arc::clone(&subject.clock);
        subject = InFolder::opened_at(folder, key(1).into(), clock);
        assert_eq!(look(&subject, 1).await, None, "{damage}");
        put(&subject, 1, &full(1)).await;
    }
    let aside = [1, 2].map(|at| format!("users.db.damaged-{}", NOW.plus(at).0));
    let mut there = subject.aside();
    there.retain(|name| !name.ends_with("-wal") && !name.ends_with("-shm"));
    assert_eq!(there, aside, "the old ones are kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_put_aside_goes_after_thirty_days_with_its_journal() {
    let mut subject = InFolder::new();
    let folder = Arc::clone(&subject.folder);
    let day = |days: u64| NOW.0 - days * 86_400_000;
    let (old, young) = (day(30), day(29));
    let strange = "users.db.damaged-by-somebody".to_owned();
    let mut names: Vec<_> = ["", "-wal", "-shm"]
        .map(|part| format!("users.db.damaged-{old}{part}"))
        .into();
    names.extend([format!("users.db.damaged-{young}"), strange.clone()]);
    for name in &names {
        fs::write(folder.path().join(name), b"what was kept of users").unwrap();
    }
    subject.store = None;
    let subject = InFolder::opened_in(folder, key(1).into());
    let left = [format!("users.db.damaged-{young}"), strange];
    assert_eq!(subject.aside(), left);
}

fn both() -> MasterKeys {
    MasterKeys {
        current: key(2),
        previous: Some(key(1)),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_previous_key_that_was_removed_too_early_is_asked_for_and_costs_nobody() {
    let mut subject = InFolder::new();
    for number in 0..1200 {
        put(&subject, number, &full(number)).await;
    }
    let (folder, clock) = (Arc::clone(&subject.folder), Arc::clone(&subject.clock));
    subject.store = None;
    // As far as the first portion, which ends with the process.
    let started = InFolder::opened_in(Arc::clone(&folder), both());
    assert!(started.store().purge().await.unwrap().more);
    drop(started);
    let keys: [MasterKeys; 2] = [
        key(2).into(),
        MasterKeys {
            current: key(3),
            previous: Some(key(2)),
        },
    ];
    for keys in keys {
        let early = try_open(folder.path(), &keys, &clock);
        assert!(
            matches!(early, Err(OpenError::PreviousKeyNeeded(_))),
            "{early:?}"
        );
    }
    let back = InFolder::opened_in(Arc::clone(&folder), both());
    while back.store().purge().await.unwrap().more {}
    drop(back);
    let after = InFolder::opened_in(folder, key(2).into());
    for number in 0..1200 {
        assert_eq!(look(&after, number).await.unwrap().record, full(number));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_keys_may_be_taken_back_before_it_has_come_to_its_end() {
    let mut subject = InFolder::new();
    for number in 0..1200 {
        put(&subject, number, &full(number)).await;
    }
    let folder = Arc::clone(&subject.folder);
    subject.store = None;
    let started = InFolder::opened_in(Arc::clone(&folder), both());
    assert!(started.store().purge().await.unwrap().more);
    drop(started);
    let back = MasterKeys {
        current: key(1),
        previous: Some(key(2)),
    };
    let back = InFolder::opened_in(Arc::clone(&folder), back);
    while back.store().purge().await.unwrap().more {}
    drop(back);
    let after = InFolder::opened_in(folder, key(1).into());
    for number in 0..1200 {
        assert_eq!(look(&after, number).await.unwrap().record, full(number));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_read_while_all_are_sealed_anew_is_found() {
    let mut subject = InFolder::new();
    for number in 0..3000 {
        put(&subject, number, &full(number)).await;
    }
    let folder = Arc::clone(&subject.folder);
    subject.store = None;
    let subject = InFolder::opened_in(folder, both());
    let store = subject.store();
    let resealing = tokio::spawn(async move { while store.purge().await.unwrap().more {} });
    let mut looks = 0;
    while !resealing.is_finished() || looks < 3000 {
        let number = looks % 3000;
        assert!(look(&subject, number).await.is_some(), "{number}");
        looks += 1;
    }
    resealing.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_found_damaged_is_told_with_the_cure_and_a_restart_begins_a_new_file() {
    let mut subject = InFolder::new();
    for number in 0..100 {
        put(&subject, number, &full(number)).await;
    }
    subject.store = None;
    let file = EmbeddedUsers::file_in(subject.folder.path());
    let mut bytes = fs::read(&file).unwrap();
    let half = bytes.len() / 2;
    bytes[half..].fill(0xff);
    fs::write(&file, bytes).unwrap();
    let reopen = |subject: &InFolder| {
        let folder = Arc::clone(&subject.folder);
        InFolder::opened_in(folder, key(1).into())
    };
    subject = reopen(&subject);
    let store = subject.store();
    let mut refused = Vec::new();
    for number in 0..100 {
        let read = store.read(&app(1), &openid(number)).await;
        refused.extend(read.err());
        refused.extend(store.delete(&app(1), &openid(number)).await.err());
    }
    assert!(!refused.is_empty());
    for error in refused {
        assert!(error.to_string().contains("restart wxtoken"), "{error}");
    }
    drop(store);
    for is_anew in [true, false] {
        subject.store = None;
        subject = reopen(&subject);
        for number in 1..100 {
            assert_eq!(look(&subject, number).await, None);
        }
        assert_eq!(look(&subject, 0).await.is_none(), is_anew);
        if is_anew {
            put(&subject, 0, &full(0)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_file_is_left_as_it_is() {
    let mut subject = InFolder::new();
    put(&subject, 1, &full(1)).await;
    subject.store = None;
    let connection = Connection::open(EmbeddedUsers::file_in(subject.folder.path())).unwrap();
    connection.pragma_update(None, "user_version", 2).unwrap();
    drop(connection);
    let newer = try_open(subject.folder.path(), &key(1).into(), &subject.clock);
    assert!(
        matches!(newer, Err(OpenError::Newer { found: 2, .. })),
        "{newer:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_is_told_and_costs_nothing_that_was_there() {
    let subject = InFolder::new();
    put(&subject, 1, &full(1)).await;
    let wall = subject.users().writer.limit_pages();
    let until = NOW.plus(1_000_000_000);
    let mut refused = None;
    for number in 2..2000 {
        let written = subject.store();
        let (app, openid) = (app(1), openid(number));
        let written = written
            .write(&app, &openid, &full(number), None, until)
            .await;
        if let Err(error) = written {
            refused = Some((number, error.to_string()));
            break;
        }
    }
    let (number, why) = refused.expect("a full disk takes no more");
    assert!(why.contains("the disk is full"), "{why}");
    assert_eq!(look(&subject, number).await, None);
    assert!(look(&subject, 1).await.is_some() && look(&subject, number - 1).await.is_some());
    drop(wall);
    put(&subject, number, &full(number)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_meets_everybody_whose_time_is_not_over() {
    let subject = InFolder::new();
    for number in 0..600 {
        put(&subject, number, &full(number)).await;
    }
    let (store, soon) = (subject.store(), NOW.plus(10));
    contract::write(&store, 600, &full(600), None, soon).await;
    contract::set(&subject.clock, soon);
    assert!(subject.damage(&app(1), &openid(7)).await);
    let (mut met, mut damaged) = (Vec::new(), 0);
    let mut each = |found| {
        match found {
            Met::User(user) => met.push((user.openid, user.record)),
            Met::Damaged => damaged += 1,
        }
        true
    };
    subject.users().each(&mut each).await.unwrap();
    met.sort_by(|one, other| one.0.cmp(&other.0));
    let numbers = (0..600).filter(|number| *number != 7);
    let wanted: Vec<_> = numbers
        .map(|number| (openid(number), full(number)))
        .collect();
    assert_eq!((met, damaged), (wanted, 1));
}
