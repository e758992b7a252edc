//! `/v1`: credentials, batches, reports, the stream, what a caller sees, and every refusal.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::poll_immediate;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wxtoken_core::credential::{CredentialKey, Kind};
use wxtoken_core::refresh::verdict::{Evidence, Verdict};

use crate::config::{HandsOut, KeyHash, Permission, Permissions, Server};
use crate::http::error::ApiError;
use crate::http::listen::Site;
use crate::http::native::credential;
use crate::http::routes::Route;
use crate::http::testing::{
    APP, Answer, FOREIGN_APP, KEY, NOW, WIDE_KEY, World, caller, credential_of, id_of,
    one_at_a_time, usual_callers,
};
use crate::keeper::{Command, NoLive, Notice, Report};
use crate::words::Sentence;

const TOKEN: &str = "/v1/apps/wx0123456789abcdef/access_token";

#[tokio::test]
async fn a_credential_is_read_with_its_life_and_its_etag() {
    let world = World::new();
    let server = world.serve().await;
    world.clock.advance(Duration::from_millis(1500));
    let answer = server.get(TOKEN, KEY).await;
    assert_eq!(answer.status, 200);
    let reply = answer.json();
    assert_eq!(reply["access_token"], "TOKEN-1");
    assert_eq!(reply["expires_in"], 7198);
    assert_eq!(reply["expires_at"], NOW.wall.unix_seconds() + 7200);
    assert_eq!(answer.header("cache-control"), Some("private, max-age=60"));
    assert!(answer.header("x-request-id").is_some() && answer.header("date").is_some());
    let etag = answer.header("etag").unwrap();
    let (generation, hash) = etag.trim_matches('"').split_once('-').unwrap();
    assert_eq!(generation, NOW.wall.0.to_string());
    assert_eq!(hash, format!("{:08x}", id_of("TOKEN-1").0 >> 32));

    let same = server
        .ask(
            &format!("GET {TOKEN}"),
            &format!("Authorization: Bearer {KEY}\r\nIf-None-Match: {etag}\r\n"),
            "",
        )
        .await;
    assert_eq!((same.status, same.body.as_str()), (304, ""));
    assert_eq!(same.header("etag"), Some(etag));
    let ticket = server
        .get(&TOKEN.replace("access_token", "jsapi_ticket"), KEY)
        .await
        .json();
    assert_eq!(
        (ticket["ticket"].as_str(), ticket.get("lane")),
        (Some("TICKET-1"), None)
    );
}

#[tokio::test]
async fn cache_control_never_outlives_the_value() {
    let world = World::new();
    let server = world.serve().await;
    world.clock.advance(Duration::from_secs(7200 - 7));
    let answer = server.get(TOKEN, KEY).await;
    assert_eq!(answer.header("cache-control"), Some("private, max-age=7"));
    world.clock.advance(Duration::from_secs(7));
    assert_eq!(server.get(TOKEN, KEY).await.problem(), "no-live-token");
}

/// Who asks for what, and what comes of it.
const REFUSALS: [(&str, &str, u16, &str); 16] = [
    ("nobody's", TOKEN, 401, "bad-key"),
    ("blind-key", TOKEN, 403, "not-allowed"),
    ("elsewhere-key", TOKEN, 403, "wrong-address"),
    (
        KEY,
        "/v1/apps/wx9999999999999999/access_token",
        403,
        "foreign-app",
    ),
    (
        WIDE_KEY,
        "/v1/apps/wx9999999999999999/access_token",
        404,
        "unknown-app",
    ),
    (
        WIDE_KEY,
        "/v1/apps/wx0123456789abcdef/card_ticket",
        404,
        "unknown-kind",
    ),
    (
        WIDE_KEY,
        "/v1/apps/wx0123456789abcdef/secret",
        404,
        "unknown-kind",
    ),
    (
        WIDE_KEY,
        "/v1/apps/wx%00%ff/access_token",
        404,
        "unknown-app",
    ),
    (
        WIDE_KEY,
        "/v1/apps/..%2f..%2fetc/access_token",
        404,
        "unknown-app",
    ),
    (WIDE_KEY, "/v1/nothing", 404, "no-such-path"),
    (WIDE_KEY, "/", 404, "no-such-path"),
    (WIDE_KEY, "/oauth/wx1/authorize", 404, "no-such-path"),
    (WIDE_KEY, "/jssdk/wx1", 404, "no-such-path"),
    (WIDE_KEY, "/push/wx1", 404, "no-such-path"),
    (WIDE_KEY, "/v1/apps?after=%20", 400, "malformed"),
    (
        WIDE_KEY,
        "/v1/apps/wx0123456789abcdef/access_token?wait=soon",
        400,
        "malformed",
    ),
];

#[tokio::test]
async fn every_refusal_has_its_status_and_its_type() {
    let mut callers = usual_callers();
    callers.push(caller("blind", "blind-key", &[]));
    callers[2].allow = crate::config::Permissions::NONE.with(Permission::Sign);
    callers.push(caller("elsewhere", "elsewhere-key", &[]));
    callers[3].from = Box::new(["192.0.2.0/24".parse().unwrap()]);
    let world = World::with_callers(&callers);
    let server = world.serve().await;
    for (key, path, status, problem) in REFUSALS {
        let answer = server.get(path, key).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (status, problem),
            "{path}"
        );
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
    }
    let without = server.ask(&format!("GET {TOKEN}"), "", "").await;
    assert_eq!(
        (without.status, without.problem().as_str()),
        (401, "no-key")
    );
    assert_eq!(
        without.header("www-authenticate"),
        Some("Bearer realm=\"wxtoken\"")
    );
    let wrong = server.post(TOKEN, KEY, "").await;
    assert_eq!(
        (wrong.status, wrong.problem().as_str()),
        (405, "wrong-method")
    );
    assert!(wrong.header("allow").unwrap().contains("GET"));
}

#[tokio::test]
async fn no_live_value_says_why_and_when_to_ask_again() {
    let world = World::new();
    let server = world.serve().await;
    world.take_down(Kind::AccessToken);
    let why = NoLive {
        reason: "refused",
        detail: Sentence::new(
            "微信说 40164：把这台服务器的地址加入白名单",
            "WeChat says 40164: add this server's address to the whitelist",
        ),
        errcode: Some(40164),
        since: NOW.wall,
        next_try: Some(NOW.wall.plus(30_000)),
    };
    world
        .shelf
        .explain(&APP.parse().unwrap(), Some(Arc::new(why)));
    let answer = server.get(TOKEN, KEY).await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (503, "no-live-token")
    );
    assert_eq!(answer.header("retry-after"), Some("30"));
    let problem = answer.json();
    assert_eq!(problem["reason"], "refused");
    assert_eq!(problem["errcode"], 40164);
    assert_eq!(problem["next_try"], NOW.wall.unix_seconds() + 30);
}

#[tokio::test]
async fn a_reader_waits_for_a_first_token() {
    let world = World::new();
    world.take_down(Kind::AccessToken);
    let caller = world.caller(WIDE_KEY);
    let (services, key) = (Arc::clone(&world.services), World::key(Kind::AccessToken));
    let put = async {
        tokio::task::yield_now().await;
        world.put(Kind::AccessToken, "FIRST");
    };
    let wait = Duration::from_secs(30);
    let read = crate::http::native::credential::read(&services, &caller, &key, b"", wait);
    let (reply, ()) = tokio::join!(read, put);
    let text = String::from_utf8(reply.unwrap().body().to_vec()).unwrap();
    assert!(text.contains("FIRST"));
}

#[tokio::test]
async fn a_long_poll_answers_when_the_value_changes_and_ends_with_the_server() {
    let world = World::new();
    let server = world.serve().await;
    let etag = server
        .get(TOKEN, KEY)
        .await
        .header("etag")
        .unwrap()
        .to_owned();
    let headers = format!("Authorization: Bearer {KEY}\r\nIf-None-Match: {etag}\r\n");
    let line = format!("GET {TOKEN}?wait=60");
    let caller = world.caller(KEY);
    let watch = async {
        until(|| caller.open_now() == 1).await;
        world.put(Kind::AccessToken, "TOKEN-2");
    };
    let (changed, ()) = tokio::join!(server.ask(&line, &headers, ""), watch);
    assert_eq!(changed.json()["access_token"], "TOKEN-2");

    let etag = changed.header("etag").unwrap().to_owned();
    let headers = format!("Authorization: Bearer {KEY}\r\nIf-None-Match: {etag}\r\n");
    let stop = async {
        until(|| caller.open_now() == 1).await;
        world.stop.tell();
    };
    let (unchanged, ()) = tokio::join!(server.ask(&line, &headers, ""), stop);
    assert_eq!(unchanged.status, 304);
    server.task.await.unwrap();
}

/// Lets other tasks run until something is so.
async fn until(mut so: impl FnMut() -> bool) {
    while !so() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_long_poll_does_not_call_a_value_the_same_still_that_died_meanwhile() {
    let world = World::new();
    let caller = world.caller(WIDE_KEY);
    let key = World::key(Kind::AccessToken);
    let value = world.services.keeper.peek(&key).unwrap();
    let mut known = Vec::new();
    crate::http::etag::push(&mut known, &value);
    let wait = Duration::from_millis(20);
    let mut polled = pin!(credential::read(
        &world.services,
        &caller,
        &key,
        &known,
        wait
    ));
    assert!(poll_immediate(&mut polled).await.is_none());
    world.take_down(Kind::AccessToken);
    assert!(matches!(polled.await, Err(ApiError::NoLive { .. })));
}

#[tokio::test]
async fn a_wait_without_an_etag_answers_at_once() {
    let world = World::new();
    let server = world.serve().await;
    assert_eq!(
        server.get(&format!("{TOKEN}?wait=60"), KEY).await.status,
        200
    );
}

#[tokio::test]
async fn rate_and_concurrency_are_refused_with_429() {
    let mut slow = caller("slow", KEY, &[]);
    slow.rate = Some("1/h".parse().unwrap());
    let world = World::with_callers(&[slow, one_at_a_time(caller("one", WIDE_KEY, &[]))]);
    let server = world.serve().await;
    assert_eq!(server.get(TOKEN, KEY).await.status, 200);
    let fast = server.get(TOKEN, KEY).await;
    assert_eq!((fast.status, fast.problem().as_str()), (429, "too-fast"));
    assert_eq!(fast.header("retry-after"), Some("3600"));
    world.clock.advance(Duration::from_secs(3600));
    assert_eq!(server.get(TOKEN, KEY).await.status, 200);

    let one = world.caller(WIDE_KEY);
    let open = one.open().unwrap();
    let refused = server.get(TOKEN, WIDE_KEY).await;
    assert_eq!(
        (refused.status, refused.problem().as_str()),
        (429, "too-many-at-once")
    );
    drop(open);
    assert_eq!(server.get(TOKEN, WIDE_KEY).await.status, 200);
}

#[tokio::test]
async fn a_batch_answers_each_in_turn_and_each_problem_by_itself() {
    let world = World::new();
    let server = world.serve().await;
    let body = serde_json::json!({"want": [
        {"appid": APP, "kind": "access_token"},
        {"appid": FOREIGN_APP, "kind": "access_token"},
        {"appid": APP, "kind": "jsapi_ticket"},
        {"appid": "微信", "kind": "access_token"},
    ]});
    let answer = server.post("/v1/read", KEY, &body.to_string()).await;
    assert_eq!(answer.status, 200);
    let answers = answer.json()["answers"].clone();
    assert_eq!(answers[0]["access_token"], "TOKEN-1");
    assert_eq!(
        answers[1]["problem"]["type"],
        "urn:wxtoken:problem:foreign-app"
    );
    assert_eq!(answers[1]["appid"], FOREIGN_APP);
    assert_eq!(answers[2]["ticket"], "TICKET-1");
    assert_eq!(answers[3]["problem"]["status"], 404);

    let many = serde_json::json!({"want": vec![serde_json::json!({"appid": APP, "kind": "access_token"}); 1001]});
    assert_eq!(
        server
            .post("/v1/read", KEY, &many.to_string())
            .await
            .problem(),
        "malformed"
    );
    for bad in ["", "{", "[]", "{\"want\":7}", "\u{0}"] {
        assert_eq!(
            server.post("/v1/read", KEY, bad).await.problem(),
            "malformed"
        );
    }
}

#[tokio::test]
async fn a_body_over_the_limit_or_too_slow_is_refused() {
    let limits = Server {
        body_limit: 1000,
        body_timeout: Duration::from_millis(50),
        ..Server::default()
    };
    let world = World::with(&usual_callers(), limits);
    let server = world.serve().await;
    let large = server.post("/v1/read", KEY, &"x".repeat(1001)).await;
    assert_eq!((large.status, large.problem().as_str()), (413, "too-large"));
    // Nothing of it is sent: an answer that waited for it would be another.
    let head = format!(
        "POST /v1/read HTTP/1.1\r\nAuthorization: Bearer {KEY}\r\nExpect: 100-continue\r\nContent-Length: 1001\r\n\r\n"
    );
    let announced = Answer::read(&server.raw(head.as_bytes()).await);
    assert_eq!(announced.status, 413);
    let half = format!(
        "POST /v1/read HTTP/1.1\r\nAuthorization: Bearer {KEY}\r\nContent-Length: 10\r\n\r\n{{"
    );
    let slow = crate::http::testing::Answer::read(&server.raw(half.as_bytes()).await);
    assert_eq!((slow.status, slow.problem().as_str()), (408, "too-slow"));
}

#[tokio::test]
async fn a_report_tells_the_verdict_and_what_to_use_now() {
    let mut world = World::new();
    let server = world.serve().await;
    let keeper = async {
        let Some(Command::Report {
            key,
            id,
            evidence,
            answer,
            ..
        }) = world.commands.recv().await
        else {
            panic!("no report came");
        };
        assert_eq!(
            (key, id, evidence),
            (
                World::key(Kind::AccessToken),
                id_of("TOKEN-1"),
                Evidence::Report
            )
        );
        let current = credential_of(Kind::AccessToken, "TOKEN-2", 7_200_000);
        let report = Report {
            verdict: Verdict::Refreshed,
            current: Some(Arc::new(current)),
            next_try: None,
        };
        answer.send(Ok(report)).unwrap();
    };
    let path = format!("{TOKEN}/dead");
    let (answer, ()) = tokio::join!(server.post(&path, KEY, "{\"token\":\"TOKEN-1\"}"), keeper);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["verdict"], "refreshed");
    assert_eq!(answer.json()["current"]["access_token"], "TOKEN-2");

    let keeper = async {
        let Some(Command::Report { answer, .. }) = world.commands.recv().await else {
            panic!("no report came");
        };
        let next_try = Some(NOW.wall.plus(60_000));
        answer
            .send(Ok(Report {
                verdict: Verdict::Pending,
                current: None,
                next_try,
            }))
            .unwrap();
    };
    let (answer, ()) = tokio::join!(server.post(&path, KEY, "{\"token\":\"TOKEN-1\"}"), keeper);
    assert_eq!(answer.json()["verdict"], "pending");
    assert_eq!(answer.json()["next_try"], NOW.wall.unix_seconds() + 60);
    assert_eq!(answer.json().get("current"), None);

    assert_eq!(server.post(&path, KEY, "{}").await.problem(), "malformed");
    assert_eq!(
        server.post(&path, KEY, "{\"token\":\"\"}").await.problem(),
        "malformed"
    );
}

#[tokio::test]
async fn only_callers_who_may_report_do() {
    let world = World::with_callers(&[caller("reader", KEY, &[])]);
    let server = world.serve().await;
    let answer = server
        .post(&format!("{TOKEN}/dead"), KEY, "{\"token\":\"T\"}")
        .await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (403, "not-allowed")
    );
    assert!(answer.body.contains("report"));
}

#[tokio::test]
async fn a_caller_sees_its_apps_page_by_page_and_no_values() {
    let world = World::new();
    for number in 0..1500 {
        world.shelf.place(
            format!("wy{number:04}").parse().unwrap(),
            &[Kind::AccessToken],
            number,
        );
    }
    let server = world.serve().await;
    let narrow = server.get("/v1/apps", KEY).await;
    assert_eq!(narrow.json()["apps"].as_array().unwrap().len(), 1);
    assert_eq!(narrow.json()["apps"][0]["credentials"][0]["state"], "live");
    assert!(!narrow.body.contains("TOKEN-1") && !narrow.body.contains("TICKET-1"));
    let first = server.get("/v1/apps", WIDE_KEY).await.json();
    assert_eq!(first["apps"].as_array().unwrap().len(), 1000);
    assert_eq!(first["apps"][1]["credentials"][0]["state"], "starting");
    let next = first["next"].as_str().unwrap();
    let second = server
        .get(&format!("/v1/apps?after={next}"), WIDE_KEY)
        .await
        .json();
    assert_eq!(second["apps"].as_array().unwrap().len(), 501);
    assert_eq!(second.get("next"), None);
}

/// Reads events until one contains `wanted`.
async fn event(stream: &mut TcpStream, seen: &mut String, wanted: &str) {
    let mut buffer = [0; 4096];
    while !seen.contains(wanted) {
        let read = stream.read(&mut buffer).await.unwrap();
        assert_ne!(read, 0, "the stream ended: {seen}");
        seen.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
}

async fn stream_of(address: std::net::SocketAddr, query: &str, key: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET /v1/stream{query} HTTP/1.1\r\nConnection: close\r\nAuthorization: Bearer {key}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn the_stream_tells_changes_to_those_who_may_see_them() {
    let world = World::new();
    let server = world.serve().await;
    let (mut plain, mut with_values) = (
        stream_of(server.address, "", KEY).await,
        stream_of(server.address, "?values=1", KEY).await,
    );
    let (mut seen, mut seen_values) = (String::new(), String::new());
    event(&mut plain, &mut seen, "event: resync\n").await;
    event(&mut with_values, &mut seen_values, "event: resync\n").await;
    let value = Arc::new(credential_of(Kind::AccessToken, "TOKEN-2", 7_200_000));
    let foreign = wxtoken_core::credential::CredentialKey {
        app: FOREIGN_APP.parse().unwrap(),
        kind: Kind::AccessToken,
    };
    world
        .notices
        .send(Notice::Credential(foreign, Arc::clone(&value)))
        .unwrap();
    world
        .notices
        .send(Notice::Credential(World::key(Kind::AccessToken), value))
        .unwrap();
    let trouble = Notice::Trouble {
        app: APP.parse().unwrap(),
        kind: None,
        name: "foreign-fetcher",
        detail: "somebody else fetches\n\nfor this app".to_owned(),
    };
    world.notices.send(trouble).unwrap();
    event(
        &mut plain,
        &mut seen,
        "event: trouble\ndata: {\"appid\":\"wx0123456789abcdef\",\"name\":\"foreign-fetcher\"",
    )
    .await;
    event(&mut with_values, &mut seen_values, "TOKEN-2").await;
    assert!(seen.contains("event: credential\n") && !seen.contains("TOKEN-2"));
    assert!(!seen.contains(FOREIGN_APP) && !seen_values.contains(FOREIGN_APP));
    assert!(seen.contains("fetches\\n\\nfor"));

    // A caller whose key was withdrawn hears no more.
    let mut others = usual_callers();
    others[0].key = Some(KeyHash::of("another"));
    world.services.callers.replace(&others);
    world
        .notices
        .send(Notice::Gone(World::key(Kind::AccessToken)))
        .unwrap();
    plain.read_to_string(&mut seen).await.unwrap();
    assert!(!seen.contains("event: gone"));
}

#[tokio::test]
async fn who_may_not_read_an_apps_tokens_hears_nothing_of_its_troubles() {
    let world = World::new();
    let mut callers = usual_callers();
    callers[0].allow = Permissions::NONE.with(Permission::Ticket);
    world.services.callers.replace(&callers);
    let server = world.serve().await;
    let mut stream = stream_of(server.address, "", KEY).await;
    let mut seen = String::new();
    event(&mut stream, &mut seen, "event: resync\n").await;
    let app = APP.parse().unwrap();
    let name = "foreign-fetcher";
    let detail = "somebody else fetches".to_owned();
    for notice in [
        Notice::Trouble {
            app,
            kind: None,
            name,
            detail,
        },
        Notice::Cleared { app, name },
        Notice::Gone(World::key(Kind::JsapiTicket)),
    ] {
        world.notices.send(notice).unwrap();
    }
    event(&mut stream, &mut seen, "event: gone\n").await;
    assert!(!seen.contains(name), "{seen}");
}

#[tokio::test]
async fn a_stream_that_lags_is_told_to_read_again_and_ends_with_the_server() {
    let world = World::new();
    let server = world.serve().await;
    let mut stream = stream_of(server.address, "", KEY).await;
    let mut seen = String::new();
    event(&mut stream, &mut seen, "event: resync\n").await;
    seen.clear();
    // All at once, more than the channel holds: the listener has no turn in between.
    for _ in 0..50 {
        world
            .notices
            .send(Notice::Gone(World::key(Kind::AccessToken)))
            .unwrap();
    }
    event(&mut stream, &mut seen, "event: resync\n").await;
    world.stop.tell();
    stream.read_to_string(&mut seen).await.unwrap();
    server.task.await.unwrap();
}

#[tokio::test]
async fn health_needs_no_key_and_readiness_names_nothing() {
    let world = World::new();
    let server = world.serve().await;
    assert_eq!(
        server.ask("GET /healthz", "", "").await.json()["status"],
        "ok"
    );
    let ready = server.ask("GET /readyz", "", "").await;
    assert_eq!(
        (ready.status, ready.body.as_str()),
        (200, "{\"status\":\"ok\"}")
    );
}

#[tokio::test]
async fn a_request_keeps_its_own_name_if_that_is_sane() {
    let world = World::new();
    let server = world.serve().await;
    let named = server
        .ask("GET /healthz", "X-Request-Id: order-1\r\n", "")
        .await;
    assert_eq!(named.header("x-request-id"), Some("order-1"));
    let bad = server
        .ask("GET /healthz", "X-Request-Id: <a b>\r\n", "")
        .await;
    assert_eq!(bad.header("x-request-id").unwrap().len(), 26);
}

#[tokio::test]
async fn a_handler_that_panics_answers_500_and_the_server_goes_on() {
    let world = World::new();
    let router = axum::Router::new().route(
        "/boom",
        axum::routing::get(async || -> ApiError { panic!("on purpose") }),
    );
    let site = Site::routed(router, world.services.keeper.clone());
    let server = world.serve_site(site, Server::default()).await;
    let answer = server.ask("GET /boom", "", "").await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (500, "internal")
    );
    assert_eq!(server.ask("GET /boom", "", "").await.status, 500);
}

#[tokio::test]
async fn every_route_of_the_list_is_served() {
    let world = World::new();
    let server = world.serve().await;
    for route in Route::ALL {
        let path = route
            .path()
            .replace("{appid}", APP)
            .replace("{kind}", "access_token");
        let answer = server
            .ask(&format!("{} {path}", route.method()), "", "")
            .await;
        assert_ne!(answer.status, 404, "{route:?}");
        assert_ne!(answer.status, 405, "{route:?}");
        if route.is_compat() {
            let keyed = server
                .ask(&format!("{} /k/{KEY}{path}", route.method()), "", "")
                .await;
            assert_eq!(keyed.status, 200, "{route:?}");
        }
        let wrong = server.ask(&format!("PATCH {path}"), "", "").await;
        assert!(wrong.status == 405 || wrong.errcode() == 43001, "{route:?}");
    }
}

#[tokio::test]
async fn whoever_waits_with_a_virtual_token_is_given_another_when_it_is_revoked() {
    let mut kiosk = caller("kiosk", KEY, &[]);
    kiosk.hands_out = HandsOut::Virtual;
    let world = World::with_callers(&[kiosk]);
    let services = &*world.services;
    let caller = Arc::clone(services.callers.now().by_name("kiosk").unwrap());
    let key = CredentialKey {
        app: APP.parse().unwrap(),
        kind: Kind::AccessToken,
    };
    let read = async |known: &[u8], wait| {
        let reply = credential::read(services, &caller, &key, known, wait).await;
        reply.unwrap()
    };
    let first = read(b"", Duration::ZERO).await;
    let known = first.headers()["etag"].as_bytes();
    let minute = Duration::from_secs(60);
    let (second, _) = tokio::join!(read(known, minute), async {
        caller.revoke(services.keeper.now())
    });
    assert_eq!(second.status(), 200);
    assert_ne!(second.headers()["etag"], first.headers()["etag"]);
}
