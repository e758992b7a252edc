//! What a stranger gets from the public listener.

use super::super::testing::{Answer, Running, World};
use super::*;
use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

async fn listener(lines: &str) -> (World, Running) {
    let world = World::new();
    let config = crate::config::parse(
        &format!(
            "admin.key = \"0123456789abcdef\"\n[public]\nbase_url = \"https://wx.example.com\"\n{lines}"
        ),
        std::path::Path::new("/nowhere"),
        &|_| None,
    );
    let config = Arc::new(ArcSwap::from_pointee(config.unwrap()));
    let public =
        PublicServices::new(&config, Arc::clone(&world.services), Arc::new(|_, _| {})).unwrap();
    let running = world
        .serve_site(site(&public), crate::config::Server::default())
        .await;
    (world, running)
}

fn assert_is_closed(answer: &Answer, what: &str) {
    assert_eq!(answer.status, 404, "{what}");
    assert_eq!(
        answer.header("content-type"),
        Some("text/html; charset=utf-8"),
        "{what}"
    );
    assert!(
        !answer.body.contains("TOKEN-1") && answer.body.contains("No such page"),
        "{what}"
    );
}

#[tokio::test]
async fn no_path_of_another_listener_answers_here() {
    let (_world, running) = listener("rate = \"1000/s\"").await;
    let app = super::super::testing::APP;
    let key = super::super::testing::WIDE_KEY;
    let paths = [
        format!("/v1/apps/{app}/access_token"),
        format!("/v1/apps/{app}/jsapi_ticket"),
        "/v1/apps".into(),
        "/v1/stream".into(),
        "/v1/openapi.json".into(),
        "/v1/oauth/redeem".into(),
        format!("/cgi-bin/token?grant_type=client_credential&appid={app}&secret={key}"),
        "/cgi-bin/user/info".into(),
        "/sns/userinfo".into(),
        "/wxa/getwxacode".into(),
        format!("/k/{key}/cgi-bin/token"),
        "/metrics".into(),
        "/healthz".into(),
        "/readyz".into(),
        "/admin/status".into(),
        "/".into(),
        "/favicon.ico".into(),
        "/MP_verify_abc.txt".into(),
        "/../v1/apps".into(),
        "//v1//apps".into(),
    ];
    for path in &paths {
        for method in ["GET", "POST", "PUT", "OPTIONS", "PROPFIND"] {
            let headers = format!("Authorization: Bearer {key}\r\n");
            let answer = running.ask(&format!("{method} {path}"), &headers, "").await;
            assert_is_closed(&answer, &format!("{method} {path}"));
        }
        for host in ["127.0.0.1:7200", "localhost:7201", "api.weixin.qq.com"] {
            let line = format!("GET http://{host}{path}");
            let headers = format!(
                "X-Forwarded-Host: {host}\r\nX-Original-URL: {path}\r\nAuthorization: Bearer {key}\r\n"
            );
            assert_is_closed(&running.ask(&line, &headers, "").await, &line);
        }
    }
}

#[tokio::test]
async fn every_answer_keeps_the_browser_on_a_short_lead() {
    let (_world, running) = listener("").await;
    let answer = running
        .ask("GET /nothing", "Accept-Language: en\r\n", "")
        .await;
    let policy = answer.header("content-security-policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none'; style-src 'sha256-"),
        "{policy}"
    );
    assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(answer.body.contains("<html lang=\"en\">"));
    // The hash is of what stands between the tags.
    let style = answer
        .body
        .split("<style>")
        .nth(1)
        .unwrap()
        .split("</style>")
        .next()
        .unwrap();
    let hash = STANDARD.encode(digest::digest(&digest::SHA256, style.as_bytes()));
    assert!(policy.contains(&hash));
}

#[tokio::test]
async fn wechats_verification_file_is_served_as_plain_text() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("MP_verify_aBc123.txt"), "aBc123").unwrap();
    std::fs::write(folder.path().join("other.txt"), "other").unwrap();
    let place = folder.path().display();
    let (_world, running) = listener(&format!("verify_files = \"{place}\"")).await;
    let answer = running.ask("GET /MP_verify_aBc123.txt", "", "").await;
    assert_eq!((answer.status, &*answer.body), (200, "aBc123"));
    assert_eq!(
        answer.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    for path in [
        "/other.txt",
        "/MP_verify_none.txt",
        "/MP_verify_..%2fother.txt",
        "/x/MP_verify_aBc123.txt",
    ] {
        assert_is_closed(&running.ask(&format!("GET {path}"), "", "").await, path);
    }
    assert_is_closed(
        &running.ask("POST /MP_verify_aBc123.txt", "", "").await,
        "POST",
    );
}

#[tokio::test]
async fn an_address_that_asks_too_often_is_told_to_wait() {
    let (world, running) = listener("rate = \"2/m\"\nforwarded_from = [\"127.0.0.1\"]").await;
    let ask = async |from: &str| {
        let headers = format!("X-Forwarded-For: {from}\r\n");
        running.ask("GET /nothing", &headers, "").await
    };
    assert_eq!(ask("192.0.2.1").await.status, 404);
    assert_eq!(ask("192.0.2.1").await.status, 404);
    let refused = ask("192.0.2.1").await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.header("retry-after"), Some("30"));
    assert!(refused.body.contains("请等几秒钟"));
    assert_eq!(ask("192.0.2.2").await.status, 404);
    world.clock.advance(Duration::from_secs(30));
    assert_eq!(ask("192.0.2.1").await.status, 404);
}
