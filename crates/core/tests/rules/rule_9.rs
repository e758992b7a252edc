//! Rule 9: budgets.

use crate::bench::{Bench, DAY, FULL, HOUR, MINUTE, SECOND, classic, stable};
use wxtoken_core::budget::{BudgetKind, Limits};
use wxtoken_core::credential::{Kind, Lane};
use wxtoken_core::refresh::Outcome;
use wxtoken_core::refresh::alarm::AlarmName;
use wxtoken_core::refresh::event::Event;
use wxtoken_core::refresh::rules::Rules;
use wxtoken_core::refresh::verdict::Evidence;
use wxtoken_core::source::{Passing, Trouble};

fn limited(rules: Rules, kind: BudgetKind, limit: u16) -> Rules {
    let mut per_day = rules.limits.per_day;
    per_day[kind as usize] = limit;
    Rules {
        limits: Limits { per_day },
        ..rules
    }
}

#[test]
fn rule_9_a_call_is_counted_before_it_leaves_and_survives_a_crash() {
    let mut bench = Bench::new(classic());
    assert_eq!(bench.machine.budget(BudgetKind::Classic, bench.now).0, 1);
    bench.restart();
    assert_eq!(bench.words(), ["classic"]);
    assert_eq!(bench.machine.budget(BudgetKind::Classic, bench.now).0, 2);
}

#[test]
fn rule_9_a_call_of_which_no_byte_left_is_not_counted() {
    let mut bench = Bench::new(classic());
    bench.fail_with(Trouble::Passing(Passing::Unreachable), false);
    assert_eq!(bench.machine.budget(BudgetKind::Classic, bench.now).0, 0);
}

#[test]
fn rule_9_a_call_with_the_other_secret_is_noted_and_counted_as_a_call_of_its_own() {
    for (rules, kind) in [
        (classic(), BudgetKind::Classic),
        (stable(), BudgetKind::Stable),
    ] {
        let mut bench = Bench::new(rules);
        bench.fail(Trouble::Passing(Passing::OtherSecret));
        assert_eq!(bench.asked.len(), 1, "the other secret is shown at once");
        let noted = bench.stored.as_ref().unwrap().budgets;
        assert_eq!(noted.counts, bench.machine.record(bench.now).budgets.counts);
        assert_eq!(bench.machine.budget(kind, bench.now).0, 2);
        bench.fail(Trouble::Refused(40125));
        assert!(bench.is_raised(AlarmName::Refused));
        bench.quiet(50 * SECOND);
        assert_eq!(bench.machine.budget(kind, bench.now).0, 2);
    }
}

#[test]
fn rule_9_a_source_that_always_speaks_of_another_secret_makes_no_storm() {
    let mut bench = Bench::new(stable());
    for _ in 0..8 {
        bench.next_ask(MINUTE);
        bench.fail(Trouble::Passing(Passing::OtherSecret));
    }
    let before = bench.now.boot;
    for _ in 0..20 {
        bench.next_ask(MINUTE);
        bench.fail(Trouble::Passing(Passing::OtherSecret));
    }
    assert!(bench.now.boot.since(before) > 20 * SECOND);
}

#[test]
fn rule_9_half_is_kept_for_reported_deaths_and_for_apps_with_no_live_value() {
    let rules = limited(stable(), BudgetKind::Stable, 10);
    let mut bench = Bench::with_token(rules, "v0");
    for round in 1..5 {
        bench.answer_next(&format!("v{round}"));
    }
    bench.nudge(false);
    assert!(bench.words().is_empty(), "five of ten are used");
    assert!(bench.is_raised(AlarmName::OverBudget));
    let last = bench
        .machine
        .lane_view(Lane::Stable, bench.now)
        .unwrap()
        .last;
    assert!(matches!(last, Some((Outcome::OverBudget, _))));
    bench.pass(MINUTE / 2);
    bench.reported("v4");
    bench.dead();
    assert_eq!(
        bench.next_ask(7 * MINUTE),
        "stable",
        "for a reported death there is more"
    );
}

#[test]
fn rule_9_over_budget_there_is_no_call_but_an_alarm_and_an_honest_refusal() {
    let rules = limited(classic(), BudgetKind::Classic, 3);
    let mut bench = Bench::new(rules);
    for _ in 0..2 {
        bench.busy();
        bench.next_ask(DAY);
    }
    bench.busy();
    let mut calls = 0;
    let end = bench.now.boot.plus(20 * HOUR);
    while let Some(at) = bench.wake.filter(|at| *at < end) {
        bench.pass(at.since(bench.now.boot));
        calls += bench.asked.len();
        bench.asked.clear();
    }
    bench.nudge(false);
    assert_eq!(calls + bench.asked.len(), 0);
    assert_eq!(bench.current(), None);
    assert!(bench.is_raised(AlarmName::OverBudget));
}

#[test]
fn rule_9_the_budget_is_free_again_a_day_later() {
    let rules = limited(stable(), BudgetKind::Stable, 4);
    let mut bench = Bench::with_token(rules, "a");
    bench.answer_next("b");
    bench.nudge(false);
    assert!(bench.words().is_empty());
    bench.pass(31 * HOUR);
    assert_eq!(bench.words(), ["stable"]);
    bench.answer("c", FULL);
    assert!(!bench.is_raised(AlarmName::OverBudget) || bench.alarmed(AlarmName::OverBudget));
}

#[test]
fn rule_9_forced_refreshes_keep_thirty_seconds_apart() {
    let mut bench = Bench::with_token(stable(), "a");
    bench.nudge(true);
    bench.answer("b", FULL);
    bench.nudge(true);
    bench.quiet(30 * SECOND);
    bench.pass(SECOND);
    assert_eq!(bench.words(), ["forced"]);
}

#[test]
fn rule_9_forced_refreshes_keep_apart_over_a_restart_though_the_clock_was_set() {
    for step in [0, HOUR.cast_signed(), -HOUR.cast_signed()] {
        let mut bench = Bench::with_token(stable(), "a");
        bench.nudge(true);
        bench.answer("b", FULL);
        bench.wall_steps(step);
        bench.restart();
        bench.nudge(true);
        while bench.words().iter().any(|word| word != "forced") {
            assert!(!bench.words().contains(&"forced".to_owned()), "{step}");
            bench.all_well();
        }
        bench.pass(30 * SECOND);
        assert!(!bench.words().contains(&"forced".to_owned()), "{step}");
        bench.pass(2 * SECOND);
        assert!(
            bench.words().contains(&"forced".to_owned()),
            "{step}: {:?}",
            bench.words()
        );
    }
}

#[test]
fn rule_9_nothing_anyone_does_forces_more_than_twenty_times_a_day() {
    let mut bench = Bench::with_token(stable(), "a");
    let end = bench.now.boot.plus(20 * HOUR);
    let mut forced = 0;
    while bench.now.boot < end {
        bench.nudge(true);
        bench.pass(MINUTE);
        while let Some(asked) = bench.words().first().cloned() {
            if asked == "forced" {
                forced += 1;
            }
            bench.answer(&format!("v{}", bench.now.boot.0), FULL);
        }
        if forced % 5 == 0 {
            bench.restart();
        }
    }
    assert_eq!(forced, 20);
}

#[test]
fn rule_9_the_machine_itself_forces_at_most_six_times_a_day() {
    let mut bench = Bench::with_token(stable(), "a");
    let start = bench.now.boot;
    let mut forced = 0;
    bench.reported("a");
    while bench.now.boot.since(start) < 20 * HOUR {
        let asked = bench.next_ask(3 * HOUR);
        match asked.as_str() {
            "forced" => {
                forced += 1;
                bench.answer("a", 7000);
            }
            "stable" => bench.answer("a", 7000),
            _ => bench.dead(),
        }
    }
    assert_eq!(forced, 6);
}

#[test]
fn rule_9_no_storm_of_false_reports_uses_up_the_probes() {
    let mut bench = Bench::with_token(stable(), "a");
    let mut probes = 0;
    for _ in 0..20 * 3600 {
        bench.pass(SECOND);
        bench.reported("a");
        while let Some(asked) = bench.words().first().cloned() {
            if asked.starts_with("probe") {
                probes += 1;
                bench.alive();
            } else {
                bench.answer("a", 7000);
            }
        }
    }
    assert!(probes <= 5000, "{probes}");
    let spent = bench.machine.spent(BudgetKind::Probe, bench.now);
    assert!(spent.used <= spent.limit);
}

#[test]
fn rule_9_replicas_share_counts_by_the_record() {
    let mut bench = Bench::leased(stable());
    bench.lease_won(1);
    bench.answer("a", FULL);
    let mut other = Bench::leased(stable());
    other.stored = bench.stored.clone();
    other.lease_won(2);
    assert_eq!(other.machine.budget(BudgetKind::Stable, other.now).0, 1);
}

#[test]
fn rule_9_where_nobody_survived_the_forced_budget_counts_as_spent_for_the_day() {
    let mut bench = Bench::leased(stable());
    bench.stored = None;
    bench.lease_won(1);
    bench.answer("a", FULL);
    let forced = bench.machine.spent(BudgetKind::Forced, bench.now);
    assert_eq!(forced.used, forced.limit);
    assert_eq!(bench.machine.budget(BudgetKind::Stable, bench.now).0, 1);
    let stored = bench.stored.as_ref().unwrap().budgets;
    assert_eq!(stored.used(BudgetKind::Forced, bench.now.wall), 20);
    bench.now.boot = bench.now.boot.plus(31 * HOUR);
    bench.now.wall = bench.now.wall.plus(31 * HOUR);
    let forced = bench.machine.spent(BudgetKind::Forced, bench.now);
    assert_eq!(forced.used, 0, "and it is free again in time");
}

#[test]
fn rule_9_calls_made_without_a_lease_come_on_top_of_what_the_store_counted() {
    use wxtoken_core::refresh::event::Event;
    let mut bench = Bench::leased(stable());
    bench.hear(Event::LeaseUnavailable);
    bench.answer("a", FULL);
    let mut other = Bench::leased(stable());
    other.lease_won(1);
    other.answer("a", FULL);
    bench.stored = other.stored.clone();
    bench.pass(3 * SECOND);
    bench.lease_won(2);
    assert_eq!(bench.machine.budget(BudgetKind::Stable, bench.now).0, 2);
}

#[test]
fn rule_9_what_was_put_off_for_want_of_budget_is_fetched_once_nothing_lives() {
    let mut bench = Bench::with_token(limited(stable(), BudgetKind::Stable, 4), "a");
    bench.pass(MINUTE);
    bench.nudge(false);
    let left = bench.left();
    bench.answer("a", left / SECOND);
    let ends = bench.now.boot.plus(bench.left());
    assert_eq!(bench.next_ask(3 * HOUR), "stable");
    assert_eq!(bench.now.boot, ends, "two of four are spent, so not before");
}

#[test]
fn rule_9_replicas_whose_clocks_differ_by_days_do_not_forget_what_the_other_counted() {
    let used = |bench: &Bench| bench.machine.spent(BudgetKind::Stable, bench.now).used;
    let mut ahead = Bench::leased(stable());
    ahead.wall_steps(2 * DAY.cast_signed());
    ahead.restart();
    let mut behind = Bench::leased(stable());
    let (mut fence, mut asked) = (0, 0);
    for round in 0..10 {
        let (mine, other) = if round % 2 == 0 {
            (&mut ahead, &mut behind)
        } else {
            (&mut behind, &mut ahead)
        };
        fence += 1;
        mine.nudge(false);
        mine.lease_won(fence);
        while mine.words().contains(&"stable".to_owned()) {
            mine.answer_to("stable", "a", FULL);
            asked += 1;
        }
        assert_eq!(used(mine), asked);
        other.stored = mine.stored.clone();
        let record = mine.stored.clone().unwrap();
        other.hear(Event::Learned(Box::new(record)));
    }
    assert!(asked >= 10);
    for bench in [&mut ahead, &mut behind] {
        bench.now.boot = bench.now.boot.plus(31 * HOUR);
        bench.now.wall = bench.now.wall.plus(31 * HOUR);
        assert_eq!(used(bench), 0, "and it is free again in time");
    }
}

#[test]
fn rule_9_hearsay_never_takes_the_probes_that_are_kept_for_first_hand_evidence() {
    let mut bench = Bench::with_token(limited(stable(), BudgetKind::Probe, 40), "a");
    let used = |bench: &Bench| bench.machine.spent(BudgetKind::Probe, bench.now).used;
    let mut value = String::new();
    for _ in 0..120 {
        bench.pass(5 * MINUTE);
        bench.all_well();
        value = bench.current().unwrap();
        bench.report(Kind::AccessToken, &value, Evidence::Hearsay);
        bench.all_well();
    }
    assert_eq!(used(&bench), 20, "half of them");
    bench.report(Kind::AccessToken, &value, Evidence::Hearsay);
    bench.reported(&value);
    assert_eq!(bench.next_ask(MINUTE), format!("probe {value}"));
    assert_eq!(used(&bench), 21);
}
