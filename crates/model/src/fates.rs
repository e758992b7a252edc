//! What became of what was known: of notes whose calls may still mint, and of the value that lives.
//!
//! Decides nothing in the protocol. Where Redis has lost a note or a value, and who knew is gone or was not there while offers
//! were taken, less is promised: these are the costs that `docs/decisions/0015` names. Must not know: mistakes.

use crate::state::{Fate, Link, Moment, Phase, Record, Row, State};
use crate::steps::Step;

impl State {
    /// Looks at what one step has done to it.
    pub(crate) fn follow_fates(&mut self, before: &Self, step: Step) {
        let state = *self;
        for call in self.calls.iter_mut().filter(|call| call.note > 0) {
            call.fate = Known::of(call.note).fate_after(call.fate, before, &state, step);
        }
        for replica in &mut self.replicas {
            if replica.phase == Phase::Noted {
                replica.fate =
                    Known::of(replica.own).fate_after(replica.fate, before, &state, step);
            }
        }
        let live = Known {
            note: self.live,
            minted: Some(self.live.max(self.minted)),
        };
        if self.fate == Fate::Told {
            self.minted = 0;
        }
        self.fate = live.fate_after(self.fate, before, &state, step);
        let alive = |link| link != Link::Down;
        let nobody_knows = match step {
            Step::Kill(_) | Step::FailOver | Step::Emptied => !live.to_somebody(&state, alive),
            Step::Mint(note) => !Known::of(note).to_somebody(&state, alive),
            _ => false, // it may be forgotten, but was not lost
        };
        if self.fate == Fate::Lost && nobody_knows {
            self.fate = Fate::Missed;
        }
    }
}

/// What may be known of a note.
#[derive(Debug, Clone, Copy)]
struct Known {
    note: Moment,
    /// When WeChat minted for it, if it has, as far as that is of interest.
    minted: Option<Moment>,
}

impl Known {
    const fn of(note: Moment) -> Self {
        Self { note, minted: None }
    }

    fn by(self, record: &Record) -> bool {
        let settled = self.minted.is_some_and(|minted| record.settles(minted));
        record.tells_of(self.note) || settled
    }

    fn by_row(self, row: &Row) -> bool {
        let late = row.late.max(row.body.late);
        self.by(&Record { late, ..row.body })
    }

    fn to_somebody(self, state: &State, among: impl Fn(Link) -> bool) -> bool {
        state.replicas.iter().any(|replica| {
            let own = replica.own == self.note;
            // Who has heard of a note no more than that may soon hear of a value instead.
            let heard = |record: &Record| {
                let of_its_note = self.minted.is_some() && record.note == self.note;
                self.by(record) && !of_its_note
            };
            among(replica.link) && (own || heard(&replica.mine) || heard(&replica.kept))
        })
    }

    /// Lost with the row, told again by who offers it; or missed by the first lease of an epoch.
    fn fate_after(self, fate: Fate, before: &State, after: &State, step: Step) -> Fate {
        if fate == Fate::Missed {
            return fate;
        }
        if self.by_row(&after.row) {
            return Fate::Told;
        }
        let replaced = matches!(step, Step::FailOver | Step::Emptied);
        let was_there = self.by_row(&before.row) || before.row.body.note > self.note;
        let fate = if replaced && was_there {
            Fate::Lost
        } else {
            fate
        };
        let first = before.row.young && !after.row.young && !replaced;
        let missed = first && !self.to_somebody(after, |link| link == Link::Well);
        if fate == Fate::Lost && missed {
            Fate::Missed
        } else {
            fate
        }
    }
}
