//! The relay of plain calls and hyper send the same bytes up and the same bytes down, whatever is called, however it
//! arrives and whatever is answered.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::config::Server;
use crate::http::listen::Site;
use crate::http::testing::{KEY, Running, WIDE_KEY, World};

/// What upstream answers to `/cgi-bin/a{number}`, and whether it closes the connection then. `@` stands for a body of 100 KB.
const ANSWERS: [(&str, bool); 21] = [
    (
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{\"errcode\":0}",
        false,
    ),
    (
        "HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 00:00:00 GMT\r\nSet-Cookie: a\r\nset-cookie: b\r\nContent-Length: 2\r\n\r\nok",
        false,
    ),
    (
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 30\r\n\r\n{\"errcode\":45009,\"errmsg\":\"q\"} ",
        false,
    ),
    (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n4;x=y\r\n you\r\n0\r\n\r\n",
        false,
    ),
    (
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end",
        true,
    ),
    ("HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n", false),
    (
        "HTTP/1.1 500 Oh No\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbad",
        true,
    ),
    (
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        false,
    ),
    (
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy",
        true,
    ),
    (
        "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\nContent-Type: image/png\r\n\r\n@",
        false,
    ),
    (
        "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\nContent-Type: application/json\r\n\r\n@",
        false,
    ),
    ("HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nold!", true),
    (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        true,
    ),
    ("rubbish\r\n\r\n", true),
    (
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{\"errcode\":-1}",
        false,
    ),
    (
        "HTTP/1.1 200 OK\r\nX-Request-Id: theirs\r\nWxtoken-Replayed: 1\r\nProxy-Authenticate: x\r\nContent-Length: 2\r\nKeep-Alive: timeout=5\r\nConnection: keep-alive\r\n\r\nok",
        false,
    ),
    (
        "HTTP/1.1 302 Found\r\nLocation: https://elsewhere/\r\nContent-Length: 0\r\n\r\n",
        false,
    ),
    (
        "HTTP/1.1 299 Strange\r\nX-A:  \t \r\nX-B: \u{e9}\r\nContent-Length: 3\r\nContent-Encoding: gzip\r\nContent-Type: text/plain\r\n\r\nabc",
        false,
    ),
    (
        "HTTP/1.1 200 OK\r\nX-Mine: 1\r\nConnection: x-mine\r\nContent-Length: 3\r\n\r\nabc",
        false,
    ),
    (
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 30\r\n\r\ntorn",
        true,
    ),
    ("", true),
];

/// What arrived upstream, request by request.
type Seen = Arc<Mutex<Vec<Vec<u8>>>>;

async fn upstream(seen: Seen) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&seen)));
        }
    });
    address
}

async fn serve(mut stream: TcpStream, seen: Seen) {
    let mut buffer = Vec::new();
    loop {
        let Some(head) = until(&mut stream, &mut buffer, |bytes| {
            position(bytes, b"\r\n\r\n")
        })
        .await
        else {
            return;
        };
        let text = String::from_utf8_lossy(&buffer[..head]).to_lowercase();
        let whole = head + 4 + length(&text).unwrap_or(0);
        if until(&mut stream, &mut buffer, |bytes| {
            (bytes.len() >= whole).then_some(0)
        })
        .await
        .is_none()
        {
            return;
        }
        let request: Vec<u8> = buffer.drain(..whole).collect();
        let number = text.split("/cgi-bin/a").nth(1).unwrap();
        let number: String = number.chars().take_while(char::is_ascii_digit).collect();
        seen.lock().unwrap().push(request);
        let (answer, closes) = ANSWERS[number.parse::<usize>().unwrap()];
        let answer = answer.replace('@', &"{\"a\":\"b\"} ".repeat(10_000));
        stream.write_all(answer.as_bytes()).await.unwrap();
        if closes {
            return;
        }
    }
}

fn length(head: &str) -> Option<usize> {
    let value = head.split("\r\ncontent-length: ").nth(1)?;
    value.split("\r\n").next()?.parse().ok()
}

fn position(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|part| part == what)
}

/// Reads until something is found; none at the end.
async fn until(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
    find: impl Fn(&[u8]) -> Option<usize>,
) -> Option<usize> {
    loop {
        if let Some(found) = find(buffer) {
            return Some(found);
        }
        if stream.read_buf(buffer).await.unwrap_or(0) == 0 {
            return None;
        }
    }
}

struct Side {
    world: World,
    server: Running,
    seen: Seen,
    upstream: SocketAddr,
}

impl Side {
    async fn new(relay: bool) -> Self {
        let seen = Seen::default();
        let upstream = upstream(Arc::clone(&seen)).await;
        let world = World::in_front_of(upstream);
        let site = if relay {
            Site::api(&world.services)
        } else {
            Site::api_by_hyper(&world.services)
        };
        let server = world.serve_site(site, Server::default()).await;
        Self {
            world,
            server,
            seen,
            upstream,
        }
    }

    /// What arrived, without upstream's own name: each side has its own.
    fn nameless(&self, up: &[u8]) -> Vec<u8> {
        let host = format!("host: {}\r\n", self.upstream);
        let at = position(up, host.as_bytes()).expect("upstream's name");
        let named = [&up[..at], b"host: upstream\r\n", &up[at + host.len()..]].concat();
        // The order of different headers says nothing.
        let head = position(&named, b"\r\n\r\n").unwrap();
        let mut lines: Vec<&[u8]> = named[..head].split(|byte| *byte == b'\n').collect();
        lines[1..].sort_unstable();
        [&lines.join(&b'\n'), &named[head..]].concat()
    }

    /// Sends pieces, reads until as many answers are there as are due; what arrived above, and what came back.
    async fn converse(&self, pieces: &[&[u8]], due: usize) -> (Vec<Vec<u8>>, Vec<u8>) {
        self.seen.lock().unwrap().clear();
        let mut stream = TcpStream::connect(self.server.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        for piece in pieces {
            // The server may have answered and closed by now.
            let _ = stream.write_all(piece).await;
            tokio::task::yield_now().await;
        }
        let mut back = Vec::new();
        let reading = until(&mut stream, &mut back, |bytes| {
            whole(bytes, due, !pieces.concat().starts_with(b"HEAD"))
        });
        let in_time = timeout(Duration::from_secs(20), reading).await.is_ok();
        assert!(
            in_time,
            "no answer in time to {}: {}",
            short(&pieces.concat()),
            short(&back)
        );
        let seen = std::mem::take(&mut *self.seen.lock().unwrap());
        (
            seen.iter().map(|up| self.nameless(up)).collect(),
            plain(&back),
        )
    }
}

/// Where this many answers end.
fn whole(bytes: &[u8], due: usize, bodies: bool) -> Option<usize> {
    let mut at = 0;
    for _ in 0..due {
        let head = position(bytes.get(at..)?, b"\r\n\r\n")? + 4;
        let text = String::from_utf8_lossy(&bytes[at..at + head]).to_lowercase();
        at += head;
        if !bodies {
            continue;
        }
        at += match (length(&text), text.contains("transfer-encoding: chunked")) {
            (Some(length), _) => length,
            (None, true) => position(bytes.get(at..)?, b"0\r\n\r\n")? + 5,
            (None, false) => 0,
        };
    }
    (bytes.len() >= at).then_some(at)
}

/// Without the edges of chunks, which lie where the pieces happened to come.
///
/// Nor with the word that a connection ends, which hyper does not say where it has not read a long body.
fn plain(bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes).replace("connection: close\r\n", "");
    let is_edge = |line: &&str| {
        !line.is_empty() && line.len() < 6 && line.bytes().all(|b| b.is_ascii_hexdigit())
    };
    let lines: Vec<&str> = text.split("\r\n").filter(|line| !is_edge(line)).collect();
    if text.contains("transfer-encoding: chunked") {
        return lines.concat().into_bytes();
    }
    // The order of an answer's headers may differ: hyper puts a length that it knows by itself last.
    let mut lines: Vec<&str> = text.split("\r\n").collect();
    lines.sort_unstable();
    lines.join("\r\n").into_bytes()
}

fn request(rng: &mut Rng) -> Vec<u8> {
    let number = rng.usize(..ANSWERS.len());
    let method = ["GET", "POST", "POST", "PUT", "HEAD"][rng.usize(..5)];
    let query = [
        "",
        "?access_token=TOKEN-1",
        "?a=%20&access_token=old&b",
        "?access_token=",
    ][rng.usize(..4)];
    let prefix = ["", "", "", "/", "/k/0123456789abcdef0123456789abcdef"][rng.usize(..5)];
    let key = [KEY, KEY, WIDE_KEY, "bad"][rng.usize(..4)];
    let mut head = format!(
        "{method} {prefix}/cgi-bin/a{number}{query} HTTP/1.1\r\nHost: hub\r\nX-Request-Id: same\r\nAuthorization: Bearer {key}\r\n"
    );
    for line in [
        "Accept: a\r\naccept: b\r\n",
        "Cookie: no\r\nX-Forwarded-For: 1\r\nReferer: x\r\n",
        "X-Unicode: é\r\n",
        "User-Agent: SDK/1  (x)\t\r\n",
        "Connection: keep-alive\r\n",
        "Accept-Encoding: gzip\r\nContent-Type: application/json; charset=utf-8\r\n",
        "Wxtoken-App: wx0123456789abcdef\r\n",
    ] {
        if rng.u8(..3) == 0 {
            head.push_str(line);
        }
    }
    let body = match (method, rng.u8(..4)) {
        ("GET" | "HEAD", _) | (_, 0) => Vec::new(),
        (_, 1) => b"{\"touser\":\"o\"}".to_vec(),
        (_, 2) => vec![b'x'; rng.usize(..40_000)],
        _ => vec![b'y'; rng.usize(..400_000)],
    };
    if method != "GET" && method != "HEAD" && (!body.is_empty() || rng.bool()) {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    [head.into_bytes(), body].concat()
}

#[tokio::test]
async fn the_relay_and_hyper_send_the_same_bytes_up_and_down() {
    let (relay, hyper) = (Side::new(true).await, Side::new(false).await);
    for seed in 0..400 {
        let mut rng = Rng::with_seed(seed);
        let bytes = request(&mut rng);
        let size = [bytes.len(), 1 + rng.usize(..200), 60_000][rng.usize(..3)];
        let size = size.max(bytes.len() / 50);
        let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
        let (ours, theirs) = (
            relay.converse(&pieces, 1).await,
            hyper.converse(&pieces, 1).await,
        );
        let shown = |(up, down): &(Vec<Vec<u8>>, Vec<u8>)| {
            let up = up.iter().map(|bytes| short(bytes)).collect::<Vec<_>>();
            format!("up {up:#?}\ndown {}", short(down))
        };
        assert!(
            ours == theirs,
            "seed {seed}: {}\n--- relay\n{}\n--- hyper\n{}",
            short(&bytes),
            shown(&ours),
            shown(&theirs)
        );
    }
    drop((relay.world, hyper.world));
}

/// From where on two sides differ.
fn apart(ours: &[u8], theirs: &[u8]) -> String {
    let at = ours.iter().zip(theirs).take_while(|(a, b)| a == b).count();
    let from = at.saturating_sub(60);
    format!(
        "at {at}: {} | {}",
        short(&ours[from..]),
        short(&theirs[from..])
    )
}

fn short(bytes: &[u8]) -> String {
    format!(
        "{:.900} [{} bytes]",
        String::from_utf8_lossy(bytes),
        bytes.len()
    )
}

#[tokio::test]
async fn calls_sent_one_behind_the_other_are_answered_in_turn() {
    let (relay, hyper) = (Side::new(true).await, Side::new(false).await);
    let call = |number: usize, body: &str| {
        format!(
            "POST /cgi-bin/a{number}?access_token=TOKEN-1 HTTP/1.1\r\nX-Request-Id: same\r\nAuthorization: Bearer {KEY}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let bytes = [
        call(0, "one"),
        call(1, ""),
        call(9, &"x".repeat(70_000)),
        call(5, "four"),
    ]
    .concat();
    let pieces = [bytes.as_bytes()];
    let (ours, theirs) = (
        relay.converse(&pieces, 4).await,
        hyper.converse(&pieces, 4).await,
    );
    let shown = |(up, down): &(Vec<Vec<u8>>, Vec<u8>)| {
        format!(
            "up {:#?} down {}",
            up.iter()
                .map(|up| short(&up[..up.len().min(300)]))
                .collect::<Vec<_>>(),
            down.len()
        )
    };
    assert!(
        ours.0.len() == 4 && ours == theirs,
        "{} {} {}",
        shown(&ours),
        shown(&theirs),
        apart(&ours.1, &theirs.1)
    );
}
