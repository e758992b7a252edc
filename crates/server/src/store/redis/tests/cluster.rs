//! A cluster of three: real processes.

use wxtoken_core::store::Loaded;

use super::*;
use crate::redis::testing::Cluster;

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
