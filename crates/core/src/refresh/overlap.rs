//! Mints that may have overlapped: of two values one lives, and nobody can tell which. All are told, and one fetch settles it.
//!
//! Who knows of a note waits for its deadline and puts its own value after that; any other value may be the older one, wherever
//! it stands. Must not know: how notes are written, what else a record says.

use super::event::Effect;
use super::machine::{Job, LeaseState, Machine, Task};
use super::mutant::planted;
use super::rules::STRAGGLE;
use crate::clock::Now;
use crate::credential::Lane;
use crate::store::{Intent, StoredToken};

impl Machine {
    /// Two mints may have overlapped: one fetch must settle which value lives.
    pub(super) fn unsettled(&self) -> bool {
        let held = self
            .lane(Lane::Classic)
            .and_then(|state| state.held.as_ref());
        self.late_mint
            .zip(held)
            .is_some_and(|(at, held)| held.order <= at.plus(STRAGGLE))
    }

    /// Somebody else may have minted as well: all are told, and one fetch settles it.
    pub(super) fn minted_without_lease(&mut self, lane: Lane, now: Now, effects: &mut Vec<Effect>) {
        if planted!(self.rules, LateMintNotPosted) {
            self.saving.overlapped = None;
            return;
        }
        match lane {
            Lane::Classic => {
                // Later than anything that is to be settled, whoever's clock that goes by.
                let at = self.saving.overlapped.take().max(Some(now.wall));
                self.late_mint = self.late_mint.max(at);
                effects.extend(at.map(Effect::PostLateMint));
            }
            // Normal mode tells at once which value lives.
            Lane::Stable => {
                if let Some(held) = self.lane_mut(lane).held.as_mut() {
                    held.due = now.boot;
                }
            }
        }
    }

    /// A call that has ended, and may have minted, may not have been alone: another value came meanwhile, or this process stood
    /// still, perhaps before it left.
    pub(super) fn may_have_overlapped(&self, job: &Job, now: Now) -> bool {
        let deadline = job.begun.plus(2 * self.rules.timing.call_timeout);
        let another_came = self.held_by(job.task) != job.over;
        job.task.mints() && self.has_others() && (another_came || deadline < now.boot)
    }

    pub(super) const fn has_others(&self) -> bool {
        !matches!(self.lease, LeaseState::Own(_))
    }

    /// Another's value meets what a call of ours minted and is not saved; or the note of a call of which nobody has said what
    /// came of it, if it is not this value that did. Each is told of once.
    pub(super) fn meets_what_may_be_newer(&mut self, lane: Lane, value: &StoredToken) {
        if lane != Lane::Classic || !self.has_others() {
            return;
        }
        let asked = value.sent;
        let under_way = self.busy(Task::Classic); // its answer will tell
        let state = self.lane_mut(lane);
        let overlaps = |note: &Intent| asked <= note.deadline;
        let minted = state.unsaved_mint && state.closed.as_ref().is_some_and(overlaps);
        let brought_it = |note: &Intent| value.noted == Some(*note);
        let open = state
            .intent
            .filter(|note| !under_way && note.sent <= asked && overlaps(note) && !brought_it(note));
        if minted {
            state.unsaved_mint = false;
        }
        if open.is_some() {
            state.close_intent();
        }
        if minted || open.is_some() {
            self.saving.overlapped = self.saving.overlapped.max(Some(asked));
        }
    }

    /// All are told of what was noticed while a record was read.
    pub(super) fn tell_of_overlap(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.saving.overlapped.is_some() {
            self.minted_without_lease(Lane::Classic, now, effects);
        }
    }
}
