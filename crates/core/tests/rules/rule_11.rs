//! Rule 11: tickets hang on the access token.

use crate::bench::{Bench, DAY, FULL, HOUR, MINUTE, SECOND, classic, id, stable, with_jsapi};
use wxtoken_core::credential::{Kind, Token};
use wxtoken_core::refresh::event::Event;
use wxtoken_core::refresh::rules::Rules;
use wxtoken_core::refresh::verdict::Evidence;
use wxtoken_core::source::{Passing, Trouble};

const JSAPI: Kind = Kind::JsapiTicket;

/// A token "a" and a ticket "t".
fn bench() -> Bench {
    let mut bench = Bench::with_token(with_jsapi(stable()), "a");
    bench.answer_to("jsapi", "t", FULL);
    bench
}

/// The next question for the ticket; tokens are renewed on the way.
fn next_ticket_ask(bench: &mut Bench) {
    loop {
        let asked = bench.next_ask(3 * HOUR);
        if asked.starts_with("jsapi") {
            return;
        }
        bench.answer(&format!("a{}", bench.now.boot.0), FULL);
    }
}

#[test]
fn rule_11_a_ticket_is_fetched_with_the_token() {
    let bench = bench();
    assert_eq!(bench.current_of(JSAPI).as_deref(), Some("t"));
}

#[test]
fn rule_11_until_a_change_has_been_seen_it_is_asked_for_every_ten_minutes() {
    let mut bench = bench();
    for _ in 0..6 {
        let before = bench.now.boot;
        next_ticket_ask(&mut bench);
        let wait = bench.now.boot.since(before);
        assert!((9 * MINUTE..=10 * MINUTE).contains(&wait), "{wait}");
        bench.answer("t", FULL);
    }
}

#[test]
fn rule_11_afterwards_it_is_asked_for_hourly_and_around_its_end() {
    let mut bench = bench();
    next_ticket_ask(&mut bench);
    bench.answer("t2", FULL);
    assert_eq!(bench.current_of(JSAPI).as_deref(), Some("t2"));
    let born = bench.now.boot;
    next_ticket_ask(&mut bench);
    let wait = bench.now.boot.since(born);
    assert!((55 * MINUTE..=65 * MINUTE).contains(&wait), "{wait}");
    bench.answer("t2", FULL);
    let mut asked = 0;
    while bench.now.boot.since(born) < 2 * HOUR {
        next_ticket_ask(&mut bench);
        bench.answer("t2", FULL);
        asked += 1;
    }
    assert!((3..=7).contains(&asked), "{asked}");
}

#[test]
fn rule_11_an_outage_of_two_minutes_around_a_tickets_end_takes_none_down_whenever_it_begins() {
    for before_end in (0..=12 * MINUTE).step_by(15_000) {
        let mut bench = bench();
        let mut born = bench.now.boot;
        // Each is born when it is first asked for, and the end of each is known better than that of the one before.
        for next in ["t2", "t3", "t4", "t5"] {
            let before = bench.current_of(JSAPI).unwrap();
            let from = 2 * HOUR - before_end;
            let length = if next == "t5" { 2 * MINUTE } else { 0 };
            let away = from..from + length;
            while bench.current_of(JSAPI).as_ref() == Some(&before) {
                next_ticket_ask(&mut bench);
                let age = bench.now.boot.since(born);
                let held = bench.current_of(JSAPI);
                assert_eq!(held.as_ref(), Some(&before), "{age} {before_end}");
                if away.contains(&age) {
                    bench.fail(Trouble::Passing(Passing::Cut));
                } else {
                    let over = age >= 2 * HOUR;
                    bench.answer(if over { next } else { &before }, FULL);
                }
            }
            assert_eq!(bench.current_of(JSAPI).as_deref(), Some(next));
            born = bench.now.boot;
        }
    }
}

#[test]
fn rule_11_it_is_replaced_only_when_it_differs() {
    let mut bench = bench();
    let generation = |bench: &Bench| bench.machine.current(JSAPI, bench.now).unwrap().generation;
    let first = generation(&bench);
    next_ticket_ask(&mut bench);
    bench.answer("t", FULL);
    assert_eq!(generation(&bench), first);
    next_ticket_ask(&mut bench);
    bench.answer("t2", FULL);
    assert!(generation(&bench) > first);
}

#[test]
fn rule_11_expires_in_is_not_believed() {
    let mut bench = bench();
    let left = |bench: &Bench| {
        let ticket = bench.machine.current(JSAPI, bench.now).unwrap();
        ticket.expires.since(bench.now.boot)
    };
    next_ticket_ask(&mut bench);
    bench.answer("t", FULL);
    assert!(left(&bench) < FULL * SECOND - 8 * MINUTE);
}

#[test]
fn rule_11_a_reported_ticket_is_asked_for_at_most_once_a_minute() {
    let mut bench = bench();
    bench.pass(2 * MINUTE);
    for _ in 0..300 {
        bench.report(JSAPI, "t", Evidence::Report);
    }
    assert_eq!(bench.words(), ["jsapi with a"]);
    bench.answer("t", FULL);
    bench.report(JSAPI, "t", Evidence::Report);
    bench.quiet(59 * SECOND);
    bench.pass(SECOND);
    assert_eq!(bench.words(), ["jsapi with a"]);
    bench.answer("t2", FULL);
    assert_eq!(
        bench.current_of(JSAPI).as_deref(),
        Some("t2"),
        "it differs: refreshed"
    );
    bench.report(JSAPI, "t", Evidence::Report);
    bench.quiet(MINUTE);
}

#[test]
fn rule_11_a_tickets_sink_is_put_back_only_when_it_is_still_the_answer() {
    let mut bench = bench();
    bench.pass(2 * MINUTE);
    bench.report(JSAPI, "t", Evidence::Sink);
    assert!(bench.put_back.is_empty());
    bench.answer("t", FULL);
    assert_eq!(bench.put_back, [JSAPI]);
    bench.pass(2 * MINUTE);
    bench.report(JSAPI, "t", Evidence::Sink);
    bench.answer("t2", FULL);
    assert_eq!(bench.put_back.len(), 1, "a new one is published instead");
}

#[test]
fn rule_11_a_bad_token_while_fetching_a_ticket_is_a_report_on_the_token_then_one_retry() {
    let mut bench = Bench::with_token(with_jsapi(stable()), "a");
    bench.pass(30 * SECOND);
    bench.fail(Trouble::TokenBad(40001));
    assert_eq!(bench.words(), ["probe a"]);
    bench.dead();
    assert_eq!(bench.words(), ["stable"]);
    bench.answer("b", FULL);
    assert_eq!(bench.words(), ["jsapi with b"]);
    bench.answer("t", FULL);
    assert_eq!(bench.current_of(JSAPI).as_deref(), Some("t"));
}

#[test]
fn rule_11_a_ticket_refused_with_a_token_that_proves_alive_is_asked_for_again_without_a_loop() {
    let mut bench = Bench::with_token(with_jsapi(stable()), "a");
    bench.pass(30 * SECOND);
    let start = bench.now.boot;
    let mut asked = 0;
    while bench.now.boot.since(start) < HOUR {
        if bench.words().is_empty() {
            bench.next_ask(5 * MINUTE);
        }
        if bench.words()[0].starts_with("jsapi") {
            asked += 1;
            bench.fail(Trouble::TokenBad(40001));
        } else {
            bench.alive();
        }
    }
    assert!((5..120).contains(&asked), "{asked}");
}

#[test]
fn rule_11_a_ticket_that_has_waited_for_its_token_to_prove_alive_does_not_wait_again() {
    let mut bench = Bench::with_token(with_jsapi(stable()), "a");
    bench.pass(30 * SECOND);
    for _ in 0..6 {
        assert_eq!(bench.next_ask(2 * MINUTE), "jsapi with a");
        bench.fail(Trouble::TokenBad(40001));
        bench.next_ask(MINUTE);
        bench.alive();
    }
    assert_eq!(bench.next_ask(2 * MINUTE), "jsapi with a");
    bench.fail(Trouble::TokenBad(40001));
    let refused = bench.now.boot;
    while bench.now.boot.since(refused) < 2 * MINUTE {
        assert_eq!(bench.next_ask(2 * MINUTE), "probe a");
        bench.fail(Trouble::Passing(Passing::Busy));
    }
    assert_eq!(bench.next_ask(2 * MINUTE), "probe a");
    bench.alive();
    assert_eq!(bench.words(), ["jsapi with a"]);
}

#[test]
fn rule_11_a_ticket_survives_the_change_of_the_token() {
    let mut bench = bench();
    bench.pass(30 * SECOND);
    bench.answer_next("b");
    assert_eq!(bench.current_of(JSAPI).as_deref(), Some("t"));
    bench.quiet(MINUTE);
}

#[test]
fn rule_11_a_ticket_that_is_not_kept_is_neither_asked_for_nor_handed_out() {
    let mut bench = bench();
    bench.pass(9 * MINUTE);
    bench.report(JSAPI, "t", Evidence::Report);
    assert_eq!(bench.words(), ["jsapi with a"]);
    bench.rules_change(stable());
    assert_eq!(bench.current_of(JSAPI), None);
    bench.answer("t", FULL);
    assert_eq!(bench.current_of(JSAPI), None);
    bench.quiet(HOUR);
}

#[test]
fn rule_11_both_tickets_are_kept_apart() {
    let rules = Rules {
        kinds: [true, true, true],
        ..classic()
    };
    let mut bench = Bench::with_token(rules, "a");
    assert_eq!(bench.words(), ["jsapi with a", "card with a"]);
    bench.answer_to("card", "c", FULL);
    bench.answer_to("jsapi", "j", FULL);
    assert_eq!(bench.current_of(JSAPI).as_deref(), Some("j"));
    assert_eq!(bench.current_of(Kind::CardTicket).as_deref(), Some("c"));
}

#[test]
fn rule_11_a_ticket_keeps_its_end_over_a_restart_on_a_machine_just_booted() {
    let mut bench = bench();
    next_ticket_ask(&mut bench);
    bench.answer("t2", FULL);
    bench.pass(HOUR);
    bench.asked.clear();
    bench.now.boot = wxtoken_core::clock::Boot(20 * SECOND); // the machine was rebooted, too
    bench.restart();
    let ticket = bench.machine.current(JSAPI, bench.now).unwrap();
    let left = ticket.expires.since(bench.now.boot);
    assert!((50 * MINUTE..=HOUR).contains(&left), "{left}");
    bench.answer_to("jsapi", "t2", FULL);
    let start = bench.now.boot;
    next_ticket_ask(&mut bench);
    let wait = bench.now.boot.since(start);
    assert!(wait > 40 * MINUTE, "its birth is still known: {wait}");
}

#[test]
fn rule_11_a_ticket_learned_by_clocks_that_differ_by_days_is_not_asked_for_in_a_hot_loop() {
    let mut bench = Bench::leased(with_jsapi(stable()));
    bench.lease_won(1);
    bench.answer("a", FULL);
    bench.answer_to("jsapi", "j1", FULL);
    for (seen_ahead, left) in [(2 * DAY, HOUR), (HOUR - 5, HOUR), (0, 0)] {
        let mut record = bench.stored.clone().unwrap();
        let ticket = record.tickets[0].as_mut().unwrap();
        ticket.token = Token::new("j2").unwrap();
        ticket.id = id("j2");
        ticket.first_seen = bench.now.wall.plus(seen_ahead);
        ticket.born_after = Some(bench.now.wall.minus(MINUTE));
        ticket.expires = bench.now.wall.plus(left);
        let mut other = Bench::leased(with_jsapi(stable()));
        other.now = bench.now;
        other.hear(Event::Learned(Box::new(record.clone())));
        other.stored = Some(record);
        other.lease_won(2);
        let mut asked = 0;
        let end = other.now.boot.plus(HOUR);
        while other.now.boot < end {
            if other.words().iter().any(|word| word.starts_with("jsapi")) {
                asked += 1;
                other.answer_to("jsapi", "j2", FULL);
            }
            let leases = other.lease_asked;
            other.pass(SECOND);
            if other.lease_asked > leases {
                other.lease_won(10 + u64::from(leases));
            }
        }
        assert!((1..=30).contains(&asked), "{asked} within an hour");
    }
}
