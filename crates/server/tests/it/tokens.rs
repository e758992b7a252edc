//! A token's life: fetched, renewed, killed, replaced.

use std::time::Duration;

use wxtoken_core::credential::{Kind, Lane};
use wxtoken_core::refresh::verdict::Verdict;
use wxtoken_server::keeper::Absent;
use wxtoken_simulator::Lane as WeChatLane;

use crate::harness::{APP, World, key, trouble};

const TOKEN: &str = "/cgi-bin/token";
const STABLE: &str = "/cgi-bin/stable_token";
const PROBE: &str = "/cgi-bin/get_api_domain_ip";
const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_hundred_readers_share_the_first_fetch() {
    let world = World::with_app("").await;
    let readers = (0..100).map(|_| world.token());
    let tokens = futures_util::future::join_all(readers).await;
    assert!(tokens.iter().all(|token| *token == tokens[0]));
    assert!(world.lives(&tokens[0]));
    assert_eq!(world.calls(STABLE), 1);
}

#[tokio::test]
async fn a_stable_token_is_renewed_once_in_its_last_five_minutes() {
    let world = World::with_app("").await;
    let first = world.get(Kind::AccessToken).await;
    world.pass(Duration::from_secs(7200 - 239));
    let second = world.changed(&first).await;
    assert!(second.generation > first.generation);
    assert!(world.lives(second.token.expose()));
    assert_eq!(world.calls(STABLE), 2);
}

#[tokio::test]
async fn a_classic_token_is_renewed_fifteen_minutes_before_its_end() {
    let world = World::with_app("lanes = [\"classic\"]\ntake_over = true").await;
    let first = world.get(Kind::AccessToken).await;
    assert_eq!(first.lane, Some(Lane::Classic));
    world.pass(Duration::from_secs(7200 - 800));
    let second = world.changed(&first).await;
    assert!(world.lives(second.token.expose()));
    assert_eq!(world.calls(TOKEN), 2);
}

#[tokio::test]
async fn a_first_classic_fetch_needs_leave_to_take_over() {
    let world = World::with_app("lanes = [\"classic\"]").await;
    let soon = world
        .keeper()
        .get(&key(Kind::AccessToken), Duration::from_millis(300))
        .await;
    let Err(Absent::NoLive(why)) = soon else {
        panic!("a token without leave")
    };
    assert_eq!(why.reason, "needs-take-over");
    world
        .reload("lanes = [\"classic\"]\ntake_over = true")
        .await;
    assert!(world.lives(&world.token().await));
}

#[tokio::test]
async fn three_hundred_reports_of_a_token_killed_by_force_cost_one_probe_and_one_fetch() {
    let world = World::with_app("").await;
    let old = world.token().await;
    world.pass(MINUTE);
    world.wechat.world().foreign_force(APP).unwrap();
    world.pass(6 * MINUTE);
    let reports = futures_util::future::join_all((0..300).map(|_| world.report(&old))).await;
    for report in &reports {
        assert!(matches!(
            report.verdict,
            Verdict::Refreshed | Verdict::Replaced
        ));
        assert!(world.lives(report.current.as_ref().unwrap().token.expose()));
    }
    assert_eq!((world.calls(PROBE), world.calls(STABLE)), (1, 2));
    let late = world.report(&old).await;
    assert_eq!(late.verdict, Verdict::Replaced);
    assert_eq!((world.calls(PROBE), world.calls(STABLE)), (1, 2));
}

#[tokio::test]
async fn a_false_report_is_answered_alive_and_fetches_nothing() {
    let world = World::with_app("").await;
    let token = world.token().await;
    world.pass(MINUTE);
    assert_eq!(world.report(&token).await.verdict, Verdict::Alive);
    assert_eq!((world.calls(PROBE), world.calls(STABLE)), (1, 1));
}

#[tokio::test]
async fn a_classic_token_killed_by_another_program_is_found_by_the_regular_probe_and_the_program_accused()
 {
    let world = World::with_app("lanes = [\"classic\"]\ntake_over = true").await;
    let mut notices = world.notices();
    let first = world.get(Kind::AccessToken).await;
    world.wechat.world().foreign_fetch(APP).unwrap();
    world.pass(6 * MINUTE);
    let second = world.changed(&first).await;
    assert!(world.lives(second.token.expose()));
    let told = trouble(&mut notices, "foreign-fetcher").await;
    assert!(
        told.contains("same AppSecret") && told.contains("stable"),
        "{told}"
    );
    assert_eq!(world.calls(TOKEN), 2);
}

#[tokio::test]
async fn a_standby_answers_while_the_dead_primary_is_repaired() {
    let world = World::with_app("lanes = [\"stable\", \"classic\"]\ntake_over = true").await;
    let first = world.get(Kind::AccessToken).await;
    world.wechat.world().calls_reach(TOKEN, 1).await;
    world.pass(MINUTE);
    world.wechat.world().void(APP, WeChatLane::Stable).unwrap();
    let report = world.report(first.token.expose()).await;
    let instead = report.current.unwrap();
    assert!(world.lives(instead.token.expose()));
}

#[tokio::test]
async fn a_wrong_secret_is_told_and_a_changed_one_tried_at_once() {
    let world = World::with_app("").await;
    world.token().await;
    world
        .wechat
        .world()
        .set_secret(APP, "ffffffffffffffffffffffffffffffff")
        .unwrap();
    let mut notices = world.notices();
    world.pass(Duration::from_secs(7200 - 239));
    let told = trouble(&mut notices, "refused").await;
    assert!(told.contains("40125"), "{told}");
    assert!(
        world.peek(Kind::AccessToken).is_ok(),
        "the live token is served until it ends"
    );
    world
        .wechat
        .world()
        .set_secret(APP, "0123456789abcdef0123456789abcdef")
        .unwrap();
    let before = world.peek(Kind::AccessToken).unwrap();
    world.reload("name = \"mended\"").await;
    let after = world.changed(&before).await;
    assert!(world.lives(after.token.expose()));
}

#[tokio::test]
async fn the_wall_clock_stepped_a_day_forward_and_back_changes_nothing() {
    let world = World::with_app("").await;
    let token = world.token().await;
    let now = world.keeper().now().wall;
    world.clock.set_wall(now.plus(86_400_000));
    assert_eq!(world.token().await, token);
    world.clock.set_wall(now.minus(86_400_000));
    assert_eq!(world.token().await, token);
    assert_eq!(world.calls(STABLE), 1);
}

#[tokio::test]
async fn upstream_down_for_three_hours_around_a_due_time_costs_only_what_ran_out() {
    let world = World::with_app("").await;
    let first = world.get(Kind::AccessToken).await;
    world.wechat.world().go_down().await.unwrap();
    let mut notices = world.notices();
    world.pass(Duration::from_secs(7200 - 239));
    trouble(&mut notices, "upstream-trouble").await;
    assert_eq!(
        world.peek(Kind::AccessToken).unwrap().id,
        first.id,
        "served while it lives"
    );
    world.pass(Duration::from_secs(2 * 3600));
    assert!(
        matches!(world.peek(Kind::AccessToken), Err(Absent::NoLive(_))),
        "never a dead one"
    );
    world.wechat.world().come_up().await.unwrap();
    world.pass(2 * MINUTE);
    assert!(world.lives(&world.token().await));
}

#[tokio::test]
async fn a_ticket_hangs_on_the_token_and_is_replaced_when_it_differs() {
    let world = World::with_app("kinds = [\"access_token\", \"jsapi_ticket\"]").await;
    let first = world.get(Kind::JsapiTicket).await;
    world
        .wechat
        .world()
        .change_ticket(APP, wxtoken_simulator::TicketKind::Jsapi)
        .unwrap();
    world.pass(10 * MINUTE);
    let second = world.changed(&first).await;
    assert_ne!(first.token.expose(), second.token.expose());
    assert!(second.generation > first.generation);
}
