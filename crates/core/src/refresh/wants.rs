//! What is wanted, and when: one question per possible call. Starting it is the plan's business.

use super::lane::{LaneState, Nudge};
use super::machine::{Machine, Task};
use super::rules::FORCED_BY_MACHINE;
use crate::budget::BudgetKind;
use crate::clock::{Boot, Now};
use crate::credential::{Lane, Ticket};

/// A call that should be made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Want {
    pub(super) task: Task,
    pub(super) when: Boot,
    /// For a reported death, or because nothing lives: may use the half of the budget kept for that (rule 9).
    pub(super) urgent: bool,
}

impl Machine {
    /// Every call that is wanted now or later, most urgent first.
    pub(super) fn wants(&self, now: Now) -> [Option<Want>; 6] {
        let (first, second) = (self.primary(), self.primary().other());
        [
            self.fetch_wanted(first, now),
            self.fetch_wanted(second, now),
            self.probe_wanted(first, now),
            self.probe_wanted(second, now),
            self.ticket_wanted(Ticket::Jsapi, now),
            self.ticket_wanted(Ticket::Card, now),
        ]
    }

    fn fetch_wanted(&self, lane: Lane, now: Now) -> Option<Want> {
        let task = match lane {
            Lane::Classic => Task::Classic,
            Lane::Stable => Task::Stable,
        };
        if self.rules.shadow || !self.in_use(lane) || self.busy(task) {
            return None;
        }
        let untouched = LaneState::default();
        let state = self.lane(lane).unwrap_or(&untouched);
        let urgent = !state.live(now);
        let nudged = state.wish(now).is_some();
        if self.adopting(lane).is_some() && urgent && !nudged {
            return None; // a fetch may end what is just being taken over
        }
        let settle = lane == Lane::Classic && self.unsettled();
        let due = state
            .held
            .as_ref()
            .filter(|_| !urgent && !settle && !nudged);
        let due = due.map_or(now.boot, |held| held.due);
        let asked_after = state.theirs.unwrap_or(Boot::NEVER);
        let mut when = due.min(asked_after).max(state.wait_until);
        if !nudged {
            when = when.max(state.retry.not_before);
        }
        match lane {
            Lane::Classic => self.classic_wanted(when, urgent, now),
            Lane::Stable => Some(self.stable_wanted(state, when, urgent, now)),
        }
    }

    fn classic_wanted(&self, when: Boot, urgent: bool, now: Now) -> Option<Want> {
        // Rule 2: while what is handed out is not saved, nothing is minted unless it dies.
        if self.unsaved() && !urgent {
            return None;
        }
        let when = self
            .classic_held_back(now)
            .map_or(when, |until| until.max(when));
        (when < Boot::NEVER).then_some(Want {
            task: Task::Classic,
            when,
            urgent,
        })
    }

    /// Normal mode, the cheap oracle; forced only for an operator, or for a dead value that normal mode still answers.
    fn stable_wanted(&self, state: &LaneState, when: Boot, urgent: bool, now: Now) -> Want {
        let normal = Want {
            task: Task::Stable,
            when,
            urgent,
        };
        let operator = state.wish(now) == Some(Nudge::Force);
        // Rule 2, again. An operator's wish waits until what is out is saved.
        if self.unsaved() && !urgent && operator {
            let due = state.held.as_ref().map_or(when, |held| held.due);
            return Want {
                when: due.max(state.retry.not_before),
                ..normal
            };
        }
        let other_lives = self
            .lane(Lane::Classic)
            .is_some_and(|other| other.live(now));
        let by_machine = state.dead() && state.stuck && !other_lives;
        let used = self.spent(BudgetKind::Forced, now).used;
        let within = now.boot >= state.force_after && used < FORCED_BY_MACHINE;
        if !(operator || by_machine && within) {
            return normal;
        }
        Want {
            task: Task::Forced,
            when: when.max(self.force_allowed_at(now)),
            urgent: true,
        }
    }

    fn probe_wanted(&self, lane: Lane, now: Now) -> Option<Want> {
        let task = Task::Probe(lane);
        if self.busy(task) {
            return None;
        }
        if self.adopting(lane).is_some() || self.stranger_in_question(lane, now).is_some() {
            let not_before = self
                .lane(lane)
                .map_or(Boot::default(), |state| state.health.not_before);
            return Some(Want {
                task,
                when: not_before.max(now.boot),
                urgent: true,
            });
        }
        // A dead value that normal mode still answers is looked at again: nothing else may bring it back.
        let state = self
            .lane(lane)
            .filter(|state| state.live(now) || (state.stuck && state.dead()))?;
        let health = &state.health;
        if state.dead() {
            return Some(Want {
                task,
                when: health.probe_due.max(health.not_before),
                urgent: true,
            });
        }
        if let Some(since) = health.suspected {
            return Some(Want {
                task,
                when: since.max(health.not_before),
                urgent: !health.hearsay_only,
            });
        }
        if !self.in_use(lane) || !self.probed_regularly(lane, now) {
            return None;
        }
        Some(Want {
            task,
            when: health.probe_due.max(health.not_before),
            urgent: false,
        })
    }

    fn ticket_wanted(&self, ticket: Ticket, now: Now) -> Option<Want> {
        let task = Task::Ticket(ticket);
        if !self.rules.wants(ticket) || self.busy(task) {
            return None;
        }
        let token = self.best_token(now)?;
        let Some(state) = self.tickets[ticket as usize].as_deref() else {
            return Some(Want {
                task,
                when: now.boot,
                urgent: true,
            });
        };
        if state.refused_with == Some(token.id) {
            return None;
        }
        let urgent = !state.live(now) || state.reported.is_some();
        let when = if !state.live(now) {
            now.boot
        } else if state.reported.is_some() {
            state.report_after.min(state.due)
        } else {
            state.due
        };
        Some(Want {
            task,
            when: when.max(state.retry.not_before),
            urgent,
        })
    }

    /// What is handed out is not durable, and the last try to make it so failed.
    pub(super) const fn unsaved(&self) -> bool {
        self.saving.failures > 0
    }
}
