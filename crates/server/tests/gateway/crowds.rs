//! Callers by the hundred who read slowly, or not at all, or are gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::AsyncWriteExt;
use tokio::sync::watch;

use crate::alone::{alone, resident};
use crate::harness::{APP, KEY, PATIENCE, World};
use crate::scripted::{FINE, json};
use crate::wire::Wire;

const CROWD: usize = 200;
const PIECE: &[u8] = &[b'x'; 64 * 1024];

/// A caller that may have just so many requests open.
fn caller() -> String {
    format!(
        "[[caller]]\nname = \"shop\"\nkey = \"{KEY}\"\napps = [\"{APP}\"]\nallow = [\"call\"]\nconcurrency = {CROWD}\n"
    )
}

fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n\r\n")
}

/// What an upstream sees: calls that began, and calls whose connection the other side closed.
struct Seen {
    began: watch::Sender<usize>,
    cancelled: watch::Sender<usize>,
    calls: AtomicUsize,
}

impl Seen {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            began: watch::Sender::new(0),
            cancelled: watch::Sender::new(0),
            calls: AtomicUsize::new(0),
        })
    }
}

async fn reaches(count: &watch::Sender<usize>, number: usize) {
    let mut seen = count.subscribe();
    let reached = tokio::time::timeout(PATIENCE, seen.wait_for(|count| *count >= number)).await;
    let now = *count.borrow();
    reached
        .unwrap_or_else(|_| panic!("{now} of {number}"))
        .unwrap();
}

/// An upstream that answers `/silent` never, `/endless` without end, and all else at once.
async fn world(seen: &Arc<Seen>) -> World {
    let seen = Arc::clone(seen);
    let (world, upstream) = World::scripted(&caller(), move |mut wire, head| {
        let seen = Arc::clone(&seen);
        async move {
            seen.calls.fetch_add(1, Ordering::SeqCst);
            match head.path() {
                "/wxa/silent" => {
                    seen.began.send_modify(|began| *began += 1);
                    wire.closed().await;
                }
                "/wxa/endless" => {
                    seen.began.send_modify(|began| *began += 1);
                    let head = "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 1000000000000\r\n\r\n";
                    wire.send(head).await.ok()?;
                    while wire.io.write_all(PIECE).await.is_ok() {}
                }
                _ => {
                    wire.send(json(FINE)).await.ok()?;
                    return Some(wire);
                }
            }
            seen.cancelled.send_modify(|cancelled| *cancelled += 1);
            None
        }
    })
    .await;
    // The listener lives as long as the test's process.
    std::mem::forget(upstream);
    world
}

#[tokio::test]
async fn callers_who_are_gone_cancel_their_calls_and_give_their_places_back() {
    let seen = Seen::new();
    let world = world(&seen).await;
    for (round, path) in ["/wxa/silent", "/wxa/endless"].into_iter().enumerate() {
        let mut crowd = Vec::new();
        for _ in 0..CROWD {
            let mut caller = Wire::connect(&world.url).await;
            caller.send(request(path)).await.unwrap();
            crowd.push(caller);
        }
        reaches(&seen.began, CROWD * (round + 1)).await;
        let told = world.get("/cgi-bin/menu/get").await;
        assert_eq!(told.errcode(), 45011, "every place is taken");
        for (number, caller) in crowd.into_iter().enumerate() {
            if number.is_multiple_of(2) {
                caller.reset();
            }
        }
        reaches(&seen.cancelled, CROWD * (round + 1)).await;
        is_let_in_again(&world).await;
    }
}

#[tokio::test]
async fn callers_who_vanish_while_they_upload_cancel_their_calls() {
    let seen = Seen::new();
    let world = world(&seen).await;
    let mut crowd = Vec::new();
    for _ in 0..CROWD {
        let mut caller = Wire::connect(&world.url).await;
        let head = request("/wxa/silent")
            .replace("\r\n\r\n", "\r\nContent-Length: 100000\r\n\r\nbeginning");
        caller.send(head).await.unwrap();
        crowd.push(caller);
    }
    reaches(&seen.began, CROWD).await;
    drop(crowd);
    reaches(&seen.cancelled, CROWD).await;
    is_let_in_again(&world).await;
}

/// Places are given back a moment after upstream has seen its call cancelled.
async fn is_let_in_again(world: &World) {
    let let_in = async { while world.get("/cgi-bin/menu/get").await.errcode() != 0 {} };
    tokio::time::timeout(PATIENCE, let_in)
        .await
        .expect("every place was given back");
}

#[test]
fn callers_who_do_not_read_cost_little_memory() {
    if !alone("crowds::callers_who_do_not_read_cost_little_memory", &[]) {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let seen = Seen::new();
        let world = world(&seen).await;
        let before = resident();
        let mut crowd = Vec::new();
        for _ in 0..CROWD {
            let mut caller = Wire::connect(&world.url).await;
            caller.send(request("/wxa/endless")).await.unwrap();
            // The answer has begun, and nobody reads on.
            caller.head().await.unwrap();
            crowd.push(caller);
        }
        // Callers who do read are not held up, and by the time that one has read much all others are full.
        let mut quick = Wire::connect(&world.url).await;
        crowd.pop();
        reaches(&seen.cancelled, 1).await;
        quick.send(request("/wxa/endless")).await.unwrap();
        quick.head().await.unwrap();
        quick.skip(64 << 20).await.unwrap();
        let after = resident();
        assert!(
            after < before + CROWD * (300 << 10),
            "{before} grew to {after}"
        );
    });
}
