//! Rule 10: another program fetches the classic token.

use crate::bench::{Bench, DAY, Disk, FULL, HOUR, MINUTE, SECOND, both, classic, id};
use wxtoken_core::clock::Wall;
use wxtoken_core::credential::{Lane, Token};
use wxtoken_core::refresh::alarm::{Alarm, AlarmName};
use wxtoken_core::refresh::event::{Adoption, Event};
use wxtoken_core::refresh::rules::Rules;

fn adopt(bench: &mut Bench, value: &str) {
    adopt_into(bench, Lane::Classic, value, None);
}

fn adopt_into(bench: &mut Bench, lane: Lane, value: &str, left: Option<u64>) {
    let expires = left.map(|left| bench.now.wall.plus(left));
    bench.hear(Event::Adopt(Adoption {
        lane,
        token: Token::new(value).unwrap(),
        id: id(value),
        expires,
    }));
}

/// The current value is found dead, and its successor fetched.
fn killed(bench: &mut Bench, next: &str) {
    bench.pass(30 * SECOND);
    let now = bench.current().unwrap();
    if !bench.words().iter().any(|word| word.starts_with("probe")) {
        bench.reported(&now);
    }
    bench.dead();
    bench.next_ask(2 * MINUTE);
    bench.answer(next, FULL);
}

#[test]
fn rule_10_a_classic_token_that_died_early_was_killed_by_another_program_and_the_times_are_said() {
    let mut bench = Bench::with_token(classic(), "a");
    let fetched = bench.now.wall;
    bench.next_ask(MINUTE);
    let probed = bench.now.wall;
    bench.alive();
    bench.next_ask(MINUTE);
    bench.dead();
    let said = bench.alarms.iter().find_map(|alarm| match alarm {
        Alarm::ForeignFetcher {
            fetched,
            last_alive,
            found_dead,
        } => Some((*fetched, *last_alive, *found_dead)),
        _ => None,
    });
    assert_eq!(said, Some((fetched, probed, bench.now.wall)));
}

#[test]
fn rule_10_a_token_that_died_at_its_own_end_accuses_nobody() {
    let mut bench = Bench::with_token(classic(), "a");
    bench.pass(30 * SECOND);
    bench.reported("a");
    bench.dead_by(42001);
    assert!(!bench.alarmed(AlarmName::ForeignFetcher));
}

#[test]
fn rule_10_a_fetch_of_ours_whose_answer_was_lost_accuses_nobody() {
    let mut bench = Bench::with_token(classic(), "a");
    bench.pass(30 * SECOND);
    bench.nudge(false);
    bench.cut();
    bench.reported("a");
    bench.asked.retain(|asked| asked.words() == "probe a");
    bench.dead();
    assert!(!bench.alarmed(AlarmName::ForeignFetcher));
}

#[test]
fn rule_10_a_note_whose_call_has_not_left_excuses_nobody() {
    let mut bench = Bench::with_token(classic(), "a");
    bench.pass(30 * SECOND);
    bench.reported("a");
    bench.disk = Disk::Slow;
    bench.nudge(false);
    bench.dead();
    assert!(bench.alarmed(AlarmName::ForeignFetcher));
    bench.writes_land();
    assert_eq!(bench.words(), ["classic"], "it goes on all the same");
}

#[test]
fn rule_10_a_straggler_of_ours_that_kills_the_value_after_it_accuses_nobody() {
    let mut bench = Bench::with_token(classic(), "a");
    bench.pass(30 * SECOND);
    bench.nudge(false);
    bench.pass(10 * SECOND);
    bench.cut();
    assert_eq!(bench.next_ask(2 * SECOND), "classic");
    bench.answer("b", FULL);
    bench.pass(6 * MINUTE);
    if bench.asked.is_empty() {
        bench.reported("b");
    }
    bench.dead();
    assert!(!bench.alarmed(AlarmName::ForeignFetcher));
}

#[test]
fn rule_10_a_late_mint_of_another_replica_accuses_nobody() {
    let mut bench = Bench::leased(classic());
    bench.lease_won(1);
    bench.answer("a", FULL);
    bench.pass(30 * SECOND);
    let mut record = bench.stored.clone().unwrap();
    record.late_mint = Some(bench.now.wall);
    bench.hear(Event::Learned(Box::new(record)));
    bench.reported("a");
    bench.lease_won(2);
    if bench.words().contains(&"probe a".to_owned()) {
        bench.dead();
    }
    assert!(!bench.alarmed(AlarmName::ForeignFetcher));
}

#[test]
fn rule_10_a_death_after_the_store_began_anew_accuses_nobody_for_a_note_may_be_lost() {
    for (number, accused) in [(1, false), (7, true)] {
        let mut bench = Bench::leased(classic());
        bench.lease_won(5);
        bench.answer("a", FULL);
        bench.pass(10 * MINUTE);
        bench.reported("a");
        if bench.words().is_empty() {
            bench.lease_won(number);
        }
        while !bench.words().contains(&"probe a".to_owned()) {
            bench.pass(SECOND);
        }
        bench.dead();
        assert_eq!(bench.alarmed(AlarmName::ForeignFetcher), accused);
    }
}

#[test]
fn rule_10_a_death_of_what_was_fetched_as_the_store_began_anew_accuses_nobody_for_a_call_may_be_lost()
 {
    for (number, accused) in [(1, false), (7, true)] {
        let mut bench = Bench::leased(classic());
        bench.lease_won(5);
        bench.answer("a", FULL);
        bench.pass(10 * MINUTE);
        bench.nudge(false);
        bench.lease_won(number);
        bench.answer_to("classic", "b", FULL);
        bench.all_well();
        bench.pass(10 * MINUTE);
        bench.reported("b");
        bench.lease_won(8);
        assert_eq!(bench.words(), ["probe b"]);
        bench.dead();
        assert_eq!(bench.alarmed(AlarmName::ForeignFetcher), accused);
    }
}

#[test]
fn rule_10_a_contested_standby_is_left_alone_for_two_hours() {
    let mut bench = Bench::with_token(both(Lane::Stable), "s");
    bench.answer_to("classic", "c", FULL);
    bench.pass(30 * SECOND);
    bench.asked.clear();
    bench.hear(Event::Due);
    bench.reported("c");
    bench.dead();
    assert!(bench.alarmed(AlarmName::ForeignFetcher));
    let start = bench.now.boot;
    loop {
        let asked = bench.next_ask(3 * HOUR);
        match asked.as_str() {
            "classic" => break,
            "stable" => bench.answer(&format!("s{}", bench.now.boot.0), FULL),
            _ => bench.alive(),
        }
    }
    assert!(bench.now.boot.since(start) >= 2 * HOUR);
}

#[test]
fn rule_10_a_standby_found_killed_while_the_note_of_its_next_fetch_is_written_is_left_alone() {
    let mut bench = Bench::with_token(both(Lane::Stable), "s");
    bench.answer_to("classic", "c", FULL);
    bench.pass(30 * SECOND);
    bench.reported("c");
    assert_eq!(bench.words(), ["probe c"]);
    bench.disk = Disk::Slow;
    let before = bench.writes;
    while bench.writes == before {
        bench.pass(SECOND);
    }
    bench.dead();
    assert!(bench.alarmed(AlarmName::ForeignFetcher));
    bench.disk = Disk::Good;
    bench.writes_land();
    bench.quiet(HOUR / 2);
}

#[test]
fn rule_10_a_contested_standby_is_left_alone_over_a_restart_but_not_for_longer() {
    let mut bench = Bench::with_token(both(Lane::Stable), "s");
    bench.answer_to("classic", "c", FULL);
    bench.pass(30 * SECOND);
    bench.asked.clear();
    bench.reported("c");
    bench.dead();
    bench.restart();
    assert!(!bench.words().contains(&"classic".to_owned()));
    bench.wall_steps(-30 * DAY.cast_signed());
    bench.restart();
    bench.asked.clear();
    bench.pass(2 * HOUR + MINUTE);
    assert!(
        bench.words().contains(&"classic".to_owned()),
        "{:?}",
        bench.words()
    );
}

#[test]
fn rule_10_a_primary_killed_three_times_in_an_hour_gives_way_to_stable() {
    let mut bench = Bench::with_token(classic(), "c0");
    killed(&mut bench, "c1");
    killed(&mut bench, "c2");
    assert!(!bench.is_raised(AlarmName::GaveWay));
    bench.pass(30 * SECOND);
    if bench.asked.is_empty() {
        bench.reported("c2");
    }
    bench.dead();
    assert!(bench.is_raised(AlarmName::GaveWay));
    assert_eq!(bench.words(), ["stable"], "no war");
    bench.answer("s", FULL);
    assert_eq!(bench.current().as_deref(), Some("s"));
    bench.restart();
    assert_eq!(bench.current().as_deref(), Some("s"), "and remembers it");
    assert!(bench.is_raised(AlarmName::GaveWay));
}

#[test]
fn rule_10_three_kills_in_more_than_an_hour_are_no_reason_to_give_way() {
    let mut bench = Bench::with_token(classic(), "c0");
    for round in 1..6 {
        bench.asked.clear();
        bench.pass(40 * MINUTE);
        bench.asked.clear();
        bench.restart();
        killed(&mut bench, &format!("c{round}"));
    }
    assert!(!bench.is_raised(AlarmName::GaveWay));
}

#[test]
fn rule_10_a_change_of_lanes_gives_classic_another_chance_and_a_mere_reload_does_not() {
    let mut bench = Bench::with_token(classic(), "c0");
    killed(&mut bench, "c1");
    killed(&mut bench, "c2");
    killed(&mut bench, "s");
    assert_eq!(bench.current().as_deref(), Some("s"));
    bench.rules_change(classic());
    assert!(bench.is_raised(AlarmName::GaveWay));
    bench.rules_change(both(Lane::Classic));
    assert!(!bench.is_raised(AlarmName::GaveWay));
}

#[test]
fn rule_10_the_first_classic_fetch_needs_take_over() {
    let mut bench = Bench::new(Rules {
        take_over: false,
        ..classic()
    });
    bench.quiet(HOUR);
    assert!(bench.is_raised(AlarmName::NeedsTakeOver));
    bench.rules_change(classic());
    assert_eq!(bench.words(), ["classic"]);
    assert!(!bench.is_raised(AlarmName::NeedsTakeOver));
}

#[test]
fn rule_10_once_the_classic_token_is_ours_it_stays_ours() {
    let mut bench = Bench::with_token(classic(), "a");
    bench.rules_change(Rules {
        take_over: false,
        ..classic()
    });
    bench.restart();
    bench.pass(30 * SECOND);
    bench.reported("a");
    bench.dead();
    assert_eq!(bench.words(), ["classic"]);
}

#[test]
fn rule_10_an_existing_token_is_adopted_after_a_probe_found_it_alive() {
    let mut bench = Bench::new(Rules {
        take_over: false,
        ..classic()
    });
    adopt(&mut bench, "theirs");
    assert_eq!(bench.words(), ["probe theirs"]);
    assert_eq!(bench.current(), None);
    bench.alive();
    assert_eq!(bench.current().as_deref(), Some("theirs"));
    assert!(bench.left() <= HOUR, "its age is unknown");
    bench.quiet(50 * SECOND);
}

#[test]
fn rule_10_a_dead_token_is_not_adopted() {
    let mut bench = Bench::new(Rules {
        take_over: false,
        ..classic()
    });
    adopt(&mut bench, "theirs");
    bench.dead();
    assert!(bench.alarmed(AlarmName::AdoptionRefused));
    assert!(bench.is_raised(AlarmName::NeedsTakeOver));
    bench.quiet(HOUR);
}

#[test]
fn rule_10_an_adopted_token_that_ends_early_accuses_nobody() {
    for restarted in [false, true] {
        let mut bench = Bench::new(Rules {
            take_over: false,
            ..classic()
        });
        adopt(&mut bench, "theirs");
        bench.alive();
        if restarted {
            bench.pass(20 * SECOND);
            bench.restart();
        }
        bench.next_ask(MINUTE);
        bench.dead();
        assert!(!bench.alarmed(AlarmName::ForeignFetcher));
        assert_eq!(bench.words(), ["classic"], "the lane is ours now");
    }
}

#[test]
fn rule_10_a_token_whose_end_is_known_is_adopted_until_then_and_its_lane_fetched_when_due() {
    for (lane, rules, ahead) in [
        (Lane::Classic, classic(), 15 * MINUTE),
        (Lane::Stable, crate::bench::stable(), 290 * SECOND),
    ] {
        let mut bench = Bench::asleep(rules);
        adopt_into(&mut bench, lane, "theirs", Some(HOUR + 30 * MINUTE));
        assert_eq!(
            bench.words(),
            ["probe theirs"],
            "nothing is fetched meanwhile"
        );
        bench.alive();
        assert_eq!(bench.current().as_deref(), Some("theirs"));
        assert_eq!(bench.left(), HOUR + 30 * MINUTE);
        while bench.next_ask(2 * HOUR).starts_with("probe") {
            bench.alive();
        }
        let left = bench.left();
        assert!(
            left <= ahead && left + 2 * MINUTE > ahead,
            "{lane:?}: {left} ms"
        );
    }
}

#[test]
fn rule_10_a_dead_token_given_for_the_stable_lane_costs_a_probe_and_then_it_is_fetched() {
    let mut bench = Bench::asleep(crate::bench::stable());
    adopt_into(&mut bench, Lane::Stable, "theirs", Some(HOUR));
    bench.dead();
    assert!(bench.alarmed(AlarmName::AdoptionRefused));
    assert_eq!(bench.words(), ["stable"]);
}

#[test]
fn rule_10_a_lane_that_may_be_fetched_does_not_wait_for_ever_for_an_adoption() {
    let mut bench = Bench::asleep(crate::bench::stable());
    adopt_into(&mut bench, Lane::Stable, "theirs", Some(HOUR));
    for _ in 0..3 {
        assert_eq!(bench.next_ask(MINUTE), "probe theirs");
        bench.busy();
    }
    assert_eq!(bench.next_ask(MINUTE), "stable");
}

#[test]
fn rule_10_no_adoption_displaces_a_live_value() {
    let mut bench = Bench::with_token(crate::bench::stable(), "a");
    adopt_into(&mut bench, Lane::Stable, "theirs", Some(HOUR));
    bench.quiet(MINUTE);
    assert_eq!(bench.current().as_deref(), Some("a"));
}

#[test]
fn rule_10_nobody_is_accused_when_the_stable_value_was_replaced_by_our_own_lost_force() {
    let mut bench = Bench::with_token(crate::bench::stable(), "a");
    bench.pass(HOUR);
    bench.nudge(true);
    bench.cut();
    bench.next_ask(2 * SECOND);
    bench.answer("b", FULL);
    assert!(!bench.alarmed(AlarmName::ForeignForce));
}

#[test]
fn rule_10_a_foreign_force_is_said() {
    let mut bench = Bench::with_token(crate::bench::stable(), "a");
    bench.pass(HOUR);
    bench.reported("a");
    bench.dead();
    bench.answer("b", FULL);
    let noticed = bench.alarms.iter().find_map(|alarm| match alarm {
        Alarm::ForeignForce { noticed } => Some(*noticed),
        _ => None,
    });
    assert_eq!(noticed, Some(Wall(bench.now.wall.0)));
}
