//! A machine at rest takes little room, also where several replicas share the store.

use crate::bench::{Bench, FULL, SECOND, stable};
use wxtoken_core::refresh::event::Event;

#[test]
fn a_machine_that_learned_from_another_rests_as_small_as_its_own_would() {
    let mut bench = Bench::leased(stable());
    bench.lease_won(1);
    bench.answer("a", FULL);
    let record = bench.stored.clone().unwrap();
    let mut other = Bench::leased(stable());
    other.hear(Event::LeaseTaken {
        free_at: other.now.boot.plus(2500),
    });
    other.hear(Event::Learned(Box::new(record)));
    assert_eq!(other.current().as_deref(), Some("a"));
    other.pass(5 * SECOND);
    for bench in [bench, other] {
        let machine = Box::new(bench.machine.as_ref().clone());
        assert!(machine.park(None, bench.now).is_ok());
    }
}

#[test]
fn a_machine_whose_store_was_away_rests_once_it_has_what_it_needs() {
    let mut bench = Bench::leased(stable());
    bench.hear(Event::LeaseUnavailable);
    bench.answer("a", FULL);
    bench.pass(20 * SECOND);
    bench.lease_won(1);
    assert_eq!(bench.released, 1);
    let machine = Box::new(bench.machine.as_ref().clone());
    assert!(machine.park(None, bench.now).is_ok());
}
