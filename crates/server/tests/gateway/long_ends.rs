//! The ends that a long body can come to on its way: whatever they are, nothing is left open behind them.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use crate::alone::alone;
use crate::harness::{KEY, World, callers};
use crate::scripted::{BAD_TOKEN, FINE, json};
use crate::wire::{Head, Wire};

const LENGTH: usize = 1_900_000;
const ODD: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
/// Two callers: what one of them keeps of this is half at most.
const LIMITS: &str =
    "[gateway]\nreplay_memory = \"64KiB\"\nreplay_limit = \"4MiB\"\nbuffers_total = \"4MiB\"\n";

fn head(path: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Length: {LENGTH}\r\n\r\n"
    )
}

/// An upload of which a caller sends so much before it reads an answer; none if it does not wait for one.
async fn uploads(world: &World, path: &str, part: usize, waits: bool) -> Option<String> {
    let mut caller = Wire::connect(&world.url).await;
    caller.send(head(path)).await.unwrap();
    // Whoever has heard enough may close.
    let _ = caller.send(vec![b'x'; part]).await;
    if !waits {
        caller.reset();
        return None;
    }
    let (head, body) = caller.answer("POST").await;
    let body = String::from_utf8(body.bytes).unwrap();
    Some(match head.get("wxtoken-replay") {
        Some(replay) => format!("{replay} {body}"),
        None => body,
    })
}

/// Pipes, and files without a name, that this process holds.
fn held() -> (usize, usize) {
    let links = fs::read_dir("/proc/self/fd").unwrap();
    let links = links.filter_map(|link| fs::read_link(link.ok()?.path()).ok());
    let names: Vec<_> = links
        .map(|link| link.to_string_lossy().into_owned())
        .collect();
    let many = |is: fn(&&String) -> bool| names.iter().filter(is).count();
    (
        many(|name| name.starts_with("pipe:")),
        many(|name| name.ends_with("(deleted)")),
    )
}

async fn ended_as_its_path_says(mut wire: Wire, head: Head) -> Option<Wire> {
    let is = |how: &str| head.path().starts_with(&format!("/cgi-bin/{how}"));
    if is("reset") {
        wire.exactly(600_000).await.ok()?;
        wire.reset();
        return None;
    }
    if is("early") {
        wire.exactly(600_000).await.ok()?;
        wire.send(json(r#"{"errcode":45002}"#)).await.ok()?;
        wire.exactly(LENGTH - 600_000).await.ok()?;
        return Some(wire);
    }
    wire.body(&head).await.ok()?;
    let answer = match (is("odd"), is("bad")) {
        (true, _) => ODD.to_owned(),
        (_, true) => json(BAD_TOKEN),
        _ => json(FINE),
    };
    wire.send(answer).await.ok()?;
    Some(wire)
}

#[test]
fn whatever_end_a_long_body_comes_to_pipes_files_and_room_are_given_back() {
    let name = "long_ends::whatever_end_a_long_body_comes_to_pipes_files_and_room_are_given_back";
    if !alone(name, &[]) {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.unwrap().block_on(async {
        let (world, _upstream) =
            World::scripted(&format!("{LIMITS}{}", callers()), ended_as_its_path_says).await;
        let (pipes, _) = held();
        for round in 0..12 {
            let path = |how: &str| format!("/cgi-bin/{how}{round}");
            uploads(&world, &path("gone"), 300_000 + round * 100_000, false).await;
            uploads(&world, &path("early"), LENGTH, true).await;
            uploads(&world, &path("reset"), LENGTH, true).await;
            uploads(&world, &path("odd"), LENGTH, true).await;
            // Each of these waits a second for a young token.
            if round % 6 == 0 {
                uploads(&world, &path("bad"), LENGTH, true).await;
            }
        }
        let began = Instant::now();
        loop {
            let answer = uploads(&world, "/cgi-bin/fine", LENGTH, true).await;
            let (pipes_now, files) = held();
            // Of two threads, sixteen each at most, with two ends.
            let few = pipes_now <= pipes + 2 * 16 * 2;
            if answer.as_deref() == Some(FINE) && files == 0 && few {
                break;
            }
            let waited = began.elapsed();
            assert!(
                waited < Duration::from_secs(20),
                "{answer:?}, {pipes_now} ends of pipes, {files} files"
            );
        }
        assert!(world.unread(20 * (LENGTH - 256 * 1024)).await > 0);
    });
}

#[tokio::test]
async fn an_interim_answer_in_the_middle_of_a_long_body_is_no_answer_yet() {
    let half = Arc::new(Semaphore::new(0));
    let told = Arc::clone(&half);
    let (world, _upstream) = World::scripted(&callers(), move |mut wire, _| {
        let told = Arc::clone(&told);
        async move {
            wire.exactly(600_000).await.ok()?;
            let interim = "HTTP/1.1 102 Processing\r\n\r\n";
            wire.send(interim).await.ok()?;
            told.add_permits(1);
            wire.exactly(LENGTH - 600_000).await.ok()?;
            wire.send(json(FINE)).await.ok()?;
            Some(wire)
        }
    })
    .await;
    let mut caller = Wire::connect(&world.url).await;
    for _ in 0..2 {
        caller.send(head("/cgi-bin/media/upload")).await.unwrap();
        caller.send(vec![b'x'; 700_000]).await.unwrap();
        half.acquire().await.unwrap().forget();
        caller.send(vec![b'x'; LENGTH - 700_000]).await.unwrap();
        let (_, answer) = caller.answer("POST").await;
        assert_eq!(answer.bytes, FINE.as_bytes());
    }
    let all = 2 * (LENGTH - 256 * 1024);
    assert_eq!(world.unread(all).await, all);
}

#[tokio::test]
async fn a_long_body_that_is_under_way_when_the_server_stops_is_answered() {
    let half = Arc::new(Semaphore::new(0));
    let told = Arc::clone(&half);
    let (world, _upstream) = World::scripted(&callers(), move |mut wire, _| {
        let told = Arc::clone(&told);
        async move {
            wire.exactly(600_000).await.ok()?;
            told.add_permits(1);
            wire.exactly(LENGTH - 600_000).await.ok()?;
            wire.send(json(FINE)).await.ok()?;
            Some(wire)
        }
    })
    .await;
    let mut caller = Wire::connect(&world.url).await;
    caller.send(head("/cgi-bin/media/upload")).await.unwrap();
    caller.send(vec![b'x'; 700_000]).await.unwrap();
    half.acquire().await.unwrap().forget();
    let url = world.url.clone();
    let stopping = tokio::spawn(world.stopped());
    // Nobody is let in any more: the server is stopping.
    let address = url.trim_start_matches("http://").to_owned();
    while tokio::net::TcpStream::connect(&address).await.is_ok() {}
    caller.send(vec![b'x'; LENGTH - 700_000]).await.unwrap();
    let (_, answer) = caller.answer("POST").await;
    assert_eq!(answer.bytes, FINE.as_bytes());
    timeout(Duration::from_secs(20), stopping)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn what_stands_behind_a_long_body_is_the_next_request_and_nothing_else() {
    let (world, upstream) = World::scripted(&callers(), |mut wire, head| async move {
        wire.body(&head).await.ok()?;
        let odd = head.path() == "/cgi-bin/odd";
        let answer = if odd { ODD.to_owned() } else { json(FINE) };
        wire.send(answer).await.ok()?;
        Some(wire)
    })
    .await;
    for path in ["/cgi-bin/plain", "/cgi-bin/odd"] {
        let mut caller = Wire::connect(&world.url).await;
        let next =
            format!("GET /cgi-bin/next HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n\r\n");
        // Heads stand in the body, too.
        let mut body = next.repeat(LENGTH / next.len() + 1).into_bytes();
        body.truncate(LENGTH);
        let all = [head(path).into_bytes(), body, next.into_bytes()].concat();
        caller.send(all).await.unwrap();
        caller.answer("POST").await;
        let (_, answer) = caller.answer("GET").await;
        assert_eq!(answer.bytes, FINE.as_bytes());
    }
    let paths: Vec<String> = upstream
        .seen()
        .iter()
        .map(|head| head.path().to_owned())
        .collect();
    let expected = ["plain", "next", "odd", "next"].map(|name| format!("/cgi-bin/{name}"));
    assert_eq!(paths, expected);
}
