//! The same call sent straight to an upstream and through the gateway: what arrives and what comes back is the same, but
//! for the token and the documented headers (design section 6, "What never passes").

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};

use fastrand::Rng;
use futures_util::FutureExt;

use crate::harness::{KEY, World, callers};
use crate::scripted::Scripted;
use crate::wire::{Body, Head, Wire};

const CASES: u64 = 150;
const LONG_CASES: u64 = 20;
const METHODS: [&str; 8] = [
    "GET", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE",
];
const PATHS: [&str; 4] = [
    "/cgi-bin/menu/get",
    "/wxa/a%20b/%E5%BE%AE",
    "/datacube/x~y",
    "/card/a+b,c:d@e!$'()*",
];
const VALUES: [&str; 9] = [
    "",
    "1",
    "%41%c3%a9",
    "a+b%20c",
    "é",
    "=",
    "%",
    "%zz&",
    "{a:[1]}|^`",
];
/// Written by the gateway itself, or of the connection.
const OF_THE_REQUEST: [&str; 6] = [
    "host",
    "authorization",
    "accept-encoding",
    "connection",
    "transfer-encoding",
    "expect",
];
const OF_THE_ANSWER: [&str; 5] = [
    "connection",
    "keep-alive",
    "transfer-encoding",
    "wxtoken-generation",
    "x-request-id",
];

type Seen = Arc<Mutex<Vec<(Head, Body)>>>;

/// A world whose upstream notes what arrives.
async fn world() -> (World, Scripted, Seen) {
    let seen = Seen::default();
    let noted = Arc::clone(&seen);
    let (world, upstream) = World::scripted(&callers(), move |mut wire, head| {
        let noted = Arc::clone(&noted);
        async move {
            let body = wire.body(&head).await.ok()?;
            let (answer, stays) = answer(&head);
            noted.lock().unwrap().push((head, body));
            send_in_pieces(&mut wire, &answer, 3).await;
            stays.then_some(wire)
        }
    })
    .await;
    (world, upstream, seen)
}

#[tokio::test]
async fn a_call_arrives_and_is_answered_as_if_it_had_been_sent_straight() {
    let (world, upstream, seen) = world().await;
    let token = world.token().await;
    let mut wrong = Vec::new();
    for seed in 0..CASES {
        let case = Case::of(seed);
        let direct = case.request(&token, "");
        let through = case.request("whatever", &format!("Authorization: Bearer {KEY}\r\n"));
        let direct = told(&upstream.url, &case.method, &direct, seed).await;
        let through = told(&world.url, &case.method, &through, seed).await;
        let arrived = std::mem::take(&mut *seen.lock().unwrap());
        wrong.extend(
            differences(&arrived, &direct, &through).map(|what| format!("seed {seed}: {what}")),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_long_body_arrives_and_is_answered_as_if_it_had_been_sent_straight() {
    let (world, upstream, seen) = world().await;
    let token = world.token().await;
    let (mut wrong, mut unread) = (Vec::new(), 0);
    for seed in 0..LONG_CASES {
        // No path twice: one that was answered in chunks goes by hyper for a while.
        let path = format!("/cgi-bin/media/upload{seed}");
        let mut chance = Rng::with_seed(seed);
        let length = chance.usize(262_145..1_500_000);
        let body: Vec<u8> = (0..length).map(|_| chance.u8(..)).collect();
        let head = |url: &str, key: &str| {
            format!(
                "POST {path}{url} HTTP/1.1\r\nHost: x\r\n{key}X-Answer: {seed}\r\nContent-Type: image/jpeg\r\n\
                 Content-Length: {length}\r\n\r\n"
            )
        };
        let direct = head(&format!("?access_token={token}"), "");
        let through = head("", &format!("Authorization: Bearer {KEY}\r\n"));
        // A head that comes in pieces would be hyper's.
        let told = async |url: &str, head: String| {
            let mut wire = Wire::connect(url).await;
            wire.send(head).await.unwrap();
            send_in_pieces(&mut wire, &body, seed).await;
            wire.answer("POST").await
        };
        let direct = told(&upstream.url, direct).await;
        let through = told(&world.url, through).await;
        let arrived = std::mem::take(&mut *seen.lock().unwrap());
        wrong.extend(
            differences(&arrived, &direct, &through).map(|what| format!("seed {seed}: {what}")),
        );
        unread += length - 256 * 1024;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(world.unread(unread).await, unread, "all went this way");
}

/// What differs between a call sent straight and the same through the gateway.
fn differences(
    arrived: &[(Head, Body)],
    direct: &(Head, Body),
    through: &(Head, Body),
) -> impl Iterator<Item = String> {
    let [straight, passed] = arrived else {
        return vec![format!(
            "arrived {} times: {:?} {:?}",
            arrived.len(),
            arrived[0].0.line,
            through.0.line
        )]
        .into_iter();
    };
    let mut found = Vec::new();
    let mut same = |what: &str, one: String, other: String| {
        if one != other {
            found.push(format!("{what}: {one:.300} became {other:.300}"));
        }
    };
    let sent = |head: &Head| format!("{:?}", without(head, &OF_THE_REQUEST));
    let method = straight.0.method();
    let back = |head: &Head| {
        let mut headers = without(head, &OF_THE_ANSWER);
        // A body may get a length on its way; and a 304 lose that of the body that it has not.
        if method != "HEAD" && direct.0.get("content-length").is_none() || direct.0.status() == 304
        {
            headers.remove("content-length");
        }
        format!("{headers:?}")
    };
    same("line", straight.0.line.clone(), passed.0.line.clone());
    same("headers", sent(&straight.0), sent(&passed.0));
    same(
        "body",
        format!("{:?}", straight.1),
        format!("{:?}", passed.1),
    );
    same(
        "status",
        direct.0.status().to_string(),
        through.0.status().to_string(),
    );
    same("answered headers", back(&direct.0), back(&through.0));
    same(
        "answered body",
        format!("{:?}", direct.1.bytes),
        format!("{:?}", through.1.bytes),
    );
    same(
        "answered trailers",
        format!("{:?}", direct.1.trailers),
        format!("{:?}", through.1.trailers),
    );
    found.into_iter()
}

fn without(head: &Head, names: &[&str]) -> BTreeMap<String, Vec<String>> {
    let mut left: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in &head.headers {
        if !names.contains(&name.as_str()) {
            let value = String::from_utf8_lossy(value).into_owned();
            left.entry(name.clone()).or_default().push(value);
        }
    }
    left
}

async fn told(url: &str, method: &str, request: &[u8], seed: u64) -> (Head, Body) {
    let mut wire = Wire::connect(url).await;
    send_in_pieces(&mut wire, request, seed).await;
    let answer = AssertUnwindSafe(wire.answer(method)).catch_unwind();
    answer.await.unwrap_or_else(|_| panic!("seed {seed}"))
}

async fn send_in_pieces(wire: &mut Wire, bytes: &[u8], seed: u64) {
    let mut chance = Rng::with_seed(seed);
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(chance.usize(1..=rest.len().min(4000)));
        // An upstream that has heard enough may close.
        if wire.send(piece).await.is_err() {
            return;
        }
        rest = behind;
        tokio::task::yield_now().await;
    }
}

/// A request, but for the token in it.
struct Case {
    method: String,
    path: &'static str,
    /// The query; `None` stands for the token.
    query: Option<Vec<Option<String>>>,
    rest: Vec<u8>,
}

impl Case {
    fn of(seed: u64) -> Self {
        let mut chance = Rng::with_seed(seed);
        let method = chance.choice(METHODS).unwrap().to_owned();
        let path = chance.choice(PATHS).unwrap();
        let query = chance.bool().then(|| query(&mut chance));
        let mut rest = format!("X-Answer: {seed}\r\n").into_bytes();
        for _ in 0..chance.usize(0..6) {
            rest.extend(header(&mut chance));
        }
        rest.extend(body(&mut chance));
        Self {
            method,
            path,
            query,
            rest,
        }
    }

    fn request(&self, token: &str, authorization: &str) -> Vec<u8> {
        let direct = authorization.is_empty();
        let target = match &self.query {
            // Where no place was left for it, the gateway adds the token at the end.
            None if direct => format!("{}?access_token={token}", self.path),
            None => self.path.to_owned(),
            Some(parts) => {
                let text = |part: &Option<String>| match part {
                    Some(text) => text.clone(),
                    None => token.to_owned(),
                };
                let query: String = parts.iter().map(text).collect();
                format!("{}?{query}", self.path)
            }
        };
        let head = format!(
            "{} {target} HTTP/1.1\r\nHost: x\r\n{authorization}",
            self.method
        );
        [head.as_bytes(), &self.rest].concat()
    }
}

fn query(chance: &mut Rng) -> Vec<Option<String>> {
    let mut parts = Vec::new();
    let others = |chance: &mut Rng, parts: &mut Vec<Option<String>>| {
        for _ in 0..chance.usize(0..4) {
            let name = chance.choice(["a", "é", "%61", "ACCESS_TOKEN", "", "b[]"]);
            let value = chance.choice(VALUES).unwrap();
            parts.push(Some(format!("{}={value}&", name.unwrap())));
        }
    };
    others(chance, &mut parts);
    let name = chance.choice(["access_token", "access%5Ftoken", "%61ccess_token"]);
    parts.push(Some(format!("{}=", name.unwrap())));
    parts.push(None);
    if chance.bool() {
        parts.push(Some("&".to_owned()));
        others(chance, &mut parts);
    }
    parts
}

fn header(chance: &mut Rng) -> Vec<u8> {
    let name = chance.choice([
        "X-Twice",
        "Accept",
        "User-Agent",
        "Content-Type",
        "If-None-Match",
        "Range",
        "x_under",
        "Origin",
        "Cache-Control",
        "Content-Encoding",
    ]);
    let value: &[u8] = chance
        .choice([
            &b"a"[..],
            b"",
            b"a, b;q=0.5",
            b"\xe5\xbe\xae",
            b"\xff\x80",
            b"\"x\"\ty",
            b"bytes=0-9",
        ])
        .unwrap();
    [name.unwrap().as_bytes(), b": ", value, b"\r\n"].concat()
}

/// The end of the head, and the body.
fn body(chance: &mut Rng) -> Vec<u8> {
    let length = chance
        .choice([0, 1, 2, 100, 5000, 70_000, 300_000])
        .unwrap();
    let bytes: Vec<u8> = (0..length).map(|_| chance.u8(..)).collect();
    match chance.u8(0..4) {
        0 => b"\r\n".to_vec(),
        1 => {
            let expects = chance.choice(["", "Expect: 100-continue\r\n"]).unwrap();
            let head = format!("{expects}Content-Length: {length}\r\n\r\n");
            [head.as_bytes(), &bytes].concat()
        }
        _ => {
            let trailer = chance.bool();
            let names = ["", "Trailer: X-Sum\r\n"][usize::from(trailer)];
            let mut wire = format!("Transfer-Encoding: chunked\r\n{names}\r\n").into_bytes();
            wire.extend(chunks(&bytes, chance));
            wire.extend_from_slice([&b""[..], b"X-Sum: 17\r\n"][usize::from(trailer)]);
            wire.extend_from_slice(b"\r\n");
            wire
        }
    }
}

/// Chunks of odd sizes, up to the last one, of no bytes.
fn chunks(bytes: &[u8], chance: &mut Rng) -> Vec<u8> {
    let mut wire = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let most = chance
            .choice([1, 7, 1000, 100_000])
            .unwrap()
            .min(rest.len());
        let (piece, behind) = rest.split_at(chance.usize(1..=most));
        let size = match chance.u8(0..4) {
            0 => format!("{:X}", piece.len()),
            1 => format!("000{:x}", piece.len()),
            2 => format!("{:x};name=\"value\"", piece.len()),
            _ => format!("{:x}", piece.len()),
        };
        wire.extend([size.as_bytes(), b"\r\n", piece, b"\r\n"].concat());
        // Thousands of single bytes prove no more than a few.
        rest = behind;
        if rest.len() > 1000 && piece.len() < 8 {
            let size = format!("{:x}\r\n", rest.len());
            wire.extend([size.as_bytes(), rest, b"\r\n"].concat());
            rest = b"";
        }
    }
    wire.extend_from_slice(b"0\r\n");
    wire
}

/// What the upstream answers, and whether the connection stays.
fn answer(head: &Head) -> (Vec<u8>, bool) {
    let seed: u64 = head.get("x-answer").unwrap().parse().unwrap();
    let mut chance = Rng::with_seed(seed ^ 0x5eed);
    let status = chance.choice([200, 200, 200, 201, 204, 302, 304, 404, 500]);
    let status = status.unwrap();
    let mut wire = format!("HTTP/1.1 {status} Whatever\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n")
        .into_bytes();
    for line in [
        "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n",
        "Content-disposition: attachment; filename=\"a.jpg\"\r\n",
        "Content-Type: application/json; encoding=utf-8\r\n",
        "Content-Type: text/plain\r\n",
        "Content-Type: image/jpeg\r\n",
        "Location: https://elsewhere.example/?a=%41\r\n",
        "ETag: \"1\"\r\nX-Odd:\r\n",
    ] {
        if chance.bool() {
            wire.extend_from_slice(line.as_bytes());
        }
    }
    let bodyless = head.method() == "HEAD" || status == 204 || status == 304;
    let mut body = match chance.u8(0..4) {
        0 => b"{\"errcode\":0,\"errmsg\":\"ok\"}".to_vec(),
        1 => b"{\"errcode\":45009,\"errmsg\":\"reach max api daily quota limit\"}".to_vec(),
        2 => Vec::new(),
        _ => (0..200_000).map(|_| chance.u8(..)).collect(),
    };
    let stays = match chance.u8(0..3) {
        kind if status == 204 || bodyless && kind == 0 => {
            wire.extend_from_slice(b"\r\n");
            true
        }
        0 if !bodyless => {
            wire.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
            body = [chunks(&body, &mut chance), b"\r\n".to_vec()].concat();
            true
        }
        1 if !bodyless => {
            wire.extend_from_slice(b"Connection: close\r\n\r\n");
            false
        }
        _ => {
            wire.extend(format!("Content-Length: {}\r\n\r\n", body.len()).into_bytes());
            true
        }
    };
    if !bodyless {
        wire.extend(body);
    }
    (wire, stays)
}
