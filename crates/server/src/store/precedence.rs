//! Which of two writes holds, and what two records make together: the decisions every store makes, in one place.
//!
//! Must not know: how a store keeps what it holds.

use wxtoken_core::clock::Wall;
use wxtoken_core::credential::Lane;
use wxtoken_core::store::{Fence, Intent, Record, StoredToken};

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

/// Two records of one app as one: the newer value of each kind by generation and of each lane by when it was asked for, the
/// larger of every count, all that is known of intents and of values replaced. Neither record's knowledge is lost; no
/// generation is below either's.
pub(crate) fn merged(held: &Record, offered: &Record) -> Record {
    let mut out = held.clone();
    for lane in Lane::ALL {
        out.lanes[lane.index()] = value(held, offered, lane).cloned();
    }
    for kind in 0..3 {
        let [mine, theirs] = [held, offered].map(|record| record.handed_out[kind]);
        let is_newer = theirs.generation > mine.generation;
        if is_newer {
            out.handed_out[kind] = theirs;
        }
        let same = theirs.generation == mine.generation && theirs.id == mine.id;
        if kind > 0 && (is_newer || same && offered.saved_at > held.saved_at) {
            out.tickets[kind - 1].clone_from(&offered.tickets[kind - 1]);
        }
    }
    if offered.saved_at > held.saved_at {
        out.contest = offered.contest;
    }
    out.contest.classic_ours = held.contest.classic_ours || offered.contest.classic_ours;
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

/// Which value a lane has: of the lane that is handed out, the one that bears the newer generation.
fn value<'a>(held: &'a Record, offered: &'a Record, lane: Lane) -> Option<&'a StoredToken> {
    let [mine, theirs] = [held, offered].map(|record| record.lanes[lane.index()].as_ref());
    let (Some(mine), Some(theirs)) = (mine, theirs) else {
        return mine.or(theirs);
    };
    let replaced =
        |by: &Record, value: &StoredToken| by.remembered.iter().any(|old| old.id == value.id);
    let bears = |newer: &Record| newer.handed_out[0].lane == Some(lane);
    let order = held.handed_out[0]
        .generation
        .cmp(&offered.handed_out[0].generation);
    let takes_theirs = if mine.id == theirs.id {
        offered.saved_at > held.saved_at // the same value, as it was known last
    } else if order.is_lt() && bears(offered) {
        true
    } else if order.is_gt() && bears(held) {
        false
    } else if replaced(offered, mine) {
        true
    } else {
        !replaced(held, theirs) && theirs.sent > mine.sent
    };
    Some(if takes_theirs { theirs } else { mine })
}

fn later(one: Option<Intent>, other: Option<Intent>) -> Option<Intent> {
    [one, other]
        .into_iter()
        .flatten()
        .max_by_key(|intent| intent.sent)
}

#[cfg(test)]
mod tests {
    use super::super::contract::records::{any_record, full_record};
    use super::*;
    use proptest::prelude::*;
    use wxtoken_core::credential::{Generation, ValueId};

    #[test]
    fn a_standby_value_that_is_newer_is_kept_though_no_generation_says_so() {
        let held = full_record(); // hands the stable value out
        let mut offered = held.clone();
        let standby = offered.lanes[0].as_mut().unwrap();
        (standby.id, standby.sent) = (ValueId(1), standby.sent.plus(1));
        assert_eq!(merged(&held, &offered).lanes[0], offered.lanes[0]);
        assert_eq!(merged(&offered, &held).lanes[0], offered.lanes[0]);
        // Whoever knows that the other's value was replaced is right, whatever the clocks say.
        let mut ended = held.clone();
        ended.remembered[0].id = ValueId(1);
        assert_eq!(merged(&ended, &offered).lanes[0], held.lanes[0]);
        assert_eq!(merged(&offered, &ended).lanes[0], held.lanes[0]);
        // What is handed out goes with its generation.
        let mut newer = held.clone();
        newer.handed_out[0].generation = Generation(held.handed_out[0].generation.0 + 1);
        let handed = newer.lanes[1].as_mut().unwrap();
        (handed.id, handed.sent) = (ValueId(2), handed.sent.minus(9));
        assert_eq!(merged(&held, &newer).lanes[1], newer.lanes[1]);
        assert_eq!(merged(&newer, &held).lanes[1], newer.lanes[1]);
    }

    #[test]
    fn the_same_value_is_as_it_was_known_last() {
        let held = full_record();
        let mut later = held.clone();
        later.saved_at = held.saved_at.plus(1);
        later.lanes[1].as_mut().unwrap().dead = true;
        later.tickets[0].as_mut().unwrap().born_after = Some(Wall(5));
        for both in [merged(&held, &later), merged(&later, &held)] {
            assert_eq!(
                (both.lanes, both.tickets),
                (later.lanes.clone(), later.tickets.clone())
            );
        }
    }

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
            for lane in Lane::ALL {
                let of = |record: &Record| record.lanes[lane.index()].clone();
                let (value, sides) = (of(&both), [of(&held), of(&offered)]);
                prop_assert!(sides.contains(&value));
                prop_assert!(value.is_some() || sides == [None, None]);
                let newer = if offered.handed_out[0].generation > held.handed_out[0].generation { &offered } else { &held };
                if newer.handed_out[0].lane == Some(lane) && of(newer).is_some() {
                    prop_assert_eq!(value.map(|value| value.id), of(newer).map(|value| value.id));
                }
            }
        }
    }
}
