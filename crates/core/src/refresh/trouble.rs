//! What a failed token fetch means (rules 3, 6 and 7): nothing is displaced, but something may have been minted.

use super::alarm::Alarm;
use super::event::Effect;
use super::lane::Outcome;
use super::machine::{Job, Machine, Task};
use super::rules::{OVERLAP, REACH};
use crate::budget::BudgetKind;
use crate::clock::Now;
use crate::credential::{Kind, Lane};
use crate::retry;
use crate::source::{Failure, Passing, Trouble};

impl Machine {
    pub(super) fn token_not_minted(
        &mut self,
        job: &Job,
        failure: Failure,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Some(lane) = job.task.fetches() else {
            return;
        };
        if self.other_secret_next(job, lane, failure.trouble, now) {
            return;
        }
        let sent = job.sent.unwrap_or(now.boot);
        // A lane's forced refreshes are few; its calls as a whole are what must last the day.
        let budget = match job.task {
            Task::Forced => BudgetKind::Stable,
            Task::Classic | Task::Stable | Task::Ticket(_) | Task::Probe(_) => job.task.budget(),
        };
        let spent = self.spent(budget, now);
        let wall = self.steady_wall(now);
        let mut jitter = self.jitter;
        let may_have_minted = failure.sent && may_have_minted(failure.trouble);
        let tells = may_have_minted && self.may_have_overlapped(job, now);
        let state = self.lane_mut(lane);
        if (job.task, failure.trouble) == (Task::Forced, Trouble::QuotaUsedUp) {
            // No more forced ones: that says nothing about normal mode.
            state.force_after = now.boot.plus(retry::after_quota(wall, &mut jitter));
            state.nudge = None;
            state.last = Some((Outcome::Failed(failure.trouble), now.boot));
            state.retry.trouble = Some((failure.trouble, now.wall));
            state.withdraw_intent();
            self.saving.dirty = true;
            self.jitter = jitter;
            self.tell_trouble(Kind::AccessToken, Some(lane), failure.trouble, effects);
            return;
        }
        let left = state.left(now);
        state
            .retry
            .failed(failure.trouble, left, spent, now, wall, &mut jitter);
        state.nudge = None;
        state.last = Some((Outcome::Failed(failure.trouble), now.boot));
        if job.task.mints() {
            if may_have_minted {
                if state.held.as_ref().is_none_or(|held| held.sent <= sent) {
                    state.may_have_been_replaced(sent, OVERLAP);
                } else {
                    state.doubt_calls_until(sent.plus(REACH));
                }
            } else {
                state.withdraw_intent();
            }
            self.saving.dirty = true;
        }
        self.jitter = jitter;
        if tells {
            self.minted_without_lease(lane, now, effects);
        }
        self.tell_trouble(Kind::AccessToken, Some(lane), failure.trouble, effects);
    }

    /// Only the AppSecret was wrong, and the app has another: nothing is the matter yet, the same question is asked once
    /// more, noted and counted as a call of its own.
    fn other_secret_next(&mut self, job: &Job, lane: Lane, trouble: Trouble, now: Now) -> bool {
        let again = trouble == Trouble::Passing(Passing::OtherSecret);
        let state = self.lane_mut(lane);
        let before = std::mem::replace(&mut state.retry.other_secret, again);
        if !again || before {
            return false;
        }
        state.retry.not_before = now.boot;
        if job.task.mints() {
            state.withdraw_intent();
            self.saving.dirty = true;
        }
        true
    }

    pub(super) fn tell_trouble(
        &mut self,
        kind: Kind,
        lane: Option<Lane>,
        trouble: Trouble,
        effects: &mut Vec<Effect>,
    ) {
        match trouble {
            Trouble::Refused(errcode) => self.raise(
                Alarm::Refused {
                    kind,
                    lane,
                    errcode,
                },
                effects,
            ),
            Trouble::QuotaUsedUp => self.raise(Alarm::QuotaUsedUp { kind, lane }, effects),
            Trouble::Passing(_) | Trouble::TokenBad(_) => {
                self.raise(
                    Alarm::Trouble {
                        kind,
                        lane,
                        trouble,
                    },
                    effects,
                );
            }
        }
    }
}

/// WeChat's own refusals and "busy" say that nothing was minted; anything else leaves it open (rule 3).
const fn may_have_minted(trouble: Trouble) -> bool {
    match trouble {
        Trouble::Passing(
            Passing::Busy | Passing::TooFast | Passing::Unreachable | Passing::OtherSecret,
        )
        | Trouble::Refused(_)
        | Trouble::QuotaUsedUp
        | Trouble::TokenBad(_) => false,
        Trouble::Passing(Passing::Cut | Passing::Status(_) | Passing::Nonsense) => true,
    }
}
