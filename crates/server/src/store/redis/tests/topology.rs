//! Behind TLS, and behind sentinels: real processes each time.

use std::sync::Arc;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::redis::testing::free_port;

/// A server behind TLS that shows this certificate.
struct Behind {
    _server: Server,
    _folder: TempDir,
    port: u16,
}

impl Behind {
    async fn tls(made: &rcgen::CertifiedKey<rcgen::KeyPair>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (cert, secret) = (
            folder.path().join("cert.pem"),
            folder.path().join("key.pem"),
        );
        std::fs::write(&cert, made.cert.pem()).unwrap();
        std::fs::write(&secret, made.signing_key.serialize_pem()).unwrap();
        let (cert, secret) = (cert.to_str().unwrap(), secret.to_str().unwrap());
        let port = free_port();
        let server = Server::start_with(
            &[
                &["--tls-port", &port.to_string(), "--tls-auth-clients", "no"][..],
                &["--tls-cert-file", cert, "--tls-key-file", secret],
                &["--tls-ca-cert-file", cert],
            ]
            .concat(),
        )
        .await;
        Self {
            _server: server,
            _folder: folder,
            port,
        }
    }

    async fn store(&self, host: &str, ca: Option<String>) -> Result<RedisStore, Trouble> {
        let mut settings = settings(&format!("rediss://{host}:{}", self.port));
        settings.ca = ca.map(String::into_bytes);
        let opened = RedisStore::connect(settings, key(1).into(), Arc::new(SystemClock)).await;
        opened.map(|(store, _)| store)
    }
}

#[tokio::test]
async fn tls_needs_the_ca_that_signed_and_the_name_in_the_certificate() {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let behind = Behind::tls(&made).await;
    let store = behind.store("127.0.0.1", Some(made.cert.pem())).await;
    assert_eq!(load(&store.unwrap()).await, Default::default());
    let other = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    for (host, ca) in [
        ("127.0.0.1", Some(other.cert.pem())),
        ("localhost", Some(made.cert.pem())),
        ("127.0.0.1", None),
    ] {
        let trouble = behind.store(host, ca).await.map(drop).unwrap_err();
        assert!(matches!(trouble, Trouble::Tls { .. }), "{trouble:?}");
    }
}

#[tokio::test]
async fn a_certificate_made_in_one_line_of_openssl_is_told_with_what_is_wrong_with_it() {
    let signing_key = rcgen::KeyPair::generate().unwrap();
    let mut about = rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    about.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let cert = about.self_signed(&signing_key).unwrap();
    let made = rcgen::CertifiedKey { cert, signing_key };
    let behind = Behind::tls(&made).await;
    let opened = behind.store("127.0.0.1", Some(made.cert.pem())).await;
    let trouble = opened.map(drop).unwrap_err();
    assert!(
        matches!(trouble, Trouble::AuthoritysOwn { .. }),
        "{trouble:?}"
    );
    assert_eq!(trouble.name(), "tls");
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
async fn a_master_that_falls_silent_is_left_as_soon_as_the_sentinels_name_another() {
    let watched = Watched::start().await;
    let (first, fence) = watched.written().await;
    first.stop().await;
    let asked = store(
        &watched.url(),
        Timing {
            connect: 3 * LONG,
            answer: Duration::from_millis(300),
            ..QUICK
        },
    );
    won_at_last(&asked, &app(1)).await;
    let pid = rustix::process::Pid::from_raw(watched.master.pid().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    // Who asks now waits for the silent one until another is named.
    let later = watched.later(&asked, fence).await;
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
    assert!(later.epoch > fence.epoch);
}

#[tokio::test]
async fn a_sentinel_that_lags_leads_nobody_back_to_the_old_master() {
    let (watched, mut named) = (Watched::start().await, Server::start().await);
    let store = store(&watched.url(), QUICK);
    let at = async || store.rows.link.live().await.map(|live| live.at);
    let old = format!("127.0.0.1:{}", watched.master.port);
    assert_eq!(at().await.unwrap(), old);
    let newer = Host {
        name: "127.0.0.1".to_owned(),
        port: named.port,
    };
    // The one sentinel that can be asked still names the old one, which still says that it is a master.
    assert!(store.rows.link.master_is(newer.clone()));
    assert_eq!(at().await.unwrap(), newer.to_string());
    assert!(!store.rows.link.master_is(newer), "another has said so");
    named.kill();
    until(
        "who was named is gone, and the sentinels are asked",
        async || {
            let _ = store.note_late_mint(&app(1), Wall(1)).await;
            at().await.is_ok_and(|at| at == old)
        },
    )
    .await;
}

#[tokio::test]
async fn a_sentinel_has_a_password_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("sentinel.conf");
    std::fs::write(&config, "requirepass wanted\n").unwrap();
    let port = free_port();
    let options = [
        config.to_str().unwrap(),
        "--sentinel",
        "--port",
        &port.to_string(),
    ];
    let mut sentinel = std::process::Command::new("redis-server")
        .args(options)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let connect = async |password: &str| {
        let mut settings = settings(&format!("redis+sentinel://127.0.0.1:{port}/main"));
        settings.sentinel_password = Some(password.into());
        let connected = RedisStore::connect(settings, key(1).into(), Arc::new(SystemClock)).await;
        connected.map(drop).unwrap_err()
    };
    until("it listens", async || {
        matches!(connect("wanted").await, Trouble::NoMaster { .. })
    })
    .await;
    let refused = connect("another").await;
    sentinel.kill().unwrap();
    sentinel.wait().unwrap();
    assert!(
        matches!(refused, Trouble::SentinelRefused { .. }),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_sentinel_that_is_silent_keeps_nobody_from_the_master() {
    let watched = Watched::start().await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
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

/// The cursor of a scan, if one is asked for here.
fn cursor(asked: &[u8]) -> Option<String> {
    let asked = String::from_utf8_lossy(asked);
    let (_, rest) = asked.split_once("SCAN\r\n")?;
    Some(rest.split("\r\n").nth(1)?.to_owned())
}

/// Lies between a store and its server, and breaks the connection on which a scan goes on for the first time. Tells which
/// connections asked for which cursors.
async fn breaking(server: &Server) -> (u16, Arc<std::sync::Mutex<Vec<(usize, String)>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, to) = (listener.local_addr().unwrap().port(), server.port);
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    tokio::spawn(async move {
        for number in 0.. {
            let (near, _) = listener.accept().await.unwrap();
            let far = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
            let noted = Arc::clone(&noted);
            tokio::spawn(async move {
                let (mut asks, mut answered) = near.into_split();
                let (mut answers, mut asked) = far.into_split();
                let back =
                    tokio::spawn(async move { copy(&mut answers, &mut answered).await.is_ok() });
                let mut some = vec![0; 65536];
                while let Ok(length @ 1..) = asks.read(&mut some).await {
                    if let Some(cursor) = cursor(&some[..length]) {
                        let mut noted = noted.lock().unwrap();
                        noted.push((number, cursor));
                        if noted.len() == 2 {
                            break;
                        }
                    }
                    asked.write_all(&some[..length]).await.unwrap();
                }
                back.abort();
            });
        }
    });
    (port, seen)
}

#[tokio::test]
async fn a_scan_begins_anew_where_the_connection_broke() {
    let server = Server::start().await;
    three_records(&server).await;
    let fill = "for i = 1, 5000 do redis.call('SET', 'key' .. i, i) end return 'OK'";
    let _: String = server.ask(&["EVAL", fill, "0"]).await;
    let (port, seen) = breaking(&server).await;
    let reader = store(&format!("redis://127.0.0.1:{port}"), QUICK);
    assert_eq!(load(&reader).await.0.len(), 3);
    let seen = seen.lock().unwrap();
    let (first, _) = seen[0];
    let anew = seen.iter().find(|(number, _)| *number != first);
    assert_eq!(anew.map(|(_, cursor)| cursor.as_str()), Some("0"));
}
