//! Requests that two readers could cut in two ways, on raw sockets: none reaches upstream but as one plain request, and
//! what WeChat answers cannot slip into somebody else's call.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::harness::{KEY, World, callers};
use crate::scripted::{FINE, Scripted, json};
use crate::wire::Wire;

async fn world() -> (World, Scripted) {
    World::scripted(&callers(), |mut wire, head| async move {
        wire.body(&head).await.ok()?;
        wire.send(json(FINE)).await.ok()?;
        Some(wire)
    })
    .await
}

/// What a smuggler hopes to get through behind a first request.
const SMUGGLED: &str = "GET /cgi-bin/smuggled HTTP/1.1\r\nHost: x\r\n\r\n";

/// Sends a head's rest and what follows it; says all that comes back until the connection is closed.
async fn sent(world: &World, first_line: &str, rest: impl AsRef<[u8]>) -> String {
    let mut caller = Wire::connect(&world.url).await;
    let head = format!("{first_line}\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n");
    let _ = caller.send([head.as_bytes(), rest.as_ref()].concat()).await;
    String::from_utf8_lossy(&caller.closed().await).into_owned()
}

fn is_refused(answer: &str) -> bool {
    answer.is_empty() || answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 5")
}

const POST: &str = "POST /cgi-bin/menu/create HTTP/1.1";

#[tokio::test]
async fn a_request_whose_end_is_disputed_is_refused_and_its_connection_closed() {
    let (world, upstream) = world().await;
    let cases: [&[u8]; 29] = [
        b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"Content-Length: 3, 4\r\n\r\nabcd",
        b"Content-Length: +3\r\n\r\nabc",
        b"Content-Length: -3\r\n\r\nabc",
        b"Content-Length: 0x3\r\n\r\nabc",
        b"Content-Length: 3 3\r\n\r\nabc",
        b"Content-Length:\r\n\r\nabc",
        b"Content-Length: 99999999999999999999\r\n\r\nabc",
        b"Content-Length : 3\r\n\r\nabc",
        b"Content-Length\t: 3\r\n\r\nabc",
        b" Content-Length: 3\r\n\r\nabc",
        b"X-A: a\r\n Content-Length: 3\r\n\r\nabc",
        b"X-A: a\r\n\tb\r\n\r\n",
        b"X-A: a\rContent-Length: 3\r\n\r\nabc",
        b"X-A: a\0b\r\n\r\n",
        b"X-A\0: b\r\n\r\n",
        b"X-A\r\n\r\n",
        b": a\r\n\r\n",
        b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding:\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n1\r\na\r\n0\r\n\r\n",
        b"X-A: a\nContent-Length: 3\r\n\r\nabc",
    ];
    for case in cases {
        let answer = sent(&world, POST, [case, SMUGGLED.as_bytes()].concat()).await;
        let shown = String::from_utf8_lossy(case);
        assert!(is_refused(&answer), "{shown:?}: {answer}");
        assert_eq!(
            answer.matches("HTTP/1.1").count(),
            usize::from(!answer.is_empty()),
            "{shown:?}"
        );
        assert!(upstream.seen().is_empty(), "{shown:?}");
    }
}

#[tokio::test]
async fn a_chunk_that_is_none_ends_the_call_and_the_connection() {
    let (world, upstream) = world().await;
    let cases: [&[u8]; 12] = [
        b"5\r\nabc\r\n0\r\n\r\n",
        b"2\r\nabc\r\n0\r\n\r\n",
        b"-3\r\nabc\r\n0\r\n\r\n",
        b"0x3\r\nabc\r\n0\r\n\r\n",
        b"3 3\r\nabc\r\n0\r\n\r\n",
        b"3\nabc\r\n0\r\n\r\n",
        b"3\r\nabc\n0\r\n\r\n",
        b"3\rabc\r\n0\r\n\r\n",
        b"3;a\nb\r\nabc\r\n0\r\n\r\n",
        b"ffffffffffffffff1\r\nabc\r\n0\r\n\r\n",
        b"\r\n3\r\nabc\r\n0\r\n\r\n",
        b"3\r\nabc0\r\n\r\n",
    ];
    for case in cases {
        let rest = [
            b"Transfer-Encoding: chunked\r\n\r\n",
            case,
            SMUGGLED.as_bytes(),
        ]
        .concat();
        let answer = sent(&world, POST, rest).await;
        let shown = String::from_utf8_lossy(case);
        assert!(!answer.contains("\"errcode\":0"), "{shown:?}: {answer}");
        assert!(
            answer.matches("HTTP/1.1").count() <= 1,
            "{shown:?}: {answer}"
        );
    }
    // Heads may go up while a body comes in; a body that is broken never ends there, and nothing follows it.
    let lines: Vec<String> = upstream
        .seen()
        .iter()
        .map(|head| head.line.clone())
        .collect();
    assert!(
        lines
            .iter()
            .all(|line| line.starts_with("POST /cgi-bin/menu/create?")),
        "{lines:?}"
    );
    assert_eq!(
        lines.len(),
        upstream.connections(),
        "such a connection is not used again"
    );
}

#[tokio::test]
async fn a_body_coded_in_another_way_than_by_chunks_is_refused() {
    let (world, upstream) = world().await;
    for coding in ["gzip, chunked", "gzip\r\nTransfer-Encoding: chunked"] {
        let rest = format!(
            "Connection: close\r\nTransfer-Encoding: {coding}\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        );
        let answer = sent(&world, POST, rest).await;
        assert!(answer.contains("\"errcode\":47001"), "{answer}");
    }
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn a_later_request_whose_end_is_disputed_is_refused_as_the_first_is() {
    let head = format!("Host: x\r\nAuthorization: Bearer {KEY}\r\n");
    for later in [
        format!("{POST}\r\n{head}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"),
        format!("GET /cgi-bin/menu/get HTTP/1.1\r\nX-A: a\n{head}\r\n"),
        format!("GET /v1/apps HTTP/1.1\r\nX-A: a\n{head}\r\n"),
    ] {
        let (world, upstream) = world().await;
        let first = "Content-Length: 3\r\n\r\nabc";
        let answer = sent(&world, POST, format!("{first}{later}{SMUGGLED}")).await;
        let answers: Vec<&str> = answer.matches("HTTP/1.1 ").collect();
        assert_eq!(answers.len(), 2, "{later:?}: {answer}");
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("HTTP/1.1 400 "));
        assert_eq!(upstream.seen().len(), 1, "{later:?}");
    }
}

#[tokio::test]
async fn targets_that_are_no_paths_go_nowhere() {
    let (world, upstream) = world().await;
    for line in [
        "GET http://127.0.0.1:1/cgi-bin/menu/get HTTP/1.1",
        "GET https://api.weixin.qq.com/cgi-bin/menu/get HTTP/1.1",
        "CONNECT api.weixin.qq.com:443 HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "GET cgi-bin/menu/get HTTP/1.1",
        "GET /cgi-bin/menu get HTTP/1.1",
        "GET /cgi-bin/menu\0get HTTP/1.1",
        "GET /cgi-bin/%00 HTTP/1.1",
        "GET /cgi-bin/a\\..\\b HTTP/1.1",
        "GET /cgi-bin/menu/get HTTP/2.0",
        "GET /cgi-bin/menu/get",
        "G ET /cgi-bin/menu/get HTTP/1.1",
        "GET  /cgi-bin/menu/get HTTP/1.1",
        "GET\t/cgi-bin/menu/get HTTP/1.1",
    ] {
        let answer = sent(&world, line, "Connection: close\r\n\r\n").await;
        assert!(is_refused(&answer), "{line}: {answer}");
    }
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn what_an_answer_smuggles_behind_itself_is_nobodys_answer() {
    const POISON: &str = r#"{"errcode":0,"poison":1}"#;
    for twice in [
        format!("{}{}", json(FINE), json(POISON)),
        format!("HTTP/1.1 204 No Content\r\n\r\n{}", json(POISON)),
        format!(
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n{}",
            json(POISON)
        ),
        format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{}",
            json(POISON)
        ),
    ] {
        let calls = Arc::new(AtomicUsize::new(0));
        let bad = twice.clone();
        let (world, _upstream) = World::scripted(&callers(), move |mut wire, head| {
            let is_bad = calls.fetch_add(1, Ordering::SeqCst).is_multiple_of(2);
            let answer = if is_bad { bad.clone() } else { json(FINE) };
            async move {
                wire.body(&head).await.ok()?;
                wire.send(answer).await.ok()?;
                Some(wire)
            }
        })
        .await;
        for _ in 0..10 {
            world.get("/cgi-bin/menu/get").await;
            let told = world.get("/cgi-bin/user/get").await;
            assert_eq!(told.body, FINE, "{twice}");
        }
    }
}

#[tokio::test]
async fn an_answer_whose_end_is_disputed_is_no_answer() {
    for headers in [
        "Content-Length: 3\r\nContent-Length: 27",
        "Content-Length: x",
        "Content-Length: -1",
        "X-A: a\rSet-Cookie: b=c\r\nContent-Length: 27",
        "X-A: a\0b\r\nContent-Length: 27",
        "Transfer-Encoding: chunked\r\nContent-Length: 27",
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{headers}\r\n\r\n{FINE}");
        let (world, _upstream) = World::scripted(&callers(), move |mut wire, head| {
            let answer = answer.clone();
            async move {
                wire.body(&head).await.ok()?;
                wire.send(answer).await.ok()?;
                None
            }
        })
        .await;
        let told = world.post("/cgi-bin/menu/create", "{}").await;
        assert_eq!(told.errcode(), -1, "{headers:?}");
    }
}
