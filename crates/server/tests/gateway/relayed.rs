//! What only calls that are relayed without hyper could get wrong: their connections, their pieces, what stands behind them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use http::Method;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::harness::{KEY, World, callers};
use crate::scripted::{BAD_TOKEN, FINE, json};
use crate::wire::Wire;

const POST: &str = "POST /cgi-bin/menu/create HTTP/1.1";

fn head(line: &str, length: usize) -> String {
    format!("{line}\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Length: {length}\r\n\r\n")
}

async fn answer(wire: &mut Wire) -> String {
    let head = wire.head().await.expect("an answer");
    let body = wire.answer_body("POST", &head).await.unwrap();
    format!(
        "{} {}",
        head.status(),
        String::from_utf8(body.bytes).unwrap()
    )
}

#[tokio::test]
async fn a_request_that_comes_together_with_the_end_of_a_body_is_answered_too() {
    let heads = Arc::new(Semaphore::new(0));
    let told = Arc::clone(&heads);
    let (world, _upstream) = World::scripted(&callers(), move |mut wire, head| {
        told.add_permits(1);
        async move {
            wire.body(&head).await.ok()?;
            wire.send(json(FINE)).await.ok()?;
            Some(wire)
        }
    })
    .await;
    let mut caller = Wire::connect(&world.url).await;
    caller.send(head(POST, 3)).await.unwrap();
    let _began = heads.acquire().await.unwrap();
    let behind = format!("abc{}xyz", head(POST, 3));
    caller.send(behind).await.unwrap();
    for _ in 0..2 {
        assert_eq!(answer(&mut caller).await, format!("200 {FINE}"));
    }
}

#[tokio::test]
async fn an_answer_in_many_pieces_takes_its_room_once() {
    const PIECES: usize = 45;
    const PIECE: usize = 1300;
    let next = Arc::new(Semaphore::new(0));
    let go = Arc::clone(&next);
    let limits = "[gateway]\nreplay_memory = \"64KiB\"\nreplay_limit = \"256KiB\"\nbuffers_total = \"1MiB\"\n";
    let (world, _upstream) =
        World::scripted(&format!("{}{limits}", callers()), move |mut wire, head| {
            let go = Arc::clone(&go);
            async move {
                wire.body(&head).await.ok()?;
                if head.path() != "/cgi-bin/drips" {
                    wire.send(json(FINE)).await.ok()?;
                    return Some(wire);
                }
                let text = format!("{{\"x\":\"{}\"}}", "x".repeat(PIECES * PIECE));
                for piece in json(&text).as_bytes().chunks(PIECE) {
                    go.acquire().await.ok()?.forget();
                    wire.send(piece).await.ok()?;
                }
                Some(wire)
            }
        })
        .await;
    let world = Arc::new(world);
    let dripped = tokio::spawn({
        let world = Arc::clone(&world);
        async move { world.post("/cgi-bin/drips", "").await }
    });
    for _ in 0..PIECES + 2 {
        next.add_permits(1);
        for _ in 0..3 {
            let other = world.post("/cgi-bin/menu/create", vec![b'x'; 60_000]).await;
            assert_eq!(other.errcode(), 0, "{}", other.errmsg());
        }
    }
    let dripped = dripped.await.unwrap();
    assert_eq!(
        dripped.json()["x"].as_str().map(str::len),
        Some(PIECES * PIECE)
    );
}

#[tokio::test]
async fn an_interim_answer_while_the_body_comes_is_no_answer_yet() {
    let hinted = Arc::new(Semaphore::new(0));
    let told = Arc::clone(&hinted);
    let (world, _upstream) = World::scripted(&callers(), move |mut wire, head| {
        let told = Arc::clone(&told);
        async move {
            if head.path() == "/cgi-bin/hints" {
                wire.send("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")
                    .await
                    .ok()?;
                told.add_permits(1);
            }
            let body = wire.body(&head).await.ok()?;
            wire.send(json(&format!("{{\"len\":{}}}", body.bytes.len())))
                .await
                .ok()?;
            Some(wire)
        }
    })
    .await;
    let mut caller = Wire::connect(&world.url).await;
    let begun = head("POST /cgi-bin/hints HTTP/1.1", 200_000);
    caller
        .send([begun.as_bytes(), &[b'x'; 100_000]].concat())
        .await
        .unwrap();
    let _hinted = hinted.acquire().await.unwrap();
    for _ in 0..10 {
        assert_eq!(
            world.post("/cgi-bin/menu/create", "{}").await.json()["len"],
            2
        );
    }
    caller.send([b'x'; 100_000]).await.unwrap();
    assert_eq!(answer(&mut caller).await, "200 {\"len\":200000}");
}

/// A door to the simulator that can be told to reset whoever comes.
async fn door(behind: String, resets: Arc<AtomicBool>, came: Arc<AtomicUsize>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            came.fetch_add(1, Ordering::SeqCst);
            if resets.load(Ordering::SeqCst) {
                stream.set_zero_linger().unwrap();
                continue;
            }
            let inside = TcpStream::connect(behind.trim_start_matches("http://")).await;
            let mut inside = inside.unwrap();
            tokio::spawn(async move {
                // How the two end is theirs.
                let _ended = tokio::io::copy_bidirectional(&mut stream, &mut inside).await;
            });
        }
    });
    url
}

#[tokio::test]
async fn connections_that_are_reset_as_soon_as_they_are_made_are_not_made_again_and_again() {
    let (resets, came) = (Arc::default(), Arc::default());
    let (told, count) = (Arc::clone(&resets), Arc::clone(&came));
    let (world, ()) = World::behind("", &callers(), async |url| {
        (door(url, told, count).await, ())
    })
    .await;
    world.token().await;
    resets.store(true, Ordering::SeqCst);
    let before = came.load(Ordering::SeqCst);
    for _ in 0..5 {
        assert_eq!(world.post("/cgi-bin/menu/create", "{}").await.errcode(), -1);
    }
    let made = came.load(Ordering::SeqCst) - before;
    assert!(made <= 20, "{made} connections for 5 calls");
}

#[tokio::test]
async fn a_long_post_with_an_odd_answer_keeps_its_connection() {
    let (world, _upstream) = World::scripted(&callers(), |mut wire, head| async move {
        wire.body(&head).await.ok()?;
        let odd = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
        wire.send(format!("{odd}2\r\n{{}}\r\n0\r\n\r\n")).await.ok()?;
        Some(wire)
    })
    .await;
    for length in [10, 24 << 10, 30_000, 100_000, 250_000] {
        let mut caller = Wire::connect(&world.url).await;
        // The path is known to be odd from the first call on, for its app: each length asks another.
        let line = format!("POST /cgi-bin/odd{length} HTTP/1.1");
        for round in 0..2 {
            caller.send(head(&line, length)).await.unwrap();
            caller.send(vec![b'x'; length]).await.unwrap();
            let head = caller.head().await;
            let head = head.unwrap_or_else(|| panic!("{length}, call {round}: closed"));
            assert_eq!(head.get("connection"), None, "{length}");
            let body = caller.answer_body("POST", &head).await.unwrap();
            assert_eq!(body.bytes, b"{}", "{length}");
        }
    }
}

#[tokio::test]
async fn a_short_body_beyond_the_limit_says_that_it_could_not_have_been_sent_again() {
    let limits = "[gateway]\nreplay_memory = \"1KiB\"\nreplay_limit = \"1KiB\"\n";
    let (world, _) =
        World::behind("", &format!("{limits}{}", callers()), async |url| (url, ())).await;
    for method in [Method::POST, Method::PUT] {
        for (length, said) in [(1024, false), (1025, true)] {
            let request = world
                .request(method.clone(), "/cgi-bin/menu/create")
                .header("authorization", format!("Bearer {KEY}"));
            let told = world.send(request, vec![b' '; length]).await;
            let off = told
                .headers
                .get("wxtoken-replay")
                .is_some_and(|value| value == "off");
            assert_eq!(off, said, "{method} of {length}");
        }
    }
}

#[tokio::test]
async fn a_key_that_was_taken_away_is_refused_at_once_where_it_was_shown_before() {
    let (world, upstream) = World::scripted(&callers(), move |mut wire, head| async move {
        wire.body(&head).await.ok()?;
        wire.send(json(FINE)).await.ok()?;
        Some(wire)
    })
    .await;
    let mut caller = Wire::connect(&world.url).await;
    for _ in 0..3 {
        caller.send(head(POST, 0)).await.unwrap();
        assert_eq!(answer(&mut caller).await, format!("200 {FINE}"));
    }
    world
        .reload(|config| config.callers[0].key = config.callers[1].key.take())
        .await;
    caller.send(head(POST, 0)).await.unwrap();
    let refused = answer(&mut caller).await;
    assert!(refused.contains("\"errcode\":40001"), "{refused}");
    assert_eq!(upstream.seen().len(), 3);
}

#[tokio::test]
async fn a_call_sent_behind_another_before_the_server_stops_is_answered_too() {
    let gate = Arc::new(Semaphore::new(0));
    let arrived = Arc::new(Semaphore::new(0));
    let (go, told) = (Arc::clone(&gate), Arc::clone(&arrived));
    let (world, _upstream) = World::scripted(&callers(), move |mut wire, head| {
        let go = Arc::clone(&go);
        told.add_permits(1);
        async move {
            wire.body(&head).await.ok()?;
            go.acquire().await.ok()?.forget();
            wire.send(json(FINE)).await.ok()?;
            Some(wire)
        }
    })
    .await;
    let mut caller = Wire::connect(&world.url).await;
    let call = format!("{}abc", head(POST, 3));
    caller.send(&call).await.unwrap();
    let _began = arrived.acquire().await.unwrap();
    caller.send(&call).await.unwrap();
    let url = world.url.clone();
    let stopping = tokio::spawn(world.stopped());
    // Nobody is let in any more once it stops.
    while TcpStream::connect(url.trim_start_matches("http://"))
        .await
        .is_ok()
    {
        tokio::task::yield_now().await;
    }
    gate.add_permits(2);
    for _ in 0..2 {
        assert_eq!(answer(&mut caller).await, format!("200 {FINE}"));
    }
    stopping.await.unwrap();
}

#[tokio::test]
async fn a_length_that_only_one_reader_understands_is_refused_before_anything_goes_up() {
    let calls = Arc::new(AtomicUsize::new(0));
    let (world, upstream) = World::scripted(&callers(), move |mut wire, head| {
        let call = calls.fetch_add(1, Ordering::SeqCst);
        async move {
            wire.body(&head).await.ok()?;
            // What is made again is read again.
            let said = [BAD_TOKEN, FINE][call % 2];
            wire.send(json(said)).await.ok()?;
            Some(wire)
        }
    })
    .await;
    for (before, behind, status, times) in [
        (1, 0, 200, 2),
        (40, 5, 200, 2),
        (80, 0, 400, 0),
        (1, 80, 400, 0),
    ] {
        world.kill().await;
        let seen = upstream.seen().len();
        let length = format!("{}3{}", " ".repeat(before), " ".repeat(behind));
        let head = head(POST, 3).replace(" 3", &length);
        let mut caller = Wire::connect(&world.url).await;
        caller.send(format!("{head}abc")).await.unwrap();
        let told = caller.head().await.expect("an answer").status();
        assert_eq!(
            (told, upstream.seen().len() - seen),
            (status, times),
            "{length:?}"
        );
    }
}

#[tokio::test]
async fn a_call_that_has_gone_up_is_answered_whatever_room_is_left_by_then() {
    let (began, go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (told, gate) = (Arc::clone(&began), Arc::clone(&go));
    let (world, upstream) = World::scripted(&callers(), move |mut wire, head| {
        let gate = Arc::clone(&gate);
        told.add_permits(1);
        async move {
            wire.body(&head).await.ok()?;
            if head.path() != "/cgi-bin/menu/create" {
                wire.closed().await;
                return None;
            }
            gate.acquire().await.ok()?.forget();
            let odd = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            wire.send(format!("{odd}2\r\n{{}}\r\n0\r\n\r\n"))
                .await
                .ok()?;
            Some(wire)
        }
    })
    .await;
    let call = |line: &str| head(line, 9000) + &"x".repeat(9000);
    let mut caller = Wire::connect(&world.url).await;
    caller.send(call(POST)).await.unwrap();
    let mut other = Wire::connect(&world.url).await;
    other
        .send(call("POST /cgi-bin/kept HTTP/1.1"))
        .await
        .unwrap();
    let _began = began.acquire_many(2).await.unwrap();
    world
        .reload(|config| config.gateway.buffers_total.0 = 4096)
        .await;
    go.add_permits(1);
    assert_eq!(answer(&mut caller).await, "200 {}");
    assert_eq!(upstream.seen().len(), 2);
}
