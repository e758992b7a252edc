//! Rule 4: when a token's successor is fetched.

use crate::bench::{Bench, FULL, HOUR, MINUTE, SECOND, both, classic, stable};
use wxtoken_core::credential::Lane;

/// When the next fetch of a lane is made, counted back from the end of the value, with its probes answered.
fn before_end(bench: &mut Bench, what: &str) -> u64 {
    let end = bench.now.boot.plus(bench.left());
    loop {
        let asked = bench.next_ask(3 * HOUR);
        if asked == what {
            return end.since(bench.now.boot);
        }
        bench.alive();
    }
}

#[test]
fn rule_4_classic_is_fetched_fifteen_minutes_before_it_ends() {
    let mut bench = Bench::with_token(classic(), "a");
    let before = before_end(&mut bench, "classic");
    assert!((13 * MINUTE..=15 * MINUTE).contains(&before), "{before}");
}

#[test]
fn rule_4_stable_is_fetched_in_its_last_290_to_240_seconds() {
    let mut bench = Bench::with_token(stable(), "a");
    let before = before_end(&mut bench, "stable");
    assert!((240 * SECOND..=290 * SECOND).contains(&before), "{before}");
}

#[test]
fn rule_4_a_short_lived_value_is_replaced_in_its_last_third() {
    for (rules, what) in [(classic(), "classic"), (stable(), "stable")] {
        let mut bench = Bench::new(rules);
        bench.answer("a", 12);
        let before = before_end(&mut bench, what);
        assert!((SECOND..=4 * SECOND).contains(&before), "{before}");
    }
}

#[test]
fn rule_4_due_times_are_jittered() {
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..8 {
        let mut bench = Bench::with_token(stable(), "a");
        for _ in 0..seen.len() {
            bench.answer_next("b"); // moves chance on
        }
        seen.insert(before_end(&mut bench, "stable"));
    }
    assert!(seen.len() > 4, "{seen:?}");
}

#[test]
fn rule_4_a_stable_value_met_half_way_is_due_before_its_own_end() {
    let mut bench = Bench::new(stable());
    bench.answer("a", 400);
    let before = before_end(&mut bench, "stable");
    assert!((SECOND..=290 * SECOND).contains(&before), "{before}");
}

#[test]
fn rule_4_the_same_value_again_keeps_its_generation_and_the_later_end() {
    let mut bench = Bench::with_token(stable(), "a");
    let generation = bench.generation();
    bench.pass(HOUR);
    bench.nudge(false);
    bench.answer("a", 3599);
    assert_eq!(bench.generation(), generation);
    assert_eq!(
        bench.left(),
        3600 * SECOND,
        "the larger of what is known and what is said"
    );
    bench.nudge(false);
    bench.answer("a", 3700);
    assert_eq!(bench.left(), 3700 * SECOND);
    assert_eq!(bench.generation(), generation);
    let before = before_end(&mut bench, "stable");
    assert!((240 * SECOND..=290 * SECOND).contains(&before), "{before}");
}

#[test]
fn rule_4_a_stable_lane_that_answers_the_same_at_its_end_is_asked_again_but_not_in_a_hot_loop() {
    let mut bench = Bench::with_token(stable(), "a");
    let mut asked = 0;
    before_end(&mut bench, "stable");
    while bench.left() > 5 * SECOND {
        let left = bench.left() / SECOND;
        bench.answer("a", left);
        asked += 1;
        bench.next_ask(10 * MINUTE);
    }
    assert!((5..60).contains(&asked), "{asked}");
}

#[test]
fn rule_4_a_standby_is_kept_half_a_lifetime_out_of_phase() {
    let mut bench = Bench::with_token(both(Lane::Stable), "s");
    bench.answer_to("classic", "c", FULL);
    let start = bench.now.boot;
    loop {
        let asked = bench.next_ask(3 * HOUR);
        if asked == "classic" {
            break;
        }
        assert_ne!(asked, "stable", "the standby comes first");
        bench.alive();
    }
    let after = bench.now.boot.since(start);
    assert!((45 * MINUTE..75 * MINUTE).contains(&after), "{after}");
}
