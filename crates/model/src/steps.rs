//! What can happen next.
//!
//! Must not know: what comes of it, what is promised.

use crate::protocol::{Mistake, Protocol};
use crate::state::{Call, Link, Moment, Phase, Replica, State};

/// Which process: its place in the state.
pub type Who = u8;

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// It takes the lease.
    TakeLease(Who),
    /// It asks for the lease, or reads, while no lease is given: an epoch begins if one is due, and it offers what it keeps.
    Offer(Who),
    /// Its lease, which ended and nobody took, goes on.
    Keep(Who),
    /// It hears that its lease is somebody else's.
    HearLost(Who),
    /// It notes that it is about to fetch.
    Note(Who),
    /// The note is durable, or refused, but its writer hears nothing and takes it to have failed. A fault.
    NoteUnheard(Who),
    /// Its call leaves.
    Ask(Who),
    /// Its call leaves after its deadline: it stood still after looking at the clock. A fault.
    AskLate(Who),
    /// It may not ask any more.
    GiveUp(Who),
    /// WeChat mints for the call of this note.
    Mint(Moment),
    /// The call of a process that is gone ends, and WeChat has not minted.
    Vanish(Moment),
    /// Its answer arrives.
    Answer(Who),
    /// It never gets to know whether WeChat has minted. A fault.
    AnswerLost(Who),
    /// It saves what is not saved, publishes it and gives the lease back.
    Save(Who),
    /// The save is durable, but its writer hears nothing. A fault.
    SaveUnheard(Who),
    /// It hands out what it could not save, for the old value is doomed.
    PublishUnsaved(Who),
    /// It reads what another has written.
    Learn(Who),
    /// It gives the lease back.
    Release(Who),
    /// Nobody keeps the lease alive.
    LeaseEnds,
    /// The deadline of this note passes.
    Deadline(Moment),
    /// It is cut off, or stands still. A fault.
    Cut(Who),
    /// It is killed. A fault.
    Kill(Who),
    /// It is back, or starts again.
    Back(Who),
    /// From now on, writes do not reach the machine that will take over. A fault.
    Lag,
    /// That takes over.
    FailOver,
    /// Redis starts again, with all it held. A fault.
    Restart,
    /// Redis is emptied. A fault.
    Emptied,
}

impl Protocol {
    /// Everything that can happen in a state.
    pub(crate) fn possible(&self, state: &State, steps: &mut Vec<Step>) {
        let faults = state.faults < self.bounds.faults;
        for (who, replica) in (0..self.bounds.replicas).zip(&state.replicas) {
            match replica.link {
                Link::Well => {
                    self.with_the_store(state, who, replica, steps);
                    self.with_wechat(state, who, replica, steps);
                }
                Link::Away => {
                    self.with_wechat(state, who, replica, steps);
                    steps.push(Step::Back(who));
                }
                Link::Down => steps.push(Step::Back(who)),
            }
            if faults {
                self.faults_of(state, who, replica, steps);
            }
        }
        for call in state.calls.iter().filter(|call| call.note > 0) {
            steps.push(Step::Mint(call.note));
            if state.asker(call.note).is_none() {
                steps.push(Step::Vanish(call.note));
            }
        }
        let kept_alive =
            |replica: &Replica| replica.link == Link::Well && replica.fence == state.lease;
        if state.lease > 0 && !state.replicas.iter().any(kept_alive) {
            steps.push(Step::LeaseEnds);
        }
        steps.extend(state.deadline());
        if state.copy.is_some() {
            steps.push(Step::FailOver);
        }
        if faults {
            steps.extend([Step::Restart, Step::Emptied]);
            if state.copy.is_none() {
                steps.push(Step::Lag);
            }
        }
    }

    /// What needs Redis.
    fn with_the_store(&self, state: &State, who: Who, replica: &Replica, steps: &mut Vec<Step>) {
        let begins = (state.row.void || state.row.granted == 0) && !self.has(Mistake::NoEpoch);
        if begins || state.row.young && self.offers(state, replica) {
            steps.push(Step::Offer(who));
        } else {
            steps.push(Step::Learn(who));
        }
        let holds = replica.fence > 0;
        let wants = match replica.phase {
            Phase::Idle => true,
            Phase::Unsaved => !holds,
            Phase::Leased | Phase::Noted | Phase::Asking | Phase::Answered => false,
        };
        if wants && !begins && state.lease == 0 && self.offers_are_over(state) {
            steps.push(Step::TakeLease(who));
        }
        if holds {
            let goes_on = Self::keep_lua(&state.row, state.lease, replica.fence);
            if goes_on {
                steps.push(Step::Keep(who));
            } else if state.lease != replica.fence {
                steps.push(Step::HearLost(who));
            }
            if replica.is_dirty() && matches!(replica.phase, Phase::Leased | Phase::Unsaved) {
                steps.push(Step::Save(who));
            } else if replica.phase == Phase::Leased {
                steps.push(Step::Release(who));
                let waits = state.waits(replica) && !self.has(Mistake::NoteNotAwaited);
                if !waits && self.may_ask(state) {
                    steps.push(Step::Note(who));
                }
            }
        }
    }

    /// What needs no Redis.
    fn with_wechat(&self, state: &State, who: Who, replica: &Replica, steps: &mut Vec<Step>) {
        match replica.phase {
            Phase::Noted => {
                let in_time = replica.ended == 0 || self.has(Mistake::LateCall);
                let wanted = replica.fence > 0 && !replica.overtaken;
                if !(in_time && wanted) {
                    steps.push(Step::GiveUp(who));
                } else if self.may_ask(state) {
                    steps.push(Step::Ask(who));
                }
            }
            Phase::Answered => steps.push(Step::Answer(who)),
            Phase::Unsaved if replica.link == Link::Away && replica.out.1 != replica.mine.value => {
                steps.push(Step::PublishUnsaved(who));
            }
            Phase::Idle | Phase::Leased | Phase::Asking | Phase::Unsaved => {}
        }
    }

    fn faults_of(&self, state: &State, who: Who, replica: &Replica, steps: &mut Vec<Step>) {
        let well = replica.link == Link::Well;
        if well {
            steps.push(Step::Cut(who));
        }
        if replica.link != Link::Down {
            steps.push(Step::Kill(who));
        }
        let holds = well && replica.fence > 0;
        match replica.phase {
            Phase::Leased if holds && !replica.is_dirty() => {
                if !state.waits(replica) && self.may_ask(state) {
                    steps.push(Step::NoteUnheard(who));
                }
            }
            Phase::Unsaved if holds => steps.push(Step::SaveUnheard(who)),
            Phase::Noted if replica.ended > 0 && !replica.overtaken => {
                if self.may_ask(state) {
                    steps.push(Step::AskLate(who));
                }
            }
            Phase::Asking | Phase::Answered => steps.push(Step::AnswerLost(who)),
            Phase::Idle | Phase::Leased | Phase::Noted | Phase::Unsaved => {}
        }
    }

    fn may_ask(&self, state: &State) -> bool {
        state.asked < self.bounds.calls && state.calls.contains(&Call::default())
    }

    /// Whether it has something to offer.
    fn offers(&self, state: &State, replica: &Replica) -> bool {
        self.merged(state.row.body, replica.kept) != state.row.body
    }

    /// Two seconds are enough for all who are there.
    fn offers_are_over(&self, state: &State) -> bool {
        let silent = |replica: &Replica| replica.link == Link::Well && self.offers(state, replica);
        let there = &state.replicas[..usize::from(self.bounds.replicas)];
        !state.row.young || self.has(Mistake::OffersNotAwaited) || !there.iter().any(silent)
    }
}

impl Replica {
    /// Whether there is something to save.
    pub(crate) const fn is_dirty(&self) -> bool {
        let (mine, kept) = (&self.mine, &self.kept);
        let closed = kept.note > mine.value && mine.note == 0;
        let waits = mine.value > 0 && (self.out.0 != mine.generation || self.out.1 != mine.value);
        matches!(self.phase, Phase::Unsaved) || mine.generation > kept.generation || waits || closed
    }
}

impl State {
    /// Who waits for the call of this note.
    pub(crate) fn asker(&self, note: Moment) -> Option<usize> {
        let asks = |replica: &Replica| replica.phase == Phase::Asking && replica.own == note;
        self.replicas.iter().position(asks)
    }

    /// Whether a note is open, and its deadline has not passed.
    fn waits(&self, replica: &Replica) -> bool {
        replica.mine.note > self.past
    }

    /// Deadlines pass one after the other: once the call has ended, if one has left in time, and only for who is there not.
    fn deadline(&self) -> Option<Step> {
        let open = self.notes() & !(u32::MAX >> (31 - self.past));
        let next = (open > 0).then(|| open.trailing_zeros() as u8)?;
        let under_way = self.calls.iter().any(|call| call.note == next);
        let at_work = self.replicas.iter().any(|replica| {
            replica.own == next
                && replica.link == Link::Well
                && matches!(replica.phase, Phase::Noted | Phase::Answered)
        });
        (!under_way && !at_work).then_some(Step::Deadline(next))
    }
}
