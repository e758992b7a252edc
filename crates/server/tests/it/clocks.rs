//! Clocks that are wrong, and paths that are: neither costs a live token.

use std::time::Duration;

use wxtoken_core::clock::{Boot, Wall};
use wxtoken_core::credential::Kind;
use wxtoken_core::refresh::verdict::Verdict;
use wxtoken_server::keeper::Notice;
use wxtoken_simulator::{Fault, FaultScope, Lane};

use crate::harness::{APP, PATIENCE, World, trouble};

const PROBE: &str = "/cgi-bin/get_api_domain_ip";
const STABLE: &str = "/cgi-bin/stable_token";
const DAY: i64 = 86_400_000;

/// A world whose server was down for ten minutes, in which the machine's clock was stepped by so many milliseconds.
async fn stepped_while_down(by: i64) -> (World, String) {
    let mut world = World::with_app("").await;
    let token = world.token().await;
    let wall = world.keeper().now().wall;
    world.stop().await;
    world.pass(Duration::from_secs(600));
    world.clock.set_boot(Boot(10_000));
    let stepped = wall.plus(600_000).0.checked_add_signed(by);
    world.clock.set_wall(Wall(stepped.unwrap()));
    world.start().await;
    (world, token)
}

#[tokio::test]
async fn rule_5_a_wall_clock_stepped_back_while_down_has_the_value_probed_before_it_is_refused() {
    let (world, token) = stepped_while_down(-DAY).await;
    assert_eq!(world.token().await, token);
    let probed = world.wechat.world().calls_reach(PROBE, 1);
    let probed = tokio::time::timeout(PATIENCE, probed).await;
    assert!(probed.is_ok(), "suspected values are probed");
    assert_eq!(world.token().await, token);
    assert_eq!(world.wechat.world().minted(APP, Lane::Stable), 1);
}

#[tokio::test]
async fn a_wall_clock_stepped_a_day_forward_while_down_costs_no_new_token() {
    let (world, token) = stepped_while_down(DAY).await;
    assert_eq!(
        world.token().await,
        token,
        "WeChat gives the same one again"
    );
    assert!(world.lives(&token));
    assert_eq!(world.wechat.world().minted(APP, Lane::Stable), 1);
}

#[tokio::test]
async fn rule_5_a_date_more_than_thirty_seconds_off_is_told_and_the_restored_value_asked_about() {
    let (world, token) = stepped_while_down(0).await;
    let mut notices = world.notices();
    let off = |seconds| {
        let fault = Fault::ClockOffset { seconds };
        world.wechat.world().clear_faults();
        world
            .wechat
            .world()
            .set_fault(FaultScope::everywhere(), fault, None);
    };
    off(25);
    assert_eq!(world.report(&token).await.verdict, Verdict::Alive);
    while let Ok(notice) = notices.try_recv() {
        let is_clock = matches!(
            notice,
            Notice::Trouble {
                name: "clock-off",
                ..
            }
        );
        assert!(!is_clock, "25 s are within the tolerance");
    }
    world.pass(Duration::from_secs(60));
    off(40);
    assert_eq!(world.report(&token).await.verdict, Verdict::Alive);
    let told = trouble(&mut notices, "clock-off").await;
    assert!(told.contains("behind"), "{told}");
    // Normal mode is the cheap oracle of a stable value: the same one again says that it lives, and for how long.
    let again = world.wechat.world().calls_reach(STABLE, 2);
    let again = world
        .while_time_passes(tokio::time::timeout(PATIENCE, again))
        .await;
    assert!(
        again.is_ok(),
        "WeChat is asked about what rests on the clock"
    );
    assert_eq!(world.wechat.world().minted(APP, Lane::Stable), 1);
    assert_eq!(world.token().await, token);
}

#[tokio::test]
async fn a_path_that_always_says_40001_costs_probes_but_no_token() {
    let world = World::with_app("kinds = [\"access_token\", \"jsapi_ticket\"]").await;
    let token = world.get(Kind::AccessToken).await;
    world.get(Kind::JsapiTicket).await;
    let fault = Fault::PathAlways40001;
    world
        .wechat
        .world()
        .set_fault(FaultScope::everywhere(), fault, None);
    for _ in 0..20 {
        world.pass(Duration::from_secs(60));
        let told = world.report(token.token.expose()).await;
        assert_eq!(told.verdict, Verdict::Alive);
    }
    assert_eq!(world.calls(STABLE), 1);
    assert_eq!(world.peek(Kind::AccessToken).unwrap().id, token.id);
    assert!(
        world.peek(Kind::JsapiTicket).is_ok(),
        "the ticket that is held lives on"
    );
    assert!(world.calls(PROBE) <= 60, "{} probes", world.calls(PROBE));
}
