//! Twelve planted mistakes, each of which the world notices: by the very promise that the mistake breaks.

use wxtoken_core::refresh::mutant::Mutant;

use crate::run::{Broken, Lived, option, worlds};
use crate::setup::Setup;

/// Plants the mistake in worlds like all others until a promise is broken, which must be one of these. Unoptimised, a few
/// years are looked at, and what is not noticed in them is no failure.
fn caught(mutant: Mutant, promises: &[&str]) {
    let years =
        option("WORLD_MUTANT_YEARS").unwrap_or(if cfg!(debug_assertions) { 1 } else { 100 });
    let plant = |setup: &mut Setup| setup.rules.mutant = Some(mutant);
    let Lived { table, broken, .. } = worlds(years as f64, 1, &plant);
    let Some(Broken { seed, violation }) = broken else {
        if cfg!(debug_assertions) {
            return;
        }
        panic!("{mutant:?} went unnoticed for {:.0} years", table.years());
    };
    eprintln!(
        "{mutant:?}: world {seed}, after {:.2} years in all, {} faults: {}",
        table.years(),
        table.faults(),
        violation.invariant
    );
    assert!(
        promises.contains(&violation.invariant),
        "{mutant:?} was noticed, but not by what it breaks: {violation:?}"
    );
}

#[test]
fn a_value_handed_out_before_it_is_saved_is_noticed() {
    caught(
        Mutant::PublishBeforeSave,
        &["a published value is never lost"],
    );
}

#[test]
fn a_call_without_a_note_is_noticed() {
    caught(
        Mutant::NoIntent,
        &["nobody is accused of what we did ourselves"],
    );
}

#[test]
fn expiry_counted_from_the_answer_is_noticed() {
    caught(
        Mutant::ExpiryFromReceipt,
        &["no expiry is handed out beyond the truth"],
    );
}

#[test]
fn a_store_that_takes_any_fence_is_noticed() {
    caught(Mutant::NoFence, &["the store never goes back"]);
}

#[test]
fn generations_of_each_lane_alone_are_noticed() {
    caught(
        Mutant::GenerationPerLane,
        &["generations never go back", "the store never goes back"],
    );
}

#[test]
fn a_report_believed_without_a_probe_is_noticed() {
    caught(
        Mutant::UnprobedEvidence,
        &[
            "no live value is thrown away",
            "nothing that lives is fetched again without need",
        ],
    );
}

#[test]
fn a_fetch_at_restart_is_noticed() {
    caught(
        Mutant::FetchAtRestart,
        &["nothing that lives is fetched again without need"],
    );
}

#[test]
fn counts_that_do_not_survive_a_restart_are_noticed() {
    caught(Mutant::BudgetNotDurable, &["budgets are never exceeded"]);
}

#[test]
fn life_and_death_by_the_wall_clock_are_noticed() {
    caught(
        Mutant::WallClockExpiry,
        &[
            "boot time decides what lives",
            "no live value is thrown away",
        ],
    );
}

#[test]
fn a_late_answer_that_wins_is_noticed() {
    caught(
        Mutant::LateAnswerWins,
        &["an older value never replaces a newer one"],
    );
}

#[test]
fn a_sinks_entry_put_back_unprobed_is_noticed() {
    caught(
        Mutant::SinkPutBackUnprobed,
        &["a sink's entry is put back only after a probe said it is alive"],
    );
}

#[test]
fn a_tickets_expires_in_believed_is_noticed() {
    caught(
        Mutant::TicketExpiryTrusted,
        &["a ticket that has ended is replaced within ten minutes, or one after a report"],
    );
}
