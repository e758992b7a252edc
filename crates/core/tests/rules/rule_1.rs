//! Rule 1: one fetch in flight per credential, in the process and in the cluster.

use crate::bench::{
    Bench, Disk, FULL, HOUR, MINUTE, SECOND, both, classic, id, stable, with_jsapi,
};
use wxtoken_core::clock::Boot;
use wxtoken_core::credential::{Kind, Lane, Token};
use wxtoken_core::refresh::event::Event;
use wxtoken_core::refresh::verdict::Evidence;
use wxtoken_core::source::{Ask, Passing, Trouble};
use wxtoken_core::store::{Fence, Record, StoredToken};

#[test]
fn rule_1_a_lane_is_asked_once_however_often_it_is_wanted() {
    let mut bench = Bench::new(classic());
    for _ in 0..20 {
        bench.nudge(false);
        bench.hear(Event::Due);
        bench.pass(100);
    }
    assert_eq!(bench.words(), ["classic"]);
}

#[test]
fn rule_1_a_force_waits_for_the_normal_call_under_way_and_is_not_forgotten() {
    let mut bench = Bench::new(stable());
    bench.nudge(true);
    assert_eq!(bench.words(), ["stable"], "one stable call at most");
    bench.answer("a", 7200);
    assert_eq!(bench.words(), ["forced"]);
}

#[test]
fn rule_1_both_lanes_may_be_asked_at_the_same_time() {
    let bench = Bench::new(both(Lane::Stable));
    assert_eq!(bench.words(), ["stable", "classic"]);
}

#[test]
fn rule_1_a_ticket_is_asked_for_once() {
    let mut bench = Bench::with_token(with_jsapi(stable()), "a");
    assert_eq!(bench.words(), ["jsapi with a"]);
    bench.hear(Event::Nudged {
        kind: Kind::JsapiTicket,
        force: false,
    });
    assert_eq!(bench.words(), ["jsapi with a"]);
}

#[test]
fn rule_1_three_hundred_reports_cost_one_probe_and_one_fetch() {
    let mut bench = Bench::with_token(classic(), "a");
    bench.pass(MINUTE / 2);
    for _ in 0..300 {
        bench.reported("a");
    }
    assert_eq!(bench.words(), ["probe a"]);
    bench.dead();
    for _ in 0..300 {
        bench.reported("a");
    }
    assert_eq!(bench.words(), ["classic"]);
    bench.answer("b", 7200);
    for _ in 0..300 {
        bench.reported("a");
    }
    bench.quiet(30 * SECOND);
    assert_eq!(bench.current().as_deref(), Some("b"));
}

#[test]
fn rule_1_without_the_lease_nothing_is_asked() {
    let mut bench = Bench::leased(stable());
    assert_eq!(bench.lease_asked, 1);
    assert!(bench.words().is_empty());
    bench.hear(Event::LeaseTaken {
        free_at: Boot(bench.now.boot.0 + 5 * SECOND),
    });
    bench.pass(4 * SECOND);
    assert_eq!(bench.lease_asked, 1);
    bench.pass(2 * SECOND);
    assert_eq!(bench.lease_asked, 2);
    bench.lease_won(1);
    assert_eq!(bench.words(), ["stable"]);
}

#[test]
fn rule_1_a_lease_that_nothing_needs_is_given_back() {
    let mut bench = Bench::leased(stable());
    bench.lease_won(1);
    assert_eq!(bench.released, 0);
    bench.answer("a", 7200);
    assert_eq!(bench.current().as_deref(), Some("a"));
    assert_eq!(bench.released, 1);
}

#[test]
fn rule_1_who_gets_no_answer_from_wechat_lets_another_replica_try() {
    let mut bench = Bench::leased(stable());
    bench.lease_won(2);
    bench.busy();
    assert_eq!(bench.released, 1, "its own next try is a second away");
    let asked = bench.lease_asked;
    bench.pass(3 * SECOND);
    assert!(
        bench.lease_asked > asked,
        "and it asks again like all others"
    );
}

#[test]
fn rule_1_a_report_does_not_wait_for_a_holder_that_cannot_reach_wechat() {
    let mut bench = Bench::leased(classic());
    bench.lease_won(2);
    bench.answer("a", FULL);
    bench.pass(30 * SECOND);
    bench.reported("a");
    bench.lease_won(3);
    assert_eq!(bench.words(), ["probe a"]);
    let released = bench.released;
    bench.cut();
    assert_eq!(bench.released, released + 1);
}

#[test]
fn rule_1_a_call_whose_lease_would_end_before_it_does_not_leave() {
    let mut bench = Bench::leased(classic());
    bench.disk = Disk::Slow;
    bench.lease_won(1);
    bench.pass(25 * SECOND);
    bench.disk = Disk::Good;
    bench.writes_land();
    assert!(
        bench.words().is_empty(),
        "ten seconds would not fit in five"
    );
    bench.pass(SECOND);
    assert_eq!(bench.lease_asked, 2, "but it is tried again");
}

#[test]
fn rule_1_with_the_store_away_stable_is_asked_in_normal_mode_and_classic_is_not() {
    let mut bench = Bench::leased(both(Lane::Stable));
    bench.hear(Event::LeaseUnavailable);
    assert_eq!(bench.words(), ["stable"]);
    bench.answer("a", 7200);
    assert_eq!(bench.current().as_deref(), Some("a"));
    for _ in 0..20 {
        bench.pass(5 * SECOND);
        bench.hear(Event::LeaseUnavailable);
    }
    assert!(
        !bench
            .asked
            .iter()
            .any(|asked| matches!(asked.ask, Ask::Classic))
    );
}

#[test]
fn rule_1_with_the_store_away_a_forced_refresh_that_waits_for_it_does_not_hold_back_the_renewal() {
    let mut bench = Bench::leased(stable());
    bench.lease_won(1);
    bench.answer("a", 7200);
    bench.pass(7200 * SECOND - 300 * SECOND - MINUTE);
    bench.nudge(true);
    bench.hear(Event::LeaseUnavailable);
    assert!(
        bench.words().is_empty(),
        "nothing is due but what is wished"
    );
    while bench.words().is_empty() && bench.left() > 200 * SECOND {
        bench.pass(5 * SECOND);
        bench.hear(Event::LeaseUnavailable);
    }
    assert_eq!(bench.words(), ["stable"]);
    bench.answer("b", 7200);
    assert_eq!(bench.current().as_deref(), Some("b"));
    bench.pass(5 * SECOND);
    bench.lease_won(2);
    assert_eq!(bench.words(), ["forced"], "the wish is not forgotten");
}

#[test]
fn rule_1_of_two_values_that_two_masters_took_at_one_place_all_take_the_same_and_one_fetch_settles_it()
 {
    let start = Bench::leased(classic());
    let record = |value: &str| {
        let mut bench = Bench::leased(classic());
        bench.now = start.now;
        bench.lease_won(5);
        bench.answer(value, FULL);
        (bench.stored.clone().unwrap(), bench)
    };
    let ((a, mut has_a), (b, mut has_b)) = (record("a"), record("b"));
    let place = |record: &Record| record.lanes[0].as_ref().unwrap().sent;
    assert_eq!(place(&a), place(&b));
    let held = |bench: &Bench| bench.machine.record(bench.now).lanes[0].clone().unwrap().id;
    for bench in [&mut has_a, &mut has_b] {
        for record in [&a, &b, &a, &b] {
            bench.hear(Event::Learned(Box::new(record.clone())));
        }
    }
    assert_eq!(held(&has_a), held(&has_b));
    has_a.stored = Some(b);
    has_a.lease_won(7);
    assert_eq!(has_a.words(), ["classic"]);
    has_a.answer("c", FULL);
    let settled = has_a.stored.clone().unwrap();
    has_b.hear(Event::Learned(Box::new(settled)));
    assert_eq!(has_b.current().as_deref(), Some("c"));
    has_b.stored = has_a.stored.clone();
    has_b.pass(MINUTE);
    assert!(has_b.words().is_empty(), "{:?}", has_b.words());
}

#[test]
fn rule_1_what_another_replica_fetched_while_our_note_failed_is_not_fetched_again() {
    let mut bench = Bench::leased(stable());
    bench.lease_won(1);
    bench.answer("a", 7200);
    let record = bench.stored.clone().unwrap();
    bench.disk = Disk::Slow;
    let before = bench.writes;
    while bench.writes == before {
        bench.pass(SECOND);
        if bench.lease_asked == 2 {
            bench.lease_won(2);
        }
    }
    bench.another_fetched("b", record);
    bench.writes_fail();
    bench.quiet(MINUTE);
}

#[test]
fn rule_1_what_was_minted_without_a_lease_is_posted_and_settled_by_one_fetch() {
    let mut bench = Bench::leased(classic());
    bench.lease_won(1);
    assert_eq!(bench.words(), ["classic"]);
    bench.pass(40 * SECOND); // the process was stopped meanwhile
    bench.answer("a", 7200);
    assert_eq!(bench.late_mints.len(), 1);
    bench.lease_won(2);
    assert_eq!(bench.words(), ["classic"], "the settling fetch");
    bench.answer("b", 7200);
    assert_eq!(bench.current().as_deref(), Some("b"));
    bench.pass(MINUTE / 2);
    bench.hear(Event::Due);
    assert!(
        !bench.words().contains(&"classic".to_owned()),
        "one settles it"
    );
}

/// A holder that was stopped in the middle of a classic fetch for so long that another waited its note out and fetched; it has
/// just heard of that.
fn stopped_past_its_note() -> Bench {
    let mut bench = Bench::leased(classic());
    bench.lease_won(1);
    assert_eq!(bench.words(), ["classic"]);
    bench.pass(21 * SECOND);
    let mut record = bench.stored.clone().unwrap();
    record.lanes[Lane::Classic.index()] = Some(StoredToken {
        token: Token::new("theirs").unwrap(),
        id: id("theirs"),
        sent: bench.now.wall,
        expires: bench.now.wall.plus(2 * HOUR),
        lifetime: 2 * HOUR,
        dead: false,
        noted: None,
    });
    record.intents = [None; 2];
    bench.stored = Some(record.clone());
    bench.hear(Event::Learned(Box::new(record)));
    assert_eq!(bench.current().as_deref(), Some("theirs"));
    bench
}

/// It is settled by one fetch, and no more.
fn settled_once(bench: &mut Bench) {
    assert_eq!(bench.late_mints.len(), 1, "and all others are told");
    bench.pass(3 * SECOND);
    bench.lease_won(3);
    assert_eq!(bench.words(), ["classic"], "the settling fetch");
    bench.answer("settled", FULL);
    assert_eq!(bench.current().as_deref(), Some("settled"));
    bench.quiet(30 * SECOND);
}

#[test]
fn rule_1_a_call_cut_off_after_its_note_had_ended_is_settled_by_one_fetch() {
    let mut bench = stopped_past_its_note();
    bench.cut(); // WeChat may have decided it after theirs
    settled_once(&mut bench);
}

#[test]
fn rule_1_a_call_answered_after_its_note_had_ended_is_settled_by_one_fetch() {
    let mut bench = stopped_past_its_note();
    bench.answer("ours", FULL);
    assert_eq!(bench.current().as_deref(), Some("theirs"));
    settled_once(&mut bench);
}

#[test]
fn rule_1_a_call_cut_off_in_time_needs_no_settling() {
    let mut bench = Bench::leased(classic());
    bench.lease_won(1);
    bench.pass(10 * SECOND);
    bench.cut();
    assert!(
        bench.late_mints.is_empty(),
        "who follows waits for the end of its note"
    );
}

#[test]
fn rule_1_a_successor_waits_for_the_deadline_of_an_open_note() {
    let mut bench = Bench::leased(classic());
    bench.lease_won(1);
    assert_eq!(bench.words(), ["classic"]);
    let open = bench.stored.clone();
    let mut next = Bench::leased(classic());
    next.stored = open;
    next.pass(SECOND);
    next.lease_won(2);
    assert!(
        next.words().is_empty(),
        "the other call may still be under way"
    );
    assert_eq!(next.next_ask_leased(MINUTE), "classic");
    assert!(next.now.boot.since(bench.now.boot) >= 20 * SECOND);
}

#[test]
fn rule_1_a_note_is_waited_out_by_our_own_clock_for_clocks_differ() {
    for ahead in [-25, 0, 25] {
        let mut bench = Bench::leased(classic());
        bench.lease_won(1);
        let mut next = Bench::leased(classic());
        next.wall_steps(ahead * SECOND.cast_signed());
        next.restart();
        next.stored = bench.stored.clone();
        let begun = next.now.boot;
        next.lease_won(2);
        assert!(next.words().is_empty(), "clock ahead by {ahead} s");
        assert_eq!(next.next_ask_leased(2 * MINUTE), "classic");
        let waited = next.now.boot.since(begun);
        assert!((20 * SECOND..22 * SECOND).contains(&waited), "{waited}");
    }
}

#[test]
fn rule_1_a_note_that_was_heard_of_is_waited_out_from_then_on() {
    let mut bench = Bench::leased(classic());
    bench.lease_won(1);
    let record = bench.stored.clone().unwrap();
    let mut next = Bench::leased(classic());
    next.wall_steps(25 * SECOND.cast_signed());
    next.restart();
    next.stored = Some(record.clone());
    let begun = next.now.boot;
    next.hear(Event::Learned(Box::new(record.clone())));
    next.pass(2 * SECOND);
    next.hear(Event::Learned(Box::new(record)));
    next.pass(3 * SECOND);
    next.lease_won(2);
    assert!(next.words().is_empty());
    assert_eq!(next.next_ask_leased(2 * MINUTE), "classic");
    let waited = next.now.boot.since(begun);
    assert!((20 * SECOND..21 * SECOND).contains(&waited), "{waited}");
}

#[test]
fn rule_1_a_note_that_was_heard_of_is_waited_out_though_a_clock_is_off_by_hours() {
    let mut bench = Bench::leased(classic());
    bench.lease_won(1);
    let record = bench.stored.clone().unwrap();
    let mut next = Bench::leased(classic());
    next.wall_steps(HOUR.cast_signed());
    next.restart();
    next.stored = Some(record.clone());
    next.hear(Event::Learned(Box::new(record)));
    let begun = next.now.boot;
    next.lease_won(2);
    assert!(next.words().is_empty());
    assert_eq!(next.next_ask_leased(2 * MINUTE), "classic");
    assert!(next.now.boot.since(begun) >= 20 * SECOND);
}

#[test]
fn rule_1_a_lease_that_was_given_back_is_asked_for_at_once() {
    let mut bench = Bench::leased(stable());
    bench.hear(Event::LeaseTaken {
        free_at: Boot(bench.now.boot.0 + 25 * SECOND),
    });
    bench.hear(Event::LeaseFreed);
    bench.pass(SECOND / 10);
    assert_eq!(bench.lease_asked, 2);
    bench.hear(Event::LeaseFreed);
    bench.lease_won(1);
    bench.hear(Event::LeaseFreed);
    assert_eq!(
        (bench.lease_asked, bench.words()),
        (2, vec!["stable".to_owned()])
    );
}

#[test]
fn rule_1_under_a_lease_that_was_lost_nothing_new_is_asked() {
    let mut bench = Bench::leased(stable());
    bench.lease_won(2);
    bench.hear(Event::LeaseLost(Fence {
        epoch: 1,
        number: 1,
    }));
    bench.answer("a", 7200);
    assert_eq!(bench.released, 1, "it was another lease that was lost");
    bench.disk = Disk::Slow;
    bench.nudge(false);
    bench.lease_won(3);
    bench.hear(Event::LeaseLost(Fence {
        epoch: 1,
        number: 3,
    }));
    let asked = bench.lease_asked;
    bench.pass(SECOND);
    assert_eq!(
        bench.lease_asked, asked,
        "a new lease would make the write under way stale"
    );
    bench.disk = Disk::Good;
    bench.writes_land();
    assert!(bench.words().is_empty());
    bench.pass(SECOND);
    assert_eq!(bench.lease_asked, asked + 1);
}

#[test]
fn rule_1_an_answer_to_a_question_that_was_given_up_changes_nothing() {
    let mut bench = Bench::with_token(classic(), "a");
    bench.report(Kind::AccessToken, "nonsense", Evidence::Report);
    let call = wxtoken_core::refresh::event::CallId(999);
    bench.hear(Event::Failed(
        call,
        wxtoken_core::source::Failure {
            trouble: Trouble::Passing(Passing::Cut),
            sent: true,
            upstream_time: None,
        },
    ));
    assert_eq!(bench.current().as_deref(), Some("a"));
    assert_eq!(
        bench
            .machine
            .standing(Kind::AccessToken, id("nonsense"), bench.now),
        wxtoken_core::refresh::Standing::Unknown
    );
}
