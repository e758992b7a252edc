//! Every order of events keeps every promise, within bounds that are soon looked through; and every planted mistake is found
//! by a promise that knows nothing of it.
#![cfg(test)]

use std::collections::BTreeSet;

use stateright::{Checker, HasDiscoveries, Model};
use wxtoken_model::promises::{CALLS, FENCES, GENERATIONS, LEASES, OFFERS, VALUES};
use wxtoken_model::{Mistake, Protocol};

fn kept(protocol: Protocol) {
    let checker = protocol
        .checker()
        .threads(2)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    println!(
        "{:?}: {} states",
        protocol.bounds,
        checker.unique_state_count()
    );
    checker.assert_properties();
}

#[test]
fn two_replicas_keep_every_promise() {
    kept(Protocol::new(2, 2, 3).settling());
}

#[test]
fn three_replicas_keep_every_promise() {
    kept(Protocol::new(3, 2, 2).settling());
}

/// Plants the mistake: this promise must be seen to break.
fn found(mistake: Mistake, promise: &'static str) {
    let checker = Protocol::new(2, 2, 3)
        .with(mistake)
        .checker()
        .finish_when(HasDiscoveries::AnyOf(BTreeSet::from([promise])))
        .spawn_bfs()
        .join();
    let path = checker.assert_any_discovery(promise).into_actions();
    println!("{mistake:?}: {promise}: {path:?}");
}

#[test]
fn a_store_that_takes_any_fence_is_found() {
    found(Mistake::AnyFence, FENCES);
}

#[test]
fn a_write_that_does_not_look_at_the_life_is_found() {
    found(Mistake::LifeNotLookedAt, FENCES);
}

#[test]
fn a_new_life_without_an_epoch_is_found() {
    found(Mistake::NoEpoch, OFFERS);
}

#[test]
fn offers_that_nobody_waits_for_are_found() {
    found(Mistake::OffersNotAwaited, OFFERS);
}

#[test]
fn a_call_without_a_note_is_found() {
    found(Mistake::NoNote, VALUES);
}

#[test]
fn a_note_that_is_not_waited_for_is_found() {
    found(Mistake::NoteNotAwaited, CALLS);
}

#[test]
fn a_call_that_leaves_after_its_deadline_is_found() {
    found(Mistake::LateCall, CALLS);
}

#[test]
fn a_late_mint_that_nobody_is_told_of_is_found() {
    found(Mistake::LateMintNotTold, VALUES);
}

#[test]
fn a_lease_given_back_by_another_is_found() {
    found(Mistake::ForeignRelease, LEASES);
}

#[test]
fn a_replica_that_accepts_what_is_older_is_found() {
    found(Mistake::OlderAccepted, GENERATIONS);
}

#[test]
fn a_merge_that_takes_what_is_stored_is_found() {
    found(Mistake::StoredWins, OFFERS);
}

#[test]
fn a_merge_that_brings_back_what_was_replaced_is_found() {
    found(Mistake::ReplacedReturns, OFFERS);
}

#[test]
fn a_note_that_is_forgotten_with_the_one_in_its_place_is_found() {
    found(Mistake::NoteForgotten, VALUES);
}

#[test]
fn a_mint_dropped_for_one_of_the_same_time_is_found() {
    found(Mistake::OverlapNotTold, VALUES);
}
