//! The plan: looks at all that is known, starts what is due, and says when to look again.

use super::alarm::Alarm;
use super::event::{CallId, Effect};
use super::lane::{LaneState, Outcome};
use super::machine::{Job, LeaseState, Machine, Task};
use super::mutant::planted;
use super::rules::REACH;
use super::wants::Want;
use crate::clock::{Boot, Now};
use crate::credential::{Lane, Token, ValueId};
use crate::source::Ask;
use crate::store::Intent;

impl Machine {
    pub(super) fn plan(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.tell_of_overlap(now, effects);
        self.choose(now, effects);
        self.settle_alarms(now, effects);
        let mut wants = self.wants(now);
        if !self.stopping && wants.iter().flatten().any(|want| want.when <= now.boot) {
            for want in wants.into_iter().flatten() {
                if want.when <= now.boot {
                    self.start(want, now, effects);
                }
            }
            wants = self.wants(now);
        }
        self.save(now, effects);
        let next = wants.iter().flatten().map(|want| want.when).min();
        self.release_idle_lease(next.map(|when| when.since(now.boot)), effects);
        if let Some(wake) = self.next_wake(&wants, now).filter(|_| !self.stopping) {
            effects.push(Effect::WakeAt(wake));
        }
    }

    fn start(&mut self, want: Want, now: Now, effects: &mut Vec<Effect>) {
        let Want { task, urgent, .. } = want;
        if self.busy(task) {
            return;
        }
        if !self.within_budget(task, urgent, now, effects) {
            return;
        }
        let leased = self.leased(now, effects);
        let task = if leased {
            task
        } else {
            self.without_lease(task, now)
        };
        if !leased && !self.may_go_without(task, now) {
            return;
        }
        let Some(ask) = self.ask(task, now) else {
            return;
        };
        let fence = self.fence(now).filter(|_| leased);
        let counted = self.count(task, fence.is_none(), now);
        let call = CallId(self.calls.0.wrapping_add(1));
        self.calls = call;
        self.jobs.push(Job {
            call,
            task,
            begun: now.boot,
            sent: None,
            about: None,
            over: self.held_by(task),
            counted,
            fence,
            noted: false,
        });
        match fence {
            Some(fence) => {
                self.intend(task, fence, now);
                self.write_goes_out(now);
                effects.push(Effect::Note(call, Box::new(self.record(now)), fence));
            }
            None => self.leaves(call, ask, now, effects),
        }
    }

    fn intend(&mut self, task: Task, fence: crate::store::Fence, now: Now) {
        let Some(lane) = task.fetches().filter(|_| task.mints()) else {
            return;
        };
        if planted!(self.rules, NoIntent) {
            return;
        }
        // Always after the value it is to replace, and no earlier than what it brings will stand, however clocks were set:
        // who takes over puts its own value after the note's deadline.
        let newest = self.lane(lane).map(LaneState::stored_order);
        let after = newest.unwrap_or_default().plus(1);
        let sent = now.wall.max(after).max(self.next_order(lane));
        let deadline = sent.plus(2 * self.rules.timing.call_timeout);
        let state = self.lane_mut(lane);
        if let Some(open) = state.intent {
            let sent = now.boot_at(open.sent).min(now.boot);
            state.doubt_calls_until(sent.plus(REACH));
        }
        state.beneath = state.intent;
        state.intent = Some(Intent {
            fence,
            sent,
            deadline,
        });
    }

    /// All that is known goes into a write.
    pub(super) fn write_goes_out(&mut self, now: Now) {
        self.saving.writes += 1;
        self.tell_what_was_taken_back();
        for state in self.lanes.iter_mut().flatten() {
            state.goes_out(now);
        }
    }

    /// The value that a fetch is to replace.
    pub(super) fn held_by(&self, task: Task) -> Option<ValueId> {
        let state = task.fetches().and_then(|lane| self.lane(lane))?;
        state.held.as_ref().map(|held| held.id)
    }

    /// What is to be forced waits for the lease; where a renewal is due meanwhile, normal mode keeps the lane alive.
    fn without_lease(&self, task: Task, now: Now) -> Task {
        let due = self.lane(Lane::Stable).is_none_or(|state| {
            let held = state.held.as_ref().filter(|held| held.live(now));
            state.retry.not_before <= now.boot && held.is_none_or(|held| held.due <= now.boot)
        });
        if task == Task::Forced && due {
            Task::Stable
        } else {
            task
        }
    }

    /// The one stated exception to rule 1: while the store is away, stable in normal mode gives every replica the same
    /// value. Others may be counting apart as well: a quarter of the budget each, at most.
    fn may_go_without(&self, task: Task, now: Now) -> bool {
        let spent = self.spent(task.budget(), now);
        let away = matches!(self.lease, LeaseState::Away { .. });
        away && !task.mints() && spent.used < spent.limit / 4
    }

    /// Rule 9: half of each budget is kept for reported deaths and for credentials with no live value.
    fn within_budget(
        &mut self,
        task: Task,
        urgent: bool,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> bool {
        if self.short_of(task, urgent, now).is_none() {
            return true;
        }
        self.postpone(task, urgent, now);
        self.raise(Alarm::OverBudget(task.budget()), effects);
        false
    }

    /// No budget now: look again in some minutes. What is not urgent must not hold back what may become so.
    fn postpone(&mut self, task: Task, urgent: bool, now: Now) {
        let later = now.boot.plus(240_000 + self.jitter.below(120_000));
        match task {
            Task::Classic | Task::Stable | Task::Forced => {
                let Some(lane) = task.fetches() else { return };
                let state = self.lane_mut(lane);
                match state.held.as_mut().filter(|_| !urgent) {
                    Some(held) => held.due = later,
                    None => state.retry.not_before = later,
                }
                state.nudge = None;
                state.last = Some((Outcome::OverBudget, now.boot));
            }
            Task::Ticket(ticket) => {
                let state = self.tickets[ticket as usize].get_or_insert_default();
                if urgent {
                    state.retry.not_before = later;
                } else {
                    state.due = later;
                }
            }
            Task::Probe(lane) => {
                let health = &mut self.lane_mut(lane).health;
                if urgent {
                    health.not_before = later;
                } else {
                    health.probe_due = later;
                    (health.suspected, health.hearsay_only) = (None, false); // it was hearsay, and is let go
                }
            }
        }
    }

    /// Which value a call asks about, or is made with.
    pub(super) fn about(&self, task: Task, now: Now) -> Option<ValueId> {
        match task {
            Task::Classic | Task::Stable | Task::Forced => None,
            Task::Ticket(_) => self.best_token(now).map(|token| token.id),
            Task::Probe(lane) => self.in_question(lane, now).map(|(id, _)| id),
        }
    }

    /// Which value the next probe of a lane is about: others' values that decide on ours come first.
    fn in_question(&self, lane: Lane, now: Now) -> Option<(ValueId, &Token)> {
        if let Some(given) = self.adopting(lane) {
            return Some((given.id, &given.token));
        }
        if let Some(stranger) = self.stranger_in_question(lane, now) {
            return Some((stranger.id, &stranger.token));
        }
        let held = self.lane(lane)?.held.as_ref()?;
        Some((held.id, &held.token))
    }

    /// The question a task asks; none if what it was about is gone.
    pub(super) fn ask(&self, task: Task, now: Now) -> Option<Ask> {
        match task {
            Task::Classic => Some(Ask::Classic),
            Task::Stable => Some(Ask::Stable),
            Task::Forced => Some(Ask::Forced),
            Task::Ticket(ticket) => Some(Ask::Ticket(ticket, self.best_token(now)?.token.clone())),
            Task::Probe(lane) => {
                let (_, token) = self.in_question(lane, now)?;
                Some(Ask::Probe(lane, token.clone()))
            }
        }
    }

    /// The next time at which something changes by itself.
    fn next_wake(&self, wants: &[Option<Want>], now: Now) -> Option<Boot> {
        let ends = self
            .handed
            .iter()
            .filter_map(|handed| handed.current.as_ref());
        let replaced = self.known.iter().map(|known| known.ends);
        let save = (self.saving.dirty && self.saving.in_flight.is_none())
            .then_some(self.saving.not_before);
        let wanted = || wants.iter().flatten().map(|want| want.when);
        let blocked = self.saving.dirty || wanted().any(|when| when <= now.boot);
        let lease = match self.lease {
            LeaseState::None { not_before } | LeaseState::Away { not_before } if blocked => {
                Some(not_before)
            }
            _ => None,
        };
        wanted()
            .chain(ends.map(|value| value.expires))
            .chain(replaced)
            .chain(save)
            .chain(lease)
            .filter(|at| *at > now.boot)
            .min()
    }
}
