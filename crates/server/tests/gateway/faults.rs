//! What a broken, slow or odd upstream does to calls: resets, torn answers, HTML, connections closed while idle.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::Method;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::harness::{KEY, World, callers};
use crate::scripted::{BAD_TOKEN, FINE, Scripted, json};
use crate::wire::Wire;

const PROBE: &str = "/cgi-bin/get_api_domain_ip";

/// A world whose upstream sends these bytes to every call and closes, or resets, the connection.
async fn saying(bytes: impl Into<Vec<u8>>, then_reset: bool) -> (World, Scripted) {
    let bytes: Vec<u8> = bytes.into();
    World::scripted(&callers(), move |mut wire, head| {
        let bytes = bytes.clone();
        async move {
            wire.body(&head).await.ok()?;
            wire.send(&bytes).await.ok()?;
            if then_reset {
                wire.reset();
            }
            None
        }
    })
    .await
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_answer_costs_a_get_nothing_and_is_told_to_a_post() {
    for then_reset in [false, true] {
        let (world, upstream) = World::scripted(&callers(), move |mut wire, head| async move {
            wire.body(&head).await.ok()?;
            if then_reset {
                wire.reset();
            }
            None
        })
        .await;
        let told = world.get("/cgi-bin/menu/get").await;
        assert_eq!(told.errcode(), -1);
        assert_eq!(upstream.seen().len(), 2, "once more, and no more");
        let told = world.post("/cgi-bin/menu/create", "{}").await;
        assert_eq!(told.errcode(), -1);
        assert_eq!(upstream.seen().len(), 3, "nobody knows what it did");
        for (method, times) in [
            (Method::HEAD, 2),
            (Method::PUT, 1),
            (Method::PATCH, 1),
            (Method::DELETE, 1),
        ] {
            let before = upstream.seen().len();
            let request = world
                .request(method.clone(), "/cgi-bin/menu/x")
                .header("authorization", format!("Bearer {KEY}"));
            world.send(request, "").await;
            assert_eq!(upstream.seen().len() - before, times, "{method}");
        }
    }
}

#[tokio::test]
async fn a_get_whose_connection_broke_is_answered_by_the_next() {
    let calls = Arc::new(AtomicUsize::new(0));
    let (world, upstream) = World::scripted(&callers(), move |mut wire, _| {
        let call = calls.fetch_add(1, Ordering::SeqCst);
        async move {
            if call == 0 {
                wire.reset();
                return None;
            }
            wire.send(json(FINE)).await.ok()?;
            Some(wire)
        }
    })
    .await;
    let told = world.get("/cgi-bin/menu/get").await;
    assert_eq!(told.errcode(), 0);
    assert_eq!(told.headers["wxtoken-replayed"], "1");
    assert_eq!(upstream.seen().len(), 2);
}

#[tokio::test]
async fn an_answer_torn_while_it_is_read_is_not_passed_on() {
    let torn = |text: &str| format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n{text}");
    for answer in [
        torn("Content-Length: 40\r\n\r\n{\"errcode\":400"),
        torn("Transfer-Encoding: chunked\r\n\r\n40\r\n{\"errcode\":400"),
        torn("Transfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n"),
        torn("Transfer-Encoding: chunked\r\n\r\nxyz\r\n{\"a\":\r\n"),
        "HTTP/1.1 200 O".to_owned(),
        "HTTP/1.1 two hundred\r\n\r\n".to_owned(),
        "\u{0}\u{1}rubbish\r\n\r\n".to_owned(),
    ] {
        for then_reset in [false, true] {
            let (world, upstream) = saying(answer.clone(), then_reset).await;
            let told = world.post("/cgi-bin/menu/create", "{}").await;
            assert_eq!(
                (told.status.as_u16(), told.errcode()),
                (200, -1),
                "{answer}"
            );
            assert_eq!(upstream.seen().len(), 1);
            assert_eq!(world.calls(PROBE), 0);
        }
    }
}

#[tokio::test]
async fn a_download_that_breaks_off_breaks_off_for_the_caller_too() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n";
    let piece = "x".repeat(100_000);
    for answer in [
        format!("{head}Content-Length: 200000\r\n\r\n{piece}"),
        format!("{head}Transfer-Encoding: chunked\r\n\r\n186a0\r\n{piece}\r\n"),
    ] {
        let (world, _upstream) = saying(answer, false).await;
        let mut caller = Wire::connect(&world.url).await;
        let request = format!(
            "GET /cgi-bin/media/get HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n\r\n"
        );
        caller.send(request).await.unwrap();
        let head = caller.head().await.unwrap();
        assert_eq!(head.status(), 200);
        assert!(caller.answer_body("GET", &head).await.is_err());
    }
}

#[tokio::test]
async fn what_is_no_refusal_passes_as_it_is() {
    for text in [
        "<html><body>502 but we say 200, errcode 40001</body></html>",
        "{\"errcode\":4000",
        "{\"a\":\"\\\"errcode\\\":40001\"}",
        "[{\"errcode\":40001}]",
        "",
    ] {
        let (world, upstream) = saying(json(text), false).await;
        let told = world.post("/cgi-bin/menu/create", "{}").await;
        assert_eq!(told.body, text);
        assert_eq!(upstream.seen().len(), 1);
        assert_eq!(world.calls(PROBE), 0, "{text} is no evidence");
    }
}

#[tokio::test]
async fn a_slow_answer_comes_through_and_so_does_one_behind_interim_answers() {
    let (world, _upstream) = World::scripted(&callers(), |mut wire, head| async move {
        wire.body(&head).await.ok()?;
        let early = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
        for byte in format!("{early}{}", json(FINE)).into_bytes() {
            wire.send([byte]).await.ok()?;
            tokio::task::yield_now().await;
        }
        Some(wire)
    })
    .await;
    for _ in 0..3 {
        assert_eq!(world.post("/cgi-bin/menu/create", "{}").await.body, FINE);
    }
}

#[tokio::test]
async fn a_protocol_nobody_asked_for_is_not_switched_to() {
    let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
    let (world, _upstream) = saying(switch, false).await;
    let told = world.post("/cgi-bin/menu/create", "{}").await;
    assert_eq!((told.status.as_u16(), told.errcode()), (200, -1));
}

#[tokio::test]
async fn a_refusal_that_only_the_end_of_the_connection_ends_is_seen() {
    let refusal = format!("HTTP/1.1 200 OK\r\n\r\n{BAD_TOKEN}");
    let calls = Arc::new(AtomicUsize::new(0));
    let (world, upstream) = World::scripted(&callers(), move |mut wire, head| {
        let call = calls.fetch_add(1, Ordering::SeqCst);
        let refusal = refusal.clone();
        async move {
            wire.body(&head).await.ok()?;
            let answer = if call == 0 { refusal } else { json(FINE) };
            wire.send(answer).await.ok()?;
            None
        }
    })
    .await;
    world.kill().await;
    let told = world.post("/cgi-bin/menu/create", "{}").await;
    assert_eq!(told.body, FINE);
    assert_eq!(upstream.seen().len(), 2);
}

#[tokio::test]
async fn connections_that_upstream_closed_while_idle_cost_no_call() {
    let (closed, mut when_closed) = mpsc::unbounded_channel();
    let (world, upstream) = World::scripted(&callers(), move |mut wire, head| {
        let closed = closed.clone();
        async move {
            wire.body(&head).await.ok()?;
            wire.send(json(FINE)).await.ok()?;
            drop(wire);
            closed.send(()).unwrap();
            None
        }
    })
    .await;
    for round in 1..=30 {
        let told = world.post("/cgi-bin/menu/create", "{}").await;
        assert_eq!(told.errcode(), 0, "round {round}");
        assert_eq!(upstream.seen().len(), round, "each call arrives once");
        when_closed.recv().await.unwrap();
    }
}

#[tokio::test]
async fn a_connection_serves_many_calls() {
    let (world, upstream) = World::scripted(&callers(), |mut wire, head| async move {
        wire.body(&head).await.ok()?;
        wire.send(json(FINE)).await.ok()?;
        Some(wire)
    })
    .await;
    for _ in 0..30 {
        let request = world
            .request(Method::POST, "/cgi-bin/menu/create")
            .header("authorization", format!("Bearer {KEY}"))
            .header("connection", "close");
        assert_eq!(world.send(request, "{}").await.errcode(), 0);
    }
    assert_eq!(
        upstream.connections(),
        1,
        "a caller's close is not upstream's"
    );
}

#[tokio::test]
async fn a_host_that_says_nothing_of_tls_is_waited_for_once_and_that_is_not_counted_as_ours() {
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    let (world, _mute) = World::behind("", &callers(), async move |url| {
        let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = mute.local_addr().unwrap();
        let held = tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((stream, _)) = mute.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                held.push(stream);
            }
        });
        // The harness puts this between the quotes of `base_url`.
        let places = format!("https://{address}\"\nfallback_urls = [\"{url}\"]\nproxy = \"");
        (places, held)
    })
    .await;
    let before = connections.load(Ordering::SeqCst);
    for _ in 0..3 {
        let told = world.post("/cgi-bin/menu/delete", "").await;
        assert_eq!(told.errcode(), 0, "{}", told.errmsg());
    }
    let waited_for = connections.load(Ordering::SeqCst) - before;
    assert_eq!(waited_for, 1, "the next calls begin with the next host");
    let metrics = world.metrics().await;
    let soon = |line: &&str| line.contains("call_added_seconds_bucket{le=\"1.0\"}");
    let soon = metrics.lines().find(soon).expect("a histogram");
    assert!(soon.ends_with(" 3"), "{soon}");
}
