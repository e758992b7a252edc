//! Rule 9: which calls are counted where: in memory, in the store, and on the way between the two.
//!
//! Who takes the lease over goes by the store's counts. What the store cannot know yet is kept beside them: calls made
//! without it come on top, calls that it counts and that were never made are taken off. Each exactly once; where it cannot be
//! known what the store holds, it counts too many rather than too few.
//! Must not know: how many calls are allowed, or what they are for.

use super::event::CallId;
use super::machine::{Job, LeaseState, Machine, Task};
use super::rules::FORCE_GAP;
use crate::budget::{BudgetKind, Budgets};
use crate::clock::{Now, Wall};
use crate::credential::Lane;
use crate::store::{Fence, Record};

/// Calls that a durable note counts, and that certainly never left.
///
/// Whoever wrote to the store after such a note counts them too, for a record is taken over with all it counts; all but
/// ourselves, once a write says otherwise. So they are off the store's counts as long as no such write may have landed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct TakenBack {
    /// The store's epoch in which they were noted: what another one's counts hold nobody knows.
    epoch: u64,
    /// No write says so yet.
    untold: Budgets,
    /// A write that says so is under way, or was refused for its fence.
    told: Budgets,
}

impl Machine {
    /// Counts a call that is about to be made, and says as of when. `apart`: without a note, so that no store counts it.
    pub(super) fn count(&mut self, task: Task, apart: bool, now: Now) -> Wall {
        let at = self.counting_wall(now);
        for kind in task.counts_as() {
            self.budgets.spend(kind, at);
        }
        if task == Task::Forced {
            let at = self.steady_wall(now);
            self.budgets.last_forced = at;
            self.lane_mut(Lane::Stable).forced_seen = at;
        }
        if apart {
            self.come_on_top(task, at);
        }
        at
    }

    /// A counted call goes ahead though its note could not be written.
    pub(super) fn count_apart(&mut self, call: CallId) {
        let Some(job) = self.jobs.iter_mut().find(|job| job.call == call) else {
            return;
        };
        job.fence = None;
        let (task, counted) = (job.task, job.counted);
        self.come_on_top(task, counted);
    }

    fn come_on_top(&mut self, task: Task, counted: Wall) {
        let uncounted = self.uncounted.get_or_insert_default();
        for kind in task.counts_as() {
            uncounted.spend(kind, counted);
        }
        self.saving.dirty = true;
    }

    /// Takes a counted call back that surely never left.
    pub(super) fn refund(&mut self, job: &Job) {
        let own_store = matches!(self.lease, LeaseState::Own(_));
        // Where a lease changes hands, what is not in the store is forgotten.
        self.saving.dirty |= !own_store;
        for kind in job.task.counts_as() {
            self.budgets.refund(kind, job.counted);
        }
        match job.fence {
            None => {
                for kind in job.task.counts_as() {
                    if let Some(uncounted) = &mut self.uncounted {
                        uncounted.refund(kind, job.counted);
                    }
                }
            }
            Some(fence) if job.noted && !own_store => {
                self.forget_what_another_epoch_counts(fence);
                let taken_back = self.taken_back.get_or_insert_default();
                taken_back.epoch = fence.epoch;
                for kind in job.task.counts_as() {
                    taken_back.untold.spend(kind, job.counted);
                }
            }
            Some(_) => {} // the note may never have reached the store
        }
    }

    pub(super) fn forget_what_another_epoch_counts(&mut self, fence: Fence) {
        self.taken_back
            .take_if(|taken_back| taken_back.epoch != fence.epoch);
    }

    /// A write leaves that holds the counts as they are.
    pub(super) fn tell_what_was_taken_back(&mut self) {
        if let Some(taken_back) = &mut self.taken_back {
            taken_back.told = taken_back.told.added(&taken_back.untold);
            taken_back.untold = Budgets::default();
        }
    }

    /// A write came back otherwise than refused for its fence: it is there, or may be. It need not be the one that told; then
    /// too many are counted.
    pub(super) fn told_what_was_taken_back(&mut self) {
        self.taken_back.take_if(|taken_back| {
            taken_back.told = Budgets::default();
            taken_back.untold == Budgets::default()
        });
    }

    /// A store that gives leases holds nothing: a first start, or all was lost and nobody survived who knows what was spent.
    /// WeChat has few forced refreshes, so the day's count as spent; of all else there is plenty.
    pub(super) fn count_forces_as_spent(&mut self, now: Now) {
        let at = self.counting_wall(now);
        let limit = u32::from(self.rules.limits.of(BudgetKind::Forced));
        for _ in self.budgets.used(BudgetKind::Forced, at)..limit {
            self.budgets.spend(BudgetKind::Forced, at);
        }
    }

    pub(super) fn learn_counts(&mut self, record: &Record, takes_over: bool, now: Now) {
        let forced = record.budgets.last_forced;
        let seen = self.lane(Lane::Stable).map(|state| state.forced_seen);
        if seen.unwrap_or_default() != forced {
            // Made by another clock, or by ours before a restart: it may have been just now.
            let state = self.lane_mut(Lane::Stable);
            state.forced_seen = forced;
            state.force_gap_ends = now.boot.plus(FORCE_GAP);
        }
        let mut counted = record.budgets;
        if matches!(self.lease, LeaseState::Own(_)) {
            counted = counted.not_beyond(self.steady_wall(now));
        } else {
            counted.last_forced = counted.last_forced.min(self.steady_wall(now));
            let ahead = counted.begins().since(self.steady_wall(now));
            self.ahead = self.ahead.max(ahead);
        }
        // Nothing of ours is on its way to the store when the lease is won, so what it holds is what it counts.
        if let Some(taken_back) = self.taken_back.as_deref().filter(|_| takes_over) {
            counted = counted.less(&taken_back.told).less(&taken_back.untold);
        }
        if let Some(uncounted) = &self.uncounted {
            counted = counted.added(uncounted);
        }
        // Who takes over goes by the store, which knows of calls taken back as well; who only listens may have heard late.
        self.budgets = if takes_over {
            counted
        } else {
            self.budgets.merged(&counted)
        };
    }
}
