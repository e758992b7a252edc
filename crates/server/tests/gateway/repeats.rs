//! What is sent again, what is not, and how often at most.

use std::sync::Arc;

use futures_util::future::join_all;

use crate::harness::{APP, Shared, World};

const STABLE: &str = "/cgi-bin/stable_token";
const PROBE: &str = "/cgi-bin/get_api_domain_ip";
const MENU: &str = "/cgi-bin/menu/get";

#[tokio::test]
async fn a_caller_with_an_old_token_of_ours_gets_the_live_one_from_the_start() {
    let world = World::new().await;
    let old = world.token().await;
    world.kill().await;
    assert_eq!(world.get(MENU).await.headers["wxtoken-replayed"], "1");
    let (calls, probes) = (world.calls(MENU), world.calls(PROBE));
    let told = world.get(&format!("{MENU}?access_token={old}")).await;
    assert_eq!(told.errcode(), 0, "{}", told.errmsg());
    assert!(!told.headers.contains_key("wxtoken-replayed"));
    assert_eq!(
        (world.calls(MENU) - calls, world.calls(PROBE) - probes),
        (1, 0)
    );
}

async fn trouble(world: &World, name: &str, count: u32) {
    let fault = format!("{{\"name\":\"{name}\",\"path\":\"{MENU}\",\"count\":{count}}}");
    assert_eq!(world.control("faults", &fault).await.status, 200);
}

#[tokio::test]
async fn a_busy_wechat_is_asked_once_more_by_get_and_never_by_post() {
    let world = World::new().await;
    for (name, failed) in [("busy", -1), ("drop", -1), ("lost-answer", -1)] {
        let seen = || world.wechat.world().calls_total(MENU);
        let before = seen();
        trouble(&world, name, 1).await;
        let told = world.get(MENU).await;
        assert_eq!(told.errcode(), 0, "{name}: {}", told.errmsg());
        assert_eq!(told.headers["wxtoken-replayed"], "1", "{name}");
        assert_eq!(seen() - before, 2, "{name}");
        trouble(&world, name, 2).await;
        let told = world.get(MENU).await;
        assert_eq!(told.errcode(), failed, "{name}: once, not twice");
        assert_eq!(seen() - before, 4, "{name}");
        trouble(&world, name, 1).await;
        let told = world.post(MENU, "{}").await;
        assert_eq!(told.errcode(), failed, "{name}");
        assert_eq!(
            seen() - before,
            5,
            "{name}: a POST may have been carried out"
        );
    }
    assert_eq!(
        world.calls(PROBE),
        0,
        "trouble is no word against the token"
    );
}

#[tokio::test]
async fn when_the_new_token_is_bad_as_well_the_caller_gets_wechats_own_answer_and_no_storm_follows()
{
    let world: Shared = Arc::new(World::new().await);
    let (probes, fetches) = (world.calls(PROBE), world.calls(STABLE));
    world
        .control("faults", r#"{"name":"all-tokens-bad"}"#)
        .await;
    for _ in 0..2 {
        let calls = (0..100).map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.get(MENU).await })
        });
        for call in join_all(calls).await {
            let told = call.unwrap();
            assert_eq!(told.errcode(), 40001, "{}", told.errmsg());
        }
    }
    // One of ours, and what normal mode and one force gave; each looked at twice while young.
    assert!(
        world.calls(STABLE) - fetches <= 4,
        "{}",
        world.calls(STABLE)
    );
    assert!(world.wechat.world().forces_today(APP) <= 1);
    assert!(world.calls(PROBE) - probes <= 8, "{}", world.calls(PROBE));
}
