//! Behind TLS, and behind sentinels: real processes each time.

use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::redis::testing::free_port;

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

/// A master, its replica, and a sentinel that watches them.
struct Watched {
    master: Server,
    replica: Server,
    sentinel: Server,
    _folder: TempDir,
}

impl Watched {
    async fn start() -> Self {
        let master = Server::start_with(&["--repl-diskless-sync-delay", "0"]).await;
        let at = master.port.to_string();
        let replica = Server::start_with(&["--replicaof", &format!("127.0.0.1 {at}")]).await;
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("sentinel.conf");
        let lines = format!(
            "sentinel monitor main 127.0.0.1 {at} 1\nsentinel down-after-milliseconds main 500\nsentinel failover-timeout main 2000\n"
        );
        std::fs::write(&config, lines).unwrap();
        let sentinel = Server::start_with(&[config.to_str().unwrap(), "--sentinel"]).await;
        Self {
            master,
            replica,
            sentinel,
            _folder: folder,
        }
    }

    /// With a sentinel that is not there named first.
    fn url(&self) -> String {
        let port = self.sentinel.port;
        format!("redis+sentinel://127.0.0.1:1,127.0.0.1:{port}/main")
    }

    /// A store that has written a record, which has reached the replica.
    async fn written(&self) -> (RedisStore, Fence) {
        let settings = settings(&self.url());
        let connected = RedisStore::connect(settings, key(1).into(), Arc::new(SystemClock)).await;
        let (store, _) = connected.unwrap();
        let (fence, _) = won_at_last(&store, &app(1)).await;
        store.write(&app(1), &full_record(), fence).await.unwrap();
        let record = "wxtoken:{wx0000000000000001}:record";
        until("the replica has it and is known", async || {
            let known: String = self.sentinel.ask(&["INFO", "sentinel"]).await;
            known.contains("slaves=1")
                && self.replica.ask::<i64>(&["HEXISTS", record, "b"]).await == 1
        })
        .await;
        (store, fence)
    }

    /// The lease in a later epoch, and the record that was written before.
    async fn later(&self, store: &RedisStore, fence: Fence) -> Fence {
        let newest = std::cell::Cell::new(fence);
        until("a new master is a new life", async || {
            if let Ok(Lease::Won { fence, record, .. }) = store.lease(&app(1), HOLDS).await {
                assert_eq!(record.as_deref(), Some(&full_record()));
                newest.set(fence);
            }
            newest.get().epoch > fence.epoch
        })
        .await;
        let at = store.rows.link.live().await.unwrap().at;
        assert_eq!(at, format!("127.0.0.1:{}", self.replica.port));
        newest.get()
    }
}

#[tokio::test]
async fn a_failover_by_sentinel_is_followed() {
    let mut watched = Watched::start().await;
    let (store, fence) = watched.written().await;
    watched.master.kill();
    let refused = store.write(&app(1), &full_record(), fence).await;
    assert!(refused.is_err(), "the master is gone");
    let later = watched.later(&store, fence).await;
    store.write(&app(1), &full_record(), later).await.unwrap();
    let nobody = watched.url().replace("/main", "/other");
    let unknown =
        RedisStore::connect(settings(&nobody), key(1).into(), Arc::new(SystemClock)).await;
    assert_eq!(unknown.map(drop).unwrap_err().name(), "no_master");
}

#[tokio::test]
async fn a_failover_that_kills_nobody_is_followed_too() {
    let watched = Watched::start().await;
    let (store, fence) = watched.written().await;
    let _: String = watched
        .sentinel
        .ask(&["SENTINEL", "FAILOVER", "main"])
        .await;
    let later = watched.later(&store, fence).await;
    store.write(&app(1), &full_record(), later).await.unwrap();
}

#[tokio::test]
async fn a_sentinel_that_is_silent_keeps_nobody_from_the_master() {
    let watched = Watched::start().await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = silent.local_addr().unwrap().port();
    let url = watched
        .url()
        .replace("127.0.0.1:1,", &format!("127.0.0.1:{at},"));
    let timing = Timing {
        connect: 2 * LONG,
        ..QUICK
    };
    let asked = store(&url, timing);
    let (fence, _) = tokio::time::timeout(LONG, won_at_last(&asked, &app(1)))
        .await
        .expect("the other sentinel was asked as well");
    asked.write(&app(1), &full_record(), fence).await.unwrap();
}

#[tokio::test]
async fn a_failover_forth_and_back_is_a_new_life_of_the_same_process() {
    let (first, second) = (Server::start().await, Server::start().await);
    let follow = async |one: &Server, other: &Server| {
        let _: String = one
            .ask(&["REPLICAOF", "127.0.0.1", &other.port.to_string()])
            .await;
        until("it follows", async || {
            let about: String = one.ask(&["INFO", "replication"]).await;
            about.contains("master_link_status:up")
        })
        .await;
    };
    let lead = async |one: &Server| one.ask::<String>(&["REPLICAOF", "NO", "ONE"]).await;
    follow(&second, &first).await;
    let store = store(&first.url(), QUICK);
    let (fence, _) = won_at_last(&store, &app(1)).await;
    store.write(&app(1), &full_record(), fence).await.unwrap();
    assert_eq!(won(&store, &app(1)).await.0.epoch, fence.epoch);
    let record = "wxtoken:{wx0000000000000001}:record";
    until("it has it", async || {
        second.ask::<i64>(&["HEXISTS", record, "b"]).await == 1
    })
    .await;
    lead(&second).await;
    follow(&first, &second).await;
    lead(&first).await;
    let (later, record) = won_at_last(&store, &app(1)).await;
    assert!(later.epoch > fence.epoch, "{later:?} after {fence:?}");
    assert_eq!(record, Some(full_record()));
}
