//! The hot path answers byte for byte as hyper and the routes do, whatever is asked and however it arrives.

use std::num::NonZeroU32;
use std::time::Duration;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wxtoken_core::credential::Kind;

use crate::config::{CompatExpiresIn, Server};
use crate::http::hot::parse::{Parsed, parse};
use crate::http::listen::Site;
use crate::http::testing::{APP, FOREIGN_APP, KEY, Running, WIDE_KEY, World, usual_callers};

/// One request with a name of its own, so that both sides say the same.
fn request(method: &str, target: &str, headers: &[String]) -> String {
    let headers: String = headers
        .iter()
        .map(|header| format!("{header}\r\n"))
        .collect();
    format!("{method} {target} HTTP/1.1\r\nX-Request-Id: same\r\n{headers}\r\n")
}

fn etag() -> String {
    let id = crate::http::testing::id_of("TOKEN-1").0 >> 32;
    format!("\"{}-{id:08x}\"", crate::http::testing::NOW.wall.0)
}

fn targets() -> impl Strategy<Value = String> {
    let app = prop_oneof![
        4 => Just(APP.to_owned()),
        1 => Just(FOREIGN_APP.to_owned()),
        1 => "[a-zA-Z0-9]{1,40}",
        1 => "[a-zA-Z0-9%.~-]{0,12}",
    ];
    let kind = prop_oneof![
        4 => Just("access_token".to_owned()),
        1 => Just("jsapi_ticket".to_owned()),
        1 => Just("card_ticket".to_owned()),
        1 => "[a-z_]{0,12}",
    ];
    let key = prop_oneof![3 => Just(KEY.to_owned()), 1 => Just(WIDE_KEY.to_owned()), 1 => "[0-9a-f]{0,32}"];
    let native = (app.clone(), kind).prop_map(|(app, kind)| format!("/v1/apps/{app}/{kind}"));
    let compat = (
        app,
        key,
        "(grant_type=client_credential|grant_type=|x=1)",
        any::<bool>(),
    )
        .prop_map(|(app, key, grant, turned)| {
            if turned {
                format!("/cgi-bin/token?secret={key}&appid={app}&{grant}")
            } else {
                format!("/cgi-bin/token?{grant}&appid={app}&secret={key}")
            }
        });
    prop_oneof![
        native,
        compat,
        Just("/healthz".to_owned()),
        Just("/nowhere".to_owned())
    ]
}

fn header() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just(format!("Authorization: Bearer {KEY}")),
        1 => Just(format!("authorization: Bearer {WIDE_KEY}")),
        1 => Just("Authorization: Bearer nobody".to_owned()),
        1 => Just("Authorization: Basic eDp5".to_owned()),
        2 => Just(format!("If-None-Match: {}", etag())),
        1 => Just(format!("If-None-Match: W/{}, \"other\"", etag())),
        1 => Just("If-None-Match: *".to_owned()),
        1 => Just("If-None-Match: \"other\"".to_owned()),
        1 => Just("Connection: keep-alive".to_owned()),
        1 => Just("Accept: text/html".to_owned()),
        1 => Just("Host: localhost".to_owned()),
    ]
}

fn batch(key: &str, body: &str) -> String {
    let headers = [
        format!("Authorization: Bearer {key}"),
        format!("Content-Length: {}", body.len()),
    ];
    request("POST", "/v1/read", &headers) + body
}

fn batches() -> impl Strategy<Value = String> {
    let app = prop_oneof![
        6 => Just(APP.to_owned()), 1 => Just(FOREIGN_APP.to_owned()), 1 => "[a-zA-Z0-9%.~-]{0,30}"
    ];
    let kind = prop_oneof![
        6 => Just("access_token"), 3 => Just("jsapi_ticket"), 1 => Just("card_ticket"), 1 => Just("")
    ];
    let want =
        (app, kind).prop_map(|(app, kind)| format!(r#"{{"appid":"{app}","kind":"{kind}"}}"#));
    let wants = prop::collection::vec(want, 0..6)
        .prop_map(|wants| format!(r#"{{"want":[{}]}}"#, wants.join(",")));
    let body = prop_oneof![
        8 => wants,
        1 => Just(format!(r#" {{"x":[1],"want":[{{"kind":"acce\u0073s_token","appid":"{APP}"}}]}} "#)),
        1 => r#"[{}\[\]",:a-z]{0,20}"#,
    ];
    // A wrong key is refused by hyper before the body has come, and the connection may end: compared elsewhere.
    (prop_oneof![Just(KEY), Just(WIDE_KEY)], body).prop_map(|(key, body)| batch(key, &body))
}

fn requests() -> impl Strategy<Value = Vec<String>> {
    let one = (
        "(GET|GET|GET|HEAD)",
        targets(),
        prop::collection::vec(header(), 0..4),
    )
        .prop_map(|(method, target, headers)| request(&method, &target, &headers));
    prop::collection::vec(prop_oneof![3 => one, 1 => batches()], 1..4)
}

/// Sends everything, in pieces, and reads until the server has closed its side after ours.
async fn conversation(server: &Running, requests: &[String], cut: usize) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let last = request("GET", "/v1/last", &["Connection: close".to_owned()]);
    let bytes = [requests.concat(), last].concat().into_bytes();
    let (before, after) = bytes.split_at(cut.min(bytes.len()));
    stream.write_all(before).await.unwrap();
    tokio::task::yield_now().await;
    stream.write_all(after).await.unwrap();
    let mut answers = Vec::new();
    stream.read_to_end(&mut answers).await.unwrap();
    answers
}

struct Pair {
    hot: (World, Running),
    hyper: (World, Running),
}

impl Pair {
    async fn new() -> Self {
        Self {
            hot: side(true).await,
            hyper: side(false).await,
        }
    }

    async fn compare(&self, requests: &[String], cut: usize) -> (Vec<u8>, Vec<u8>) {
        let answers = tokio::join!(
            conversation(&self.hot.1, requests, cut),
            conversation(&self.hyper.1, requests, cut)
        );
        // Asking for the same again must not count as hearsay here: nobody answers reports.
        for world in [&self.hot.0, &self.hyper.0] {
            world.clock.advance(Duration::from_secs(10));
        }
        answers
    }
}

async fn side(hot: bool) -> (World, Running) {
    let mut callers = usual_callers();
    callers[0].rate = Some("1000/s".parse().unwrap());
    callers[0].concurrency = NonZeroU32::new(8);
    callers[1].compat_expires_in = CompatExpiresIn::Add(1500);
    let world = World::with_callers(&callers);
    let site = if hot {
        Site::api(&world.services)
    } else {
        Site::api_by_hyper(&world.services)
    };
    let server = world.serve_site(site, Server::default()).await;
    (world, server)
}

#[test]
fn the_hot_path_and_hyper_give_the_same_bytes() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let pair = runtime.block_on(Pair::new());
    proptest!(ProptestConfig::with_cases(400), |(requests in requests(), cut in 0usize..600)| {
        // Repeated compatible reads in one conversation would be hearsay; one of them is enough.
        let compat = requests.iter().filter(|r| r.contains("/cgi-bin/token")).count();
        prop_assume!(compat <= 1);
        let (hot, hyper) = runtime.block_on(pair.compare(&requests, cut));
        prop_assert_eq!(String::from_utf8_lossy(&hot), String::from_utf8_lossy(&hyper));
    });
}

#[tokio::test]
async fn the_plain_forms_really_take_the_hot_path() {
    let native = request(
        "GET",
        &format!("/v1/apps/{APP}/access_token"),
        &[format!("Authorization: Bearer {KEY}")],
    );
    let compat = request(
        "HEAD",
        &format!("/cgi-bin/token?grant_type=client_credential&appid={APP}&secret={KEY}"),
        &[],
    );
    assert!(matches!(parse(native.as_bytes()), Parsed::Hot(_)));
    assert!(matches!(parse(compat.as_bytes()), Parsed::Hot(_)));
    let batch = batch(KEY, r#"{"want":[]}"#);
    assert!(matches!(parse(batch.as_bytes()), Parsed::Hot(_)));
}

#[tokio::test]
async fn refusals_and_limits_are_the_same_on_both_paths() {
    let pair = Pair::new().await;
    for world in [&pair.hot.0, &pair.hyper.0] {
        let mut callers = usual_callers();
        callers[0].rate = Some("2/h".parse().unwrap());
        world.services.callers.replace(&callers);
        world.take_down(Kind::JsapiTicket);
    }
    let read = |kind: &str| {
        request(
            "GET",
            &format!("/v1/apps/{APP}/{kind}"),
            &[format!("Authorization: Bearer {KEY}")],
        )
    };
    let requests = [
        read("access_token"),
        read("jsapi_ticket"),
        batch("nobody", r#"{"want":[]}"#),
        batch(KEY, r#"{"want":[]}"#),
        read("access_token"),
    ];
    let (hot, hyper) = pair.compare(&requests, 0).await;
    let text = String::from_utf8(hot).unwrap();
    assert_eq!(text, String::from_utf8(hyper).unwrap());
    for wanted in [
        "200 OK",
        "503 Service Unavailable",
        "429 Too Many Requests",
        "404 Not Found",
    ] {
        assert!(text.contains(wanted), "{wanted} in {text}");
    }
}
