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
    let settings = Settings {
        address: url.parse().unwrap(),
        ca: None,
        sentinel_password: None,
        prefix: Prefix::default(),
    };
    let copy = EmbeddedStore::open(here, key.clone().into(), clock.clone()).unwrap();
    ReplicaStore::open(settings, copy, key.clone().into(), clock).await
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
