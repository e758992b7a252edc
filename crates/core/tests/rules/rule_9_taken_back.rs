//! Rule 9, between machine and store: calls that were counted and never made.

use crate::bench::{Bench, Disk, FULL, MINUTE, SECOND, stable};
use wxtoken_core::budget::BudgetKind;
use wxtoken_core::refresh::event::Event;
use wxtoken_core::source::{Passing, Trouble};
use wxtoken_core::store::Fence;

/// Longer than a lease, and so longer than a call may wait for its note.
const LATE: u64 = 31 * SECOND;
/// So long that the operator's wish has lapsed as well.
const LAPSED: u64 = 11 * MINUTE;

fn forced(bench: &Bench) -> u32 {
    bench.machine.spent(BudgetKind::Forced, bench.now).used
}

fn stored(bench: &Bench) -> u32 {
    let counted = bench.stored.as_ref().unwrap().budgets;
    counted.used(BudgetKind::Forced, bench.now.wall)
}

/// Has forced once; holds no lease.
fn that_forced_once() -> Bench {
    let mut bench = Bench::leased(stable());
    bench.lease_won(1);
    bench.answer("a", FULL);
    bench.nudge(true);
    bench.lease_won(2);
    bench.answer("b", FULL);
    bench.pass(MINUTE);
    assert_eq!(stored(&bench), 1);
    bench
}

/// An operator forces again; the store takes so long over the note that the lease has ended and the call is given up.
fn that_gave_up() -> Bench {
    let mut bench = that_forced_once();
    bench.disk = Disk::Slow;
    bench.nudge(true);
    bench.lease_won(3);
    bench.pass(LAPSED);
    bench.writes_land();
    assert_eq!(bench.words(), Vec::<String>::new(), "it is given up");
    assert_eq!(stored(&bench), 2, "and the store counts it");
    bench
}

#[test]
fn rule_9_a_call_given_up_for_its_late_note_is_taken_back_though_the_lease_has_ended() {
    let mut bench = that_gave_up();
    bench.lease_won(4);
    assert_eq!(forced(&bench), 1);
    bench.writes_land();
    assert_eq!(stored(&bench), 1);
}

#[test]
fn rule_9_a_call_of_which_no_byte_left_is_taken_back_though_the_lease_has_ended() {
    let mut bench = that_forced_once();
    bench.nudge(true);
    bench.lease_won(3);
    bench.pass(LATE);
    bench.fail_with(Trouble::Passing(Passing::Unreachable), false);
    assert_eq!(stored(&bench), 2);
    bench.lease_won(4);
    assert_eq!(forced(&bench), 1);
}

#[test]
fn rule_9_a_call_is_taken_back_once() {
    let mut bench = that_gave_up();
    bench.lease_won(4);
    bench.writes_land();
    bench.disk = Disk::Good;
    bench.nudge(true);
    bench.lease_won(5);
    bench.answer_to("forced", "c", FULL);
    for fence in 1000..1003 {
        bench.pass(LATE);
        bench.lease_won(fence);
        assert_eq!((forced(&bench), stored(&bench)), (2, 2));
    }
}

#[test]
fn rule_9_a_call_taken_back_by_a_write_that_may_have_landed_is_not_taken_back_again() {
    let mut bench = that_gave_up();
    bench.lease_won(4);
    bench.writes_land_unheard();
    assert_eq!(stored(&bench), 1, "it did land");
    bench.pass(LATE);
    bench.lease_won(5);
    assert_eq!(forced(&bench), 1);
}

#[test]
fn rule_9_a_call_taken_back_by_a_write_that_was_refused_for_its_fence_is_taken_back_again() {
    let mut bench = that_gave_up();
    bench.lease_won(4);
    bench.writes_are_stale();
    bench.lease_won(6);
    assert_eq!(forced(&bench), 1);
}

#[test]
fn rule_9_a_call_is_taken_back_from_what_another_replica_counted_since() {
    let mut bench = that_gave_up();
    let mut other = Bench::leased(stable());
    (other.now, other.stored) = (bench.now, bench.stored.clone());
    other.lease_won(4);
    assert_eq!(
        other.next_ask_leased(MINUTE),
        "stable",
        "for it may have been"
    );
    other.answer("b", 7000);
    other.nudge(true);
    assert_eq!(other.next_ask_leased(MINUTE), "forced");
    other.answer("c", FULL);
    assert_eq!(stored(&other), 3, "it cannot know that one was not made");
    bench.stored = other.stored.clone();
    bench.lease_won(1000);
    assert_eq!(forced(&bench), 2);
}

#[test]
fn rule_9_what_a_store_that_started_anew_counts_is_not_taken_back() {
    let mut bench = that_gave_up();
    let record = bench.stored.clone().map(Box::new);
    bench.hear(Event::LeaseWon {
        fence: Fence {
            epoch: 2,
            number: 1,
        },
        until: bench.now.boot.plus(LATE),
        record,
        begins_epoch: true,
    });
    assert_eq!(forced(&bench), 2);
}

#[test]
fn rule_9_while_the_store_is_slow_a_value_that_stays_dead_uses_up_no_forced_refresh() {
    let mut bench = Bench::leased(stable());
    bench.lease_won(1);
    bench.answer("a", FULL);
    bench.pass(MINUTE);
    bench.reported("a");
    bench.lease_won(2);
    bench.dead();
    assert_eq!(bench.next_ask_leased(MINUTE), "stable");
    bench.disk = Disk::Slow;
    bench.answer("a", 7000);
    for fence in 10..20 {
        bench.pass(LATE);
        bench.writes_land();
        assert_eq!(bench.words(), Vec::<String>::new());
        bench.pass(SECOND);
        bench.lease_won(fence);
    }
    bench.writes_land();
    assert_eq!(bench.words()[0], "forced");
}
