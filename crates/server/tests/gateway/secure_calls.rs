//! Calls over HTTPS to an upstream that speaks HTTP/1.1, as WeChat's does: the same stories as in the clear.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::alone::alone;
use crate::harness::{KEY, World, callers};
use crate::scripted::{BAD_TOKEN, FINE, Scripted, json};
use crate::secure::{acceptor, sign};
use crate::wire::{Head, Wire};

#[test]
fn calls_over_https_arrive_whole_are_answered_whole_and_are_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let name = "secure_calls::calls_over_https_arrive_whole_are_answered_whole_and_are_made_again";
    sign(folder.path());
    let authority = folder.path().join("ca.pem").display().to_string();
    let place = folder.path().display().to_string();
    if !alone(name, &[("SSL_CERT_FILE", &authority), ("PLACE", &place)]) {
        return;
    }
    let place = std::env::var_os("PLACE").unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(calls(Path::new(&place)));
}

async fn calls(folder: &Path) {
    let dead = Arc::new(AtomicBool::new(true));
    let (world, wechat) = World::behind("", &callers(), async |url| {
        let script = move |wire, head| answer(wire, head, Arc::clone(&dead));
        let scripted = Scripted::start(&url, script).await;
        (https(folder, &scripted.url).await, scripted)
    })
    .await;
    for length in [0, 1, 5_000, 70_000, 200_000, 250_000, 2_000_000] {
        let told = world.post("/wxa/length", vec![7; length]).await;
        assert_eq!(told.json()["length"], length, "{}", told.errmsg());
    }
    assert_eq!(world.get("/wxa/image").await.body, image());
    assert_eq!(world.get("/wxa/chunked").await.body, "in two pieces");
    // In the clear or not: an odd answer to a long request leaves the connection as it was.
    let told = world.post("/wxa/chunked", vec![7; 100_000]).await;
    assert_eq!(told.body, "in two pieces");
    world.kill().await;
    let told = world.post("/wxa/dead", vec![7; 150_000]).await;
    assert_eq!(
        (told.errcode(), told.json()["length"].as_u64()),
        (0, Some(150_000))
    );
    assert_eq!(told.headers["wxtoken-replayed"], "1");
    let told = world.post("/wxa/closes", vec![7; 250_000]).await;
    assert_eq!(told.errcode(), -1, "it may have been done");
    let closed = |head: &&Head| head.path() == "/wxa/closes";
    assert_eq!(wechat.seen().iter().filter(closed).count(), 1);
    slow_caller(&world).await;
}

/// A caller that sends head, body and the next request in pieces as they come, and reads late.
async fn slow_caller(world: &World) {
    let head = |path: &str, length: usize| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    let mut caller = Wire::connect(&world.url).await;
    caller.send(head("/wxa/length", 6)).await.unwrap();
    tokio::task::yield_now().await;
    // The rest of one request, and all of another, at once.
    let both = format!("abcdef{}xyz", head("/wxa/length", 3));
    caller.send(both).await.unwrap();
    for length in [6, 3] {
        let answer = caller.head().await.expect("an answer to each");
        let body = caller.body(&answer).await.unwrap();
        let told: serde_json::Value = serde_json::from_slice(&body.bytes).unwrap();
        assert_eq!(told["length"], length);
    }
}

async fn answer(mut wire: Wire, head: Head, dead: Arc<AtomicBool>) -> Option<Wire> {
    let told = |length: usize| json(&format!("{{\"errcode\":0,\"length\":{length}}}"));
    match head.path() {
        "/wxa/closes" => {
            let mut some = vec![0; 60_000];
            wire.io.read_exact(&mut some).await.ok()?;
            return None;
        }
        "/wxa/image" => {
            let head =
                "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 300000\r\n\r\n";
            wire.send(head).await.ok()?;
            wire.send(image()).await.ok()?;
        }
        "/wxa/chunked" => {
            wire.body(&head).await.ok()?;
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            wire.send(format!("{head}6\r\nin two\r\n7\r\n pieces\r\n0\r\n\r\n"))
                .await
                .ok()?;
        }
        "/wxa/dead" => {
            let length = wire.body(&head).await.ok()?.bytes.len();
            let is_dead = dead.swap(false, Ordering::SeqCst);
            let answer = if is_dead {
                json(BAD_TOKEN)
            } else {
                told(length)
            };
            wire.send(answer).await.ok()?;
        }
        "/wxa/length" => {
            let length = wire.body(&head).await.ok()?.bytes.len();
            wire.send(told(length)).await.ok()?;
        }
        _ => wire.send(json(FINE)).await.ok()?,
    }
    Some(wire)
}

fn image() -> Vec<u8> {
    (0..300_000_u32).map(|n| n.to_le_bytes()[1]).collect()
}

/// TLS in front of an upstream in the clear; HTTP/2 is not offered.
async fn https(folder: &Path, behind: &str) -> String {
    let acceptor = acceptor(folder, &[b"http/1.1"]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let behind = behind.trim_start_matches("http://").to_owned();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, behind) = (acceptor.clone(), behind.clone());
            tokio::spawn(async move {
                let mut stream = acceptor.accept(stream).await?;
                let mut plain = TcpStream::connect(behind).await?;
                plain.set_nodelay(true)?;
                copy_bidirectional(&mut stream, &mut plain).await
            });
        }
    });
    format!("https://localhost:{port}")
}
