//! WeChat's own endpoints: what SDKs send and what they understand.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use wxtoken_core::credential::Kind;
use wxtoken_core::refresh::verdict::{Evidence, Verdict};

use crate::config::CompatExpiresIn;
use crate::http::testing::{
    APP, Answer, FOREIGN_APP, KEY, NOW, Running, WIDE_KEY, World, caller, credential_of, id_of,
    usual_callers,
};
use crate::keeper::{Command, NoLive, Report};
use crate::words::Sentence;

async fn token(server: &Running, appid: &str, secret: &str) -> Answer {
    let path = format!("/cgi-bin/token?grant_type=client_credential&appid={appid}&secret={secret}");
    server.ask(&format!("GET {path}"), "", "").await
}

async fn stable(server: &Running, body: &str) -> Answer {
    server
        .ask(
            "POST /cgi-bin/stable_token",
            "Content-Type: application/json\r\n",
            body,
        )
        .await
}

fn stable_body(force: bool) -> String {
    format!(
        "{{\"grant_type\":\"client_credential\",\"appid\":\"{APP}\",\"secret\":\"{KEY}\",\"force_refresh\":{force}}}"
    )
}

#[tokio::test]
async fn an_sdk_gets_its_token_with_a_caller_key_as_its_secret() {
    let world = World::new();
    let server = world.serve().await;
    let classic = token(&server, APP, KEY).await;
    assert_eq!(
        classic.body,
        "{\"access_token\":\"TOKEN-1\",\"expires_in\":7200}"
    );
    assert_eq!(classic.header("content-type"), Some("application/json"));
    assert_eq!(classic.header("cache-control"), Some("no-store"));
    world.clock.advance(Duration::from_secs(20));
    let stable = stable(&server, &stable_body(false)).await;
    assert_eq!(
        stable.body,
        "{\"access_token\":\"TOKEN-1\",\"expires_in\":7180}"
    );
}

#[tokio::test]
async fn slashes_may_be_doubled_parameters_come_in_any_order_and_keys_stand_in_the_path() {
    let world = World::new();
    let server = world.serve().await;
    for path in [
        format!("//cgi-bin/token?secret={KEY}&grant_type=client_credential&appid={APP}"),
        format!("/k/{KEY}/cgi-bin/token?grant_type=client_credential&appid={APP}&secret=anything"),
        format!("/k/{KEY}//cgi-bin//token?appid={APP}&grant_type=client_credential"),
        format!("/cgi-bin/token?grant_type=client%5Fcredential&appid={APP}&secret={KEY}&x=1"),
    ] {
        world.clock.advance(Duration::from_secs(30));
        let answer = server.ask(&format!("GET {path}"), "", "").await;
        assert_eq!(answer.json()["access_token"], "TOKEN-1", "{path}");
    }
    // The other caller has not allowed its key in the path.
    let path = format!("/k/{WIDE_KEY}/cgi-bin/token?grant_type=client_credential&appid={APP}");
    assert_eq!(
        server.ask(&format!("GET {path}"), "", "").await.errcode(),
        40125
    );
}

#[tokio::test]
async fn refusals_are_http_200_with_wechats_numbers() {
    let mut callers = usual_callers();
    callers[1].concurrency = NonZeroU32::new(1);
    let world = World::with_callers(&callers);
    let server = world.serve().await;
    let with = async |query: &str| {
        server
            .ask(&format!("GET /cgi-bin/token?{query}"), "", "")
            .await
    };
    assert_eq!(token(&server, APP, "ffff").await.errcode(), 40125);
    assert_eq!(token(&server, FOREIGN_APP, KEY).await.errcode(), 40013);
    assert_eq!(token(&server, FOREIGN_APP, WIDE_KEY).await.errcode(), 40013);
    assert_eq!(token(&server, "%E5%BE%AE", WIDE_KEY).await.errcode(), 40013);
    assert_eq!(with("").await.errcode(), 41002);
    assert_eq!(with(&format!("secret={KEY}&appid=")).await.errcode(), 41002);
    assert_eq!(with(&format!("appid={APP}")).await.errcode(), 41004);
    assert_eq!(with(&format!("appid={APP}&secret=")).await.errcode(), 41004);
    assert_eq!(
        with(&format!("appid={APP}&secret={KEY}")).await.errcode(),
        40002
    );
    assert_eq!(stable(&server, "not json").await.errcode(), 47001);
    assert_eq!(stable(&server, "{}").await.errcode(), 41002);
    assert_eq!(
        server
            .ask("GET /cgi-bin/stable_token", "", "")
            .await
            .errcode(),
        43002
    );
    assert_eq!(
        server.ask("POST /cgi-bin/token", "", "").await.errcode(),
        43001
    );
    let wide = world.caller(WIDE_KEY);
    let open = wide.open().unwrap();
    assert_eq!(token(&server, APP, WIDE_KEY).await.errcode(), 45011);
    drop(open);

    let named = server
        .ask(
            &format!("GET /cgi-bin/token?appid={APP}&secret=x&grant_type=client_credential"),
            "X-Request-Id: order-1\r\n",
            "",
        )
        .await;
    assert!(
        named.json()["errmsg"]
            .as_str()
            .unwrap()
            .ends_with(" rid: order-1")
    );
}

#[tokio::test]
async fn without_a_live_token_upstreams_own_refusal_is_passed_on_and_else_minus_one() {
    let world = World::new();
    let server = world.serve().await;
    world.take_down(Kind::AccessToken);
    assert_eq!(token(&server, APP, KEY).await.errcode(), -1);
    let why = NoLive {
        reason: "refused",
        detail: Sentence::new("把 192.0.2.7 加入白名单", "add 192.0.2.7 to the whitelist"),
        errcode: Some(40164),
        since: NOW.wall,
        next_try: None,
    };
    world
        .shelf
        .explain(&APP.parse().unwrap(), Some(Arc::new(why)));
    let refused = token(&server, APP, KEY).await;
    assert_eq!(refused.errcode(), 40164);
    assert!(refused.body.contains("192.0.2.7"));
}

/// Answers one report as the keeper would.
async fn answer_report(world: &mut World, verdict: Verdict, current: &str) {
    let Some(Command::Report {
        key,
        evidence,
        wait,
        answer,
        ..
    }) = world.commands.recv().await
    else {
        panic!("no report came");
    };
    assert_eq!(evidence, Evidence::Hearsay);
    assert!(wait <= Duration::from_secs(2));
    let value = Arc::new(credential_of(key.kind, current, 7_200_000));
    world
        .shelf
        .put(&key.app, key.kind, Some(Arc::clone(&value)));
    answer
        .send(Ok(Report {
            verdict,
            current: Some(value),
            next_try: None,
        }))
        .unwrap();
}

#[tokio::test]
async fn asking_again_within_seconds_says_that_the_token_failed() {
    let mut world = World::new();
    let server = world.serve().await;
    assert_eq!(
        token(&server, APP, KEY).await.json()["access_token"],
        "TOKEN-1"
    );
    world.clock.advance(Duration::from_secs(2));
    let (again, ()) = tokio::join!(
        token(&server, APP, KEY),
        answer_report(&mut world, Verdict::Refreshed, "TOKEN-2")
    );
    assert_eq!(again.json()["access_token"], "TOKEN-2");
    // Somebody else asking for the first time says nothing of the kind: nobody answers reports any more.
    assert_eq!(
        token(&server, APP, WIDE_KEY).await.json()["access_token"],
        "TOKEN-2"
    );
}

#[tokio::test]
async fn rule_8_hearsay_that_was_wrong_is_not_heard_again_for_ten_minutes() {
    let mut world = World::new();
    let server = world.serve().await;
    let forced = stable_body(true);
    let (answer, ()) = tokio::join!(
        stable(&server, &forced),
        answer_report(&mut world, Verdict::Alive, "TOKEN-1")
    );
    assert_eq!(answer.json()["access_token"], "TOKEN-1");
    // No keeper answers these.
    assert_eq!(
        stable(&server, &forced).await.json()["access_token"],
        "TOKEN-1"
    );
    assert_eq!(
        token(&server, APP, KEY).await.json()["access_token"],
        "TOKEN-1"
    );
    assert!(world.commands.try_recv().is_err());
    for _ in 0..9 {
        world.clock.advance(Duration::from_secs(65));
        stable(&server, &forced).await.json();
    }
    assert!(world.commands.try_recv().is_err());
    world.clock.advance(Duration::from_secs(20));
    tokio::join!(
        stable(&server, &forced),
        answer_report(&mut world, Verdict::Alive, "TOKEN-1")
    );
}

#[tokio::test]
async fn expires_in_is_told_as_the_caller_wants_it() {
    let mut callers = usual_callers();
    callers[0].compat_expires_in = CompatExpiresIn::Fixed(7200);
    callers[1].compat_expires_in = CompatExpiresIn::Add(1500);
    let world = World::with_callers(&callers);
    let server = world.serve().await;
    world.clock.advance(Duration::from_secs(5000));
    assert_eq!(token(&server, APP, KEY).await.json()["expires_in"], 7200);
    assert_eq!(
        token(&server, APP, WIDE_KEY).await.json()["expires_in"],
        3700
    );
    // A ticket does not pass the gateway, where a dead one could be replaced.
    let line = format!("GET /k/{KEY}{TICKET}?access_token=TOKEN-1&type=jsapi");
    let ticket = server.ask(&line, "", "").await;
    assert_eq!(ticket.json()["expires_in"], 2200);
}

#[tokio::test]
async fn an_appsecret_is_accepted_only_where_a_caller_allows_it() {
    let mut callers = usual_callers();
    let world = World::with_callers(&callers);
    let server = world.serve().await;
    assert_eq!(
        token(&server, APP, "the-real-appsecret").await.errcode(),
        40125
    );
    callers[1].accept_app_secret = true;
    world.services.callers.replace(&callers);
    assert_eq!(
        token(&server, APP, "the-real-appsecret").await.json()["access_token"],
        "TOKEN-1"
    );
    assert_eq!(
        token(&server, APP, "the-wrong-appsecret").await.errcode(),
        40125
    );
    assert_eq!(
        token(&server, FOREIGN_APP, "the-real-appsecret")
            .await
            .errcode(),
        40125
    );
}

const TICKET: &str = "/cgi-bin/ticket/getticket";

#[tokio::test]
async fn a_ticket_is_read_with_a_key_in_the_path_or_as_bearer() {
    let world = World::new();
    let server = world.serve().await;
    let good = "{\"errcode\":0,\"errmsg\":\"ok\",\"ticket\":\"TICKET-1\",\"expires_in\":7200}";
    let by_path = server
        .ask(
            &format!("GET /k/{KEY}{TICKET}?access_token=TOKEN-1&type=jsapi"),
            "",
            "",
        )
        .await;
    assert_eq!(by_path.body, good);
    let bearer = format!("Authorization: Bearer {WIDE_KEY}\r\n");
    let posted = server
        .ask(
            &format!("POST {TICKET}?access_token=TOKEN-1&type=1"),
            &bearer,
            "",
        )
        .await;
    assert_eq!(posted.body, good);
    // A caller with one app means that one, whatever token it still has.
    world.clock.advance(Duration::from_secs(20));
    let own = format!("Authorization: Bearer {KEY}\r\n");
    let line = format!("GET {TICKET}?access_token=OLD&type=jsapi");
    let stale = server.ask(&line, &own, "").await;
    assert_eq!(stale.json()["ticket"], "TICKET-1");
    let ask = async |query: &str, headers: &str| {
        server
            .ask(&format!("GET {TICKET}?{query}"), headers, "")
            .await
    };
    assert_eq!(ask("type=jsapi", &bearer).await.errcode(), 41001);
    assert_eq!(
        ask("access_token=OLD&type=jsapi", &bearer).await.errcode(),
        40001
    );
    assert_eq!(
        ask("access_token=TOKEN-1&type=2", &bearer).await.errcode(),
        40097
    );
    assert_eq!(
        ask("access_token=TOKEN-1&type=wx_card", &bearer)
            .await
            .errcode(),
        -1
    );
    let named = format!("{bearer}Wxtoken-App: {APP}\r\n");
    world.clock.advance(Duration::from_secs(20));
    assert_eq!(
        ask("access_token=OLD&type=jsapi", &named).await.json()["ticket"],
        "TICKET-1"
    );
}

#[tokio::test]
async fn a_token_that_is_handing_over_still_names_its_app() {
    let world = World::new();
    let server = world.serve().await;
    let bearer = format!("Authorization: Bearer {WIDE_KEY}\r\n");
    let ask = async |token: &str| {
        let line = format!("GET {TICKET}?access_token={token}&type=jsapi");
        server.ask(&line, &bearer, "").await
    };
    assert_eq!(ask("HANDING-OVER").await.errcode(), 40001);
    let old = (id_of("HANDING-OVER"), Kind::AccessToken);
    world.shelf.own(0, &[], &[old]);
    assert_eq!(ask("HANDING-OVER").await.json()["ticket"], "TICKET-1");
    world.shelf.own(0, &[old], &[]);
    assert_eq!(ask("HANDING-OVER").await.errcode(), 40001);
}

#[tokio::test]
async fn a_token_names_an_app_but_nobody_unless_the_address_does() {
    let mut callers = usual_callers();
    let world = World::with_callers(&callers);
    let server = world.serve().await;
    let ask = async |token: &str| {
        server
            .ask(
                &format!("GET {TICKET}?access_token={token}&type=jsapi"),
                "",
                "",
            )
            .await
    };
    assert_eq!(ask("TOKEN-1").await.errcode(), 40001);
    let mut local = caller("local", "local-key", &[]);
    local.from = Box::new(["127.0.0.0/8".parse().unwrap()]);
    callers.push(local);
    world.services.callers.replace(&callers);
    // Where there is a key, `from` only says where that may come from.
    assert_eq!(ask("TOKEN-1").await.errcode(), 40001);
    callers[2].key = None;
    world.services.callers.replace(&callers);
    assert_eq!(ask("TOKEN-1").await.json()["ticket"], "TICKET-1");
    assert_eq!(ask("TICKET-1").await.errcode(), 40001);
    assert_ne!(id_of("TICKET-1"), id_of("TOKEN-1"));
}
