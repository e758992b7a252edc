//! Which of two writes holds, and what two records make together: the decisions every store makes, in one place.
//!
//! Must not know: how a store keeps what it holds.

use wxtoken_core::clock::Wall;
use wxtoken_core::store::{Fence, Intent, Record};

use super::sealed::Label;

/// Whether a write is older than what is held, by its fence or by the generation of any kind.
pub(crate) fn is_stale(held: &Label, offered: &Label) -> bool {
    offered.fence < held.fence
        || held
            .generations
            .iter()
            .zip(offered.generations)
            .any(|(held, offered)| offered < *held)
}

/// The record to keep when a late mint was noted that the writer has not seen: its write must not wipe the note away.
pub(crate) fn with_note(record: &Record, unseen: Option<Wall>) -> Record {
    let mut kept = record.clone();
    kept.late_mint = kept.late_mint.max(unseen);
    kept
}

/// The fence of the first write into a store, for records that exist only as a note.
pub(crate) const NO_FENCE: Fence = Fence {
    epoch: 0,
    number: 0,
};

/// Values replaced that a merged record remembers at most.
const REMEMBERED: usize = 64;

/// Two records of one app as one: the newer value of each kind by generation, the larger of every count, all that is known
/// of intents and of values replaced. Neither record's knowledge is lost; no generation is below either's.
pub(crate) fn merged(held: &Record, offered: &Record) -> Record {
    let mut out = held.clone();
    let newer =
        |kind: usize| offered.handed_out[kind].generation > held.handed_out[kind].generation;
    if newer(0) {
        out.handed_out[0] = offered.handed_out[0];
        out.lanes.clone_from(&offered.lanes);
        out.contest = offered.contest;
    }
    for kind in [1, 2].into_iter().filter(|kind| newer(*kind)) {
        out.handed_out[kind] = offered.handed_out[kind];
        out.tickets[kind - 1].clone_from(&offered.tickets[kind - 1]);
    }
    for (mine, theirs) in out.intents.iter_mut().zip(offered.intents) {
        *mine = later(*mine, theirs);
    }
    for old in &offered.remembered {
        if !out.remembered.iter().any(|known| known.id == old.id) {
            out.remembered.push(*old);
        }
    }
    out.remembered.sort_by_key(|old| old.ends);
    let surplus = out.remembered.len().saturating_sub(REMEMBERED);
    out.remembered.drain(..surplus);
    out.budgets = held.budgets.merged(&offered.budgets);
    out.late_mint = held.late_mint.max(offered.late_mint);
    out.saved_at = held.saved_at.max(offered.saved_at);
    out
}

fn later(one: Option<Intent>, other: Option<Intent>) -> Option<Intent> {
    [one, other]
        .into_iter()
        .flatten()
        .max_by_key(|intent| intent.sent)
}

#[cfg(test)]
mod tests {
    use super::super::contract::records::any_record;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn merging_takes_nothing_back(held in any_record(), offered in any_record()) {
            let both = merged(&held, &offered);
            for side in [&held, &offered] {
                for kind in 0..3 {
                    prop_assert!(both.handed_out[kind].generation >= side.handed_out[kind].generation);
                }
                prop_assert!(both.late_mint >= side.late_mint && both.saved_at >= side.saved_at);
                for old in &side.remembered {
                    prop_assert!(both.remembered.iter().any(|known| known.id == old.id));
                }
            }
            prop_assert_eq!(both.budgets, held.budgets.merged(&offered.budgets));
            prop_assert_eq!(merged(&both, &offered), both.clone(), "merging again changes nothing");
            let taken = if offered.handed_out[0].generation > held.handed_out[0].generation { &offered } else { &held };
            prop_assert_eq!(&both.lanes, &taken.lanes);
        }
    }
}
