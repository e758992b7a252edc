//! Answers that come before the request's body has gone up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::AsyncWriteExt;
use tokio::sync::{Semaphore, mpsc};

use crate::harness::{KEY, World, callers};
use crate::scripted::{BAD_TOKEN, FINE, json};
use crate::wire::Wire;

const LENGTH: usize = 3_000_000;

fn body() -> Vec<u8> {
    let byte = |n: usize| n.wrapping_mul(2_654_435_761).to_be_bytes()[4];
    (0..LENGTH).map(byte).collect()
}

fn head(length: usize) -> String {
    format!(
        "POST /wxa/img_sec_check HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Length: {length}\r\n\r\n"
    )
}

#[tokio::test]
async fn a_token_refused_before_the_upload_ended_is_replaced_and_the_whole_body_goes_up_again() {
    for stays_open in [true, false] {
        let (events, mut happens) = mpsc::unbounded_channel();
        let refused = Arc::new(AtomicBool::new(false));
        let (world, _upstream) = World::scripted(&callers(), move |mut wire, head| {
            let events = events.clone();
            let is_first = !refused.swap(true, Ordering::SeqCst);
            async move {
                if is_first {
                    wire.exactly(1000).await.ok()?;
                    wire.send(json(BAD_TOKEN)).await.ok()?;
                    events.send(Event::Refused).unwrap();
                    if !stays_open {
                        // As a server closes that lets its answer be read.
                        wire.io.shutdown().await.ok()?;
                    }
                    wire.closed().await;
                    events.send(Event::Closed).unwrap();
                    return None;
                }
                events.send(Event::Again).unwrap();
                let body = wire.body(&head).await.ok()?;
                events.send(Event::Arrived(body.bytes)).unwrap();
                wire.send(json(FINE)).await.ok()?;
                Some(wire)
            }
        })
        .await;
        world.kill().await;
        let body = body();
        let mut caller = Wire::connect(&world.url).await;
        let (beginning, rest) = body.split_at(LENGTH / 3);
        caller
            .send([head(LENGTH).as_bytes(), beginning].concat())
            .await
            .unwrap();
        assert!(matches!(happens.recv().await.unwrap(), Event::Refused));
        let mut closed = false;
        if stays_open {
            loop {
                match happens.recv().await.unwrap() {
                    Event::Closed => closed = true,
                    Event::Again => break,
                    Event::Refused | Event::Arrived(_) => panic!("no more came in yet"),
                }
            }
        }
        caller.send(rest).await.unwrap();
        let (head, answer) = caller.answer("POST").await;
        assert_eq!(String::from_utf8_lossy(&answer.bytes), FINE);
        assert_eq!(head.get("wxtoken-replayed"), Some("1"));
        let mut arrived = None;
        while arrived.is_none() || !closed {
            match happens.recv().await.unwrap() {
                Event::Arrived(bytes) => arrived = Some(bytes),
                Event::Closed => closed = true,
                Event::Again => {}
                Event::Refused => panic!("refused twice"),
            }
        }
        assert!(arrived.unwrap() == body, "the body went up again as it was");
    }
}

enum Event {
    Refused,
    Again,
    Closed,
    Arrived(Vec<u8>),
}

#[tokio::test]
async fn an_answer_that_does_not_wait_for_the_upload_ends_it() {
    an_upload_ended_by_its_answer(false).await;
}

#[tokio::test]
async fn a_caller_that_pauses_in_its_upload_still_reads_the_answer_that_ended_it() {
    an_upload_ended_by_its_answer(true).await;
}

/// `pauses`: nothing comes from the caller from before the answer until all is over.
async fn an_upload_ended_by_its_answer(pauses: bool) {
    const TOO_LARGE: &str = r#"{"errcode":45002,"errmsg":"content size out of limit"}"#;
    // More than is ever moved before what upstream says is heard.
    const LENGTH: usize = 16 << 20;
    let (answered, ended) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (told, seen) = (Arc::clone(&answered), Arc::clone(&ended));
    let (world, _upstream) = World::scripted(&callers(), move |mut wire, _| {
        let (told, seen) = (Arc::clone(&told), Arc::clone(&seen));
        async move {
            wire.exactly(1000).await.ok()?;
            wire.send(json(TOO_LARGE)).await.ok()?;
            told.add_permits(1);
            wire.closed().await;
            seen.add_permits(1);
            None
        }
    })
    .await;
    let mut caller = Wire::connect(&world.url).await;
    let beginning = vec![0; LENGTH / 16];
    caller
        .send([head(LENGTH).as_bytes(), &beginning].concat())
        .await
        .unwrap();
    // What is sent before that may all have gone up before the answer came: then nothing is left to end.
    let _answered = answered.acquire().await.unwrap();
    let is_over = async || {
        let ended = tokio::time::timeout(crate::harness::PATIENCE, ended.acquire());
        ended
            .await
            .expect("upstream sees the upload end")
            .unwrap()
            .forget();
    };
    if pauses {
        is_over().await;
    }
    // This caller reads its answer only when all is sent, as most do.
    caller
        .send(vec![0; LENGTH - beginning.len()])
        .await
        .unwrap();
    let (_, answer) = caller.answer("POST").await;
    assert_eq!(String::from_utf8_lossy(&answer.bytes), TOO_LARGE);
    if !pauses {
        is_over().await;
    }
}

#[tokio::test]
async fn a_caller_that_is_refused_while_it_uploads_reads_why() {
    let world = World::new().await;
    for _ in 0..5 {
        let mut caller = Wire::connect(&world.url).await;
        let head = head(LENGTH).replace(KEY, "ffffffffffffffffffffffffffffffff");
        caller.send(head).await.unwrap();
        caller.send(body()).await.unwrap();
        let (_, answer) = caller.answer("POST").await;
        assert!(answer.bytes.starts_with(b"{\"errcode\":40001,"));
    }
}
