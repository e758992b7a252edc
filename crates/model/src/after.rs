//! What comes of each step.
//!
//! Must not know: what is promised.

use crate::protocol::Protocol;
use crate::state::{Call, Fate, Link, Moment, Phase, Replica, Row, State};
use crate::steps::{Step, Who};

impl Protocol {
    /// What a step makes of a state.
    pub(crate) fn after(&self, before: &State, step: Step) -> State {
        let mut state = *before;
        state.faults += u8::from(step.is_a_fault());
        match step {
            Step::TakeLease(who) => self.take_lease(&mut state, who),
            Step::Offer(who) => {
                let kept = state.replica(who).kept;
                let both = self.offer(&mut state, who, kept);
                self.learn(&mut state, who, both);
            }
            Step::Keep(who) => state.lease = state.replica(who).fence,
            Step::HearLost(who) => state.replica(who).loses_its_lease(),
            Step::Note(who) => self.note(&mut state, who),
            Step::NoteUnheard(who) => self.note_unheard(&mut state, who),
            Step::Ask(who) | Step::AskLate(who) => state.ask(who, step),
            Step::GiveUp(who) => self.give_up(state.replica(who)),
            Step::Mint(note) => state.mint(note),
            Step::Vanish(note) => {
                state.take_call(note);
            }
            Step::Answer(who) => self.answer(&mut state, who),
            Step::AnswerLost(who) => self.answer_lost(&mut state, who),
            Step::Save(who) => self.save(&mut state, who),
            Step::SaveUnheard(who) => self.save_unheard(&mut state, who),
            Step::PublishUnsaved(who) => {
                let replica = state.replica(who);
                replica.out = (replica.mine.generation, replica.mine.value);
            }
            Step::Learn(who) => self.read(&mut state, who),
            Step::Release(who) => self.release(&mut state, who),
            Step::LeaseEnds => state.lease = 0,
            Step::Deadline(note) => state.pass_deadline(note),
            Step::Cut(who) => state.replica(who).link = Link::Away,
            Step::Kill(who) => {
                *state.replica(who) = Replica {
                    link: Link::Down,
                    ..Replica::default()
                };
            }
            Step::Back(who) => self.back(&mut state, who),
            Step::Lag => state.copy = Some(state.row),
            Step::FailOver => {
                let row = state.copy.unwrap_or_default();
                state.new_life(row);
                state.lease = 0;
            }
            Step::Restart => {
                let row = state.row;
                state.new_life(row);
            }
            Step::Emptied => {
                state.new_life(Row::default());
                state.lease = 0;
            }
        }
        state
    }
}

impl Step {
    const fn is_a_fault(self) -> bool {
        matches!(
            self,
            Self::NoteUnheard(_)
                | Self::AskLate(_)
                | Self::AnswerLost(_)
                | Self::SaveUnheard(_)
                | Self::Cut(_)
                | Self::Kill(_)
                | Self::Lag
                | Self::Restart
                | Self::Emptied
        )
    }
}

impl State {
    pub(crate) fn replica(&mut self, who: Who) -> &mut Replica {
        &mut self.replicas[usize::from(who)]
    }

    fn ask(&mut self, who: Who, step: Step) {
        let replica = self.replica(who);
        let late = matches!(step, Step::AskLate(_));
        let fate = if late { Fate::Missed } else { replica.fate };
        let call = Call {
            note: replica.own,
            fate,
        };
        (replica.phase, replica.fate) = (Phase::Asking, Fate::default());
        self.asked += 1;
        if let Some(free) = self.calls.iter_mut().find(|call| call.note == 0) {
            *free = call;
        }
    }

    pub(crate) fn take_call(&mut self, note: Moment) -> Call {
        let call = self
            .calls
            .iter_mut()
            .find(|call| call.note == note && note > 0);
        call.map(std::mem::take).unwrap_or_default()
    }

    fn mint(&mut self, note: Moment) {
        let fate = self.take_call(note).fate;
        self.live = note;
        let told_by_its_asker = self.asker(note).is_some();
        self.fate = if told_by_its_asker {
            fate.min(Fate::Lost)
        } else {
            fate
        };
        self.minted = if fate == Fate::Told { 0 } else { self.now() };
        if let Some(who) = self.asker(note) {
            self.replicas[who].phase = Phase::Answered;
        }
    }

    fn pass_deadline(&mut self, note: Moment) {
        let now = self.now();
        self.past = note;
        for replica in &mut self.replicas {
            if replica.own > 0 && replica.own <= note && replica.ended == 0 {
                replica.ended = now;
            }
        }
    }

    fn new_life(&mut self, row: Row) {
        self.row = Row { void: true, ..row };
        self.copy = None;
    }
}
