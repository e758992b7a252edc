//! Users in Redis, against real servers: the contract first, then what only Redis can do to them.

use std::time::Duration;

use wxtoken_core::clock::{Clock, Now};

use super::super::contract::records::{app, full, openid};
use super::super::contract::{self, Subject, look, put};
use super::super::everyone::{Everyone, Met};
use super::*;
use crate::clock::{ManualClock, SystemClock};
use crate::redis::testing::{Cluster, Server};
use crate::store::keys::tests::key;
use crate::store::redis::{RedisStore, Settings};

const DAY: u64 = 24 * 3_600_000;

/// A store of its own, by its prefix, on a server that it may share.
struct InRedis<S> {
    server: Arc<S>,
    prefix: String,
    keys: MasterKeys,
    opened: Option<(RedisStore, Arc<RedisUsers>)>,
}

/// One server or several.
#[async_trait]
trait Servers: Send + Sync + 'static {
    fn address(&self) -> String;
    async fn tell(&self, words: &[&str]) -> i64;
}

#[async_trait]
impl Servers for Server {
    fn address(&self) -> String {
        self.url()
    }
    async fn tell(&self, words: &[&str]) -> i64 {
        self.ask(words).await
    }
}

#[async_trait]
impl Servers for Cluster {
    fn address(&self) -> String {
        self.url()
    }
    async fn tell(&self, words: &[&str]) -> i64 {
        self.ask(words).await
    }
}

impl<S: Servers> InRedis<S> {
    fn new(server: &Arc<S>, number: u32, keys: impl Into<MasterKeys>) -> Self {
        let mut subject = Self {
            server: Arc::clone(server),
            prefix: format!("store{number}"),
            keys: keys.into(),
            opened: None,
        };
        subject.open();
        subject
    }

    fn open(&mut self) {
        let settings = Settings {
            address: self.server.address().parse().unwrap(),
            ca: None,
            sentinel_password: None,
            prefix: self.prefix.parse().unwrap(),
        };
        let (store, _) =
            RedisStore::open(settings, self.keys.clone(), Arc::new(SystemClock)).unwrap();
        let users = Arc::new(store.users());
        self.opened = Some((store, users));
    }

    fn users(&self) -> &Arc<RedisUsers> {
        &self.opened.as_ref().unwrap().1
    }

    fn key_of(&self, number: u32) -> String {
        self.users().keys_of(&app(1), &openid(number))[0]
            .text
            .clone()
    }
}

#[async_trait]
impl<S: Servers> Subject for InRedis<S> {
    fn store(&self) -> Arc<dyn UserStore> {
        Arc::clone(self.users()) as Arc<dyn UserStore>
    }
    async fn reopened(mut self: Box<Self>) -> Box<dyn Subject> {
        let (store, _) = self.opened.take().unwrap();
        store.stop().await;
        self.open();
        self
    }
    async fn now(&self) -> Wall {
        SystemClock.now().wall
    }
    async fn come_to(&self, then: Wall) {
        // It counts a note from when the note came, which is a little later than when its end was set.
        let left = then.plus(500).since(SystemClock.now().wall);
        tokio::time::sleep(Duration::from_millis(left)).await;
    }
    fn soon(&self) -> u64 {
        5000
    }
    async fn lies_there(&self, app: &AppId, openid: &OpenId) -> Option<bool> {
        let key = &self.users().keys_of(app, openid)[0].text;
        Some(self.server.tell(&["EXISTS", key]).await == 1)
    }
    async fn damage(&self, app: &AppId, openid: &OpenId) -> bool {
        let key = &self.users().keys_of(app, openid)[0].text;
        self.server.tell(&["SETRANGE", key, "60", "damaged"]).await > 60
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn users_in_redis_keep_the_contract() {
    let server = Arc::new(Server::start().await);
    let fresh = std::cell::Cell::new(0);
    contract::check(|| {
        let subject = InRedis::new(&server, fresh.replace(fresh.get() + 1), key(1));
        async { Box::new(subject) as Box<dyn Subject> }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn users_in_a_cluster_keep_the_contract() {
    let cluster = Arc::new(Cluster::start().await);
    let fresh = std::cell::Cell::new(0);
    contract::check(|| {
        let subject = InRedis::new(&cluster, fresh.replace(fresh.get() + 1), key(1));
        async { Box::new(subject) as Box<dyn Subject> }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_replica_keeps_the_other_reads_and_deletes() {
    let server = Arc::new(Server::start().await);
    let [one, other] = [0; 2].map(|store| InRedis::new(&server, store, key(1)));
    let version = put(&one, 1, &full(1)).await;
    assert_eq!(look(&other, 1).await.unwrap().version, version);
    assert!(other.store().delete(&app(1), &openid(1)).await.unwrap());
    assert_eq!(look(&one, 1).await, None);
    let left: i64 = server.ask(&["EXISTS", &one.key_of(1)]).await;
    assert_eq!(left, 0);
    // Another prefix is another store.
    put(&InRedis::new(&server, 1, key(1)), 1, &full(1)).await;
    assert_eq!(look(&one, 1).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_user_can_be_read_in_redis_and_it_ends_there_by_itself() {
    let server = Arc::new(Server::start().await);
    let subject = InRedis::new(&server, 0, key(1));
    put(&subject, 1, &full(1)).await;
    let key = subject.key_of(1);
    let value: Vec<u8> = server.ask(&["GET", &key]).await;
    for secret in ["canary", "snsapi", "oLVPpjqs9Bhvzw", "tiihtNczf5v6"] {
        assert_eq!(memchr::memmem::find(&value, secret.as_bytes()), None);
        assert!(!key.contains(secret));
    }
    let left: i64 = server.ask(&["PTTL", &key]).await;
    assert!((1..=i64::try_from(DAY).unwrap()).contains(&left), "{left}");
}

/// The users of a replica whose clock says what it likes.
fn users_by(server: &Server, keys: impl Into<MasterKeys>, clock: &Arc<ManualClock>) -> RedisUsers {
    let settings = Settings {
        address: server.url().parse().unwrap(),
        ca: None,
        sentinel_password: None,
        prefix: "store0".parse().unwrap(),
    };
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    let (store, _) = RedisStore::open(settings, keys.into(), clock).unwrap();
    store.users()
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_done_with_the_commands_that_the_guide_allows() {
    let server = Arc::new(Server::start().await);
    let guide = include_str!("../../../../../../docs/replicas.md");
    let allowed = guide.lines().find(|line| line.starts_with("user wxtoken"));
    let (_, allowed) = allowed
        .unwrap()
        .split_once(">PASSWORD-FOR-WXTOKEN ")
        .unwrap();
    let mut words = vec!["ACL", "SETUSER", "wxtoken", "on", ">secret"];
    words.extend(allowed.split(' '));
    let _: String = server.ask(&words).await;
    let address = server.url().replace("//", "//wxtoken:secret@");
    let users = |keys: MasterKeys| {
        let settings = Settings {
            address: address.parse().unwrap(),
            ca: None,
            sentinel_password: None,
            prefix: "wxtoken".parse().unwrap(),
        };
        let (store, _) = RedisStore::open(settings, keys, Arc::new(SystemClock)).unwrap();
        store.users()
    };
    let (app, openid) = (app(1), openid(1));
    let until = SystemClock.now().wall.plus(DAY);
    let before = users(key(1).into());
    let written = before.write(&app, &openid, &full(1), None, until).await;
    assert!(matches!(written, Ok(Written::Yes(_))), "{written:?}");
    let during = users(MasterKeys {
        current: key(2),
        previous: Some(key(1)),
    });
    assert!(during.read(&app, &openid).await.unwrap().is_some());
    while during.purge().await.unwrap().more {}
    let mut met = 0;
    let mut each = |_| {
        met += 1;
        true
    };
    during.each(&mut each).await.unwrap();
    assert_eq!(met, 1);
    let note = OnceKey([1; 32]);
    assert!(during.put_once(note, b"said", until).await.unwrap());
    assert!(during.take_once(note).await.unwrap().is_some());
    assert!(during.delete(&app, &openid).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_live_as_long_as_they_should_where_the_clock_of_redis_is_another() {
    let server = Arc::new(Server::start().await);
    let wall = SystemClock.now().wall;
    let (note, other) = (OnceKey([1; 32]), OnceKey([2; 32]));
    for wall in [Wall(wall.0 - DAY), wall.plus(DAY)] {
        let ours = Arc::new(ManualClock::new(Now {
            wall,
            ..Now::default()
        }));
        let users = users_by(&server, key(1), &ours);
        let until = wall.plus(60_000);
        for note in [note, other] {
            assert!(users.put_once(note, b"said", until).await.unwrap());
            assert!(!users.put_once(note, b"again", until).await.unwrap());
        }
        let left: i64 = server.ask(&["PTTL", &users.keys.note(&note)]).await;
        assert!((1..=60_000).contains(&left), "{left}");
        // Another replica may be a few seconds ahead, but what Redis has too long is over.
        ours.advance(Duration::from_secs(65));
        let taken = users.take_once(note).await.unwrap();
        assert_eq!(taken.as_deref(), Some(&b"said"[..]));
        assert_eq!(users.take_once(note).await.unwrap(), None);
        ours.advance(Duration::from_secs(25));
        assert_eq!(users.take_once(other).await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_read_while_all_are_sealed_anew_is_found() {
    let server = Arc::new(Server::start().await);
    let before = InRedis::new(&server, 0, key(1));
    for number in 0..1000 {
        put(&before, number, &full(number)).await;
    }
    let both = MasterKeys {
        current: key(2),
        previous: Some(key(1)),
    };
    let during = InRedis::new(&server, 0, both);
    let store = during.store();
    let resealing = tokio::spawn(async move { while store.purge().await.unwrap().more {} });
    let mut looks = 0;
    while !resealing.is_finished() || looks < 1000 {
        let number = looks % 1000;
        assert!(look(&during, number).await.is_some(), "{number}");
        looks += 1;
    }
    resealing.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn under_a_new_master_key_all_is_there_and_is_sealed_anew() {
    let server = Arc::new(Server::start().await);
    let before = InRedis::new(&server, 0, key(1));
    let mut versions = Vec::new();
    for number in 0..300 {
        versions.push(put(&before, number, &full(number)).await);
    }
    let both = MasterKeys {
        current: key(2),
        previous: Some(key(1)),
    };
    let during = InRedis::new(&server, 0, both);
    let store = during.store();
    assert_eq!(look(&during, 0).await.unwrap().version, versions[0]);
    let until = SystemClock.now().wall.plus(DAY);
    let written = contract::write(&store, 1, &full(9), Some(versions[1]), until).await;
    assert!(matches!(written, Written::Yes(_)));
    assert!(store.delete(&app(1), &openid(2)).await.unwrap());
    while store.purge().await.unwrap().more {}
    let sealed: i64 = server.ask(&["EXISTS", &before.key_of(5)]).await;
    assert_eq!(sealed, 0);
    let _: i64 = server.ask(&["DEL", "store0:store"]).await;
    let after = InRedis::new(&server, 0, key(2));
    assert_eq!(look(&after, 1).await.unwrap().record, full(9));
    assert_eq!(look(&after, 2).await, None);
    for (number, version) in (3..300).zip(&versions[3..]) {
        let held = look(&after, number).await.unwrap();
        assert_eq!((held.record, held.version), (full(number), *version));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_took_a_note_can_ask_again_and_nobody_else_can() {
    let server = Arc::new(Server::start().await);
    let subject = InRedis::new(&server, 0, key(1));
    let until = SystemClock.now().wall.plus(DAY);
    let (users, note) = (subject.users(), OnceKey([1; 32]));
    assert!(users.put_once(note, b"canary", until).await.unwrap());
    let (taker, other) = ([7; 16], [8; 16]);
    for _ in 0..2 {
        let taken = users.take(&note, taker).await.unwrap();
        assert_eq!(taken.as_deref(), Some(&b"canary"[..]));
        assert_eq!(users.take(&note, other).await.unwrap(), None);
    }
    assert_eq!(users.take_once(note).await.unwrap(), None);
    let left: i64 = server.ask(&["PTTL", &users.keys.taken(&note)]).await;
    assert!((1..=10_000).contains(&left), "{left}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_takes_no_writes_says_why_and_goes_on_reading_and_deleting() {
    let server = Arc::new(Server::start().await);
    let subject = InRedis::new(&server, 0, key(1));
    put(&subject, 1, &full(1)).await;
    let store = subject.store();
    let (app, there, new) = (app(1), openid(1), openid(2));
    let until = SystemClock.now().wall.plus(DAY);
    let _: String = server.ask(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let refused = store.write(&app, &new, &full(2), None, until).await;
    assert_eq!(
        refused.unwrap_err().to_string(),
        StoreError::from(Trouble::Full).to_string()
    );
    let refused = store.put_once(OnceKey([1; 32]), b"", until).await;
    assert_eq!(
        refused.unwrap_err().to_string(),
        StoreError::from(Trouble::Full).to_string()
    );
    assert!(store.read(&app, &there).await.unwrap().is_some());
    assert!(store.delete(&app, &there).await.unwrap());
    let _: String = server.ask(&["CONFIG", "SET", "maxmemory", "0"]).await;
    put(&subject, 2, &full(2)).await;
    assert_eq!(subject.opened.as_ref().unwrap().0.trouble(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_gone_says_so_and_one_that_was_emptied_has_lost_its_users_alone() {
    let mut server = Server::start().await;
    let holder = Arc::new(Server::start().await);
    let mut subject = InRedis::new(&holder, 0, key(1));
    let settings = Settings {
        address: server.url().parse().unwrap(),
        ca: None,
        sentinel_password: None,
        prefix: "store0".parse().unwrap(),
    };
    let (store, _) = RedisStore::open(settings, key(1).into(), Arc::new(SystemClock)).unwrap();
    let users = Arc::new(store.users());
    subject.opened = Some((store, users));
    put(&subject, 1, &full(1)).await;
    server.kill();
    let (app, openid) = (app(1), openid(1));
    let store = subject.store();
    let refused = store.read(&app, &openid).await.unwrap_err();
    assert!(
        refused.to_string().contains("cannot be reached"),
        "{refused}"
    );
    server.restart().await;
    let back = async {
        while store.read(&app, &openid).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), back)
        .await
        .unwrap();
    assert_eq!(look(&subject, 1).await, None, "nothing was saved");
    put(&subject, 1, &full(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_meets_everybody_once_and_nothing_else() {
    let server = Arc::new(Server::start().await);
    let subject = InRedis::new(&server, 0, key(1));
    for number in 0..2500 {
        put(&subject, number, &full(number)).await;
    }
    let _: String = server
        .ask(&["SET", "store0:{u001}:user:strange", "x"])
        .await;
    let until = SystemClock.now().wall.plus(DAY);
    subject
        .store()
        .put_once(OnceKey([1; 32]), b"", until)
        .await
        .unwrap();
    let mut met = Vec::new();
    let mut each = |found| {
        let Met::User(user) = found else {
            panic!("{found:?}");
        };
        met.push((user.openid, user.record));
        true
    };
    subject.users().each(&mut each).await.unwrap();
    met.sort_by(|one, other| one.0.cmp(&other.0));
    let wanted: Vec<_> = (0..2500)
        .map(|number| (openid(number), full(number)))
        .collect();
    assert_eq!(met, wanted);
}
