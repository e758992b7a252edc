//! Rule 8: a token is reported dead.

use crate::bench::{Bench, Disk, FULL, HOUR, MINUTE, SECOND, both, classic, id, stable};
use wxtoken_core::credential::{Kind, Lane};
use wxtoken_core::refresh::alarm::AlarmName;
use wxtoken_core::refresh::event::Event;
use wxtoken_core::refresh::rules::Rules;
use wxtoken_core::refresh::verdict::Evidence;
use wxtoken_core::refresh::{Outcome, Standing};
use wxtoken_core::source::{Passing, Trouble};

/// A bench whose value is no longer young.
fn grown(rules: Rules) -> Bench {
    let mut bench = Bench::with_token(rules, "a");
    bench.pass(30 * SECOND);
    bench
}

#[test]
fn rule_8_a_report_of_a_value_that_is_not_current_fetches_nothing() {
    let mut bench = grown(classic());
    bench.answer_next("b");
    bench.reported("a");
    bench.reported("never-seen");
    bench.quiet(30 * SECOND);
    let standing = |value| {
        bench
            .machine
            .standing(Kind::AccessToken, id(value), bench.now)
    };
    assert_eq!(standing("a"), Standing::Known);
    assert_eq!(standing("never-seen"), Standing::Unknown);
}

#[test]
fn rule_8_a_false_report_is_answered_alive_and_fetches_nothing() {
    for rules in [classic(), stable()] {
        for evidence in [
            Evidence::FirstHand,
            Evidence::Report,
            Evidence::Hearsay,
            Evidence::Sink,
        ] {
            let mut bench = grown(rules.clone());
            bench.report(Kind::AccessToken, "a", evidence);
            assert_eq!(bench.words(), ["probe a"]);
            assert!(matches!(
                bench
                    .machine
                    .standing(Kind::AccessToken, id("a"), bench.now),
                Standing::Current {
                    suspected: true,
                    ..
                }
            ));
            let probed = bench.now.boot;
            bench.pass(100);
            bench.alive();
            assert_eq!(
                bench
                    .machine
                    .standing(Kind::AccessToken, id("a"), bench.now),
                Standing::Current {
                    suspected: false,
                    last_alive: probed
                }
            );
            bench.quiet(20 * SECOND);
            assert_eq!(bench.current().as_deref(), Some("a"));
        }
    }
}

#[test]
fn rule_8_an_inconclusive_probe_keeps_serving_and_is_repeated_with_back_off() {
    let mut bench = grown(classic());
    bench.reported("a");
    let mut last = bench.now.boot;
    for round in 0..8 {
        bench.fail(Trouble::Passing(Passing::Busy));
        assert_eq!(bench.current().as_deref(), Some("a"));
        assert_eq!(bench.next_ask(62 * SECOND), "probe a");
        let wait = bench.now.boot.since(last);
        assert!(wait <= (SECOND << round) + 1, "{round}: {wait}");
        last = bench.now.boot;
    }
    bench.dead();
    assert_eq!(bench.words(), ["classic"]);
}

#[test]
fn rule_8_a_value_whose_readers_are_not_heard_for_ten_minutes_is_looked_at_regularly_meanwhile() {
    let mut bench = Bench::with_token(stable(), "a");
    bench.pass(MINUTE);
    bench.quiet(MINUTE);
    bench.report(Kind::AccessToken, "a", Evidence::Hearsay);
    bench.alive();
    for _ in 0..8 {
        assert_eq!(bench.next_ask(MINUTE + SECOND), "probe a");
        bench.alive();
    }
    assert_eq!(bench.next_ask(MINUTE + SECOND), "probe a");
    bench.dead();
    assert_eq!(bench.words(), ["stable"], "it dies though nobody says so");
    bench.answer("b", FULL);
    bench.quiet(HOUR);
}

#[test]
fn rule_8_after_ten_minutes_without_hearsay_nobody_looks_any_more() {
    let mut bench = Bench::with_token(stable(), "a");
    bench.pass(MINUTE);
    bench.report(Kind::AccessToken, "a", Evidence::Hearsay);
    bench.alive();
    let end = bench.now.boot.plus(10 * MINUTE + SECOND);
    while bench.now.boot < end {
        bench.pass(SECOND);
        bench.all_well();
    }
    bench.quiet(HOUR);
}

#[test]
fn rule_8_hearsay_is_probed_at_most_once_in_ten_seconds() {
    let mut bench = grown(stable());
    bench.report(Kind::AccessToken, "a", Evidence::Hearsay);
    bench.alive();
    for _ in 0..9 {
        bench.pass(SECOND);
        bench.report(Kind::AccessToken, "a", Evidence::Hearsay);
    }
    assert!(bench.words().is_empty());
    bench.pass(SECOND);
    bench.report(Kind::AccessToken, "a", Evidence::Hearsay);
    assert_eq!(bench.words(), ["probe a"]);
}

#[test]
fn rule_8_a_young_value_is_looked_at_twice_a_second_apart() {
    let mut bench = Bench::with_token(classic(), "a");
    bench.pass(2 * SECOND);
    bench.reported("a");
    bench.dead();
    assert_eq!(
        bench.current().as_deref(),
        Some("a"),
        "once is no evidence yet"
    );
    bench.quiet(900);
    bench.pass(100);
    assert_eq!(bench.words(), ["probe a"]);
    bench.dead();
    assert_eq!(bench.current(), None);
    assert_eq!(bench.words(), ["classic"]);
}

#[test]
fn rule_8_a_second_look_that_fails_is_repeated_as_soon_as_after_any_first_failure() {
    let mut bench = Bench::with_token(stable(), "a");
    bench.reported("a");
    for _ in 0..3 {
        bench.busy();
        bench.next_ask(4 * SECOND);
    }
    bench.dead();
    assert_eq!(bench.next_ask(2 * SECOND), "probe a", "the second look");
    for round in 0..3 {
        bench.busy();
        assert_eq!(bench.next_ask((SECOND << round) + 1), "probe a");
    }
}

#[test]
fn rule_8_a_young_value_that_is_alive_at_the_second_look_stays() {
    let mut bench = Bench::with_token(classic(), "a");
    bench.pass(2 * SECOND);
    bench.reported("a");
    bench.dead();
    bench.pass(SECOND);
    bench.alive();
    assert_eq!(bench.current().as_deref(), Some("a"));
    bench.quiet(10 * SECOND);
}

#[test]
fn rule_8_what_is_said_after_a_probe_left_is_not_answered_by_it() {
    let mut bench = grown(stable());
    bench.reported("a");
    bench.pass(500);
    bench.reported("a"); // it may have died since the probe was answered over there
    bench.alive();
    assert_eq!(bench.next_ask(3 * SECOND), "probe a");
}

#[test]
fn rule_8_a_dead_value_is_taken_down_before_its_successor_is_here() {
    let mut bench = grown(classic());
    bench.reported("a");
    bench.dead();
    assert_eq!(bench.current(), None);
    assert_eq!(bench.published.last(), Some(&(Kind::AccessToken, None)));
    bench.answer("b", FULL);
    assert_eq!(bench.current().as_deref(), Some("b"));
}

#[test]
fn rule_8_a_dead_value_stays_dead_over_a_restart() {
    let mut bench = grown(classic());
    bench.reported("a");
    bench.dead();
    bench.restart();
    assert_eq!(bench.current(), None);
    assert_eq!(bench.words(), ["classic"]);
}

#[test]
fn rule_8_dead_classic_is_fetched_once_and_a_standby_answers_meanwhile() {
    let mut bench = grown(both(Lane::Classic));
    bench.answer_to("stable", "s", FULL);
    bench.pass(10 * SECOND);
    bench.all_well();
    bench.reported("a");
    bench.dead();
    assert_eq!(bench.current().as_deref(), Some("s"));
    assert_eq!(bench.words(), ["classic"]);
    bench.answer("b", FULL);
    assert_eq!(
        bench.current().as_deref(),
        Some("b"),
        "the first lane again"
    );
}

#[test]
fn rule_8_dead_stable_asks_normal_mode_first() {
    let mut bench = grown(stable());
    bench.reported("a");
    bench.dead();
    assert_eq!(bench.words(), ["stable"]);
    bench.answer("b", FULL);
    assert_eq!(bench.current().as_deref(), Some("b"));
    bench.quiet(MINUTE);
}

#[test]
fn rule_8_dead_stable_that_normal_mode_still_answers_is_forced() {
    let mut bench = grown(stable());
    bench.reported("a");
    bench.dead();
    bench.answer("a", 7000);
    assert_eq!(bench.current(), None);
    assert_eq!(bench.words(), ["forced"]);
    bench.answer("b", FULL);
    assert_eq!(bench.current().as_deref(), Some("b"));
}

#[test]
fn rule_8_dead_stable_with_a_living_standby_is_not_forced() {
    let mut bench = Bench::with_token(both(Lane::Stable), "s");
    bench.answer_to("classic", "c", FULL);
    bench.pass(30 * SECOND);
    bench.reported("s");
    bench.dead();
    assert_eq!(bench.current().as_deref(), Some("c"));
    for _ in 0..20 {
        bench.answer_to("stable", "s", 7000);
        while bench.words().iter().any(|word| word.starts_with("probe c")) {
            bench.alive();
        }
        bench.pass(30 * SECOND);
        assert!(!bench.words().contains(&"forced".to_owned()));
        if !bench.words().contains(&"stable".to_owned()) {
            break;
        }
    }
}

#[test]
fn rule_8_a_force_that_changed_nothing_counts_waits_and_is_alarmed() {
    let mut bench = grown(stable());
    bench.reported("a");
    bench.dead();
    bench.answer("a", 7000);
    bench.answer("a", 7000);
    assert!(bench.alarmed(AlarmName::ForceChangedNothing));
    assert_eq!(bench.current(), None, "dead is dead");
    bench.quiet(30 * SECOND);
    let forced = wxtoken_core::budget::BudgetKind::Forced;
    assert_eq!(bench.machine.budget(forced, bench.now).0, 1);
}

#[test]
fn rule_8_a_value_that_was_called_dead_wrongly_comes_back_when_a_probe_finds_it_alive() {
    let mut bench = grown(stable());
    bench.reported("a");
    bench.dead();
    for _ in 0..200 {
        bench.next_ask(10 * MINUTE);
        if bench.words()[0].starts_with("probe") {
            break;
        }
        bench.answer("a", 6000);
    }
    bench.alive();
    assert_eq!(bench.current().as_deref(), Some("a"));
}

#[test]
fn rule_8_classic_values_are_probed_every_minute_without_any_report() {
    let mut bench = Bench::with_token(classic(), "a");
    for _ in 0..10 {
        let before = bench.now.boot;
        assert_eq!(bench.next_ask(61 * SECOND), "probe a");
        assert!(bench.now.boot.since(before) >= 50 * SECOND);
        bench.alive();
    }
    bench.next_ask(61 * SECOND);
    bench.dead();
    assert_eq!(bench.words(), ["classic"]);
}

#[test]
fn rule_8_stable_values_are_probed_regularly_where_sinks_are_watched_and_else_not() {
    let mut bench = Bench::with_token(stable(), "a");
    bench.quiet(HOUR);
    let watched = Rules {
        watched: true,
        ..stable()
    };
    let mut bench = Bench::with_token(watched, "a");
    assert_eq!(bench.next_ask(61 * SECOND), "probe a");
}

#[test]
fn rule_8_a_standby_takes_no_probe_from_the_lane_that_is_handed_out() {
    let watched = Rules {
        watched: true,
        ..both(Lane::Stable)
    };
    let mut bench = Bench::new(watched);
    bench.answer_to("stable", "a", FULL);
    bench.answer_to("classic", "c", FULL);
    let (start, mut last, mut standby) = (bench.now.boot, bench.now.boot, 0);
    while bench.now.boot.since(start) < HOUR / 2 {
        if bench.next_ask(61 * SECOND) == "probe a" {
            assert!(bench.now.boot.since(last) <= 61 * SECOND, "every minute");
            last = bench.now.boot;
        } else {
            standby += 1;
        }
        bench.alive();
    }
    assert!(
        (9..=13).contains(&standby),
        "{standby} looks at the standby"
    );
}

#[test]
fn rule_8_a_sinks_entry_is_put_back_only_after_a_probe_said_it_is_alive() {
    let mut bench = grown(stable());
    bench.report(Kind::AccessToken, "a", Evidence::Sink);
    assert!(bench.put_back.is_empty());
    bench.alive();
    assert_eq!(bench.put_back, [Kind::AccessToken]);
    bench.report(Kind::AccessToken, "a", Evidence::Report);
    bench.next_ask(3 * SECOND);
    bench.alive();
    assert_eq!(bench.put_back.len(), 1, "and only where a sink was changed");
}

#[test]
fn rule_8_a_sinks_entry_is_not_put_back_where_ours_is_dead() {
    let mut bench = grown(stable());
    bench.report(Kind::AccessToken, "a", Evidence::Sink);
    bench.dead();
    bench.answer("b", FULL);
    assert!(bench.put_back.is_empty());
    assert_eq!(bench.current().as_deref(), Some("b"));
}

#[test]
fn rule_8_a_probe_of_what_is_no_longer_handed_out_puts_nothing_back() {
    let mut bench = Bench::new(both(Lane::Stable));
    bench.answer_to("classic", "c", FULL);
    assert_eq!(bench.current().as_deref(), Some("c"), "stable is late");
    bench.pass(11 * SECOND);
    bench.report(Kind::AccessToken, "c", Evidence::Sink);
    bench.answer_to("stable", "s", FULL);
    assert_eq!(bench.current().as_deref(), Some("s"));
    bench.alive();
    assert!(bench.put_back.is_empty(), "nobody has asked about it");
}

#[test]
fn rule_8_a_report_is_probed_though_the_disk_is_full() {
    let mut bench = grown(classic());
    bench.disk = Disk::Full;
    bench.reported("a");
    assert_eq!(bench.words(), ["probe a"]);
}

#[test]
fn rule_8_tokens_that_all_die_young_are_replaced_at_a_growing_distance_and_alarmed() {
    let mut bench = grown(classic());
    let start = bench.now.boot;
    let mut fetched = 0;
    bench.reported("a");
    while bench.now.boot.since(start) < HOUR {
        let asked = bench.next_ask(5 * MINUTE);
        if asked.starts_with("probe") {
            bench.dead();
        } else {
            fetched += 1;
            bench.answer(&format!("v{fetched}"), FULL);
            bench.reported(&format!("v{fetched}"));
        }
    }
    assert!((20..120).contains(&fetched), "{fetched}");
    assert!(bench.is_raised(AlarmName::NothingLives));
}

#[test]
fn rule_8_an_operators_wish_is_answered_with_what_came_of_it() {
    let mut bench = grown(stable());
    bench.nudge(false);
    bench.answer("a", 7100);
    let last = bench
        .machine
        .lane_view(Lane::Stable, bench.now)
        .unwrap()
        .last;
    assert!(matches!(last, Some((Outcome::Same, _))));
    bench.nudge(false);
    bench.answer("b", FULL);
    let last = bench
        .machine
        .lane_view(Lane::Stable, bench.now)
        .unwrap()
        .last;
    assert!(matches!(last, Some((Outcome::New, _))));
}

#[test]
fn rule_8_an_operators_wish_that_could_not_be_carried_out_for_ten_minutes_lapses() {
    for (wait, asked) in [(9 * MINUTE, "forced"), (11 * MINUTE, "")] {
        let mut bench = Bench::leased(stable());
        bench.lease_won(1);
        bench.answer("a", FULL);
        bench.pass(HOUR);
        bench.nudge(true);
        let end = bench.now.boot.plus(wait);
        while bench.now.boot < end {
            bench.hear(Event::LeaseUnavailable);
            bench.pass(6 * SECOND);
        }
        bench.hear(Event::Due);
        bench.lease_won(2);
        assert_eq!(bench.words().join(" "), asked);
    }
}

#[test]
fn rule_8_a_death_that_is_heard_of_late_does_not_bury_a_value_just_seen_alive() {
    let mut bench = Bench::leased(stable());
    bench.lease_won(1);
    bench.answer("a", FULL);
    let mut older = bench.stored.clone().unwrap();
    older.lanes[Lane::Stable.index()].as_mut().unwrap().dead = true;
    bench.pass(MINUTE);
    bench.reported("a");
    bench.lease_won(2);
    bench.alive();
    bench.hear(Event::Learned(Box::new(older.clone())));
    assert_eq!(bench.current().as_deref(), Some("a"));
    assert_eq!(
        bench.next_ask_leased(5 * SECOND),
        "probe a",
        "a probe tells"
    );
    bench.alive();
    bench.pass(MINUTE);
    bench.hear(Event::Learned(Box::new(older)));
    assert_eq!(
        bench.current(),
        None,
        "who has not looked lately believes it"
    );
}

#[test]
fn rule_8_the_next_regular_probe_counts_from_when_the_last_one_left_though_its_answer_was_heard_late()
 {
    let mut bench = Bench::with_token(classic(), "a");
    assert_eq!(bench.next_ask(2 * MINUTE), "probe a");
    bench.wake = None; // the process stands still
    bench.pass(10 * MINUTE);
    bench.alive();
    bench.pass(2 * SECOND);
    assert_eq!(bench.words(), ["probe a"]);
}

#[test]
fn rule_8_an_answer_that_waited_for_us_does_not_put_off_the_next_probe() {
    let mut bench = Bench::with_token(stable(), "a");
    bench.pass(MINUTE);
    bench.reported("a");
    bench.pass(MINUTE);
    bench.reported("a");
    bench.alive();
    assert_eq!(bench.words(), ["probe a"], "the second report is younger");
}

#[test]
fn rule_8_a_standby_that_steps_in_is_probed_as_often_as_what_is_handed_out() {
    let rules = Rules {
        watched: true,
        ..both(Lane::Stable)
    };
    let mut bench = Bench::new(rules);
    bench.answer_to("stable", "a", FULL);
    bench.answer_to("classic", "c", FULL);
    let minute = MINUTE + SECOND;
    let mut probed = bench.now.boot;
    let mut stepped_in = None;
    for _ in 0..20 * 60 {
        bench.pass(SECOND);
        if bench.now.boot.since(probed) == 7 * SECOND && stepped_in.is_none() {
            bench.reported("a");
        }
        while let Some(asked) = bench.words().first().cloned() {
            match asked.as_str() {
                "probe c" => {
                    probed = bench.now.boot;
                    bench.alive();
                }
                "probe a" => bench.dead(),
                _ => bench.answer("a", 5000),
            }
        }
        if bench.current().as_deref() == Some("c") {
            let since = *stepped_in.get_or_insert(bench.now.boot);
            let unseen = bench.now.boot.since(probed.max(since));
            assert!(unseen <= minute, "{unseen} ms");
        }
    }
    assert!(stepped_in.is_some());
}
