//! What a record means to who reads it: `crates/core/src/refresh/{learn,revive,overlap,publish}.rs`.

use crate::state::{Generation, Moment, Phase, Record, Replica, Row};

impl Row {
    /// Who takes this record over.
    #[must_use]
    pub(crate) fn taken_by(&self, replica: &mut Replica) -> Record {
        let nothing = self.body == Record::default();
        let kept = replica.kept;
        let lacks = kept.generation > self.body.generation || nothing && kept != self.body;
        let mut record = if lacks {
            Record::merged(self.body, kept)
        } else {
            replica.kept = self.body;
            self.body
        };
        record.late = record.late.max(self.late);
        record
    }
}

/// What a machine concludes of what it has learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Learned {
    /// Nothing more.
    Enough,
    /// What it has minted may be newer than what it took instead: that was not fetched after its own call had ended.
    Overlapped,
}

impl Replica {
    /// Takes over what is newer. `next` is a generation beyond all.
    pub(crate) fn learn(&mut self, record: Record, next: Generation) -> Learned {
        let before = self.mine;
        let mut learned = Learned::Enough;
        self.mine.late = before.late.max(record.late);
        let known = record.value == before.value || before.has_replaced(record.value);
        if record.value > 0 && !known {
            if self.minted_apart_from(record) {
                learned = Learned::Overlapped;
            }
            if record.value > before.value {
                self.displace(record);
            }
        }
        self.mine.replaced |= record.replaced;
        self.mine.replaced &= !(1 << self.mine.value);
        self.learn_note(record.note);
        self.mine = self.mine.settled();
        self.publish(before, record, next);
        learned
    }

    /// Its own call, unsaved or without an answer, had not surely ended when this value was asked for.
    fn minted_apart_from(&self, record: Record) -> bool {
        let ours_is_open = match self.phase {
            Phase::Unsaved => self.own > 0,
            Phase::Idle | Phase::Leased => self.own > 0 && self.own < record.value,
            Phase::Noted | Phase::Asking | Phase::Answered => false, // its answer says more
        };
        let had_ended = self.ended > 0 && self.ended < record.value;
        ours_is_open && !had_ended
    }

    fn displace(&mut self, record: Record) {
        self.mine.replaced |= 1 << self.mine.value & !1;
        self.mine.value = record.value;
        self.overtaken = matches!(self.phase, Phase::Noted | Phase::Asking | Phase::Answered);
        if self.phase == Phase::Unsaved {
            self.phase = if self.fence > 0 {
                Phase::Leased
            } else {
                Phase::Idle
            };
        }
        if matches!(self.phase, Phase::Idle | Phase::Leased) {
            (self.own, self.ended) = (0, 0);
        }
    }

    /// Another's note is kept in mind while the record says so; its own until that is settled.
    fn learn_note(&mut self, note: Moment) {
        let own = self.own > 0 && self.mine.note == self.own;
        if own && note <= self.own {
            return;
        }
        self.mine.note = note;
    }

    /// The value goes out under the generation it has in the record; another bears a new one, and has to be saved first.
    fn publish(&mut self, before: Record, record: Record, next: Generation) {
        let newer = record.generation > before.generation;
        let bears_it = if newer { record.value } else { before.value };
        self.mine.generation = before.generation.max(record.generation);
        if self.mine.value != bears_it {
            self.mine.generation = next;
        } else if newer || self.mine.value != before.value {
            self.out = (self.mine.generation, self.mine.value);
        }
    }
}
