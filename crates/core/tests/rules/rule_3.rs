//! Rule 3: a restart fetches nothing that lives, but doubts what a lost call may have replaced.

use crate::bench::{Bench, Disk, FULL, HOUR, MINUTE, SECOND, both, classic, stable, with_jsapi};
use wxtoken_core::credential::{Kind, Lane};
use wxtoken_core::refresh::alarm::AlarmName;
use wxtoken_core::source::{Passing, Trouble};

#[test]
fn rule_3_a_restart_fetches_nothing_that_still_lives() {
    for rules in [classic(), stable()] {
        let mut bench = Bench::with_token(rules, "a");
        let generation = bench.generation();
        bench.pass(MINUTE / 2);
        bench.restart();
        assert_eq!(bench.current().as_deref(), Some("a"), "served at once");
        assert_eq!(bench.generation(), generation, "under its generation");
        bench.quiet(MINUTE / 2);
    }
}

#[test]
fn rule_3_a_restart_with_both_lanes_and_tickets_fetches_no_token() {
    let mut bench = Bench::with_token(with_jsapi(both(Lane::Stable)), "s");
    bench.answer_to("classic", "c", FULL);
    bench.answer_to("jsapi", "t", FULL);
    bench.restart();
    assert_eq!(bench.current_of(Kind::JsapiTicket).as_deref(), Some("t"));
    assert_eq!(
        bench.words(),
        ["jsapi with s"],
        "only the ticket's age is looked at"
    );
}

#[test]
fn rule_3_a_restart_serves_with_upstream_down() {
    let mut bench = Bench::with_token(stable(), "a");
    bench.pass(HOUR);
    bench.restart();
    for _ in 0..50 {
        bench.pass(MINUTE);
        while !bench.asked.is_empty() {
            bench.fail_with(Trouble::Passing(Passing::Unreachable), false);
        }
        assert_eq!(bench.current().as_deref(), Some("a"));
    }
}

#[test]
fn rule_3_a_note_without_a_result_ends_the_old_value_five_minutes_after_it_was_sent() {
    let mut bench = Bench::with_token(classic(), "a");
    bench.pass(MINUTE / 2);
    bench.nudge(false);
    assert_eq!(bench.words(), ["classic"]);
    bench.pass(3 * SECOND);
    bench.restart();
    assert_eq!(bench.words(), ["classic"], "due now");
    assert_eq!(
        bench.current().as_deref(),
        Some("a"),
        "the old one lives a little"
    );
    assert_eq!(bench.left(), 300 * SECOND - 3 * SECOND);
}

#[test]
fn rule_3_a_call_that_failed_after_its_first_byte_left_may_have_minted() {
    let mut bench = Bench::with_token(classic(), "a");
    bench.nudge(false);
    bench.pass(2 * SECOND);
    bench.cut();
    assert_eq!(bench.left(), 298 * SECOND);
    assert_eq!(bench.next_ask(2 * SECOND), "classic", "due now");
}

#[test]
fn rule_3_a_call_of_which_no_byte_left_changes_nothing() {
    let mut bench = Bench::with_token(classic(), "a");
    bench.nudge(false);
    bench.fail_with(Trouble::Passing(Passing::Unreachable), false);
    assert_eq!(bench.left(), 7200 * SECOND);
    bench.restart();
    assert_eq!(bench.left(), 7200 * SECOND);
}

#[test]
fn rule_3_a_refusal_by_wechat_itself_says_that_nothing_was_minted() {
    let mut bench = Bench::with_token(classic(), "a");
    bench.nudge(false);
    bench.fail(Trouble::Refused(40164));
    assert_eq!(bench.left(), 7200 * SECOND);
}

#[test]
fn rule_3_the_doubt_survives_a_second_restart() {
    let mut bench = Bench::with_token(classic(), "a");
    bench.pass(SECOND);
    bench.nudge(false);
    bench.restart();
    bench.asked.clear();
    bench.pass(100 * SECOND);
    bench.restart();
    assert_eq!(bench.left(), 200 * SECOND);
}

#[test]
fn rule_3_a_note_that_was_settled_is_no_doubt_after_a_restart() {
    let mut bench = Bench::with_token(classic(), "a");
    bench.nudge(false);
    bench.cut();
    assert_eq!(bench.next_ask(2 * SECOND), "classic");
    bench.answer("b", FULL);
    bench.pass(6 * MINUTE);
    while !bench.asked.is_empty() {
        bench.alive();
    }
    bench.restart();
    assert_eq!(bench.current().as_deref(), Some("b"));
    assert!(bench.left() > HOUR);
}

#[test]
fn rule_3_a_lost_force_is_cleared_up_by_normal_mode_and_then_forgotten() {
    let mut bench = Bench::with_token(stable(), "a");
    bench.pass(HOUR);
    bench.nudge(true);
    bench.cut();
    assert!(bench.left() <= 300 * SECOND);
    assert_eq!(bench.next_ask(2 * SECOND), "stable");
    bench.answer("a", 3599);
    assert!(bench.left() > 3500 * SECOND, "it was not replaced");
    assert_eq!(
        bench.next_ask(MINUTE),
        "stable",
        "once more when the force has surely ended"
    );
    bench.answer("a", 3500);
    bench.pass(10 * MINUTE);
    bench.restart();
    assert_eq!(bench.current().as_deref(), Some("a"));
    assert!(bench.left() > 2800 * SECOND);
    assert!(bench.words().is_empty());
}

#[test]
fn rule_3_a_lost_answer_accuses_nobody_even_after_a_restart() {
    let mut bench = Bench::with_token(classic(), "a");
    bench.pass(MINUTE / 2);
    bench.nudge(false);
    bench.restart();
    assert_eq!(bench.words(), ["classic"]);
    bench.pass(SECOND);
    bench.answer("b", FULL);
    bench.restart(); // the straggler kills b, and we have died once more
    bench.pass(15 * SECOND);
    bench.reported("b");
    bench.dead();
    assert!(!bench.alarmed(AlarmName::ForeignFetcher));
}

#[test]
fn rule_3_a_crash_before_the_save_serves_the_old_value_and_fetches() {
    let mut bench = Bench::with_token(classic(), "a");
    bench.pass(MINUTE / 2);
    bench.nudge(false);
    bench.disk = Disk::Slow;
    bench.answer("b", FULL);
    assert_eq!(bench.current().as_deref(), Some("a"));
    bench.disk = Disk::Good;
    bench.restart();
    assert_eq!(bench.current().as_deref(), Some("a"));
    assert_eq!(bench.words(), ["classic"]);
}

#[test]
fn rule_3_a_lane_that_was_taken_out_of_the_configuration_serves_until_its_successor_does() {
    let mut bench = Bench::with_token(classic(), "c");
    bench.rules_change(stable());
    assert_eq!(bench.current().as_deref(), Some("c"));
    assert_eq!(bench.words(), ["stable"]);
    bench.answer("s", FULL);
    assert_eq!(bench.current().as_deref(), Some("s"));
    bench.restart();
    assert_eq!(bench.current().as_deref(), Some("s"));
    assert!(bench.words().is_empty());
}
