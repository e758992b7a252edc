//! Notes of other processes' calls: when such a call has surely ended, and what is waited for until then (rule 1).
//!
//! Must not know: who writes notes, and what a call brought.

use super::lane::LaneState;
use super::rules::CLOCK_TOLERANCE;
use crate::clock::{Boot, Now};
use crate::store::Intent;

impl LaneState {
    /// When this note's call has surely ended by our own clock, for its writer's may be another: it was written no later than
    /// we first heard of it.
    fn surely_ended(&mut self, note: Intent, now: Now) -> Boot {
        let known = self.heard.filter(|(known, _)| *known == note);
        let (_, heard) = *self.heard.insert(known.unwrap_or((note, now.boot)));
        heard.plus(note.deadline.since(note.sent))
    }

    /// Keeps in mind that another's call may be under way: if nothing is heard of it, it has to be asked after.
    pub(super) fn await_theirs(&mut self, note: Intent, now: Now) {
        self.theirs = Some(self.surely_ended(note, now).plus(200));
    }

    /// Whoever takes over fetches nothing before another's call has ended. A note that we had not heard of, and that is older
    /// than clocks can differ, is over.
    pub(super) fn wait_out(&mut self, note: Intent, now: Now) {
        self.others_end = self.others_end.max(note.deadline);
        let known = self.heard.is_some_and(|(known, _)| known == note);
        let ends = self.surely_ended(note, now);
        if known || now.wall <= note.deadline.plus(CLOCK_TOLERANCE) {
            self.wait_until = self.wait_until.max(ends);
        }
    }
}
