//! Who may write, and what has been written: leases, notes before calls, saves (rules 1 and 2).

use super::alarm::{Alarm, AlarmName};
use super::event::{CallId, Effect, SaveId};
use super::lane::Outcome;
use super::machine::{LeaseState, Machine, Task};
use super::rules::{FORCE_GAP, REACH};
use crate::clock::{Boot, Now};
use crate::credential::{Kind, Lane, ValueId};
use crate::source::Ask;
use crate::store::{Fence, Record};

impl Machine {
    /// Whether there is time left under the lease for a call and its save; asks for the lease if not.
    pub(super) fn leased(&mut self, now: Now, effects: &mut Vec<Effect>) -> bool {
        match self.lease {
            LeaseState::Own(_) => return true,
            LeaseState::Held { until, .. } => {
                if now.boot.plus(2 * self.rules.timing.call_timeout) < until {
                    return true;
                }
            }
            LeaseState::Asking => return false,
            LeaseState::None { not_before } | LeaseState::Away { not_before } => {
                if now.boot < not_before {
                    return false;
                }
            }
        }
        if self.saving.writes > 0 {
            return false; // a new lease would make them stale; their outcome brings us back here
        }
        self.lease = LeaseState::Asking;
        effects.push(Effect::TakeLease);
        false
    }

    /// The note is durable: the call may leave, if there is still time for it.
    pub(super) fn noted(&mut self, call: CallId, now: Now, effects: &mut Vec<Effect>) {
        let timeout = self.rules.timing.call_timeout;
        let in_time = match self.lease {
            LeaseState::Held { until, .. } => now.boot.plus(timeout) < until,
            LeaseState::Own(_) => true,
            LeaseState::None { .. } | LeaseState::Asking | LeaseState::Away { .. } => false,
        };
        let Some(job) = self.jobs.iter_mut().find(|job| job.call == call) else {
            return;
        };
        job.noted = true;
        let (task, begun, over) = (job.task, job.begun, job.over);
        self.over(AlarmName::StoreRefuses, effects);
        let late = task.mints() && begun.plus(timeout) < now.boot;
        let Some(ask) = self
            .still_asked(task, over, now)
            .filter(|_| in_time && !late)
        else {
            self.abandon(call, now);
            return;
        };
        self.leaves(call, ask, now, effects);
    }

    /// The question, unless something was learned while its note was written: whether more is needed is for the plan to say.
    fn still_asked(&self, task: Task, over: Option<ValueId>, now: Now) -> Option<Ask> {
        let overtaken = self.held_by(task) != over;
        let contested = task == Task::Classic && self.classic_held_back(now).is_some();
        self.ask(task, now).filter(|_| !overtaken && !contested)
    }

    pub(super) fn leaves(&mut self, call: CallId, ask: Ask, now: Now, effects: &mut Vec<Effect>) {
        let at = self.jobs.iter().position(|job| job.call == call);
        if let Some(at) = at {
            let about = self.about(self.jobs[at].task, now);
            let job = &mut self.jobs[at];
            (job.sent, job.about) = (Some(now.boot), about);
            if job.task == Task::Forced {
                self.lane_mut(Lane::Stable).force_gap_ends = now.boot.plus(FORCE_GAP);
            }
            effects.push(Effect::Ask(call, ask, self.rules.timing.call_timeout));
        }
    }

    /// A call that was counted and noted, but never left.
    fn abandon(&mut self, call: CallId, now: Now) {
        let Some(job) = self.take_job(call) else {
            return;
        };
        self.refund(&job);
        if let Some(lane) = job.task.fetches() {
            let wait = 100 + self.jitter.below(400);
            let state = self.lane_mut(lane);
            state.retry.not_before = state.retry.not_before.max(now.boot.plus(wait));
            if job.task.mints() {
                state.withdraw_intent();
                self.saving.dirty = true;
            }
        }
    }

    /// Rule 2: without a durable note nothing that mints is fetched; anything else may go on.
    pub(super) fn note_failed(&mut self, call: CallId, now: Now, effects: &mut Vec<Effect>) {
        let Some(job) = self.jobs.iter().find(|job| job.call == call) else {
            return;
        };
        let (task, over) = (job.task, job.over);
        if !task.mints() {
            match self.still_asked(task, over, now) {
                Some(ask) => {
                    self.count_apart(call);
                    self.leaves(call, ask, now, effects);
                }
                None => self.abandon(call, now),
            }
            return;
        }
        self.abandon(call, now);
        let wait = 1000 + self.jitter.below(4000);
        if let Some(lane) = task.fetches() {
            let state = self.lane_mut(lane);
            state.retry.not_before = now.boot.plus(wait);
            state.nudge = None;
            state.last = Some((Outcome::StoreRefused, now.boot));
        }
        self.raise(Alarm::StoreRefuses, effects);
    }

    pub(super) fn saved(&mut self, save: SaveId, effects: &mut Vec<Effect>) {
        if self.saving.in_flight == Some(save) {
            self.saving.in_flight = None;
            self.saving.failures = 0;
        }
        if !self.saving.dirty {
            for state in self.lanes.iter_mut().flatten() {
                state.was_saved();
            }
            self.uncounted = None;
        }
        self.release_staged(save, effects);
        if self
            .lanes
            .iter()
            .flatten()
            .all(|state| state.rival.is_none())
        {
            self.over(AlarmName::Unsaved, effects);
        }
        self.over(AlarmName::StoreRefuses, effects);
    }

    /// The old value is doomed: what could not be saved goes out all the same, and is saved as soon as may be.
    pub(super) fn save_failed(&mut self, save: SaveId, now: Now, effects: &mut Vec<Effect>) {
        if self.saving.in_flight == Some(save) {
            self.saving.in_flight = None;
        }
        self.saving.dirty = true;
        self.saving.failures = self.saving.failures.saturating_add(1);
        // Others still hand out what this value replaced; and a store that is shared has pauses of its own.
        let growth = match self.lease {
            LeaseState::Own(_) => 5,
            LeaseState::None { .. }
            | LeaseState::Asking
            | LeaseState::Held { .. }
            | LeaseState::Away { .. } => 1,
        };
        let most = 1000_u64 << self.saving.failures.min(growth);
        self.saving.not_before = now.boot.plus(500 + self.jitter.below(most));
        self.release_staged(save, effects);
        self.raise(Alarm::Unsaved, effects);
    }

    /// Whoever wrote before is overtaken: what the record says is known now.
    pub(super) fn lease_won(
        &mut self,
        (fence, until): (Fence, Boot),
        record: Option<&Record>,
        now: Now,
    ) {
        self.forget_what_another_epoch_counts(fence);
        self.lease = LeaseState::Held {
            fence,
            until,
            stands_back: false,
        };
        self.saving.not_before = now.boot; // the store is back, if it was away
        match record {
            Some(record) => self.learn(record, true, now),
            None => self.count_forces_as_spent(now),
        }
    }

    /// Who waits for it asks at once, but not all in the same moment.
    pub(super) fn lease_freed(&mut self, now: Now) {
        if let LeaseState::None { not_before } = &mut self.lease {
            let soon = now.boot.plus(self.jitter.below(50));
            *not_before = soon.min(*not_before);
        }
    }

    /// Nothing was written in this epoch yet: a note may be lost whose writer is gone, and whose call is under way. An early
    /// death of what is held, or is fetched at once, accuses nobody.
    pub(super) fn doubt_the_young_epoch(&mut self, now: Now) {
        if let Some(classic) = self.lanes[Lane::Classic.index()].as_mut() {
            classic.doubt_calls_until(now.boot.plus(REACH));
            classic.doubt_held();
        }
    }

    /// What is under way goes on: each write comes back by itself, and says whether it was refused.
    pub(super) fn lease_lost(&mut self, lost: Fence, now: Now) {
        if matches!(self.lease, LeaseState::Held { fence, .. } if fence == lost) {
            self.lease = LeaseState::None {
                not_before: now.boot,
            };
        }
    }

    /// Somebody else wrote under a newer fence.
    pub(super) fn stale(&mut self, record: Option<&Record>, now: Now, effects: &mut Vec<Effect>) {
        self.lease = LeaseState::None {
            not_before: now.boot,
        };
        self.saving.in_flight = None;
        self.saving.dirty = true;
        let waiting: Vec<CallId> = self
            .jobs
            .iter()
            .filter(|job| job.sent.is_none())
            .map(|job| job.call)
            .collect();
        for call in waiting {
            self.abandon(call, now);
        }
        if let Some(record) = record {
            self.learn(record, false, now);
        }
        for lane in Lane::ALL {
            if self.lane(lane).is_some_and(|state| state.unsaved_mint) {
                self.lane_mut(lane).unsaved_mint = false;
                self.minted_without_lease(lane, now, effects);
            }
        }
    }

    /// Somebody else has the lease, so what is chosen can't be saved; while nothing is out, it goes out all the same.
    fn publish_rather_than_nothing(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let waiting = Kind::ALL.into_iter().any(|kind| {
            let handed = &self.handed[kind.index()];
            handed.staged.is_some() && self.current(kind, now).is_none()
        });
        if waiting {
            let next = SaveId(self.saving.last.0.wrapping_add(1));
            self.save_failed(next, now, effects);
        }
    }

    /// Saves what is not saved.
    pub(super) fn save(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if !self.saving.dirty || self.saving.in_flight.is_some() {
            return;
        }
        let next = SaveId(self.saving.last.0.wrapping_add(1));
        if now.boot < self.saving.not_before {
            // The last try failed and the next is not due: what came since does not wait for it.
            self.release_staged(next, effects);
            return;
        }
        let Some(fence) = self.fence(now) else {
            if matches!(self.lease, LeaseState::Away { .. }) {
                self.save_failed(next, now, effects);
            }
            if !self.leased(now, effects) && !matches!(self.lease, LeaseState::Asking) {
                self.publish_rather_than_nothing(now, effects);
            }
            return;
        };
        self.write_goes_out(now);
        self.saving.last = next;
        self.saving.in_flight = Some(next);
        self.saving.dirty = false;
        effects.push(Effect::Save(next, Box::new(self.record(now)), fence));
    }

    /// Gives a lease back that nothing needs; or that is of no use here, for WeChat did not answer: another replica may reach it.
    pub(super) fn release_idle_lease(&mut self, next_want: Option<u64>, effects: &mut Vec<Effect>) {
        let LeaseState::Held {
            fence, stands_back, ..
        } = self.lease
        else {
            return;
        };
        let soon = !stands_back && next_want.is_some_and(|wait| wait < 2000);
        if self.at_work() || self.saving.dirty || (soon && !self.stopping) {
            return;
        }
        self.lease = LeaseState::None {
            not_before: Default::default(),
        };
        effects.push(Effect::Release(fence));
    }
}
