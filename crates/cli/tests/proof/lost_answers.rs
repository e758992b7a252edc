//! WeChat minted, and its answer never arrived: the old classic value is doomed, and nobody is to blame.

use std::sync::Arc;
use std::time::Duration;

use wxtoken_simulator::{Call, CallWait, Fault, FaultScope, Lane, Rules, SimTime, Upstream};

use crate::place::{APP, CALLER, Place, app, wechat};
use crate::server::{PATIENCE, Server, until_asked};

const TOKEN: &str = "/cgi-bin/token";

/// The call that must come.
async fn soon(call: CallWait) -> Arc<Call> {
    tokio::time::timeout(PATIENCE, call)
        .await
        .expect("the call comes")
}

/// What the native API says of the app's token: its value and its end.
async fn held(server: &Server) -> (String, u64) {
    let json = server
        .ask(&format!("GET /v1/apps/{APP}/access_token"), "")
        .await
        .json();
    let token = json["access_token"].as_str().unwrap().to_owned();
    (token, json["expires_at"].as_u64().unwrap())
}

async fn start() -> (Upstream, Place, Server) {
    let wechat = wechat(Rules::default(), 0).await;
    let place = Place::new(&wechat);
    let lines = app("lanes = [\"classic\"]\ntake_over = true");
    place.configure(&format!("{lines}{CALLER}"));
    let server = Server::start(&place).await;
    (wechat, place, server)
}

fn refuse_further_calls(wechat: &Upstream) {
    let world = wechat.world();
    world.set_fault(FaultScope::path(TOKEN), Fault::DropBeforeMint, None);
}

/// Ends 300 s after the lost call left, whoever looks at it, and is replaced without a word against others.
async fn doomed_then_replaced(
    wechat: &Upstream,
    server: &Server,
    old: &(String, u64),
    sent: SimTime,
) {
    let world = wechat.world();
    let (value, ends) = held(server).await;
    assert_eq!(value, old.0, "served while it lives on");
    assert!(world.is_live(APP, &value), "and it does live on");
    let ends = i64::try_from(ends).unwrap();
    // Told in whole seconds, to the nearest.
    let after = ends * 1000 - sent.unix_ms();
    assert!(
        (298_000..=300_500).contains(&after),
        "it ends {after} ms after the call"
    );
    assert!(ends < i64::try_from(old.1).unwrap());
    world.clear_faults();
    until_asked("what is due is replaced", PATIENCE, async || {
        held(server).await.0 != old.0
    })
    .await;
    assert!(world.is_live(APP, &held(server).await.0));
}

fn nobody_is_accused(place: &Place) {
    let log = place.logs();
    assert!(
        !log.contains("foreign-fetcher") && !log.contains("same AppSecret"),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_ends_the_old_classic_token_after_300_seconds_and_accuses_nobody() {
    let (wechat, place, server) = start().await;
    let world = wechat.world();
    let old = held(&server).await;
    world.set_fault(FaultScope::path(TOKEN), Fault::LostAnswer, Some(1));
    let lost = world.next_call(TOKEN);
    server
        .admin(&format!("POST /admin/apps/{APP}/access_token/refresh"))
        .await;
    let sent = soon(lost).await.at;
    refuse_further_calls(&wechat);
    assert_eq!(world.minted(APP, Lane::Classic), 2);
    server.says("upstream-trouble").await;
    doomed_then_replaced(&wechat, &server, &old, sent).await;
    assert!(server.stop().await.success());
    nobody_is_accused(&place);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_lost_in_a_kill_ends_the_old_classic_token_the_same_way() {
    let (wechat, place, server) = start().await;
    let world = wechat.world();
    let old = held(&server).await;
    world.set_fault(
        FaultScope::path(TOKEN),
        Fault::Hold { before: false },
        Some(1),
    );
    let lost = world.next_call(TOKEN);
    let line = format!("POST /admin/apps/{APP}/access_token/refresh");
    let (call, ()) = tokio::join!(soon(lost), async {
        // It is killed before it can answer; only the call it makes counts.
        let _unanswered =
            tokio::time::timeout(Duration::from_millis(300), server.admin(&line)).await;
    });
    server.kill();
    refuse_further_calls(&wechat);
    let server = Server::start(&place).await;
    doomed_then_replaced(&wechat, &server, &old, call.at).await;
    assert!(server.stop().await.success());
    nobody_is_accused(&place);
}
