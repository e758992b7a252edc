//! As far as is looked through within a minute or two, on two cores. `scripts/test world` does it.
#![cfg(test)]

use stateright::{Checker, HasDiscoveries, Model};
use wxtoken_model::Protocol;

fn kept(protocol: Protocol) {
    let checker = protocol
        .checker()
        .threads(2)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    println!(
        "{:?}: {} states, {} steps, depth {}",
        protocol.bounds,
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth()
    );
    checker.assert_properties();
}

#[test]
fn three_replicas_keep_every_promise() {
    kept(Protocol::new(3, 2, 3).settling());
}

#[test]
fn two_replicas_keep_every_promise() {
    kept(Protocol::new(2, 3, 3));
}
