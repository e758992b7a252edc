//! Whatever is sent, the server answers or hangs up; it never answers 500 and goes on serving.

use proptest::prelude::*;

use crate::config::Server;
use crate::http::listen::Site;
use crate::http::testing::{APP, Answer, KEY, World};

/// Targets made of what paths are made of, and of what they should not be.
fn targets() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("/v1/apps".to_owned()),
        Just("/v1/stream/".to_owned()),
        Just("/v1/read".to_owned()),
        Just("/cgi-bin/token".to_owned()),
        Just("/cgi-bin/ticket/getticket".to_owned()),
        Just(format!("/k/{KEY}")),
        Just(format!("/{APP}")),
        Just("/access_token".to_owned()),
        Just("/dead".to_owned()),
        Just("?wait=99999999999999999999".to_owned()),
        Just("?access_token=&type=%00&appid=%ff%fe&secret=%".to_owned()),
        Just("/..".to_owned()),
        Just("//".to_owned()),
        Just("%2f%00%ff".to_owned()),
        "[!-~]{0,20}",
        "\\PC{0,6}",
    ];
    prop::collection::vec(piece, 1..5).prop_map(|pieces| pieces.concat())
}

fn headers() -> impl Strategy<Value = String> {
    let one = prop_oneof![
        Just(format!("Authorization: Bearer {KEY}\r\n")),
        Just("Authorization: Bearer \u{fe}\r\n".to_owned()),
        Just("If-None-Match: ,,W/,\"\r\n".to_owned()),
        Just("Host: \r\n".to_owned()),
        Just("Wxtoken-App: ../..\r\n".to_owned()),
        Just("Content-Length: 18446744073709551616\r\n".to_owned()),
        Just("Transfer-Encoding: gzip, chunked\r\n".to_owned()),
        "[!-~]{1,12}: \\PC{0,20}\r\n",
    ];
    prop::collection::vec(one, 0..5).prop_map(|all| all.concat())
}

fn bodies() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(Vec::new()),
        Just(b"{\"want\":[{\"appid\":\"\\u0000\",\"kind\":\"\\ud800\"}]}".to_vec()),
        Just(b"{\"grant_type\":7,\"appid\":{},\"secret\":[]}".to_vec()),
        Just([b"[".repeat(5000), b"]".repeat(5000)].concat()),
        prop::collection::vec(any::<u8>(), 0..100),
    ]
}

#[tokio::test]
async fn what_is_no_http_is_told_so_in_words() {
    let world = World::new();
    let server = world.serve().await;
    for sent in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS greeting\r\n\r\n"[..],
        b"GET /v1/apps HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET /v1/apps HTTP/7\r\n\r\n",
    ] {
        let answer = Answer::read(&server.raw(sent).await);
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (400, "malformed")
        );
        assert_eq!(answer.header("connection"), Some("close"));
    }
}

#[test]
fn nothing_that_is_sent_harms_the_server() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.unwrap();
    let world = World::new();
    let limits = Server {
        header_timeout: std::time::Duration::from_millis(20),
        idle_timeout: std::time::Duration::from_millis(20),
        ..Server::default()
    };
    let server = runtime.block_on(world.serve_site(Site::api(&world.services), limits));
    let methods = "(GET|POST|HEAD|PUT|OPTIONS|CONNECT|TRACE|[A-Z]{1,5})";
    proptest!(ProptestConfig::with_cases(120), |(
        method in methods, target in targets(), headers in headers(), body in bodies(), closes in any::<bool>()
    )| {
        // Streams are meant to stay open.
        prop_assume!(!target.contains("stream"));
        let close = if closes { "Connection: close\r\n" } else { "" };
        let head = format!("{method} {target} HTTP/1.1\r\n{close}{headers}Content-Length: {}\r\n\r\n", body.len());
        let request = [head.into_bytes(), body].concat();
        let answer = runtime.block_on(server.raw(&request));
        let answer = String::from_utf8_lossy(&answer);
        prop_assert!(!answer.starts_with("HTTP/1.1 5"), "{}", answer);
        prop_assert!(!answer.contains(KEY), "{}", answer);
        let health = runtime.block_on(server.ask("GET /healthz", "", ""));
        prop_assert_eq!(health.status, 200);
    });
}
