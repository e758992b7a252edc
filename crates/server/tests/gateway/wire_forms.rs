//! The small print of HTTP on the way: interim answers, trailers, lengths without bodies, codings; and secrets that are put
//! in or taken out.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::Method;

use crate::harness::{APP, KEY, SECRET, VIRTUAL_KEY, World, callers};
use crate::scripted::{BAD_TOKEN, FINE, Scripted, json};
use crate::wire::Wire;

/// An upstream that answers everything alike.
async fn answering(answer: impl Into<Vec<u8>>) -> (World, Scripted) {
    let answer: Vec<u8> = answer.into();
    World::scripted(&callers(), move |mut wire, head| {
        let answer = answer.clone();
        async move {
            wire.body(&head).await.ok()?;
            wire.send(&answer).await.ok()?;
            Some(wire)
        }
    })
    .await
}

fn gzipped(text: &str) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(text.as_bytes()).unwrap();
    let body = gzip.finish().unwrap();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), &body].concat()
}

#[tokio::test]
async fn a_caller_that_asks_before_it_sends_is_told_to_go_on_and_one_that_is_refused_is_not() {
    let (world, upstream) = answering(json(FINE)).await;
    let mut caller = Wire::connect(&world.url).await;
    let head = |key: &str| {
        format!(
            "POST /cgi-bin/menu/create HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        )
    };
    caller.send(head(KEY)).await.unwrap();
    assert_eq!(caller.head().await.unwrap().status(), 100);
    caller.send("{}").await.unwrap();
    let (_, body) = caller.answer("POST").await;
    assert_eq!(String::from_utf8_lossy(&body.bytes), FINE);
    assert_eq!(upstream.seen()[0].get("expect"), None);

    let mut stranger = Wire::connect(&world.url).await;
    stranger
        .send(head("0123456789abcdef0123456789abcdef"))
        .await
        .unwrap();
    assert_eq!(
        stranger.head().await.unwrap().status(),
        200,
        "a refusal, and no 100"
    );
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn trailers_pass_both_ways_where_they_are_wanted_and_private_ones_do_not() {
    let chunks = "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 17\r\n\r\n";
    let (got, mut bodies) = tokio::sync::mpsc::unbounded_channel();
    let (world, upstream) = World::scripted(&callers(), move |mut wire, head| {
        let got = got.clone();
        async move {
            got.send(wire.body(&head).await.ok()?).unwrap();
            wire.send(chunks).await.ok()?;
            Some(wire)
        }
    })
    .await;
    for wanted in [true, false] {
        let te = if wanted { "TE: trailers\r\n" } else { "" };
        let mut caller = Wire::connect(&world.url).await;
        let (_, body) = caller
            .ask(format!(
                "POST /wxa/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n{te}Transfer-Encoding: chunked\r\n\
                 Trailer: X-Sum, Cookie\r\n\r\n1\r\na\r\n0\r\nX-Sum: 4\r\nCookie: a=b\r\n\r\n"
            ))
            .await;
        let sum = |value: &str| vec![("x-sum".to_owned(), value.as_bytes().to_vec())];
        assert_eq!(body.bytes, b"abc");
        assert_eq!(body.trailers, if wanted { sum("17") } else { Vec::new() });
        assert_eq!(bodies.recv().await.unwrap().trailers, sum("4"));
        let seen = upstream.seen();
        assert_eq!(seen.last().unwrap().get("te"), wanted.then_some("trailers"));
    }
}

#[tokio::test]
async fn what_belongs_to_a_connection_stays_on_it() {
    let answer = format!(
        "HTTP/1.1 200 OK\r\nConnection: X-Hop, close\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\n\
         Wxtoken-Replayed: forged\r\nX-Stays: 1\r\nContent-Length: {}\r\n\r\n{FINE}",
        FINE.len()
    );
    let (world, upstream) = answering(answer).await;
    let mut caller = Wire::connect(&world.url).await;
    for _ in 0..2 {
        let (head, _) = caller
            .ask(format!(
                "GET /cgi-bin/menu/get HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nConnection: keep-alive, X-Mine\r\n\
                 X-Mine: 1\r\nUpgrade: h2c\r\nCookie: a=b\r\nX-Forwarded-For: 1.2.3.4\r\nReferer: http://x/?t=1\r\n\r\n"
            ))
            .await;
        assert_eq!(head.get("x-stays"), Some("1"));
        for name in [
            "x-hop",
            "keep-alive",
            "proxy-authenticate",
            "wxtoken-replayed",
            "connection",
        ] {
            assert_eq!(head.get(name), None, "{name}");
        }
    }
    let seen = upstream.seen();
    let names: Vec<&str> = seen[0]
        .headers
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["accept-encoding", "host"]);
}

#[tokio::test]
async fn the_length_of_a_head_answer_is_that_of_the_body_it_does_not_have() {
    let (world, upstream) = answering("HTTP/1.1 200 OK\r\nContent-Length: 123456\r\n\r\n").await;
    let mut caller = Wire::connect(&world.url).await;
    for _ in 0..3 {
        let request = format!(
            "HEAD /cgi-bin/media/get HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n\r\n"
        );
        let (head, _) = caller.ask(request).await;
        assert_eq!(head.get("content-length"), Some("123456"));
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn a_compressed_refusal_is_seen_and_a_compressed_answer_passes_untouched() {
    let first = std::sync::atomic::AtomicBool::new(true);
    let (world, upstream) = World::scripted(&callers(), move |mut wire, head| {
        let bad = first.swap(false, std::sync::atomic::Ordering::SeqCst);
        async move {
            wire.body(&head).await.ok()?;
            wire.send(gzipped(if bad { BAD_TOKEN } else { FINE }))
                .await
                .ok()?;
            Some(wire)
        }
    })
    .await;
    world.kill().await;
    let told = world.get("/cgi-bin/menu/get").await;
    assert_eq!(told.headers["wxtoken-replayed"], "1");
    assert_eq!(told.headers["content-encoding"], "gzip");
    assert!(gzipped(FINE).ends_with(&told.body));
    assert_eq!(upstream.seen()[0].get("accept-encoding"), Some("identity"));
}

#[tokio::test]
async fn an_answer_that_repeats_the_real_token_shows_a_virtual_caller_stars() {
    for compressed in [false, true] {
        let (world, _upstream) = World::scripted(&callers(), move |mut wire, head| async move {
            wire.body(&head).await.ok()?;
            let text = format!(
                "{{\"errcode\":40013,\"errmsg\":\"asked: {}\"}}",
                head.target()
            );
            let answer = if compressed {
                gzipped(&text)
            } else {
                let location = format!("\r\nLocation: http://x{}\r\n\r\n", head.target());
                json(&text).replacen("\r\n\r\n", &location, 1).into_bytes()
            };
            wire.send(answer).await.ok()?;
            Some(wire)
        })
        .await;
        let token = world.token().await;
        for (key, shown) in [(KEY, true), (VIRTUAL_KEY, false)] {
            let request = world
                .request(Method::GET, "/cgi-bin/menu/get")
                .header("authorization", format!("Bearer {key}"));
            let told = world.send(request, "").await;
            if compressed && shown {
                assert_eq!(told.headers["content-encoding"], "gzip");
                continue;
            }
            let text = format!("{:?} {}", told.headers, told.errmsg());
            assert_eq!(text.contains(&token), shown, "{text}");
            assert_eq!(text.contains("access_token=***"), !shown, "{text}");
        }
    }
}

#[tokio::test]
async fn a_key_in_a_body_becomes_the_appsecret() {
    let paths = "call_paths = [\"/cgi-bin/clear_quota/v2\"]\n";
    let callers = format!(
        "[[caller]]\nname = \"shop\"\nkey = \"{KEY}\"\napps = [\"{APP}\"]\nallow = [\"call\"]\n{paths}"
    );
    let (got, mut bodies) = tokio::sync::mpsc::unbounded_channel();
    let (world, _upstream) = World::scripted(&callers, move |mut wire, head| {
        let got = got.clone();
        async move {
            got.send(wire.body(&head).await.ok()?.bytes).unwrap();
            wire.send(json(FINE)).await.ok()?;
            Some(wire)
        }
    })
    .await;
    for body in [
        format!("appid={APP}&appsecret={KEY}"),
        format!("{{\"appid\":\"{APP}\",\"appsecret\":\"{KEY}\"}}"),
    ] {
        let request = world.request(Method::POST, "/cgi-bin/clear_quota/v2");
        let told = world.send(request, body.clone()).await;
        assert_eq!(told.body, FINE);
        let arrived = String::from_utf8(bodies.recv().await.unwrap()).unwrap();
        assert_eq!(arrived, body.replace(KEY, SECRET));
    }
}

#[tokio::test]
async fn an_answer_with_many_headers_is_passed_on_whichever_way_its_call_went() {
    let many: String = (0..200).map(|n| format!("X-{n}: {n}\r\n")).collect();
    let answer = format!("HTTP/1.1 200 OK\r\n{many}Content-Length: 2\r\n\r\n{{}}");
    let (world, upstream) = answering(answer).await;
    // The second is answered behind hyper from the start: its path has answered oddly before.
    for _ in 0..2 {
        let mut caller = Wire::connect(&world.url).await;
        let call = format!(
            "POST /cgi-bin/menu/create HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Length: 2\r\n\r\n{{}}"
        );
        caller.send(call).await.unwrap();
        let (head, body) = caller.answer("POST").await;
        assert_eq!(String::from_utf8_lossy(&body.bytes), "{}");
        assert_eq!(head.get("x-199"), Some("199"));
    }
    assert_eq!(upstream.seen().len(), 2);
}
