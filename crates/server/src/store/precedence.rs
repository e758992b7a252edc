//! Which of two writes holds: the decisions every store makes, in one place. What two records make together is a rule of the
//! core's.
//!
//! Must not know: how a store keeps what it holds.

use wxtoken_core::clock::Wall;
use wxtoken_core::store::{Fence, Record};

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

#[cfg(test)]
mod tests {
    use super::super::contract::records::{any_record, full_record};
    use super::*;
    use proptest::prelude::*;
    use wxtoken_core::credential::{Generation, Lane, ValueId};
    use wxtoken_core::merge::merged;

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
