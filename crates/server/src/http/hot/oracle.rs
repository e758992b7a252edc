//! Holds the hot path's parse against hyper's own, for any bytes: what the property test, the replayed corpus and the fuzz
//! target call. Not part of the server.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::header::{AUTHORIZATION, IF_NONE_MATCH};
use http::{HeaderMap, Method, Request, Response, Uri, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;

use super::memo::Memo;
use super::parse::{HotRequest, HotRoute, Parsed, parse};
use crate::http::request_id;

const MARKER: &[u8] = b"GET /marker HTTP/1.1\r\n\r\n";

/// First lines that clients write, or do not.
const FIRST_LINES: [&[u8]; 6] = [
    b"GET /v1/apps/wx2/jsapi_ticket HTTP/1.1\r\n",
    b"HEAD /v1/apps/wx2/access_token HTTP/1.1\r\n",
    b"GET /cgi-bin/token?grant_type=client_credential&appid=wx2&secret=s HTTP/1.1\r\n",
    b"GET /v1/apps/wx2/access_token?wait=3 HTTP/1.1\r\n",
    b"GET /v1/apps/wx2/access_token HTTP/1.0\r\n",
    b"POST /v1/read HTTP/1.1\r\n",
];

/// A request as hyper understood it.
#[derive(Debug)]
struct Seen {
    method: Method,
    uri: Uri,
    version: Version,
    headers: HeaderMap,
    body: usize,
}

/// Checks that hyper agrees with what [`parse`] says about these bytes.
///
/// # Panics
/// If it does not.
pub fn check(bytes: &[u8]) {
    match parse(bytes) {
        Parsed::NotHot => {}
        Parsed::Incomplete => {
            let seen = by_hyper(bytes);
            assert!(
                seen.is_empty(),
                "incomplete here, complete for hyper: {seen:?}"
            );
        }
        Parsed::BodyToCome { len } => {
            let seen = by_hyper(bytes);
            let [only] = seen.as_slice() else {
                panic!("one request whose body is late here, for hyper: {seen:?}");
            };
            assert_eq!((&only.method, only.body), (&Method::POST, usize::MAX));
            assert!(bytes.len() < len);
        }
        Parsed::Hot(request) => {
            // Whatever follows a request must be the next one for both.
            let with_marker = [&bytes[..request.len], MARKER].concat();
            let seen = by_hyper(&with_marker);
            let [first, marker] = seen.as_slice() else {
                panic!("one request here, for hyper: {seen:?}");
            };
            assert_eq!(marker.uri, "/marker");
            assert_same(&request, first);
            check_memo(bytes, request.len);
        }
    }
}

/// Checks that what is read by the help of a memo is what is read without it, behind the same headers and others.
fn check_memo(bytes: &[u8], len: usize) {
    let headers = bytes[..len].iter().position(|byte| *byte == b'\n');
    let headers = &bytes[headers.map_or(0, |end| end + 1)..];
    let mut memo = Memo::default();
    memo.parse(bytes);
    for line in FIRST_LINES {
        let other = [line, headers].concat();
        for request in [bytes, &other, &other[..other.len() - 1]] {
            if let Some(known) = memo.again(request) {
                assert_eq!(Parsed::Hot(known), parse(request));
            }
        }
        assert_eq!(memo.parse(&other), parse(&other));
    }
}

fn assert_same(request: &HotRequest<'_>, seen: &Seen) {
    let (method, body) = match request.route {
        HotRoute::Batch { body, .. } => (Method::POST, body.len()),
        _ if request.head_only => (Method::HEAD, 0),
        _ => (Method::GET, 0),
    };
    assert_eq!(
        (&seen.method, seen.version, seen.body),
        (&method, Version::HTTP_11, body)
    );
    match request.route {
        HotRoute::Native { app, kind, key } => {
            assert_eq!(seen.uri, format!("/v1/apps/{app}/{kind}").as_str());
            let bearer = [b"Bearer ", key].concat();
            assert_eq!(values(seen, &AUTHORIZATION), [&bearer[..]]);
        }
        HotRoute::Batch { key, .. } => {
            assert_eq!(seen.uri, "/v1/read");
            let bearer = [b"Bearer ", key].concat();
            assert_eq!(values(seen, &AUTHORIZATION), [&bearer[..]]);
        }
        HotRoute::Compat { app, key } => {
            assert_eq!(seen.uri.path(), "/cgi-bin/token");
            let mut pairs: Vec<&str> = seen.uri.query().unwrap_or_default().split('&').collect();
            pairs.sort_unstable();
            let (app, key) = (format!("appid={app}"), format!("secret={key}"));
            assert_eq!(pairs, [&app, "grant_type=client_credential", &key]);
        }
    }
    let known: Vec<&[u8]> = request.if_none_match.into_iter().collect();
    assert_eq!(values(seen, &IF_NONE_MATCH), known);
    let mut id = values(seen, &request_id::HEADER);
    id.retain(|id| request_id::is_sane(id));
    assert_eq!(id, request.request_id.into_iter().collect::<Vec<_>>());
}

fn values<'s>(seen: &'s Seen, name: &http::HeaderName) -> Vec<&'s [u8]> {
    seen.headers
        .get_all(name)
        .iter()
        .map(http::HeaderValue::as_bytes)
        .collect()
}

/// The requests hyper finds in these bytes.
fn by_hyper(bytes: &[u8]) -> Vec<Seen> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    let service = service_fn(move |request: Request<Incoming>| {
        let noted = Arc::clone(&noted);
        async move {
            let (head, body) = request.into_parts();
            let body = body
                .collect()
                .await
                .map_or(usize::MAX, |body| body.to_bytes().len());
            let Ok(mut noted) = noted.lock() else {
                unreachable!("nothing panics while it holds this");
            };
            noted.push(Seen {
                method: head.method,
                uri: head.uri,
                version: head.version,
                headers: head.headers,
                body,
            });
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        }
    });
    let conversation = async move {
        let (mut client, server) = tokio::io::duplex(4 * super::parse::LARGEST_HEAD);
        client.write_all(bytes).await?;
        client.shutdown().await?;
        // How it ends does not matter: what was understood does.
        let _ = http1::Builder::new()
            .half_close(true)
            .serve_connection(TokioIo::new(server), service)
            .await;
        Ok::<_, std::io::Error>(())
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime
        .and_then(|runtime| runtime.block_on(conversation))
        .unwrap_or_default();
    Arc::into_inner(seen)
        .and_then(|seen| seen.into_inner().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NATIVE: &[u8] = b"GET /v1/apps/wx1/access_token HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer k\r\nX-Request-Id: r-1\r\nIf-None-Match: \"1-2\"\r\n\r\n";
    const COMPAT: &[u8] = b"HEAD /cgi-bin/token?appid=wx1&grant_type=client_credential&secret=k HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n";

    const BATCH: &[u8] = b"POST /v1/read HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer k\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{\"want\":[]}";

    /// Pieces that make a difference somewhere.
    const PIECES: &[&[u8]] = &[
        b"\r\n",
        b"\n",
        b"\r",
        b" ",
        b"\t",
        b":",
        b"\0",
        b"\x7f",
        b"\xff",
        b"%",
        b"?",
        b"#",
        b"//",
        b"GET ",
        b"HEAD ",
        b"POST ",
        b" HTTP/1.0",
        b" HTTP/1.1",
        b" HTTP/2.0",
        b"\r\n\r\n",
        b"Content-Length: 3\r\n",
        b"Content-Length: 0\r\n",
        b"Content-Length: 11\r\n",
        b"Content-Length: +3\r\n",
        b"content-length:3 \r\n",
        b"Content-Length: 3, 3\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"Connection: close\r\n",
        b"Connection: keep-alive\r\n",
        b"Expect: 100-continue\r\n",
        b"Upgrade: h2c\r\n",
        b"Authorization: Bearer k\r\n",
        b"authorization:Bearer k\r\n",
        b"Authorization: bearer k\r\n",
        b" folded\r\n",
        b"X-Request-Id: r-2\r\n",
        b"If-None-Match: *\r\n",
        b"http://host",
        b"&appid=wx2",
        b"+",
        b"X: \xe5\xbe\xae\r\n",
    ];

    #[derive(Debug, Clone)]
    enum Change {
        Insert(usize, usize),
        Delete(usize, usize),
        Replace(usize, u8),
        Cut(usize),
    }

    fn changes() -> impl Strategy<Value = Vec<Change>> {
        let change = prop_oneof![
            (any::<usize>(), 0..PIECES.len()).prop_map(|(at, piece)| Change::Insert(at, piece)),
            (any::<usize>(), 1usize..12).prop_map(|(at, many)| Change::Delete(at, many)),
            (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Change::Replace(at, byte)),
            any::<usize>().prop_map(Change::Cut),
        ];
        prop::collection::vec(change, 0..4)
    }

    fn changed(base: &[u8], changes: &[Change]) -> Vec<u8> {
        let mut bytes = base.to_vec();
        for change in changes {
            let length = bytes.len().max(1);
            match *change {
                Change::Insert(at, piece) => {
                    // Where a line ends, mostly: that is where headers can go.
                    let ends: Vec<usize> = (1..bytes.len())
                        .filter(|at| bytes[at - 1] == b'\n')
                        .collect();
                    let at = if at % 3 > 0 && !ends.is_empty() {
                        ends[at % ends.len()]
                    } else {
                        at % length
                    };
                    bytes.splice(
                        at.min(bytes.len())..at.min(bytes.len()),
                        PIECES[piece].iter().copied(),
                    );
                }
                Change::Delete(at, many) => {
                    let at = at % length;
                    bytes.drain(at.min(bytes.len())..(at + many).min(bytes.len()));
                }
                Change::Replace(at, byte) => {
                    if let Some(place) = bytes.get_mut(at % length) {
                        *place = byte;
                    }
                }
                Change::Cut(at) => bytes.truncate(at % length),
            }
        }
        bytes
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn hyper_agrees_about_every_distortion_of_a_plain_read(base in 0..3_usize, changes in changes()) {
            check(&changed([NATIVE, COMPAT, BATCH][base], &changes));
        }

        #[test]
        fn hyper_agrees_about_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            check(&bytes);
        }
    }

    #[test]
    fn hyper_agrees_about_the_kept_corpus() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/hot_parse");
        let mut hot = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            check(&bytes);
            hot += usize::from(matches!(parse(&bytes), Parsed::Hot(_)));
        }
        assert!(hot >= 4, "the corpus lost its plain reads: {hot}");
    }
}
