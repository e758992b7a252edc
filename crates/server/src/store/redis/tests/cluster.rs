//! A cluster of three: real processes.

use wxtoken_core::store::Loaded;

use super::*;
use crate::redis::testing::Cluster;

/// As in the world, but that a node is found to be silent sooner, and leases end sooner.
const HASTY: Timing = Timing {
    connect: Duration::from_millis(300),
    answer: Duration::from_millis(900),
    lease: Duration::from_millis(1000),
    keep: Duration::from_millis(300),
    ..QUICK
};

fn signal(server: &Server, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(server.pid().cast_signed()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// Whether every node has every other for well.
async fn all_see_all(cluster: &Cluster) -> bool {
    for node in &cluster.nodes {
        let state = node.try_ask::<String>(&["CLUSTER", "INFO"]).await;
        let well = ["cluster_state:ok", "cluster_slots_ok:16384"];
        if !state.is_ok_and(|state| well.iter().all(|sign| state.contains(sign))) {
            return false;
        }
    }
    true
}

/// The node that has the app's row.
async fn home_of(cluster: &Cluster, app: &AppId) -> usize {
    let key = format!("wxtoken:{{{app}}}:record");
    for (at, node) in cluster.nodes.iter().enumerate() {
        if node.try_ask::<i64>(&["EXISTS", &key]).await.is_ok() {
            return at;
        }
    }
    panic!("no node has {key}")
}

/// A store of its own, by its prefix, in a cluster that it shares.
struct InCluster {
    cluster: Arc<Cluster>,
    prefix: String,
    store: Option<RedisStore>,
}

impl InCluster {
    fn opened(&self) -> Option<RedisStore> {
        let mut settings = settings(&self.cluster.url());
        settings.prefix = self.prefix.parse().unwrap();
        Some(
            RedisStore::with(settings, key(1).into(), Arc::new(SystemClock), QUICK)
                .unwrap()
                .0,
        )
    }
}

#[async_trait]
impl Subject for InCluster {
    fn store(&self) -> &dyn RecordStore {
        self.store.as_ref().unwrap()
    }
    async fn reopened(mut self: Box<Self>) -> Box<dyn Subject> {
        self.store.take().unwrap().stop().await;
        self.store = self.opened();
        self
    }
    async fn damage(&mut self, app: &AppId) -> bool {
        let key = format!("{}:{{{app}}}:record", self.prefix);
        let _: i64 = self
            .cluster
            .ask(&["HSET", &key, "b", "something else"])
            .await;
        true
    }
}

#[tokio::test]
async fn a_cluster_keeps_the_contract_and_tells_of_changes() {
    let cluster = Arc::new(Cluster::start().await);
    let fresh = std::cell::Cell::new(0);
    contract::check(|| {
        let number = fresh.replace(fresh.get() + 1);
        let mut subject = InCluster {
            cluster: Arc::clone(&cluster),
            prefix: format!("store{number}"),
            store: None,
        };
        subject.store = subject.opened();
        async { Box::new(subject) as Box<dyn Subject> }
    })
    .await;
    let writer = store(&cluster.url(), QUICK);
    let (reader, mut changes) = open(&cluster.url(), key(1), QUICK);
    for number in 0..6 {
        let (fence, _) = won(&writer, &app(number)).await;
        assert_eq!(reader.read(&app(number)).await.unwrap(), None);
        writer
            .write(&app(number), &full_record(), fence)
            .await
            .unwrap();
        let heard = async {
            while !matches!(changes.recv().await, Some(Change::Changed { app: whose, .. }) if whose == app(number))
            {
            }
        };
        tokio::time::timeout(LONG, heard).await.unwrap();
    }
    assert_eq!(load(&reader).await.0.len(), 6);
}

#[tokio::test]
async fn a_cluster_node_that_is_lost_and_comes_back_empty_is_filled_again() {
    let mut cluster = Cluster::start().await;
    let keeper = store(&cluster.url(), QUICK);
    for number in 0..6 {
        let (fence, _) = won(&keeper, &app(number)).await;
        keeper
            .write(&app(number), &full_record(), fence)
            .await
            .unwrap();
    }
    let records = cluster.nodes[2].ask::<i64>(&["DBSIZE"]).await;
    assert!(records > 0, "something is there to be lost");
    cluster.nodes[2].kill();
    cluster.nodes[2].restart().await;
    let fresh = store(&cluster.url(), QUICK);
    until("all is there again", async || {
        let mut found = 0;
        let counted = fresh
            .load_all(&mut |loaded| found += u32::from(matches!(loaded, Loaded::Record(..))))
            .await;
        counted.is_ok() && found >= 6
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_falls_silent_keeps_no_lease_of_the_others_from_living_and_no_write_from_landing()
 {
    let cluster = Cluster::start().await;
    for node in &cluster.nodes {
        let _: String = node
            .ask(&["CONFIG", "SET", "cluster-require-full-coverage", "no"])
            .await;
    }
    let (store, changes) = open(&cluster.url(), key(1), HASTY);
    // Whichever it is: one of them has the store's own key, too.
    for silent in 0..cluster.nodes.len() {
        let mut held = Vec::new();
        for number in 0..9 {
            let (fence, _) = won_at_last(&store, &app(number)).await;
            held.push((app(number), fence, home_of(&cluster, &app(number)).await));
        }
        signal(&cluster.nodes[silent], rustix::process::Signal::STOP);
        until("it is noticed", async || {
            let (lost, fence, _) = held.iter().find(|(.., home)| *home == silent).unwrap();
            let _ = store.write(lost, &full_record(), *fence).await;
            store.trouble().is_some()
        })
        .await;
        // Two lives of a lease.
        for _ in 0..20 {
            for (app, fence, home) in &held {
                if *home == silent {
                    continue;
                }
                let key = format!("wxtoken:{{{app}}}:lease");
                let lives = cluster.nodes[*home].ask::<i64>(&["EXISTS", &key]).await;
                assert_eq!(lives, 1, "{app} while node {silent} is silent");
                store.write(app, &full_record(), *fence).await.unwrap();
            }
            assert!(
                store.trouble().is_some(),
                "what works says nothing of {silent}"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        signal(&cluster.nodes[silent], rustix::process::Signal::CONT);
        until("all is well again", async || {
            store.trouble().is_none() && all_see_all(&cluster).await
        })
        .await;
    }
    drop(changes);
}

#[tokio::test]
async fn one_node_alone_is_not_asked_again_and_again_for_what_others_have() {
    let cluster = Cluster::start().await;
    for node in &cluster.nodes {
        let alone = store(&node.url(), QUICK);
        if alone.reach().await.is_err() {
            continue; // the store's own key is elsewhere
        }
        for number in 0..200 {
            let _ = alone.lease(&app(number), HOLDS).await;
        }
        assert_eq!(alone.trouble().unwrap().name(), "not_redis");
        let reconnects = alone.health().reconnects;
        assert!(reconnects <= 3, "{reconnects}");
        return;
    }
    panic!("nobody has it");
}

#[tokio::test]
async fn a_cluster_says_why_it_lets_nobody_in() {
    let cluster = Cluster::start().await;
    for node in &cluster.nodes {
        let _: String = node.ask(&["CONFIG", "SET", "requirepass", "wanted"]).await;
    }
    let refused = RedisStore::connect(
        settings(&cluster.url()),
        key(1).into(),
        Arc::new(SystemClock),
    )
    .await;
    assert_eq!(refused.map(drop).unwrap_err().name(), "auth");
}
