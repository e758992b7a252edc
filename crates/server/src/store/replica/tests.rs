//! The store of a replica, with a real Redis: what the copy on disk is good for.

use std::path::Path;

use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::super::EmbeddedStore;
use super::super::contract::records::{app, full_record};
use super::super::contract::{generation, load};
use super::super::keys::MasterKey;
use super::super::keys::tests::key;
use super::super::redis::{Prefix, Settings, Trouble};
use super::super::rekey::rekeyed;
use super::super::serving::News;
use super::*;
use crate::clock::SystemClock;
use crate::redis::testing::Server;

const HOLDS: Duration = Duration::from_secs(30);
/// Waiting for what surely comes must end, too.
const LONG: Duration = Duration::from_secs(20);

async fn open_with(url: &str, here: &Path, key: &MasterKey) -> Result<ReplicaStore, Trouble> {
    let clock = Arc::new(SystemClock);
    let copy = EmbeddedStore::open(here, key.clone().into(), clock.clone()).unwrap();
    ReplicaStore::open(settings(url), copy, key.clone().into(), clock).await
}

fn settings(url: &str) -> Settings {
    Settings {
        address: url.parse().unwrap(),
        ca: None,
        sentinel_password: None,
        prefix: Prefix::default(),
    }
}

/// With a disk that answers nothing, until the second is dropped.
async fn open_on_a_hanging_disk(
    server: &Server,
    here: &TempDir,
) -> (Arc<ReplicaStore>, std::sync::mpsc::Sender<()>) {
    let clock = Arc::new(SystemClock);
    let copy = EmbeddedStore::open(here.path(), key(1).into(), clock.clone()).unwrap();
    let held = copy.hold();
    let settings = settings(&server.url());
    let store = ReplicaStore::open(settings, copy, key(1).into(), clock).await;
    (Arc::new(store.unwrap()), held)
}

async fn open(server: &Server, here: &TempDir) -> Arc<ReplicaStore> {
    Arc::new(
        open_with(&server.url(), here.path(), &key(1))
            .await
            .unwrap(),
    )
}

/// Closes it, so that it can be opened again.
async fn close(store: Arc<ReplicaStore>) {
    Arc::clone(&store).stop().await;
    drop(store);
}

async fn won(store: &ReplicaStore) -> (Fence, Option<Box<Record>>) {
    let asking = async {
        loop {
            match store.lease(&app(1), HOLDS).await {
                Ok(Lease::Won { fence, record, .. }) => return (fence, record),
                Ok(Lease::Taken { free_in }) => tokio::time::sleep(free_in).await,
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    };
    let won = tokio::time::timeout(LONG, asking).await;
    won.expect("the lease comes free")
}

fn record(newest: u64) -> Record {
    let record = rekeyed(full_record(), &key(1).value_hasher());
    generation(record, 0, newest)
}

async fn generation_of(store: &ReplicaStore) -> Option<u64> {
    let held = load(store).await;
    held.0
        .get(&app(1))
        .map(|record| record.handed_out[0].generation.0)
}

#[tokio::test]
async fn what_was_written_is_served_by_a_start_without_redis() {
    let (mut server, here) = (Server::start().await, tempfile::tempdir().unwrap());
    let store = open(&server, &here).await;
    let (fence, none) = won(&store).await;
    assert!(none.is_none());
    store.write(&app(1), &record(70), fence).await.unwrap();
    close(store).await;
    server.kill();
    let store = open(&server, &here).await;
    assert_eq!(generation_of(&store).await, Some(70));
    assert!(
        store.lease(&app(1), HOLDS).await.is_err(),
        "but nothing is leased"
    );
    let looked = store.lease(&app(1), Duration::ZERO).await.unwrap();
    assert!(matches!(
        looked,
        Lease::Won {
            record: Some(_),
            ..
        }
    ));
}

#[tokio::test]
async fn the_copy_gives_an_emptied_redis_back_what_it_had_and_a_newer_redis_is_believed() {
    let (mut server, here) = (Server::start().await, tempfile::tempdir().unwrap());
    let store = open(&server, &here).await;
    let (fence, _) = won(&store).await;
    store.write(&app(1), &record(70), fence).await.unwrap();
    close(store).await;
    server.restart().await; // it had saved nothing
    let store = open(&server, &here).await;
    assert_eq!(generation_of(&store).await, Some(70));
    let (fence, held) = won(&store).await;
    assert_eq!(held.unwrap().handed_out[0].generation.0, 70);
    store.write(&app(1), &record(71), fence).await.unwrap();
    close(store).await;
    // Another machine, without a copy; then the first again, whose copy is older by then.
    let elsewhere = tempfile::tempdir().unwrap();
    let other = open(&server, &elsewhere).await;
    assert_eq!(generation_of(&other).await, Some(71));
    let (fence, _) = won(&other).await;
    other.write(&app(1), &record(72), fence).await.unwrap();
    close(other).await;
    let store = open(&server, &here).await;
    assert_eq!(generation_of(&store).await, Some(72));
}

#[tokio::test]
async fn what_was_handed_out_without_redis_is_known_after_a_restart() {
    let (mut server, here) = (Server::start().await, tempfile::tempdir().unwrap());
    let store = open(&server, &here).await;
    let (fence, _) = won(&store).await;
    store.write(&app(1), &record(70), fence).await.unwrap();
    server.kill();
    store.handed_out(&app(1), record(75));
    close(store).await;
    server.restart().await;
    let store = open(&server, &here).await;
    assert_eq!(generation_of(&store).await, Some(75));
    let (_, held) = won(&store).await;
    assert_eq!(
        held.unwrap().handed_out[0].generation.0,
        75,
        "and is given to Redis"
    );
}

#[tokio::test]
async fn another_master_key_ends_a_start_and_is_told_when_it_is_found_later() {
    let (mut server, here) = (Server::start().await, tempfile::tempdir().unwrap());
    close(open(&server, &here).await).await;
    let other = tempfile::tempdir().unwrap();
    let wrong = open_with(&server.url(), other.path(), &key(2)).await;
    assert_eq!(wrong.unwrap_err(), Trouble::WrongKey);
    server.ask::<String>(&["SAVE"]).await;
    server.kill();
    let store = open_with(&server.url(), other.path(), &key(2)).await;
    let store = store.expect("that Redis is away is no error");
    server.restart().await;
    let finds = async {
        while store.health().trouble.map(|(trouble, _)| trouble) != Some(Trouble::WrongKey) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LONG, finds)
        .await
        .expect("it is found");
    assert!(store.lease(&app(1), HOLDS).await.is_err());
}

#[tokio::test]
async fn an_app_that_is_added_finds_its_record_in_a_redis_that_takes_no_writes() {
    let server = Server::start().await;
    let places = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (one, other) = (
        open(&server, &places[0]).await,
        open(&server, &places[1]).await,
    );
    let (fence, _) = won(&one).await;
    one.write(&app(1), &record(70), fence).await.unwrap();
    close(one).await;
    let row = format!("wxtoken:{{{}}}:record", app(1));
    // A mark that the app is gone would be taken away, if it could be.
    let marked = ["HSET", &row, "gone", "00000001795000000000"];
    server.ask::<i64>(&marked).await;
    let refuse = ["CONFIG", "SET", "min-replicas-to-write", "1"];
    server.ask::<String>(&refuse).await;
    let looked = other.lease(&app(1), Duration::ZERO).await.unwrap();
    let Lease::Won { record, .. } = looked else {
        panic!("a look is always granted")
    };
    assert_eq!(record.unwrap().handed_out[0].generation.0, 70);
}

fn ears() -> (Ears, UnboundedReceiver<News>) {
    let (tell, told) = unbounded_channel();
    let ears = Ears {
        wants: Arc::new(|wanted| *wanted == app(1)),
        hear: Arc::new(move |news| drop(tell.send(news))),
    };
    (ears, told)
}

async fn next(told: &mut UnboundedReceiver<News>) -> News {
    let news = tokio::time::timeout(LONG, told.recv()).await;
    news.expect("it is told").expect("somebody tells")
}

#[tokio::test]
async fn what_one_does_the_other_hears_and_keeps() {
    let server = Server::start().await;
    let places = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (one, other) = (
        open(&server, &places[0]).await,
        open(&server, &places[1]).await,
    );
    let (ears, mut told) = ears();
    let following = tokio::spawn(Arc::clone(&other).follow(ears));
    one.revoke(7, 1_900_000_000_000).await.unwrap();
    assert!(matches!(
        next(&mut told).await,
        News::Revoked(7, 1_900_000_000_000)
    ));
    let (fence, _) = won(&one).await;
    one.write(&app(1), &record(70), fence).await.unwrap();
    one.release(&app(1), fence).await;
    let mut heard = Vec::new();
    while heard.len() < 2 {
        match next(&mut told).await {
            News::Learned(_, record) if record.handed_out[0].generation.0 == 70 => {
                heard.push("learned");
            }
            News::Freed(_) => heard.push("freed"),
            News::Learned(..) | News::Lost(..) | News::Revoked(..) => {}
        }
    }
    assert_eq!(heard, ["learned", "freed"], "the value first");
    following.abort();
    let _ended = following.await;
    close(other).await;
    let copy = EmbeddedStore::open(places[1].path(), key(1).into(), Arc::new(SystemClock)).unwrap();
    assert_eq!(copy.revoked().epoch_of(7), 1_900_000_000_000);
    assert_eq!(load(&copy).await.0[&app(1)].handed_out[0].generation.0, 70);
}

#[tokio::test]
async fn what_was_revoked_elsewhere_before_a_start_is_kept_here_though_nobody_follows() {
    let server = Server::start().await;
    let places = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let one = open(&server, &places[0]).await;
    one.revoke(7, 1_900_000_000_000).await.unwrap();
    close(open(&server, &places[1]).await).await;
    let copy = EmbeddedStore::open(places[1].path(), key(1).into(), Arc::new(SystemClock)).unwrap();
    assert_eq!(copy.revoked().epoch_of(7), 1_900_000_000_000);
}

/// Lets a machine in that comes as `away`, or cuts it off.
async fn let_in(server: &Server, is_in: bool) {
    let is_in = if is_in { "on" } else { "off" };
    let words = ["ACL", "SETUSER", "away", is_in, ">p", "~*", "&*", "+@all"];
    server.ask::<String>(&words).await;
    server.ask::<i64>(&["CLIENT", "KILL", "USER", "away"]).await;
}

#[tokio::test]
async fn what_another_has_put_back_into_an_emptied_redis_is_told_to_who_had_missed_it() {
    let mut server = Server::start().await;
    let places = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let_in(&server, true).await;
    let url = format!("redis://away:p@127.0.0.1:{}", server.port);
    let one = open(&server, &places[0]).await;
    let other = open_with(&url, places[1].path(), &key(1)).await.unwrap();
    let (other, (ears, mut told)) = (Arc::new(other), ears());
    let following = tokio::spawn(Arc::clone(&other).follow(ears));
    let (fence, _) = won(&one).await;
    one.write(&app(1), &record(70), fence).await.unwrap();
    until_learned(&mut told, 70).await;
    let_in(&server, false).await;
    one.write(&app(1), &record(71), fence).await.unwrap();
    server.restart().await; // it had saved nothing
    let row = format!("wxtoken:{{{}}}:record", app(1));
    let filled = async {
        while server.ask::<i64>(&["HEXISTS", &row, "b"]).await == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let filled = tokio::time::timeout(LONG, filled).await;
    filled.expect("it is put back");
    let_in(&server, true).await;
    until_learned(&mut told, 71).await;
    following.abort();
}

async fn until_learned(told: &mut UnboundedReceiver<News>, newest: u64) {
    loop {
        if let News::Learned(_, record) = next(told).await
            && record.handed_out[0].generation.0 == newest
        {
            return;
        }
    }
}

const EPOCH: u64 = 1_900_000_000_000;

#[tokio::test]
async fn a_revocation_counts_and_is_told_though_the_disk_answers_nothing() {
    let server = Server::start().await;
    let places = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let one = open(&server, &places[0]).await;
    let (other, held) = open_on_a_hanging_disk(&server, &places[1]).await;
    let (ears, mut told) = ears();
    let following = tokio::spawn(Arc::clone(&other).follow(ears));
    one.revoke(7, EPOCH).await.unwrap();
    assert!(matches!(next(&mut told).await, News::Revoked(7, EPOCH)));
    let revoked = tokio::time::timeout(LONG, other.revoke(8, EPOCH)).await;
    revoked.expect("the disk is not waited for").unwrap();
    let count = ["HLEN", "wxtoken:revoked"];
    assert_eq!(server.ask::<i64>(&count).await, 2);
    drop(held);
    following.abort();
    let _ended = following.await;
    close(other).await;
    let copy = EmbeddedStore::open(places[1].path(), key(1).into(), Arc::new(SystemClock)).unwrap();
    assert_eq!(
        [7, 8].map(|caller| copy.revoked().epoch_of(caller)),
        [EPOCH; 2]
    );
}

#[tokio::test]
async fn apps_that_are_forgotten_keep_nobody_waiting_while_the_disk_answers_nothing() {
    let (server, here) = (Server::start().await, tempfile::tempdir().unwrap());
    let (store, held) = open_on_a_hanging_disk(&server, &here).await;
    let forgets = (2..500).map(|number| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.forget(&app(number)).await })
    });
    let forgets: Vec<_> = forgets.collect();
    let (fence, _) = won(&store).await;
    store.write(&app(1), &record(70), fence).await.unwrap();
    drop(held);
    for forgotten in forgets {
        forgotten.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn every_caller_that_was_removed_is_told_once_redis_is_back() {
    let (mut server, here) = (Server::start().await, tempfile::tempdir().unwrap());
    let store = open(&server, &here).await;
    let callers = [7, 8].map(|caller| Configured {
        caller,
        is_handed_virtual: true,
    });
    store
        .settle(callers.to_vec(), Wall(EPOCH - 1))
        .await
        .unwrap();
    close(store).await;
    let store = open(&server, &here).await;
    server.kill();
    let settled = store.settle(Vec::new(), Wall(EPOCH)).await;
    assert!(settled.is_err(), "Redis is away");
    server.restart().await;
    let told = async {
        while server.ask::<i64>(&["HLEN", "wxtoken:revoked"]).await < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let told = tokio::time::timeout(LONG, told).await;
    told.expect("both are told");
}

#[tokio::test]
async fn the_copy_keeps_the_newest_of_each_kind_whichever_came_last() {
    let (server, here) = (Server::start().await, tempfile::tempdir().unwrap());
    let kept = || {
        let copy = EmbeddedStore::open(here.path(), key(1).into(), Arc::new(SystemClock)).unwrap();
        async move {
            let records = load(&copy).await.0;
            records[&app(1)].handed_out.map(|out| out.generation.0)
        }
    };
    let store = open(&server, &here).await;
    // What was read before it was written comes after it.
    for newest in [75, 72] {
        store.handed_out(&app(1), record(newest));
    }
    close(store).await;
    assert_eq!(kept().await[0], 75);
    let store = open(&server, &here).await;
    store.handed_out(&app(1), generation(record(76), 1, EPOCH));
    store.handed_out(&app(1), generation(record(73), 1, EPOCH + 1));
    close(store).await;
    assert_eq!(kept().await[..2], [76, EPOCH + 1]);
    // And though the disk holds one of the two.
    let store = open(&server, &here).await;
    store.handed_out(&app(1), generation(record(74), 1, EPOCH + 2));
    close(store).await;
    assert_eq!(kept().await[..2], [76, EPOCH + 2]);
}
