//! What each event changes. Nothing is started here: the plan that follows sees to that.

use std::sync::Arc;

use super::event::{CallId, Effect, Event};
use super::lane::Nudge;
use super::machine::{Job, LeaseState, Machine, Saving, Task};
use super::mutant::planted;
use super::rules::{FORCE_GAP, Rules, WISH_LAPSES};
use super::verdict::Evidence;
use crate::budget::Budgets;
use crate::clock::{Boot, Now, Wall};
use crate::credential::{Kind, Lane, Ticket, ValueId};
use crate::retry::Jitter;
use crate::source::{Answer, Failure, Passing, Reply, Trouble};
use crate::store::Fence;

/// access_token expired (getAccessToken's guide): the value reached its own end, nobody replaced it.
const RAN_OUT: i64 = 42001;

impl Machine {
    pub(super) fn empty(rules: Arc<Rules>, own: Option<Fence>, seed: u64, now: Now) -> Self {
        Self {
            rules,
            jitter: Jitter(seed),
            lanes: [None, None],
            tickets: [None, None],
            handed: Default::default(),
            known: Vec::new(),
            budgets: Budgets::default(),
            uncounted: None,
            taken_back: None,
            steady: now
                .wall
                .0
                .cast_signed()
                .wrapping_sub(now.boot.0.cast_signed()),
            ahead: 0,
            contest: None,
            offers: Vec::new(),
            strangers: Vec::new(),
            jobs: Vec::new(),
            calls: CallId::default(),
            lease: own.map_or(
                LeaseState::None {
                    not_before: Boot::default(),
                },
                LeaseState::Own,
            ),
            saving: Saving::default(),
            late_mint: None,
            raised: 0,
            stopping: false,
        }
    }

    pub(super) fn hear(&mut self, event: Event, now: Now, effects: &mut Vec<Effect>) {
        if matches!(
            event,
            Event::Noted(_)
                | Event::NoteFailed(_)
                | Event::Saved(_)
                | Event::SaveFailed(_)
                | Event::Stale(_)
        ) {
            self.saving.writes = self.saving.writes.saturating_sub(1);
            if !matches!(event, Event::Stale(_)) {
                self.told_what_was_taken_back();
            }
        }
        match event {
            Event::Due => {}
            Event::Noted(call) => self.noted(call, now, effects),
            Event::NoteFailed(call) => self.note_failed(call, now, effects),
            Event::Answered(call, answer) => self.answered(call, answer, now, effects),
            Event::Failed(call, failure) => self.call_failed(call, failure, now, effects),
            Event::Saved(save) => self.saved(save, effects),
            Event::SaveFailed(save) => self.save_failed(save, now, effects),
            Event::Stale(record) => self.stale(record.as_deref(), now, effects),
            Event::LeaseWon {
                fence,
                until,
                record,
                begins_epoch,
            } => {
                self.lease_won((fence, until), record.as_deref(), now);
                if begins_epoch && !planted!(self.rules, EpochNotDoubted) {
                    self.doubt_the_young_epoch(now);
                }
            }
            Event::LeaseTaken { free_at } => {
                let not_before = free_at.max(now.boot.plus(50)).plus(self.jitter.below(200));
                self.lease = LeaseState::None { not_before };
            }
            Event::LeaseFreed => self.lease_freed(now),
            Event::LeaseLost(fence) => self.lease_lost(fence, now),
            Event::LeaseUnavailable => {
                let not_before = now.boot.plus(1000 + self.jitter.below(4000));
                self.lease = LeaseState::Away { not_before };
            }
            Event::Learned(record) => self.learn(&record, false, now),
            Event::Reported { kind, id, evidence } => {
                self.reported(kind, id, evidence, now, effects)
            }
            Event::Nudged { kind, force } => self.nudged(kind, force, now),
            Event::Adopt(adoption) => self.consider(adoption, now),
            Event::Met(meeting) => self.meet(meeting, now),
            Event::RulesChanged(rules) => self.rules_changed(rules, now),
            Event::Stopping => self.stopping = true,
        }
    }

    pub(super) fn take_job(&mut self, call: CallId) -> Option<Job> {
        let at = self.jobs.iter().position(|job| job.call == call)?;
        Some(self.jobs.swap_remove(at))
    }

    fn answered(&mut self, call: CallId, answer: Answer, now: Now, effects: &mut Vec<Effect>) {
        let Some(job) = self.take_job(call) else {
            return;
        };
        let sent = job.sent.unwrap_or(now.boot);
        self.compare_clocks(answer.upstream_time, sent, now, effects);
        match (job.task, answer.reply) {
            (Task::Classic | Task::Stable | Task::Forced, Reply::Minted(minted)) => {
                self.token_minted(&job, sent, minted, now, effects);
            }
            (Task::Ticket(ticket), Reply::Minted(minted)) => {
                self.ticket_seen(ticket, sent, minted, now, effects);
            }
            (Task::Probe(lane), Reply::Alive) => {
                self.found_alive(lane, job.about, sent, now, effects)
            }
            (Task::Probe(lane), Reply::Dead(code)) => {
                self.found_dead(lane, job.about, code == RAN_OUT, now, effects);
            }
            (_, _) => {
                let trouble = Trouble::Passing(Passing::Nonsense);
                self.failed(
                    &job,
                    Failure {
                        trouble,
                        sent: true,
                        upstream_time: None,
                    },
                    now,
                    effects,
                );
            }
        }
    }

    fn call_failed(&mut self, call: CallId, failure: Failure, now: Now, effects: &mut Vec<Effect>) {
        let Some(job) = self.take_job(call) else {
            return;
        };
        let sent = job.sent.unwrap_or(now.boot);
        self.compare_clocks(failure.upstream_time, sent, now, effects);
        if !failure.sent {
            self.refund(&job);
        }
        if let LeaseState::Held { stands_back, .. } = &mut self.lease {
            *stands_back = matches!(failure.trouble, Trouble::Passing(_));
        }
        self.failed(&job, failure, now, effects);
    }

    fn failed(&mut self, job: &Job, failure: Failure, now: Now, effects: &mut Vec<Effect>) {
        match job.task {
            Task::Classic | Task::Stable | Task::Forced => {
                self.token_not_minted(job, failure, now, effects);
            }
            Task::Ticket(ticket) => self.ticket_failed(ticket, job.about, failure, now, effects),
            Task::Probe(lane) => match failure.trouble {
                Trouble::TokenBad(code) => {
                    self.found_dead(lane, job.about, code == RAN_OUT, now, effects);
                }
                trouble => self.probe_failed(lane, trouble, now),
            },
        }
    }

    /// Rule 8: a report is evidence, never proof.
    fn reported(
        &mut self,
        kind: Kind,
        id: ValueId,
        evidence: Evidence,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(ticket) = Ticket::of(kind) {
            self.ticket_reported(ticket, id, evidence, now);
        } else if let Some(lane) = self.lane_holding(id) {
            self.suspect(lane, evidence, now, effects);
        }
    }

    fn nudged(&mut self, kind: Kind, force: bool, now: Now) {
        if let Some(ticket) = Ticket::of(kind) {
            let state = self.tickets[ticket as usize].get_or_insert_default();
            state.retry.nudge();
            state.refused_with = None;
            state.due = now.boot;
            return;
        }
        let lane = if force { Lane::Stable } else { self.primary() };
        if self.in_use(lane) {
            let state = self.lane_mut(lane);
            state.retry.nudge();
            state.last = None; // whoever waits wants to hear of this fetch, not of an earlier one
            let force = force || state.wish(now) == Some(Nudge::Force);
            let wish = if force { Nudge::Force } else { Nudge::Fetch };
            state.nudge = Some((wish, now.boot.plus(WISH_LAPSES)));
        }
    }

    /// Only what the change does to the record is saved: a hundred thousand apps may be told of new timings at once.
    fn rules_changed(&mut self, rules: Arc<Rules>, now: Now) {
        let before = self.record(now);
        self.stopping = false;
        let other_lanes = self.rules.lanes != rules.lanes;
        self.rules = rules;
        for handed in self.handed.iter_mut().filter(|_| other_lanes) {
            handed.passed_over = None;
        }
        if let Some(contest) = self.contest.as_mut().filter(|_| other_lanes) {
            contest.yielded = false;
            contest.leave_until = Wall::default();
        }
        for state in self.lanes.iter_mut().flatten() {
            state.retry.nudge();
        }
        for ticket in Ticket::ALL {
            if !self.rules.wants(ticket) {
                self.tickets[ticket as usize] = None;
            }
        }
        for state in self.tickets.iter_mut().flatten() {
            state.retry.nudge();
        }
        self.saving.dirty |= self.record(now) != before;
    }

    /// Whether WeChat's 30 s between forced refreshes have passed, and when they will have.
    pub(super) fn force_allowed_at(&self, now: Now) -> Boot {
        let last = self.budgets.last_forced;
        let passed = self.steady_wall(now).since(last);
        let gap_ends = self
            .lane(Lane::Stable)
            .map_or_else(Boot::default, |state| state.force_gap_ends);
        gap_ends.max(now.boot.plus(FORCE_GAP.saturating_sub(passed)))
    }
}
