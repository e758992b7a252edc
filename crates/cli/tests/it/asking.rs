//! `get`, `status` and `refresh`: what they send, and what they say when it does not work.

use crate::canned::Canned;
use crate::program::Run;

const APP: &str = "wx0123456789abcdef";
const KEY: &str = "5f4dcc3b5aa765d61d8327deb882cf99";

#[test]
fn a_token_is_printed_alone_so_that_a_script_can_take_it() {
    let server = Canned::tcp("200 OK", r#"{"access_token":"68_LIVE","expires_in":7000}"#);
    let said = Run::of(&["get", APP])
        .env("WXTOKEN_URL", server.url())
        .env("WXTOKEN_KEY", KEY)
        .said();
    assert_eq!(said.out, "68_LIVE\n");
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    let asked = server.asked();
    assert!(asked.starts_with(&format!("GET /v1/apps/{APP}/access_token HTTP/1.1\r\n")));
    assert!(asked.contains(&format!("Bearer {KEY}")));
}

#[test]
fn a_ticket_comes_over_a_unix_socket_with_the_key_from_a_file_as_json() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, format!("{KEY}\n")).unwrap();
    let body = r#"{"ticket":"T1","expires_in":7000}"#;
    let server = Canned::unix(&folder.path().join("s"), "200 OK", body);
    let said = Run::of(&["get", APP, "jsapi_ticket", "--json"])
        .env("WXTOKEN_URL", server.url())
        .env("WXTOKEN_KEY_FILE", key.to_str().unwrap())
        .said();
    said.shows(&[body]);
    assert!(server.asked().contains(&format!("Bearer {KEY}\r\n")));
}

#[test]
fn without_a_key_or_a_terminal_the_variable_is_named() {
    let said = Run::of(&["get", APP]).said();
    said.fails(2, &["WXTOKEN_KEY", "WXTOKEN_KEY_FILE", "never arguments"]);
    let said = Run::of(&["status"])
        .env("WXTOKEN_ADMIN_KEY_FILE", "/nonexistent")
        .said();
    said.fails(2, &["WXTOKEN_ADMIN_KEY_FILE", "/nonexistent"]);
}

#[test]
fn a_server_that_is_not_running_is_told_with_how_to_start_it() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let said = Run::of(&["get", APP])
        .env("WXTOKEN_URL", &url)
        .env("WXTOKEN_KEY", KEY)
        .said();
    said.fails(1, &[&url, "wxtoken serve", "WXTOKEN_URL"]);
}

#[test]
fn refusals_say_what_to_do_and_never_repeat_the_key() {
    let cases = [
        (
            "401 Unauthorized",
            r#"{"title":"bad key"}"#,
            "WXTOKEN_KEY must hold",
        ),
        (
            "403 Forbidden",
            r#"{"detail":"this app is not this caller's; see `apps` in its [[caller]] table"}"#,
            "[[caller]]",
        ),
        (
            "404 Not Found",
            r#"{"detail":"unknown app"}"#,
            "wxtoken status",
        ),
        (
            "503 Service Unavailable",
            r#"{"detail":"d","reason":"refused","errcode":40164}"#,
            "wxtoken explain 40164",
        ),
        ("502 Bad Gateway", "<html>", "not a wxtoken server"),
        ("200 OK", "<html>", "not a wxtoken server"),
    ];
    for (status, body, cure) in cases {
        let server = Canned::tcp(status, body);
        let said = Run::of(&["get", APP])
            .env("WXTOKEN_URL", server.url())
            .env("WXTOKEN_KEY", KEY)
            .said();
        said.fails(1, &[cure]);
        assert!(!said.err.contains(KEY) && said.out.is_empty(), "{said:?}");
    }
}

#[test]
fn an_address_that_is_none_is_refused_before_anything_is_sent() {
    for (url, cure) in [
        ("127.0.0.1:7200", "http://HOST:PORT"),
        ("unix:relative.sock", "must be absolute"),
        ("https://user:pass@host", "must not hold a password"),
    ] {
        let said = Run::of(&["get", APP])
            .env("WXTOKEN_URL", url)
            .env("WXTOKEN_KEY", KEY)
            .said();
        said.fails(2, &["WXTOKEN_URL", cure]);
    }
}

#[test]
fn status_shows_a_row_per_credential_and_fails_when_one_has_no_value() {
    let body = serde_json::json!({ "apps": [{
        "appid": APP,
        "kinds": [{ "kind": "access_token", "lane": "stable", "since": 1, "expires_at": 4_000_000_000_u64 }],
        "budgets": [{ "kind": "stable", "used": 2, "limit": 2000 }],
    }, {
        "appid": "wxdead",
        "kinds": [{ "kind": "access_token", "trouble": { "detail": "WeChat refuses: 40125" } }],
    }]});
    let server = Canned::tcp("200 OK", &body.to_string());
    let said = Run::of(&["status"])
        .env("WXTOKEN_ADMIN_URL", server.url())
        .env("WXTOKEN_ADMIN_KEY", KEY)
        .said();
    assert_eq!(said.code, 1, "{said:?}");
    for part in [APP, "2/2000", "wxdead", "no live value", "40125"] {
        assert!(said.out.contains(part), "{part:?} is missing in {said:?}");
    }
    assert!(!said.out.contains('█') && !said.out.contains('\x1b'));
    assert!(server.asked().starts_with("GET /admin/apps HTTP/1.1"));
}

#[test]
fn status_of_one_app_as_json_holds_only_that_app() {
    let body = r#"{"apps":[{"appid":"wxa","kinds":[],"new":7},{"appid":"wxb","kinds":[]}]}"#;
    let server = Canned::tcp("200 OK", body);
    let said = Run::of(&["status", "wxa", "--json"])
        .env("WXTOKEN_ADMIN_URL", server.url())
        .env("WXTOKEN_ADMIN_KEY", KEY)
        .said();
    said.shows(&[r#""appid":"wxa""#, r#""new":7"#]);
    assert!(!said.out.contains("wxb"));
}

#[test]
fn a_spent_forced_quota_stops_a_forced_refresh_before_it_is_asked_for() {
    let body = serde_json::json!({ "apps": [{
        "appid": APP, "kinds": [],
        "budgets": [{ "kind": "forced", "used": 20, "limit": 20 }],
    }]});
    let server = Canned::tcp("200 OK", &body.to_string());
    let said = Run::of(&["refresh", APP, "--force", "--yes"])
        .env("WXTOKEN_ADMIN_URL", server.url())
        .env("WXTOKEN_ADMIN_KEY", KEY)
        .said();
    said.fails(1, &["20 are used, 0 are left", "midnight in Beijing"]);
}

#[test]
fn a_ticket_cannot_be_forced() {
    Run::of(&["refresh", APP, "jsapi_ticket", "--force"])
        .said()
        .fails(2, &["--force is for access tokens"]);
}

#[test]
fn status_shows_the_trouble_of_a_shared_store_above_the_table_and_to_scripts() {
    let body = r#"{"store":{"trouble":"read_only","detail":"Redis at h:6379 is a replica","detail_zh":"h:6379 的 Redis 是只读副本","since":1},"apps":[]}"#;
    for (words, shown) in [
        (&["status"][..], "the shared store is in trouble"),
        (&["status", "--lang", "zh"], "共享存储有问题"),
        (&["status", "--json"], body),
    ] {
        let server = Canned::tcp("200 OK", body);
        let said = Run::of(words)
            .env("WXTOKEN_ADMIN_URL", server.url())
            .env("WXTOKEN_ADMIN_KEY", KEY)
            .said();
        said.shows(&[shown, "h:6379"]);
    }
}
