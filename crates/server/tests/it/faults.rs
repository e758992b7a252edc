//! WeChat, or the way there, misbehaves: nothing false is stored, nothing live is lost, nobody is accused wrongly.

use std::time::Duration;

use wxtoken_core::credential::Kind;
use wxtoken_server::keeper::{Absent, Notice};
use wxtoken_simulator::{
    Fault, FaultScope, ForceTooSoon, ForcedPrevious, ReplacedAndExpired, ThirdMint, UnknownToken,
};

use crate::harness::{APP, World, gone, trouble};

const TOKEN: &str = "/cgi-bin/token";
const STABLE: &str = "/cgi-bin/stable_token";
const CLASSIC: &str = "lanes = [\"classic\"]\ntake_over = true";

fn on(path: &str) -> FaultScope {
    FaultScope::path(path)
}

#[tokio::test]
async fn rule_3_an_answer_lost_after_minting_ends_the_old_value_in_time_and_accuses_nobody() {
    let world = World::with_app(CLASSIC).await;
    let mut notices = world.notices();
    let first = world.get(Kind::AccessToken).await;
    world
        .wechat
        .world()
        .set_fault(on(TOKEN), Fault::LostAnswer, Some(1));
    world.pass(Duration::from_secs(7200 - 800));
    trouble(&mut notices, "upstream-trouble").await;
    let doubted = world.peek(Kind::AccessToken).unwrap();
    assert_eq!(
        doubted.id, first.id,
        "still handed out, for it lives on for five minutes"
    );
    assert!(
        doubted.left(world.keeper().now()) <= 300_000,
        "but not for longer"
    );
    assert!(world.lives(first.token.expose()));
    world.pass(Duration::from_secs(2));
    let second = world.changed(&first).await;
    assert!(world.lives(second.token.expose()));
    world.pass(Duration::from_secs(400));
    assert!(world.lives(&world.token().await));
    while let Ok(notice) = notices.try_recv() {
        assert!(
            !matches!(
                notice,
                Notice::Trouble {
                    name: "foreign-fetcher",
                    ..
                }
            ),
            "we did it ourselves"
        );
    }
}

#[tokio::test]
async fn garbage_is_trouble_and_never_a_token() {
    let garbage = [
        Fault::TornJson,
        Fault::Html200,
        Fault::BadGateway { status: 502 },
        Fault::Busy,
        Fault::Drop,
        Fault::Rate,
        Fault::CutBody,
        Fault::HugeAnswer,
        Fault::EmptyToken,
        Fault::LongToken,
        Fault::ControlToken,
        Fault::ExpiresZero,
        Fault::ExpiresNegative,
        Fault::ExpiresTenYears,
        Fault::Gzip,
        Fault::Echo { code: -1 },
    ];
    for fault in garbage {
        let world = World::with_app("").await;
        let first = world.get(Kind::AccessToken).await;
        let mut notices = world.notices();
        let name = format!("{fault:?}");
        world.wechat.world().set_fault(on(STABLE), fault, None);
        world.pass(Duration::from_secs(7200 - 239));
        trouble(&mut notices, "upstream-trouble").await;
        assert_eq!(
            world.peek(Kind::AccessToken).unwrap().id,
            first.id,
            "{name}"
        );
        world.wechat.world().clear_faults();
        world.pass(Duration::from_secs(61));
        let second = world.changed(&first).await;
        assert!(world.lives(second.token.expose()), "{name}");
    }
}

#[tokio::test]
async fn a_used_up_quota_leaves_the_other_lane() {
    let world = World::with_app("lanes = [\"classic\", \"stable\"]\ntake_over = true").await;
    let first = world.get(Kind::AccessToken).await;
    world
        .wechat
        .world()
        .set_fault(on(TOKEN), Fault::Quota, None);
    let mut notices = world.notices();
    world.pass(Duration::from_secs(7200 - 700));
    trouble(&mut notices, "quota-used-up").await;
    world.pass(Duration::from_secs(701));
    let standby = world.changed(&first).await;
    assert!(world.lives(standby.token.expose()));
}

#[tokio::test]
async fn a_refusal_names_the_errcode_and_when_it_is_tried_again() {
    let world = World::with_app("").await;
    world.token().await;
    world
        .wechat
        .world()
        .set_fault(on(STABLE), Fault::NotWhitelisted, None);
    let mut notices = world.notices();
    world.pass(Duration::from_secs(7200 - 239));
    let told = trouble(&mut notices, "refused").await;
    assert!(told.contains("40164"), "{told}");
    world.pass(Duration::from_secs(300));
    gone(&mut notices).await;
    let Err(Absent::NoLive(why)) = world.peek(Kind::AccessToken) else {
        panic!("it has run out")
    };
    assert_eq!((why.reason, why.errcode), ("refused", Some(40164)));
    assert!(why.next_try.is_some());
}

/// Every reading of what WeChat does where nobody could verify it ends well.
#[tokio::test]
async fn a_token_killed_by_force_is_replaced_under_every_reading() {
    for previous in [ForcedPrevious::Grace, ForcedPrevious::DiesNow] {
        for unknown in [UnknownToken::Code40001, UnknownToken::Code40014] {
            for both in [ReplacedAndExpired::Code40001, ReplacedAndExpired::Code42001] {
                let world = World::with("", |rules| {
                    rules.readings.forced_previous = previous;
                    rules.readings.unknown_token = unknown;
                    rules.readings.replaced_and_expired = both;
                    rules.readings.third_mint = ThirdMint::KeepsAll;
                    rules.readings.force_too_soon = ForceTooSoon::SameValue;
                })
                .await;
                let first = world.token().await;
                world.pass(Duration::from_secs(60));
                world.wechat.world().foreign_force(APP).unwrap();
                world.pass(Duration::from_secs(301));
                let report = world.report(&first).await;
                assert!(world.lives(report.current.unwrap().token.expose()));
                assert_eq!(world.calls(STABLE), 2);
            }
        }
    }
}
