//! The store in Redis, against real servers: the contract first, then what only Redis can do to it.

mod clocks;
mod cluster;
mod epochs;
mod expected;
mod leases;
mod sealing;
mod storm;
mod strangers;
mod topology;
mod troubles;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc::UnboundedReceiver;
use wxtoken_core::clock::Wall;
use wxtoken_core::store::{Fence, Lease, RecordStore};

use super::super::contract::records::{app, full_record};
use super::super::contract::{self, Subject, generation, load, won};
use super::super::keys::MasterKeys;
use super::super::keys::tests::key;
use super::super::precedence::NO_FENCE;
use super::kept::AGAIN;
use super::settings::Timing;
use super::*;
use crate::clock::SystemClock;
use crate::redis::testing::Server;

/// Real times, shortened; nobody has anything to offer.
const QUICK: Timing = Timing {
    connect: Duration::from_secs(2),
    answer: Duration::from_secs(2),
    lease: Duration::from_secs(60),
    keep: Duration::from_millis(100),
    offers: Duration::ZERO,
    compare: Duration::from_millis(100),
};

const HOLDS: Duration = Duration::from_secs(30);

/// Waiting for what surely comes must end, too.
const LONG: Duration = Duration::from_secs(20);

fn settings(url: &str) -> Settings {
    Settings {
        address: url.parse().unwrap(),
        ca: None,
        sentinel_password: None,
        prefix: Prefix::default(),
    }
}

fn open(
    url: &str,
    keys: impl Into<MasterKeys>,
    timing: Timing,
) -> (RedisStore, UnboundedReceiver<Change>) {
    RedisStore::with(settings(url), keys.into(), Arc::new(SystemClock), timing).unwrap()
}

fn store(url: &str, timing: Timing) -> RedisStore {
    open(url, key(1), timing).0
}

/// As after SIGKILL: nothing is given back.
async fn crash(store: RedisStore) {
    store.leases.abandon();
    store.stop().await;
}

/// Records of the first three apps.
async fn three_records(server: &Server) {
    let writer = store(&server.url(), QUICK);
    for number in 1..=3 {
        let (fence, _) = won(&writer, &app(number)).await;
        let written = writer.write(&app(number), &full_record(), fence).await;
        written.unwrap();
    }
}

/// Asks for the lease until it is there.
async fn won_at_last(store: &RedisStore, app: &AppId) -> (Fence, Option<Record>) {
    let asking = async {
        loop {
            match store.lease(app, HOLDS).await {
                Ok(Lease::Won { fence, record, .. }) => {
                    return (fence, record.map(|record| *record));
                }
                Ok(Lease::Taken { free_in }) => tokio::time::sleep(free_in.min(AGAIN)).await,
                Err(StoreError::Unavailable(_)) => tokio::time::sleep(AGAIN).await,
                Err(error) => panic!("{error}"),
            }
        }
    };
    tokio::time::timeout(LONG, asking)
        .await
        .expect("the lease comes free")
}

async fn is_taken(store: &RedisStore, app: &AppId) -> bool {
    matches!(store.lease(app, HOLDS).await.unwrap(), Lease::Taken { .. })
}

/// Waits for what takes Redis a moment.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LONG, waiting).await.expect(what);
}

struct InRedis {
    store: Option<RedisStore>,
    server: Server,
}

#[async_trait]
impl Subject for InRedis {
    fn store(&self) -> &dyn RecordStore {
        self.store.as_ref().unwrap()
    }
    async fn reopened(mut self: Box<Self>) -> Box<dyn Subject> {
        self.store.take().unwrap().stop().await;
        self.store = Some(store(&self.server.url(), QUICK));
        self
    }
    async fn damage(&mut self, app: &AppId) -> bool {
        let key = format!("wxtoken:{{{app}}}:record");
        let added: i64 = self
            .server
            .ask(&["HSET", &key, "b", "something else"])
            .await;
        added == 0
    }
}

#[tokio::test]
async fn the_redis_store_keeps_the_contract() {
    contract::check(async || {
        let server = Server::start().await;
        let store = Some(store(&server.url(), QUICK));
        Box::new(InRedis { store, server }) as Box<dyn Subject>
    })
    .await;
}
