//! Rule 5: expiry counts from the sending of the request, and boot time decides.

use crate::bench::{Bench, DAY, FULL, HOUR, MINUTE, SECOND, classic, stable};
use wxtoken_core::refresh::alarm::AlarmName;
use wxtoken_core::refresh::event::Event;

#[test]
fn rule_5_expiry_counts_from_the_moment_the_request_was_sent() {
    let mut bench = Bench::new(classic());
    bench.pass(8 * SECOND);
    bench.answer("a", FULL);
    assert_eq!(bench.left(), 7192 * SECOND);
}

#[test]
fn rule_5_a_wall_clock_step_neither_kills_nor_prolongs_a_value() {
    for step in [DAY.cast_signed(), -DAY.cast_signed()] {
        let mut bench = Bench::with_token(classic(), "a");
        bench.wall_steps(step);
        assert_eq!(bench.left(), 7200 * SECOND);
        bench.quiet(50 * SECOND);
        assert_eq!(bench.current().as_deref(), Some("a"));
        bench.asked.clear();
        bench.pass(2 * HOUR);
        assert_eq!(bench.current(), None, "and it ends when boot time says so");
    }
}

#[test]
fn rule_5_after_a_restart_wall_time_decides() {
    let mut bench = Bench::with_token(stable(), "a");
    bench.pass(HOUR);
    bench.restart();
    assert_eq!(bench.left(), HOUR);
}

#[test]
fn rule_5_wall_before_saved_at_makes_values_suspected_and_they_are_probed_before_they_are_refused()
{
    let mut bench = Bench::with_token(classic(), "a");
    bench.wall_steps(-HOUR.cast_signed());
    bench.restart();
    assert_eq!(bench.words(), ["probe a"]);
    assert_eq!(bench.current().as_deref(), Some("a"), "served meanwhile");
    assert!(
        bench.left() <= 7200 * SECOND,
        "never for longer than it had left when saved"
    );
    bench.alive();
    assert_eq!(bench.current().as_deref(), Some("a"));
}

#[test]
fn rule_5_of_a_suspected_stable_value_normal_mode_tells_the_true_end() {
    let mut bench = Bench::with_token(stable(), "a");
    bench.pass(HOUR);
    bench.wall_steps(-2 * HOUR.cast_signed());
    bench.restart();
    assert_eq!(bench.words(), ["stable", "probe a"]);
    bench.alive();
    bench.answer("a", 3000);
    assert_eq!(bench.left(), 3000 * SECOND);
}

#[test]
fn rule_5_a_value_that_a_wrong_clock_kept_too_long_accuses_nobody() {
    let mut bench = Bench::with_token(classic(), "a");
    bench.pass(HOUR);
    bench.wall_steps(-2 * HOUR.cast_signed());
    bench.restart();
    bench.dead();
    assert!(!bench.alarmed(AlarmName::ForeignFetcher));
    assert_eq!(bench.words(), ["classic"]);
}

#[test]
fn rule_5_upstreams_date_more_than_thirty_seconds_off_is_alarmed_and_makes_restored_values_suspected()
 {
    let mut bench = Bench::with_token(classic(), "a");
    bench.restart();
    bench.date = Some(31_000);
    assert_eq!(bench.next_ask(MINUTE), "probe a");
    bench.pass(100);
    bench.alive();
    assert!(bench.is_raised(AlarmName::ClockOff));
    assert_eq!(bench.next_ask(5 * SECOND), "probe a", "suspected");
    bench.date = Some(0);
    bench.alive();
    assert!(
        !bench.is_raised(AlarmName::ClockOff),
        "and it is over when the clock is right"
    );
}

#[test]
fn rule_5_upstreams_date_thirty_seconds_off_is_within_what_clocks_do() {
    for ahead in [-30_000, 30_000] {
        let mut bench = Bench::new(classic());
        bench.date = Some(ahead);
        bench.answer("a", FULL);
        assert!(!bench.is_raised(AlarmName::ClockOff));
    }
}

#[test]
fn rule_5_a_clock_that_was_years_ahead_does_not_lock_the_budgets() {
    let mut bench = Bench::with_token(stable(), "a");
    bench.wall_steps(10 * 365 * DAY.cast_signed());
    bench.restart();
    bench.answer("b", FULL);
    bench.answer_next("c");
    bench.wall_steps(-10 * 365 * DAY.cast_signed());
    bench.restart();
    let used = |bench: &Bench| {
        bench
            .machine
            .spent(wxtoken_core::budget::BudgetKind::Stable, bench.now)
            .used
    };
    assert!(used(&bench) >= 2);
    bench.all_well();
    bench.now.wall = bench.now.wall.plus(31 * HOUR);
    bench.restart();
    assert_eq!(bench.words(), ["stable"]);
    assert_eq!(used(&bench), 1);
}

#[test]
fn rule_5_an_end_that_is_corrected_while_the_value_waits_to_be_saved_is_the_one_that_goes_out() {
    let mut bench = Bench::leased(stable());
    bench.lease_won(1);
    bench.answer("a", FULL);
    let record = bench.stored.clone().unwrap();
    assert_eq!(bench.next_ask_leased(2 * HOUR), "stable");
    bench.pass(31 * SECOND);
    bench.another_fetched("b", record);
    assert_eq!(bench.current().as_deref(), Some("a"), "b is not saved yet");
    bench.answer("b", FULL - 60);
    bench.hear(Event::LeaseUnavailable);
    assert_eq!(bench.current().as_deref(), Some("b"));
    assert_eq!(bench.left(), (FULL - 60 - 31) * SECOND);
}
