//! Which of two writes holds: the one decision every store makes, in one place.
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
