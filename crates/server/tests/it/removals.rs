//! Apps that leave the configuration, with a call of theirs still under way or while the server is stopped.

use std::time::Duration;

use wxtoken_core::credential::Kind;
use wxtoken_server::keeper::RefreshOutcome;
use wxtoken_simulator::{Fault, FaultScope};

use crate::harness::{APP, PATIENCE, World, key};

const STABLE: &str = "/cgi-bin/stable_token";
const A_DAY: Duration = Duration::from_secs(24 * 3600);

/// A world whose app is removed while a forced fetch is under way: WeChat has minted, and the answer is on its way.
async fn removed_during_a_fetch() -> World {
    let world = World::with_app("").await;
    world.token().await;
    let slow = Fault::Delay {
        ms: 300,
        before: false,
    };
    world
        .wechat
        .world()
        .set_fault(FaultScope::everywhere(), slow, None);
    let called = world.wechat.world().next_call(STABLE);
    let keeper = world.keeper().clone();
    let refresh =
        tokio::spawn(async move { keeper.refresh(key(Kind::AccessToken), true, PATIENCE).await });
    tokio::time::timeout(PATIENCE, called).await.unwrap();
    world.remove_app().await;
    let told = refresh.await.unwrap().unwrap();
    assert!(
        !matches!(told, Ok(RefreshOutcome::Refreshed(_))),
        "it was removed while its answer was on its way"
    );
    world
}

/// What there still is after a start that is more than a day later.
async fn kept_after_a_day(world: &mut World) -> Vec<String> {
    world.pass(A_DAY + Duration::from_secs(60));
    world.start().await;
    world.stop().await;
    world.stored().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_removed_apps_last_call_brings_is_kept_a_day_and_no_longer() {
    let mut world = removed_during_a_fetch().await;
    world.stop().await;
    assert_eq!(world.stored().await, [APP], "for it may come back");
    assert!(kept_after_a_day(&mut world).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_is_back_after_a_restart_has_what_its_last_call_brought() {
    let mut world = removed_during_a_fetch().await;
    world.stop().await;
    world.configure("");
    world.start().await;
    assert!(world.lives(&world.token().await));
    assert_eq!(world.calls(STABLE), 2, "nothing is fetched anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_is_back_at_once_is_kept_longer_than_a_day() {
    let mut world = removed_during_a_fetch().await;
    world.reload("").await;
    assert!(world.lives(&world.token().await));
    assert_eq!(world.calls(STABLE), 2, "its call goes on");
    world.stop().await;
    assert_eq!(kept_after_a_day(&mut world).await, [APP]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_is_removed_at_rest_is_kept_a_day_and_no_longer() {
    let mut world = World::with_app("").await;
    let before = world.token().await;
    world.remove_app().await;
    world.reload("").await;
    assert_eq!(world.token().await, before);
    world.remove_app().await;
    world.stop().await;
    assert_eq!(world.stored().await, [APP]);
    assert!(kept_after_a_day(&mut world).await.is_empty());
    assert_eq!(world.calls(STABLE), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_was_back_in_between_is_kept_a_day_from_when_it_was_last_removed() {
    let mut world = World::with_app("").await;
    let before = world.token().await;
    world.remove_app().await;
    world.reload("").await;
    assert_eq!(world.token().await, before, "nothing of it is written");
    world.stop().await;
    world.without_app();
    for hours in [20, 5] {
        world.pass(Duration::from_secs(hours * 3600));
        world.start().await;
        world.stop().await;
    }
    assert_eq!(world.stored().await, [APP]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_taken_out_while_the_server_was_stopped_is_kept_a_day_and_no_longer() {
    let mut world = World::with_app("").await;
    let before = world.token().await;
    world.stop().await;
    world.without_app();
    world.start().await;
    world.stop().await;
    world.configure("");
    world.start().await;
    assert_eq!(world.token().await, before, "taken out by mistake");
    world.stop().await;
    world.without_app();
    for _ in 0..2 {
        world.start().await;
        world.stop().await;
        assert_eq!(world.stored().await, [APP]);
        world.pass(A_DAY / 2 + Duration::from_secs(60));
    }
    world.start().await;
    world.stop().await;
    assert!(
        world.stored().await.is_empty(),
        "a start does not begin the day anew"
    );
    assert_eq!(world.calls(STABLE), 1);
}
