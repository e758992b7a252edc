//! Bodies that are too long to be kept in memory, and go from one connection to the other without being read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

use crate::harness::{KEY, VIRTUAL_KEY, World, callers};
use crate::scripted::{BAD_TOKEN, FINE, Scripted, json};
use crate::wire::{Head, Wire};

const ODD: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";

fn body(length: usize) -> Vec<u8> {
    let byte = |n: usize| n.wrapping_mul(2_654_435_761).to_be_bytes()[4];
    (0..length).map(byte).collect()
}

/// An upstream that gives these answers in turn, the last of them for ever, once it has read exactly the body.
async fn answering(
    limits: &str,
    expected: &Arc<Vec<u8>>,
    answers: Vec<String>,
) -> (World, Scripted, Arc<AtomicUsize>) {
    let (came, expected) = (Arc::new(AtomicUsize::new(0)), Arc::clone(expected));
    let count = Arc::clone(&came);
    let (world, upstream) =
        World::scripted(&format!("{limits}{}", callers()), move |mut wire, head| {
            let (expected, answers) = (Arc::clone(&expected), answers.clone());
            let count = Arc::clone(&count);
            async move {
                let body = wire.body(&head).await.ok()?;
                let is_whole = body.bytes == *expected;
                let number = count.fetch_add(1, Ordering::SeqCst);
                let answer = &answers[number.min(answers.len() - 1)];
                let spoilt = json(r#"{"errcode":-7}"#);
                wire.send(if is_whole { answer } else { &spoilt })
                    .await
                    .ok()?;
                Some(wire)
            }
        })
        .await;
    (world, upstream, came)
}

/// Uploads it in pieces of such lengths, one after the other.
async fn upload(wire: &mut Wire, body: &[u8], pieces: &[usize]) -> (Head, String) {
    wire.send(head(KEY, body.len())).await.unwrap();
    let (mut left, mut lengths) = (body, pieces.iter().cycle());
    while !left.is_empty() {
        let length = lengths.next().map_or(1, |length| *length);
        let (piece, rest) = left.split_at(length.min(left.len()));
        wire.send(piece).await.unwrap();
        left = rest;
    }
    let (head, body) = wire.answer("POST").await;
    (head, String::from_utf8(body.bytes).unwrap())
}

const MUCH: &[usize] = &[1 << 20];
/// So much of a body is read.
const READ: usize = 256 * 1024;

fn head(key: &str, length: usize) -> String {
    format!(
        "POST /cgi-bin/media/upload HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Length: {length}\r\n\r\n"
    )
}

#[tokio::test]
async fn a_long_body_arrives_as_it_was_sent_however_it_is_cut() {
    for length in [262_144, 262_145, 300_000, 1 << 20, 5_000_001] {
        let body = Arc::new(body(length));
        let (world, _upstream, _) = answering("", &body, vec![json(FINE)]).await;
        let mut caller = Wire::connect(&world.url).await;
        for pieces in [MUCH, &[1, 1000, 70_000], &[1447, 3]] {
            let (head, answer) = upload(&mut caller, &body, pieces).await;
            assert_eq!(answer, FINE, "{length}");
            assert_eq!(head.get("wxtoken-replay"), None);
        }
        let all = 3 * (length - READ);
        assert_eq!(world.unread(all).await, all, "{length}");
        let metrics = world.metrics().await;
        let counted = metrics
            .lines()
            .find(|line| line.starts_with("wxtoken_calls_total{"));
        let counted = counted.unwrap_or_default();
        assert!(length == READ || counted.ends_with(" 3"), "{counted}");
    }
}

#[tokio::test]
async fn a_long_body_is_sent_again_whole_with_a_new_token() {
    for pieces in [MUCH, &[1447, 3]] {
        let body = Arc::new(body(3_000_000));
        let answers = vec![json(BAD_TOKEN), json(FINE)];
        let (world, _upstream, came) = answering("", &body, answers).await;
        world.token().await;
        world.kill().await;
        let mut caller = Wire::connect(&world.url).await;
        let (head, answer) = upload(&mut caller, &body, pieces).await;
        assert_eq!(answer, FINE);
        assert_eq!(head.get("wxtoken-replayed"), Some("1"));
        assert_eq!(came.load(Ordering::SeqCst), 2);
        let (_, answer) = upload(&mut caller, &body, pieces).await;
        assert_eq!(answer, FINE, "the connection goes on");
    }
}

#[tokio::test]
async fn an_odd_answer_to_a_long_body_passes_and_its_connection_stays() {
    let body = Arc::new(body(3_000_000));
    let (world, _upstream, came) = answering("", &body, vec![ODD.to_owned()]).await;
    let mut caller = Wire::connect(&world.url).await;
    for round in 1..3 {
        let (head, answer) = upload(&mut caller, &body, MUCH).await;
        assert_eq!((answer.as_str(), head.get("wxtoken-replay")), ("{}", None));
        assert_eq!(came.load(Ordering::SeqCst), round);
    }
}

#[tokio::test]
async fn where_the_buffers_are_full_a_long_body_passes_and_is_not_sent_again() {
    let limits =
        "[gateway]\nreplay_memory = \"64KiB\"\nreplay_limit = \"4MiB\"\nbuffers_total = \"4MiB\"\n";
    for (answer, body_down) in [(json(FINE), FINE), (ODD.to_owned(), "{}")] {
        let body = Arc::new(body(3_000_000));
        let (world, _upstream, came) = answering(limits, &body, vec![answer]).await;
        let mut caller = Wire::connect(&world.url).await;
        let (head, answer) = upload(&mut caller, &body, MUCH).await;
        assert_eq!(answer, body_down);
        assert_eq!(head.get("wxtoken-replay"), Some("off"));
        assert_eq!(came.load(Ordering::SeqCst), 1);
    }
    let body = Arc::new(body(3_000_000));
    let (world, _upstream, came) = answering(limits, &body, vec![json(BAD_TOKEN)]).await;
    world.token().await;
    let (_, answer) = upload(&mut Wire::connect(&world.url).await, &body, MUCH).await;
    assert!(answer.contains("40001"), "{answer}");
    assert_eq!(came.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_long_body_that_is_sent_again_takes_its_room_once() {
    let limits =
        "[gateway]\nreplay_memory = \"64KiB\"\nreplay_limit = \"4MiB\"\nbuffers_total = \"4MiB\"\n";
    // Of several callers none keeps more than it leaves free.
    let body = Arc::new(body(1_900_000));
    let answers = vec![json(BAD_TOKEN), json(FINE)];
    let (world, _upstream, came) = answering(limits, &body, answers).await;
    world.token().await;
    world.kill().await;
    let mut caller = Wire::connect(&world.url).await;
    for round in 2..4 {
        let (head, answer) = upload(&mut caller, &body, MUCH).await;
        assert_eq!((answer.as_str(), head.get("wxtoken-replay")), (FINE, None));
        assert_eq!(came.load(Ordering::SeqCst), round);
    }
}

#[tokio::test]
async fn callers_that_go_away_in_the_middle_leave_room_for_others() {
    let body = Arc::new(body(3_000_000));
    let (world, _upstream, _) = answering("", &body, vec![json(FINE)]).await;
    for round in 0..40 {
        let mut caller = Wire::connect(&world.url).await;
        caller.send(head(KEY, body.len())).await.unwrap();
        caller
            .send(&body[..1_000_000 + round * 1000])
            .await
            .unwrap();
        caller.reset();
        let mut caller = Wire::connect(&world.url).await;
        let (_, answer) = upload(&mut caller, &body, MUCH).await;
        assert_eq!(answer, FINE);
    }
}

/// How an upstream ends a long body.
#[derive(Debug, Clone, Copy)]
enum Ends {
    Resets,
    Closes,
    SaysBadTokenAndCloses,
}

#[tokio::test]
async fn an_upstream_that_breaks_off_in_the_middle_is_told_as_one() {
    for how in [Ends::Resets, Ends::Closes, Ends::SaysBadTokenAndCloses] {
        let came = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&came);
        let (world, _upstream) = World::scripted(&callers(), move |mut wire, head| {
            let first = count.fetch_add(1, Ordering::SeqCst) == 0;
            async move {
                if !first {
                    wire.body(&head).await.ok()?;
                    wire.send(json(FINE)).await.ok()?;
                    return Some(wire);
                }
                wire.exactly(600_000).await.ok()?;
                match how {
                    Ends::Resets => wire.reset(),
                    Ends::Closes => drop(wire),
                    Ends::SaysBadTokenAndCloses => {
                        wire.send(json(BAD_TOKEN)).await.ok()?;
                        wire.closed().await;
                    }
                }
                None
            }
        })
        .await;
        world.token().await;
        world.kill().await;
        let body = body(20_000_000);
        let (head, answer) = upload(&mut Wire::connect(&world.url).await, &body, MUCH).await;
        let replayed = matches!(how, Ends::SaysBadTokenAndCloses);
        assert_eq!(
            answer.contains("\"errcode\":-1"),
            !replayed,
            "{how:?}: {answer}"
        );
        assert_eq!(head.get("wxtoken-replayed").is_some(), replayed, "{how:?}");
        let (_, answer) = upload(&mut Wire::connect(&world.url).await, &body, MUCH).await;
        assert_eq!(answer, FINE, "{how:?}");
        assert!(world.unread(body.len() - READ + 1).await > 0, "{how:?}");
    }
}

#[tokio::test]
async fn a_body_that_is_lost_is_not_sent_again_whatever_is_read_in_its_place() {
    let limits =
        "[gateway]\nreplay_memory = \"64KiB\"\nreplay_limit = \"4MiB\"\nbuffers_total = \"4MiB\"\n";
    let (answered, came) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let (told, count) = (Arc::clone(&answered), Arc::clone(&came));
    let (world, _upstream) =
        World::scripted(&format!("{limits}{}", callers()), move |mut wire, _| {
            count.fetch_add(1, Ordering::SeqCst);
            let told = Arc::clone(&told);
            async move {
                wire.exactly(2_900_000).await.ok()?;
                wire.send(json(BAD_TOKEN)).await.ok()?;
                told.add_permits(1);
                wire.closed().await;
                None
            }
        })
        .await;
    world.token().await;
    world.kill().await;
    let body = body(4_000_000);
    let mut caller = Wire::connect(&world.url).await;
    caller.send(head(KEY, body.len())).await.unwrap();
    caller.send(&body[..3_000_000]).await.unwrap();
    let _answered = answered.acquire().await.unwrap();
    caller.send(&body[3_000_000..]).await.unwrap();
    let (head, answer) = caller.answer("POST").await;
    let answer = String::from_utf8(answer.bytes).unwrap();
    assert!(answer.contains("40001"), "{answer}");
    assert_eq!(head.get("wxtoken-replay"), Some("off"));
    assert_eq!(came.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn more_long_bodies_at_once_than_there_are_pipes_arrive_all_the_same() {
    const UPLOADS: usize = 60;
    let body = Arc::new(body(1_000_000));
    let gate = Arc::new(Semaphore::new(0));
    let (held, expected) = (Arc::clone(&gate), Arc::clone(&body));
    let (world, _upstream) = World::scripted(&callers(), move |mut wire, head| {
        let (held, expected) = (Arc::clone(&held), Arc::clone(&expected));
        async move {
            held.acquire().await.ok()?.forget();
            let whole = wire.body(&head).await.ok()?.bytes == *expected;
            wire.send(json(if whole { FINE } else { "{\"errcode\":-7}" }))
                .await
                .ok()?;
            Some(wire)
        }
    })
    .await;
    let mut callers = Vec::new();
    for _ in 0..UPLOADS {
        let mut caller = Wire::connect(&world.url).await;
        caller.send(head(KEY, body.len())).await.unwrap();
        caller.send(&body[..300_000]).await.unwrap();
        callers.push(caller);
    }
    gate.add_permits(UPLOADS);
    for caller in &mut callers {
        caller.send(&body[300_000..]).await.unwrap();
        let (_, answer) = caller.answer("POST").await;
        assert_eq!(String::from_utf8_lossy(&answer.bytes), FINE);
    }
    let each = body.len() - READ;
    let unread = world.unread(8 * each).await;
    assert!(unread < UPLOADS * each, "{unread}");
}

#[tokio::test]
async fn a_caller_that_must_not_see_the_token_does_not_behind_a_long_body_either() {
    let (world, _upstream) = World::scripted(&callers(), |mut wire, head| async move {
        wire.body(&head).await.ok()?;
        let token = head.target().split("access_token=").nth(1).unwrap();
        wire.send(json(&format!("{{\"errcode\":0,\"errmsg\":\"{token}\"}}")))
            .await
            .ok()?;
        Some(wire)
    })
    .await;
    let (token, body) = (world.token().await, body(1_000_000));
    for (key, sees) in [(KEY, true), (VIRTUAL_KEY, false)] {
        let mut caller = Wire::connect(&world.url).await;
        caller.send(head(key, body.len())).await.unwrap();
        caller.send(&body[..]).await.unwrap();
        let (_, answer) = caller.answer("POST").await;
        let answer = String::from_utf8(answer.bytes).unwrap();
        assert_eq!(answer.contains(&token), sees, "{answer}");
    }
    let all = 2 * (body.len() - READ);
    assert_eq!(world.unread(all).await, all);
}
