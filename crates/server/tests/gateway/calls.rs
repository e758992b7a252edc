//! Calls that go out, fail and go out again.

use std::sync::Arc;

use http::Method;

use crate::harness::{APP, KEY, PATIENCE, Shared, World};

const STABLE: &str = "/cgi-bin/stable_token";
const PROBE: &str = "/cgi-bin/get_api_domain_ip";
const MENU: &str = "/cgi-bin/menu/get";
/// So many calls fail at one moment.
const TOGETHER: u64 = 500;

#[tokio::test]
async fn a_call_goes_out_with_a_live_token_whatever_stood_in_its_place() {
    let world = World::new().await;
    for target in [
        "/cgi-bin/menu/get",
        "/cgi-bin/menu/get?access_token=",
        "/cgi-bin/menu/get?access_token=whatever&x=1",
        "//cgi-bin/menu/get?access%5Ftoken=%41",
    ] {
        let told = world.get(target).await;
        assert_eq!(told.errcode(), 0, "{target}: {}", told.errmsg());
        assert!(told.headers.contains_key("wxtoken-generation"));
        assert!(!told.headers.contains_key("wxtoken-replayed"));
    }
}

#[tokio::test]
async fn a_call_whose_token_was_killed_is_made_again_with_a_new_one() {
    let world = World::new().await;
    let before = world.token().await;
    world.kill().await;
    let told = world
        .post("/cgi-bin/menu/create?access_token=x", r#"{"button":[]}"#)
        .await;
    assert_eq!(told.errcode(), 0, "{}", told.errmsg());
    assert_eq!(told.json()["len"], 13);
    assert_eq!(told.headers["wxtoken-replayed"], "1");
    assert_ne!(world.token().await, before);
    let metrics = world.metrics().await;
    let counted = format!(
        "wxtoken_calls_total{{appid=\"{APP}\",caller=\"shop\",family=\"cgi-bin\",outcome=\"ok\",replayed=\"true\"}} 1"
    );
    assert!(metrics.contains(&counted), "{metrics}");
    assert!(
        metrics.contains("wxtoken_call_added_seconds_count 1"),
        "{metrics}"
    );
}

#[tokio::test]
async fn calls_that_fail_together_cost_one_probe_and_one_fetch() {
    let world: Shared = Arc::new(World::new().await);
    world.kill().await;
    let (probes, fetches) = (world.calls(PROBE), world.calls(STABLE));
    // No new token comes before all of them have failed.
    let hold = format!("{{\"name\":\"hold\",\"before\":true,\"path\":\"{STABLE}\"}}");
    assert_eq!(world.control("faults", &hold).await.status, 200);
    let calls = (0..TOGETHER).map(|_| {
        let world = Arc::clone(&world);
        tokio::spawn(async move { world.get(MENU).await.errcode() })
    });
    let calls: Vec<_> = calls.collect();
    let all_failed = async {
        while world.wechat.world().calls_total(MENU) < TOGETHER {
            tokio::task::yield_now().await;
        }
        world.wechat.world().held_reach(1).await;
    };
    tokio::time::timeout(PATIENCE, all_failed).await.unwrap();
    world.wechat.world().clear_faults();
    for call in futures_util::future::join_all(calls).await {
        assert_eq!(call.unwrap(), 0);
    }
    assert_eq!(world.wechat.world().calls_total(MENU), 2 * TOGETHER);
    // The value is younger than ten seconds, so its death is looked at twice (rule 8).
    assert_eq!(world.calls(PROBE) - probes, 2);
    assert_eq!(world.calls(STABLE) - fetches, 1);
}

#[tokio::test]
async fn who_asks_is_told_by_a_key_in_every_place_that_takes_one() {
    let world = World::new().await;
    let token = world.token().await;
    let plain = |target: String| world.send(world.request(Method::GET, &target), "");
    assert_eq!(
        plain(format!("/k/{KEY}/cgi-bin/menu/get")).await.errcode(),
        0
    );
    assert_eq!(
        plain(format!("/k/{KEY}/{APP}/cgi-bin/menu/get"))
            .await
            .errcode(),
        0
    );
    let told = plain(format!("/cgi-bin/menu/get?access_token={token}")).await;
    assert_eq!(told.errcode(), 40001);
    assert!(
        told.errmsg().contains("does not say who asks"),
        "{}",
        told.errmsg()
    );
    assert_eq!(plain("/cgi-bin/menu/get".to_owned()).await.errcode(), 40001);
}

#[tokio::test]
async fn a_path_that_says_40001_for_ever_costs_no_fetch() {
    let world = World::new().await;
    let fault = r#"{"name":"errcode","code":40001,"path":"/wxa/another/kind"}"#;
    assert_eq!(world.control("faults", fault).await.status, 200);
    let (probes, fetches) = (world.calls(PROBE), world.calls(STABLE));
    for _ in 0..20 {
        let told = world.get("/wxa/another/kind").await;
        assert_eq!(told.errcode(), 40001);
    }
    assert_eq!(world.calls(STABLE) - fetches, 0);
    assert!(world.calls(PROBE) - probes <= 2);
    assert_eq!(world.get("/cgi-bin/menu/get").await.errcode(), 0);
}

#[tokio::test]
async fn a_large_body_is_sent_again_byte_for_byte() {
    let world = World::new().await;
    let body: Vec<u8> = (0..5_000_000_u32)
        .map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0])
        .collect();
    let sent = world.post("/wxa/img_sec_check", body.clone()).await;
    world.kill().await;
    let again = world.post("/wxa/img_sec_check", body).await;
    assert_eq!(again.headers["wxtoken-replayed"], "1");
    assert_eq!(again.json()["sha256"], sent.json()["sha256"]);
    assert_eq!(again.json()["len"], 5_000_000);
}

#[tokio::test]
async fn the_two_kinds_of_token_taken_for_each_other_are_told_apart() {
    let world = World::new().await;
    let token = world.token().await;
    let told = world
        .get(&format!("/sns/userinfo?access_token={token}&openid=o"))
        .await;
    assert_eq!(told.errcode(), 40001);
    assert!(told.errmsg().contains("网页授权"), "{}", told.errmsg());
    let code = world
        .control(
            &format!("apps/{APP}/code"),
            r#"{"user":"alice","for":"web"}"#,
        )
        .await;
    let code = code.json()["code"].as_str().unwrap().to_owned();
    let target = format!(
        "/sns/oauth2/access_token?appid={APP}&secret={KEY}&code={code}&grant_type=authorization_code"
    );
    let exchanged = world.send(world.request(Method::GET, &target), "").await;
    let (web, openid) = (
        exchanged.json()["access_token"].clone(),
        exchanged.json()["openid"].clone(),
    );
    let (web, openid) = (web.as_str().expect("a web token"), openid.as_str().unwrap());
    let profile = world
        .get(&format!("/sns/userinfo?access_token={web}&openid={openid}"))
        .await;
    assert_eq!(profile.errcode(), 0, "{}", profile.errmsg());
    let told = world
        .get(&format!(
            "/cgi-bin/user/info?access_token={web}&openid={openid}"
        ))
        .await;
    assert_eq!(told.errcode(), 40001);
    assert!(told.errmsg().contains("web OAuth"), "{}", told.errmsg());
}

#[tokio::test]
async fn a_key_at_the_wrong_place_of_a_path_does_not_reach_wechat() {
    let world = World::new().await;
    for target in [
        format!("/K/{KEY}/cgi-bin/menu/get"),
        format!("/cgi-bin/{KEY}"),
    ] {
        let told = world.get(&target).await;
        assert_eq!(told.errcode(), 40001, "{target}");
        assert!(!String::from_utf8_lossy(&told.body).contains(KEY));
    }
}

#[tokio::test]
async fn tricks_with_paths_go_nowhere() {
    let world = World::new().await;
    for target in [
        "/cgi-bin/menu/../clear_quota",
        "/cgi-bin/%2e%2e/clear_quota",
        "/cgi-bin%2fmenu/get",
        "/cgi-bin/menu;x/get",
        "/k/../cgi-bin/menu/get",
    ] {
        let told = world.get(target).await;
        assert_eq!(told.status, 400, "{target}");
        assert_eq!(told.errcode(), 43003, "{target}");
    }
    for target in [
        "/cgi-bin/%74oken",
        "/CGI-BIN/token",
        "/cgi-bin/stable_token/",
        "/cgi-bin/clear_quota",
        "/%63gi-bin/clear_quota",
    ] {
        assert_eq!(world.get(target).await.errcode(), 48001, "{target}");
    }
    assert_eq!(world.calls("/cgi-bin/clear_quota"), 0);
    assert_eq!(world.calls("/cgi-bin/token"), 0);
}

#[tokio::test]
async fn a_method_whose_answer_would_show_the_token_goes_nowhere() {
    let world = World::new().await;
    let trace = world
        .request(Method::TRACE, "/cgi-bin/menu/get")
        .header("authorization", format!("Bearer {KEY}"));
    let told = world.send(trace, "").await;
    assert_eq!(told.errcode(), 43001, "{}", told.errmsg());
    assert_eq!(world.calls("/cgi-bin/menu/get"), 0);
}

#[tokio::test]
async fn a_reload_says_what_waits_for_a_restart_by_what_runs_and_not_by_the_last_file() {
    let world = World::new().await;
    let with = |connections: usize| {
        let mut config = (*world.server.config()).clone();
        config.server.max_connections = connections;
        world.server.reload(config)
    };
    let now = world.server.config().server.max_connections;
    for (connections, told) in [(now - 1, true), (now - 1, true), (now, false), (now, false)] {
        let reloaded = with(connections).await;
        assert_eq!(!reloaded.needs_restart.is_empty(), told, "{connections}");
    }
}
