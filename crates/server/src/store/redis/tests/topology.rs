//! Behind TLS, behind sentinels, and as a cluster: real processes each time.

use std::sync::Arc;

use redis::FromRedisValue;

use super::server::free_port;
use super::*;

#[tokio::test]
async fn tls_needs_the_ca_that_signed_and_the_name_in_the_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (cert, secret) = (
        folder.path().join("cert.pem"),
        folder.path().join("key.pem"),
    );
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&secret, made.signing_key.serialize_pem()).unwrap();
    let (cert, secret) = (cert.to_str().unwrap(), secret.to_str().unwrap());
    let port = free_port();
    let _server = Server::start_with(
        &[
            &["--tls-port", &port.to_string(), "--tls-auth-clients", "no"][..],
            &[
                "--tls-cert-file",
                cert,
                "--tls-key-file",
                secret,
                "--tls-ca-cert-file",
                cert,
            ],
        ]
        .concat(),
    )
    .await;
    let connect = async |host: &str, ca: Option<String>| {
        let mut settings = settings(&format!("rediss://{host}:{port}"));
        settings.ca = ca.map(String::into_bytes);
        RedisStore::connect(settings, key(1).into(), Arc::new(SystemClock)).await
    };
    let (store, _) = connect("127.0.0.1", Some(made.cert.pem())).await.unwrap();
    assert_eq!(load(&store).await, Default::default());
    let other = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    for (host, ca) in [
        ("127.0.0.1", Some(other.cert.pem())),
        ("localhost", Some(made.cert.pem())),
        ("127.0.0.1", None),
    ] {
        let trouble = connect(host, ca).await.map(drop).unwrap_err();
        assert!(matches!(trouble, Trouble::Tls { .. }), "{trouble:?}");
    }
}

#[tokio::test]
async fn a_failover_by_sentinel_is_followed() {
    let mut master = Server::start_with(&["--repl-diskless-sync-delay", "0"]).await;
    let at = master.port.to_string();
    let replica = Server::start_with(&["--replicaof", &format!("127.0.0.1 {at}")]).await;
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("sentinel.conf");
    let lines = format!(
        "sentinel monitor main 127.0.0.1 {at} 1\nsentinel down-after-milliseconds main 500\nsentinel failover-timeout main 2000\n"
    );
    std::fs::write(&config, lines).unwrap();
    let sentinel = Server::start_with(&[config.to_str().unwrap(), "--sentinel"]).await;
    let url = format!(
        "redis+sentinel://127.0.0.1:1,127.0.0.1:{}/main",
        sentinel.port
    );
    let (store, _) = RedisStore::connect(settings(&url), key(1).into(), Arc::new(SystemClock))
        .await
        .unwrap();
    let (fence, _) = won_at_last(&store, &app(1)).await;
    store.write(&app(1), &full_record(), fence).await.unwrap();
    until(
        "the replica has it, and the sentinel knows the replica",
        async || {
            let record = "wxtoken:{wx0000000000000001}:record";
            let known: String = sentinel.ask(&["INFO", "sentinel"]).await;
            replica.ask::<i64>(&["HEXISTS", record, "b"]).await == 1 && known.contains("slaves=1")
        },
    )
    .await;
    master.kill();
    let mut newest = generation(full_record(), 0, 1_900_000_000_000);
    let refused = store.write(&app(1), &newest, fence).await;
    assert!(refused.is_err(), "the master is gone");
    let (later, record) = won_at_last(&store, &app(1)).await;
    assert!(later.epoch > fence.epoch, "a new master is a new life");
    assert_eq!(record, Some(full_record()));
    newest.budgets.counts[0].slots[0] += 1;
    store.write(&app(1), &newest, later).await.unwrap();
    let role: String = replica.ask(&["INFO", "replication"]).await;
    assert!(role.contains("role:master"));
    let nobody = url.replace("/main", "/other");
    let unknown =
        RedisStore::connect(settings(&nobody), key(1).into(), Arc::new(SystemClock)).await;
    assert_eq!(unknown.map(drop).unwrap_err().name(), "no_master");
}

struct Cluster {
    nodes: [Server; 3],
}

impl Cluster {
    async fn start() -> Self {
        let options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"];
        let nodes = [
            Server::start_with(&options).await,
            Server::start_with(&options).await,
            Server::start_with(&options).await,
        ];
        for (node, (first, last)) in
            nodes
                .iter()
                .zip([("0", "5460"), ("5461", "10922"), ("10923", "16383")])
        {
            let _: String = node.ask(&["CLUSTER", "ADDSLOTSRANGE", first, last]).await;
        }
        for (node, epoch) in nodes.iter().zip(["1", "2", "3"]) {
            let _: String = node.ask(&["CLUSTER", "SET-CONFIG-EPOCH", epoch]).await;
        }
        for node in &nodes[1..] {
            let _: String = nodes[0]
                .ask(&["CLUSTER", "MEET", "127.0.0.1", &node.port.to_string()])
                .await;
        }
        let cluster = Self { nodes };
        until("the cluster is whole", async || {
            let mut whole = true;
            for node in &cluster.nodes {
                let info: String = node.ask(&["CLUSTER", "INFO"]).await;
                whole &=
                    info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3");
            }
            whole
        })
        .await;
        cluster
    }

    fn url(&self) -> String {
        format!(
            "redis-cluster://127.0.0.1:{},127.0.0.1:{}",
            self.nodes[0].port, self.nodes[1].port
        )
    }

    /// Asks the one node that has the key.
    async fn ask<T: FromRedisValue + Default>(&self, words: &[&str]) -> T {
        for node in &self.nodes {
            if let Ok(answer) = node.try_ask(words).await {
                return answer;
            }
        }
        T::default()
    }
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

/// Waits for what takes Redis a moment.
async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LONG, waiting).await.expect(what);
}
