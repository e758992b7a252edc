//! What is no Redis, or none for us: it is told by its name, and nothing waits for it.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// Listens, and says this to whatever is said to it; nothing at all where it is empty.
async fn stranger(says: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut heard = [0; 1024];
                while let Ok(1..) = stream.read(&mut heard).await {
                    if stream.write_all(says.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}

async fn trouble_at(url: &str, timing: Timing) -> Trouble {
    let store = store(url, timing);
    let refused = tokio::time::timeout(LONG, store.lease(&app(1), HOLDS)).await;
    assert!(refused.expect("it is refused in time").is_err());
    let trouble = store.trouble().unwrap();
    tokio::time::timeout(LONG, store.stop())
        .await
        .expect("nothing hangs");
    trouble
}

#[tokio::test]
async fn a_server_that_lets_in_and_never_answers_is_slow() {
    let port = stranger("").await;
    let timing = Timing {
        connect: Duration::from_millis(300),
        ..QUICK
    };
    for (scheme, path, wanted) in [
        ("redis", "", "slow"),
        ("rediss", "", "slow"),
        ("redis+sentinel", "/main", "slow"),
        ("redis-cluster", "", "slow"),
    ] {
        let trouble = trouble_at(&format!("{scheme}://127.0.0.1:{port}{path}"), timing).await;
        assert_eq!(trouble.name(), wanted, "{scheme}: {trouble:?}");
    }
}

#[tokio::test]
async fn what_speaks_something_else_is_said_to_be_no_redis() {
    let port = stranger("HTTP/1.1 400 secret-canary\r\n\r\n").await;
    let plain = trouble_at(&format!("redis://127.0.0.1:{port}"), QUICK).await;
    assert!(matches!(plain, Trouble::Stranger { .. }), "{plain:?}");
    let cluster = trouble_at(&format!("redis-cluster://127.0.0.1:{port}"), QUICK).await;
    assert!(matches!(cluster, Trouble::Stranger { .. }), "{cluster:?}");
    let tls = trouble_at(&format!("rediss://127.0.0.1:{port}"), QUICK).await;
    assert!(matches!(tls, Trouble::Tls { .. }), "{tls:?}");
    let told = format!("{plain} {plain:?} {cluster} {cluster:?} {tls} {tls:?}");
    assert!(!told.contains("canary"), "{told}");
}

#[tokio::test]
async fn a_redis_that_is_another_than_the_address_says_is_told_so() {
    let (server, folder) = (Server::start().await, tempfile::tempdir().unwrap());
    let config = folder.path().join("sentinel.conf");
    std::fs::write(&config, "").unwrap();
    let sentinel = Server::start_with(&[config.to_str().unwrap(), "--sentinel"]).await;
    let node = Server::start_with(&["--cluster-enabled", "yes"]).await;
    let _: String = node.ask(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]).await;
    for (scheme, port, wanted) in [
        ("redis-cluster", server.port, "not_redis"),
        ("redis+sentinel", server.port, "not_redis"),
        ("redis", sentinel.port, "not_redis"),
        ("redis", node.port, "not_redis"),
        ("redis", server.port, "no_database"),
    ] {
        let path = match scheme {
            "redis+sentinel" => "/main",
            "redis" if port != sentinel.port => "/77",
            _ => "",
        };
        let url = format!("{scheme}://127.0.0.1:{port}{path}");
        assert_eq!(trouble_at(&url, QUICK).await.name(), wanted, "{url}");
    }
}

#[tokio::test]
async fn why_it_cannot_be_reached_is_told() {
    let nobody = crate::redis::testing::free_port();
    for url in [
        format!("redis://127.0.0.1:{nobody}"),
        "redis://no-such-host.invalid".to_owned(),
    ] {
        let trouble = trouble_at(&url, QUICK).await;
        let Trouble::Unreachable { why, .. } = &trouble else {
            panic!("{trouble:?}")
        };
        assert!(
            why.contains("refused") || why.contains("lookup address"),
            "{trouble}"
        );
    }
}

/// As the sentence about permissions names them.
const NEEDED: [&str; 11] = [
    "~wxtoken:*",
    "&wxtoken:*",
    "+@read",
    "+@write",
    "+@scripting",
    "+@pubsub",
    "+@connection",
    "+time",
    "+info",
    "+role",
    "on",
];

#[tokio::test]
async fn a_permission_that_is_lacking_is_told_as_such_wherever_it_is_needed() {
    let server = Server::start().await;
    let user = async |lacks: &str| {
        let mut words = vec!["ACL", "SETUSER", "keeper", "reset", ">p"];
        words.extend(NEEDED);
        words.push(lacks);
        let _: String = server.ask(&words).await;
    };
    let url = format!("redis://keeper:p@127.0.0.1:{}", server.port);
    for lacks in [
        "-evalsha",
        "-eval",
        "-hmget",
        "-hset",
        "-get",
        "-set",
        "-publish",
        "resetchannels",
        "-time",
        "resetkeys",
    ] {
        let _: String = server.ask(&["FLUSHALL"]).await;
        let _: String = server.ask(&["SCRIPT", "FLUSH"]).await;
        user(lacks).await;
        let store = store(&url, QUICK);
        assert!(store.lease(&app(1), HOLDS).await.is_err(), "{lacks}");
        assert_eq!(store.trouble(), Some(Trouble::NotAllowed), "{lacks}");
    }
    user("+@read").await;
    let store = store(&url, QUICK);
    let (fence, _) = won(&store, &app(1)).await;
    store.write(&app(1), &full_record(), fence).await.unwrap();
    assert_eq!(load(&store).await.0.len(), 1);
}
