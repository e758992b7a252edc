//! Planted mistakes, each of which the world notices: by the very promise that the mistake breaks.

use std::fmt::Debug;

use wxtoken_core::credential::Lane;
use wxtoken_core::refresh::mutant::Mutant;
use wxtoken_core::refresh::rules::Lanes;

use crate::redis::Mistakes;
use crate::run::{Broken, Lived, option, worlds};
use crate::setup::Setup;

/// Plants a mistake in the rules.
fn caught(mutant: Mutant, promises: &[&str]) {
    let plant = |setup: &mut Setup| setup.rules.mutant = Some(mutant);
    noticed(mutant, &plant, promises);
}

/// Plants mistakes in a store that several share.
fn caught_in_store(mistakes: Mistakes, promises: &[&str]) {
    let plant = |setup: &mut Setup| {
        setup.mistakes = mistakes;
        (setup.own, setup.replicas) = (false, setup.replicas.max(2));
    };
    noticed(mistakes, &plant, promises);
}

/// Worlds like all others, with the mistake, until a promise is broken, which must be one of these. Unoptimised, a few years
/// are looked at, and what is not noticed in them is no failure.
fn noticed(what: impl Debug, plant: &(dyn Fn(&mut Setup) + Sync), promises: &[&str]) {
    let years =
        option("WORLD_MUTANT_YEARS").unwrap_or(if cfg!(debug_assertions) { 1 } else { 100 });
    let Lived { table, broken, .. } = worlds(years as f64, 1, plant);
    let Some(Broken { seed, violation }) = broken else {
        if cfg!(debug_assertions) {
            return;
        }
        panic!("{what:?} went unnoticed for {:.0} years", table.years());
    };
    eprintln!(
        "{what:?}: world {seed}, after {:.2} years in all, {} faults: {}",
        table.years(),
        table.faults(),
        violation.invariant
    );
    assert!(
        promises.contains(&violation.invariant),
        "{what:?} was noticed, but not by what it breaks: {violation:?}"
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
    caught_in_store(
        Mistakes {
            any_fence: true,
            ..Mistakes::default()
        },
        &[
            "the store never goes back",
            "never two fetches in flight for one credential",
        ],
    );
}

#[test]
fn generations_of_each_lane_alone_are_noticed() {
    caught(
        Mutant::GenerationPerLane,
        &[
            "generations never go back",
            "the store never goes back",
            "no hot loop", // replicas answer each other for ever
        ],
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
            "a live token is back within a bounded time",
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

#[test]
fn a_new_life_of_the_store_without_an_epoch_is_noticed() {
    caught_in_store(
        Mistakes {
            no_epoch: true,
            ..Mistakes::default()
        },
        &[
            "what a survivor knows is back before anybody may fetch",
            "a change is known everywhere within seconds, though its message was lost",
        ],
    );
}

#[test]
fn a_store_that_is_not_filled_again_is_noticed() {
    caught_in_store(
        Mistakes {
            no_offers: true,
            ..Mistakes::default()
        },
        &["what a survivor knows is back before anybody may fetch"],
    );
}

#[test]
fn a_lease_given_back_by_somebody_else_is_noticed() {
    caught_in_store(
        Mistakes {
            frees_any: true,
            ..Mistakes::default()
        },
        &["nobody but its holder gives a lease back"],
    );
}

#[test]
fn a_note_that_is_not_waited_out_is_noticed() {
    caught(
        Mutant::NoteNotWaitedFor,
        &["never two fetches in flight for one credential"],
    );
}

#[test]
fn a_late_mint_that_nobody_posts_is_noticed() {
    caught(
        Mutant::LateMintNotPosted,
        &["what was minted under a lost lease is posted"],
    );
}

/// Looked for where every early death is told, and none is another program's doing.
#[test]
fn an_accusation_after_a_note_was_lost_is_noticed() {
    let plant = |setup: &mut Setup| {
        setup.rules.mutant = Some(Mutant::EpochNotDoubted);
        setup.rules.lanes = Lanes::Only(Lane::Classic);
        (setup.own, setup.replicas, setup.foreign) = (false, 2, false);
        (setup.reporters, setup.clocks_step) = (true, false);
    };
    noticed(
        Mutant::EpochNotDoubted,
        &plant,
        &["nobody is accused of what we did ourselves"],
    );
}

#[test]
fn an_offer_in_the_place_of_others_is_noticed() {
    caught_in_store(
        Mistakes {
            unmerged: true,
            ..Mistakes::default()
        },
        &[
            "what a survivor knows is back before anybody may fetch",
            "the store never goes back",
            "no hot loop", // replicas answer each other for as long as nobody has the lease
        ],
    );
}

#[test]
fn what_others_have_offered_and_nobody_is_told_is_noticed() {
    caught_in_store(
        Mistakes {
            untold: true,
            ..Mistakes::default()
        },
        &["a change is known everywhere within seconds, though its message was lost"],
    );
}

#[test]
fn a_lease_that_outlives_its_holder_is_noticed() {
    caught_in_store(
        Mistakes {
            lives_long: true,
            ..Mistakes::default()
        },
        &["who is lost is followed within 3 s, or 1 s after the deadline of its note"],
    );
}

#[test]
fn versions_that_nobody_compares_are_noticed() {
    caught_in_store(
        Mistakes {
            never_compares: true,
            ..Mistakes::default()
        },
        &["a change is known everywhere within seconds, though its message was lost"],
    );
}
