//! Rule 10: another's value is met where a copy of ours should be.

use crate::bench::{Bench, FULL, HOUR, MINUTE, SECOND, both, classic, id, stable};
use wxtoken_core::credential::{Kind, Lane, Token};
use wxtoken_core::refresh::alarm::AlarmName;
use wxtoken_core::refresh::event::{Adoption, Event, Meeting};
use wxtoken_core::refresh::verdict::{Evidence, Theirs};
use wxtoken_core::source::{Passing, Trouble};

/// Another's value lies where this one of ours should.
fn met(bench: &mut Bench, over: &str, theirs: &str) {
    bench.hear(Event::Met(Meeting {
        over: id(over),
        token: Token::new(theirs).unwrap(),
        id: id(theirs),
    }));
}

fn theirs(bench: &Bench, over: &str, theirs: &str) -> Option<Theirs> {
    bench.machine.theirs(id(over), id(theirs), bench.now)
}

/// A machine that has held this value for a while.
fn settled() -> Bench {
    let mut bench = Bench::with_token(classic(), "ours");
    bench.pass(30 * SECOND);
    bench
}

#[test]
fn rule_10_where_anothers_classic_value_lives_ours_ends_within_five_minutes_and_is_replaced_at_once()
 {
    let mut bench = settled();
    met(&mut bench, "ours", "theirs");
    assert_eq!(bench.words(), ["probe theirs"]);
    assert_eq!(theirs(&bench, "ours", "theirs"), None);
    bench.pass(200);
    bench.alive();
    assert_eq!(theirs(&bench, "ours", "theirs"), Some(Theirs::Lives));
    assert_eq!(bench.words(), ["classic"]);
    assert!(bench.left() <= 5 * MINUTE);
    assert!(bench.put_back.is_empty());
    assert!(bench.alarmed(AlarmName::ForeignFetcher));
    bench.answer("next", FULL);
    assert_eq!(bench.current().as_deref(), Some("next"));
    // It lies there still, or again: ours is the newer now.
    met(&mut bench, "next", "theirs");
    assert_eq!(theirs(&bench, "next", "theirs"), Some(Theirs::IsNoMatter));
    assert!(bench.words().is_empty());
}

#[test]
fn rule_10_where_anothers_value_is_dead_ours_lives_on() {
    let mut bench = settled();
    met(&mut bench, "ours", "theirs");
    bench.dead();
    assert_eq!(theirs(&bench, "ours", "theirs"), Some(Theirs::IsNoMatter));
    assert!(bench.words().is_empty() && bench.left() > HOUR);
    assert!(!bench.alarmed(AlarmName::ForeignFetcher));
}

#[test]
fn rule_10_a_stable_value_is_ended_by_no_foreign_fetch_and_the_strangers_is_not_probed() {
    let mut bench = Bench::with_token(stable(), "ours");
    met(&mut bench, "ours", "theirs");
    assert_eq!(theirs(&bench, "ours", "theirs"), Some(Theirs::IsNoMatter));
    assert!(bench.words().is_empty());
}

#[test]
fn rule_10_of_a_value_taken_over_into_the_stable_lane_nobody_knows_whether_it_is_classic() {
    let mut bench = Bench::asleep(stable());
    bench.hear(Event::Adopt(Adoption {
        lane: Lane::Stable,
        token: Token::new("given").unwrap(),
        id: id("given"),
        expires: Some(bench.now.wall.plus(HOUR)),
    }));
    bench.alive();
    assert_eq!(bench.current().as_deref(), Some("given"));
    bench.pass(2 * SECOND);
    met(&mut bench, "given", "theirs");
    bench.alive();
    assert_eq!(bench.words(), ["stable"]);
    bench.answer("ours", FULL);
    assert_eq!(bench.current().as_deref(), Some("ours"));
    met(&mut bench, "ours", "another");
    assert!(bench.words().is_empty(), "fetched by us, it is stable");
}

#[test]
fn rule_10_a_value_of_ours_is_no_stranger() {
    let mut bench = settled();
    bench.answer_next("next");
    bench.pass(2 * SECOND);
    met(&mut bench, "next", "ours");
    assert_eq!(theirs(&bench, "next", "ours"), Some(Theirs::IsNoMatter));
    assert!(bench.words().is_empty());
}

#[test]
fn rule_10_asked_again_and_again_one_probe_a_minute_is_spent_on_a_stranger() {
    let mut bench = settled();
    met(&mut bench, "ours", "theirs");
    bench.dead();
    for _ in 0..19 {
        bench.pass(3 * SECOND);
        bench.asked.retain(|asked| asked.words() != "probe ours");
        met(&mut bench, "ours", "theirs");
        assert!(!bench.words().contains(&"probe theirs".to_owned()));
    }
}

#[test]
fn rule_10_while_wechat_does_not_say_theirs_stays_and_ours_is_probed_as_well() {
    let mut bench = settled();
    met(&mut bench, "ours", "theirs");
    for _ in 0..3 {
        assert_eq!(bench.next_ask(MINUTE), "probe theirs");
        bench.fail(Trouble::Passing(Passing::Busy));
    }
    assert_eq!(theirs(&bench, "ours", "theirs"), Some(Theirs::Unclear));
    bench.report(Kind::AccessToken, "ours", Evidence::Sink);
    assert_eq!(bench.next_ask(2 * MINUTE), "probe ours");
}

#[test]
fn rule_10_two_programs_that_end_each_others_values_stop_after_three() {
    let mut bench = Bench::with_token(classic(), "ours-0");
    for round in 0..3 {
        bench.pass(5 * MINUTE + SECOND);
        bench.all_well();
        let current = bench.current().unwrap();
        met(&mut bench, &current, &format!("theirs-{round}"));
        while !bench.words().contains(&format!("probe theirs-{round}")) {
            bench.all_well();
            bench.next_ask(MINUTE);
        }
        bench.alive();
        if round < 2 {
            assert_eq!(bench.words(), ["classic"]);
            bench.answer(&format!("ours-{}", round + 1), FULL);
        }
    }
    assert!(bench.is_raised(AlarmName::GaveWay));
    assert_eq!(bench.words(), ["stable"]);
    bench.answer("stable", FULL);
    for _ in 0..200 {
        bench.pass(MINUTE / 2);
        assert!(!bench.words().contains(&"classic".to_owned()));
        bench.all_well();
    }
    assert_eq!(bench.current().as_deref(), Some("stable"));
}

#[test]
fn rule_10_one_foreign_fetch_is_counted_once_though_ours_is_found_dead_before_it_is_replaced() {
    let mut bench = settled();
    met(&mut bench, "ours", "theirs");
    bench.alive();
    bench.busy();
    bench.reported("ours");
    while !bench.words().contains(&"probe ours".to_owned()) {
        bench.asked.retain(|asked| asked.words() != "classic");
        bench.next_ask(MINUTE);
    }
    bench.dead();
    let said =
        |alarm: &&wxtoken_core::refresh::alarm::Alarm| alarm.name() == AlarmName::ForeignFetcher;
    assert_eq!(bench.alarms.iter().filter(said).count(), 1);
}

#[test]
fn rule_10_a_strangers_value_beside_a_standby_is_left_alone() {
    let mut bench = Bench::new(both(Lane::Stable));
    bench.all_well();
    bench.pass(30 * SECOND);
    let stable = bench.current().unwrap();
    met(&mut bench, &stable, "theirs");
    assert!(bench.words().is_empty(), "the stable value lives on");
}
