//! Rule 6: trouble upstream.

use crate::bench::{Bench, DAY, FULL, HOUR, MINUTE, SECOND, classic, stable};
use wxtoken_core::budget::BudgetKind;
use wxtoken_core::refresh::alarm::AlarmName;
use wxtoken_core::source::{Passing, Reply, Trouble};

const TROUBLES: [Passing; 6] = [
    Passing::Busy,
    Passing::Cut,
    Passing::Status(502),
    Passing::Nonsense,
    Passing::TooFast,
    Passing::Unreachable,
];

#[test]
fn rule_6_a_failed_refresh_displaces_nothing_and_the_live_value_is_served() {
    for trouble in TROUBLES {
        let mut bench = Bench::with_token(stable(), "a");
        let generation = bench.generation();
        assert_eq!(bench.next_ask(2 * HOUR), "stable");
        let left = bench.left();
        bench.fail(Trouble::Passing(trouble));
        assert_eq!(bench.current().as_deref(), Some("a"));
        assert_eq!(bench.left(), left);
        assert_eq!(bench.generation(), generation);
        assert!(bench.is_raised(AlarmName::Trouble));
        assert_eq!(bench.next_ask(2 * SECOND), "stable", "tried again soon");
        bench.answer("b", FULL);
        assert!(!bench.is_raised(AlarmName::Trouble));
    }
}

#[test]
fn rule_6_waits_grow_but_never_beyond_a_minute_and_not_in_a_hot_loop() {
    let mut bench = Bench::with_token(classic(), "a");
    let next = |bench: &mut Bench| {
        while bench.next_ask(62 * SECOND) != "classic" {
            bench.alive();
        }
    };
    next(&mut bench);
    let mut last = bench.now.boot;
    let mut waits = Vec::new();
    for _ in 0..20 {
        bench.busy();
        next(&mut bench);
        waits.push(bench.now.boot.since(last));
        last = bench.now.boot;
    }
    assert!(waits.iter().all(|wait| *wait <= 61 * SECOND), "{waits:?}");
    assert!(
        waits[..3].iter().all(|wait| *wait <= 4 * SECOND),
        "{waits:?}"
    );
    assert!(waits.iter().any(|wait| *wait > 20 * SECOND), "{waits:?}");
}

#[test]
fn rule_6_tries_come_closer_as_expiry_nears() {
    let mut bench = Bench::with_token(stable(), "a");
    bench.next_ask(2 * HOUR);
    while bench.current().is_some() && bench.left() > 30 * SECOND {
        bench.busy();
        bench.next_ask(62 * SECOND);
    }
    for _ in 0..8 {
        if bench.left() < 6 * SECOND {
            break;
        }
        bench.busy();
        let before = bench.now.boot;
        bench.next_ask(62 * SECOND);
        assert!(bench.now.boot.since(before) <= 5 * SECOND);
    }
}

#[test]
fn rule_6_three_hours_of_trouble_are_outlived_within_a_minute() {
    let mut bench = Bench::with_token(stable(), "a");
    let until = bench.now.boot.plus(5 * HOUR);
    while bench.now.boot < until {
        bench.next_ask(2 * HOUR);
        bench.busy();
    }
    assert_eq!(bench.current(), None, "an honest refusal");
    assert_eq!(bench.next_ask(MINUTE), "stable");
    bench.answer("b", FULL);
    assert_eq!(bench.current().as_deref(), Some("b"));
}

#[test]
fn rule_6_a_day_of_trouble_stays_within_the_budget() {
    let mut bench = Bench::new(classic());
    let end = bench.now.boot.plus(DAY);
    let mut calls = 0;
    while bench.now.boot < end {
        bench.next_ask(HOUR);
        bench.busy();
        calls += 1;
    }
    assert!(calls <= 2000, "{calls}");
    let (_, limit) = bench.machine.budget(BudgetKind::Classic, bench.now);
    assert_eq!(limit, 2000);
}

#[test]
fn rule_6_an_answer_of_the_wrong_sort_is_trouble() {
    let mut bench = Bench::new(stable());
    let call = bench.asked.remove(0).call;
    let reply = Reply::Alive;
    bench.hear(wxtoken_core::refresh::event::Event::Answered(
        call,
        wxtoken_core::source::Answer {
            reply,
            upstream_time: None,
        },
    ));
    assert!(bench.is_raised(AlarmName::Trouble));
    assert_eq!(bench.next_ask(2 * SECOND), "stable");
}
