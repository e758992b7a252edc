//! What a process does: a machine of `wxtoken-core` (`refresh/`), and what stands between it and Redis
//! (`crates/server/src/store/redis/`).
//!
//! Must not know: what may happen when, what is promised.

use crate::learn::Learned;
use crate::protocol::{Mistake, Protocol};
use crate::state::{Fate, Link, Moment, Phase, Record, Replica, State};
use crate::steps::Who;

impl Protocol {
    /// Two records as one; perhaps by mistake.
    pub(crate) fn merged(&self, held: Record, offered: Record) -> Record {
        if self.has(Mistake::StoredWins) && held != Record::default() {
            return held;
        }
        let both = Record::merged(held, offered);
        let of_two = held.value > 0 && offered.value > 0 && held.generation != offered.generation;
        if self.has(Mistake::ReplacedReturns) && of_two {
            let newer = [held, offered].into_iter().max_by_key(|one| one.generation);
            let value = newer.unwrap_or_default().value;
            let replaced = (both.replaced | 1 << both.value) & !(1 << value);
            return Record {
                value,
                replaced,
                ..both
            };
        }
        both
    }

    pub(crate) fn take_lease(&self, state: &mut State, who: Who) {
        let fence = Self::lease_lua_won(state);
        self.read(state, who);
        let replica = state.replica(who);
        replica.fence = fence;
        if replica.phase == Phase::Idle {
            replica.phase = Phase::Leased;
        }
    }

    /// Begins an epoch if one is due, and puts this beside what is there.
    pub(crate) fn offer(&self, state: &mut State, who: Who, record: Record) -> Record {
        self.lease_lua_epoch(state);
        let both = self.merged(state.row.body, record);
        Self::offer_lua(&mut state.row, both);
        let row = state.row;
        row.taken_by(state.replica(who))
    }

    pub(crate) fn read(&self, state: &mut State, who: Who) {
        let row = state.row;
        let record = row.taken_by(state.replica(who));
        self.learn(state, who, record);
    }

    pub(crate) fn learn(&self, state: &mut State, who: Who, record: Record) {
        let next = state.next_generation();
        let replica = state.replica(who);
        if self.has(Mistake::OlderAccepted) {
            replica.mine = record;
            replica.out = (record.generation, record.value);
            return;
        }
        let overlapped = replica.learn(record, next) == Learned::Overlapped;
        if overlapped && !self.has(Mistake::OverlapNotTold) {
            self.tell(state, who);
        }
    }

    /// Posts that it has minted when somebody else may have, too.
    fn tell(&self, state: &mut State, who: Who) {
        if self.has(Mistake::LateMintNotTold) {
            return;
        }
        let now = state.now();
        let replica = state.replica(who);
        replica.mine.late = now;
        (replica.own, replica.ended) = (0, 0); // once is enough
        if replica.link == Link::Well {
            Self::note_lua(&mut state.row, now);
        }
    }

    pub(crate) fn note(&self, state: &mut State, who: Who) {
        let own = state.now();
        let replica = *state.replica(who);
        let record = replica.noting(own);
        let noted =
            self.has(Mistake::NoNote) || self.write_lua(&mut state.row, replica.fence, record);
        if !noted {
            self.refused(state, who, record);
            return;
        }
        let replica = state.replica(who);
        (replica.own, replica.ended, replica.overtaken) = (own, 0, false);
        replica.phase = Phase::Noted;
        replica.beneath = replica.mine.note;
        if !self.has(Mistake::NoNote) {
            (replica.mine, replica.kept) = (record, record);
        }
    }

    /// To its writer the note has failed, and no call is made.
    pub(crate) fn note_unheard(&self, state: &mut State, who: Who) {
        let own = state.now();
        let (fence, record) = (state.replica(who).fence, state.replica(who).noting(own));
        self.write_lua(&mut state.row, fence, record);
    }

    pub(crate) fn save_unheard(&self, state: &mut State, who: Who) {
        let (fence, mine) = (state.replica(who).fence, state.replica(who).mine);
        self.write_lua(&mut state.row, fence, mine);
    }

    /// A call that was noted, and never left.
    pub(crate) fn give_up(&self, replica: &mut Replica) {
        if replica.mine.note == replica.own {
            let forgets = self.has(Mistake::NoteForgotten);
            replica.mine.note = if forgets { 0 } else { replica.beneath };
        }
        replica.is_done();
    }

    pub(crate) fn answer(&self, state: &mut State, who: Who) {
        let next = state.next_generation();
        let replica = state.replica(who);
        let own = replica.own;
        if replica.mine.note == own {
            replica.mine.note = 0;
        }
        let mut tells = replica.fence == 0;
        // Whether its call had ended before another's left is not known.
        tells |= !self.has(Mistake::OverlapNotTold) && (replica.overtaken || replica.ended > 0);
        if !replica.overtaken {
            replica.mine.replaced |= 1 << replica.mine.value & !1;
            (replica.mine.value, replica.mine.generation) = (own, next);
            replica.mine = replica.mine.settled();
            (replica.phase, replica.beneath) = (Phase::Unsaved, 0);
        } else {
            // An answer to an older question.
            replica.mine.replaced |= 1 << own;
            replica.is_done();
        }
        if tells {
            self.tell(state, who);
        }
    }

    /// Its note stays open.
    pub(crate) fn answer_lost(&self, state: &mut State, who: Who) {
        let own = state.replica(who).own;
        state.take_call(own);
        let replica = state.replica(who);
        let overtaken = replica.mine.value > own;
        (replica.overtaken, replica.beneath) = (false, 0);
        let overlapped = overtaken || replica.ended > 0;
        if overtaken {
            (replica.own, replica.ended) = (0, 0);
        }
        if overlapped && !self.has(Mistake::OverlapNotTold) {
            self.tell(state, who);
        }
        self.release(state, who);
    }

    pub(crate) fn save(&self, state: &mut State, who: Who) {
        let (fence, mine) = (state.replica(who).fence, state.replica(who).mine);
        if !self.write_lua(&mut state.row, fence, mine) {
            self.refused(state, who, mine);
            return;
        }
        let replica = state.replica(who);
        replica.kept = mine;
        replica.out = (mine.generation, mine.value);
        (replica.own, replica.ended) = (0, 0);
        self.release(state, who);
    }

    /// A write under a fence that is void or was overtaken. In a young epoch what it holds is offered.
    fn refused(&self, state: &mut State, who: Who, record: Record) {
        state.replica(who).fence = 0;
        let held = self.offer_or_read(state, who, record);
        let was_unsaved = state.replica(who).phase == Phase::Unsaved;
        self.learn(state, who, held);
        let replica = state.replica(who);
        if replica.phase == Phase::Leased {
            replica.phase = Phase::Idle;
        }
        // It still takes its own for the newer one.
        if was_unsaved && replica.phase == Phase::Unsaved && replica.own > 0 {
            self.tell(state, who);
        }
    }

    fn offer_or_read(&self, state: &mut State, who: Who, record: Record) -> Record {
        self.lease_lua_epoch(state);
        if state.row.young {
            return self.offer(state, who, record);
        }
        let row = state.row;
        row.taken_by(state.replica(who))
    }

    pub(crate) fn release(&self, state: &mut State, who: Who) {
        let replica = state.replica(who);
        let (fence, well) = (replica.fence, replica.link == Link::Well);
        (replica.phase, replica.fence) = (Phase::Idle, 0);
        if well && fence > 0 {
            self.release_lua(state, fence);
        }
    }

    pub(crate) fn back(&self, state: &mut State, who: Who) {
        let starts = state.replica(who).link == Link::Down;
        state.replica(who).link = Link::Well;
        if starts {
            self.read(state, who);
        }
    }
}

impl Replica {
    /// What it writes before a call.
    pub(crate) const fn noting(&self, own: Moment) -> Record {
        Record {
            note: own,
            ..self.mine
        }
    }

    pub(crate) fn loses_its_lease(&mut self) {
        self.fence = 0;
        if self.phase == Phase::Leased {
            self.phase = Phase::Idle;
        }
    }

    /// Nothing of its call is left to wait for.
    fn is_done(&mut self) {
        (self.own, self.ended, self.beneath) = (0, 0, 0);
        self.overtaken = false;
        self.fate = Fate::default();
        self.phase = if self.fence > 0 {
            Phase::Leased
        } else {
            Phase::Idle
        };
    }
}
