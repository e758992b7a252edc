//! What Redis does, script by script: `crates/server/src/store/redis/scripts/`, with the names they have there.
//!
//! Each is one step, as it is in Redis. Numbers grow by its clock, so that none is given twice: here they are handed in.
//! Versions are left out: what they guard, an offer that is merged with something else than it is put over, is one step here.

use crate::protocol::{Mistake, Protocol};
use crate::state::{Fence, Moment, Record, Row, State};

impl Protocol {
    /// `lease.lua`, its first part: in a new life, or without a row, an epoch begins and all leases are void.
    pub(crate) fn lease_lua_epoch(&self, state: &mut State) {
        let begins = state.row.void || state.row.granted == 0;
        if begins && !self.has(Mistake::NoEpoch) {
            state.row.granted = state.next_fence();
            (state.row.void, state.row.young) = (false, true);
            state.lease = 0;
        }
    }

    /// `lease.lua`, its last part: the lease is given, once nobody has it and the offers are over.
    pub(crate) fn lease_lua_won(state: &mut State) -> Fence {
        state.lease = state.next_fence();
        (state.row.granted, state.newest) = (state.lease, state.lease);
        (state.row.void, state.row.young) = (false, false);
        state.lease
    }

    /// `keep.lua`: whether a lease that ended, and that nobody took since, may begin again.
    pub(crate) const fn keep_lua(row: &Row, lease: Fence, fence: Fence) -> bool {
        lease == 0 && row.granted == fence
    }

    /// `write.lua`: whether the record was written.
    pub(crate) fn write_lua(&self, row: &mut Row, fence: Fence, record: Record) -> bool {
        let another_life = row.void && !self.has(Mistake::LifeNotLookedAt);
        if another_life && !self.has(Mistake::AnyFence) {
            return false;
        }
        let older = row.granted == 0 || fence < row.granted;
        if older && !self.has(Mistake::AnyFence) {
            return false;
        }
        if record.generation < row.body.generation {
            return false;
        }
        (row.granted, row.writer, row.young) = (fence, fence, false);
        row.body = record.settled();
        // The writer has been shown it, or asked for its value later.
        if row.late <= record.late || row.late < record.value {
            row.late = 0;
        }
        true
    }

    /// `offer.lua`: until the first lease is given.
    pub(crate) fn offer_lua(row: &mut Row, both: Record) {
        if row.young {
            (row.writer, row.body) = (0, both);
        }
    }

    /// `note.lua`: stays until a writer has been shown it.
    pub(crate) fn note_lua(row: &mut Row, late: Moment) {
        row.late = row.late.max(late);
    }

    /// `release.lua`: if it still is the one that is meant.
    pub(crate) fn release_lua(&self, state: &mut State, fence: Fence) {
        if state.lease == fence || self.has(Mistake::ForeignRelease) {
            state.lease = 0;
        }
    }
}
