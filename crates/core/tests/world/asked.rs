//! What is asked of WeChat: one call at a time, with a reason, within the budgets.

use wxtoken_core::credential::Lane;
use wxtoken_core::retry::Spent;

use crate::question::{Question, Who};
use crate::replica::id_of;
use crate::setup::{DAY, HOUR, MINUTE, SECOND};
use crate::world::World;

impl World {
    /// What WeChat has seen of a budget over thirty hours.
    pub(crate) fn spent(&self, budget: usize) -> Spent {
        Spent {
            used: self.judge.used(budget),
            limit: self.rules.limits.per_day[budget].into(),
        }
    }

    /// A call leaves, or tries to.
    pub(crate) fn judge_ask(&mut self, r: usize, question: Question, leaves: bool) {
        let t = self.t;
        if let Some(lane) = question.fetches() {
            self.judge_slot(r, question, lane);
            self.judge_reason(r, question, lane);
        }
        if !leaves {
            return;
        }
        let mut budgets = vec![question.budget()];
        if question == Question::Forced {
            budgets.push(1);
            let soon = self.judge.calls[4]
                .back()
                .is_some_and(|last| t < last + 30 * SECOND);
            let forgotten = self.judge.lost_at > 0 && t < self.judge.lost_at + MINUTE;
            if soon && !forgotten && t > self.judge.clocks_excused_until {
                self.break_promise(
                    "budgets are never exceeded",
                    format!("#{r} forced twice within 30 s"),
                );
            }
        }
        for budget in budgets {
            let forgiven = self.forgiven(budget);
            let calls = &mut self.judge.calls[budget];
            while calls.front().is_some_and(|at| at + 30 * HOUR <= t) {
                calls.pop_front();
            }
            calls.push_back(t);
            let limit = usize::from(self.rules.limits.per_day[budget]) + forgiven;
            let total = calls.len();
            if total <= limit || t <= self.judge.clocks_excused_until {
                continue;
            }
            let day = calls
                .iter()
                .rev()
                .take_while(|at| **at + DAY - MINUTE > t)
                .count();
            if day > limit {
                self.break_promise(
                    "budgets are never exceeded",
                    format!("{day} calls of budget {budget} in a day"),
                );
            }
        }
    }

    /// Rule 1: one call in flight per lane, in the whole cluster.
    fn judge_slot(&mut self, r: usize, question: Question, lane: Lane) {
        let t = self.t;
        let timeout = self.rules.timing.call_timeout;
        let normal = question == Question::Stable;
        let leased = self.is_leased(r);
        let clash = self
            .replicas
            .iter()
            .enumerate()
            .find_map(|(other, replica)| {
                let call = replica.calls.iter().find(|call| {
                    let under_way =
                        t < call.asked + timeout && call.question.fetches() == Some(lane);
                    let excepted = if call.question == Question::Stable {
                        // The stated exception, stable in normal mode while the store is away; or its lease ended under it.
                        !call.leased
                            || normal
                                && (!leased
                                    || self.lost_its_lease(
                                        r,
                                        t.saturating_sub(self.rules.timing.lease),
                                    ))
                            || self.lost_its_lease(other, call.asked)
                    } else {
                        // A note that was not heard of is measured by clocks, which may be off by hours.
                        let misjudged = self.judge.stepped;
                        normal && !leased || call.lost || misjudged || self.store.is_behind(r)
                    };
                    under_way && !(excepted && other != r)
                })?;
                Some((other, call.question))
            });
        if let Some((other, call)) = clash {
            self.break_promise(
                "never two fetches in flight for one credential",
                format!("#{r} asks {question:?} while #{other} asks {call:?}"),
            );
        }
    }

    /// Whether its process stood still or was cut off, or the store ended all leases, after it had made a call.
    fn lost_its_lease(&self, r: usize, asked: u64) -> bool {
        let replica = &self.replicas[r];
        let since = asked.saturating_sub(3 * SECOND);
        let store = &self.store;
        let ends = [
            replica.stalled_until,
            replica.cut.0,
            replica.behind_until,
            store.away_until,
            store.full_until,
            store.slow.0,
            self.judge.lost_at,
            self.judge.epoch_began,
            self.judge.lease_ended,
        ];
        store.behind.is_some() || ends.into_iter().any(|end| end >= since)
    }

    /// Nothing is minted, and at a restart nothing fetched, while the value at hand lives and is not due.
    fn judge_reason(&mut self, r: usize, question: Question, lane: Lane) {
        let t = self.t;
        let Some(seen) = self.replicas[r].seen[0] else {
            return;
        };
        let minted = self.wechat.value(seen.value);
        // Of an adopted value nobody knows the age.
        let adopted = minted.by == Who::Foreign && lane == Lane::Classic;
        if minted.lane != Some(lane)
            || adopted
            || !self.wechat.alive(seen.value, t)
            || t < self.judge.reasons[lane.index()]
        {
            return;
        }
        if self.replicas[r].clock_doubt || !self.setup.own && self.judge.stepped {
            return;
        }
        // Whether its clock was right when it took a value from the store, a machine learns later: then normal mode tells.
        let unsure = self.judge.stepped && self.setup.readings.date_header;
        // Or another replica saved another value: which of them lives, normal mode tells as well.
        let stored = self.store.record();
        let stored = stored.and_then(|record| record.lanes[lane.index()].as_ref());
        let rival = stored.is_some_and(|stored| stored.id != id_of(seen.value));
        // Or it has heard of another's note, and was cut off before it heard how that ended.
        let unheard = t < self.replicas[r].cut_at + MINUTE / 2;
        let asks_after = unsure || rival || unheard || self.replicas[r].asks_again;
        if asks_after && question == Question::Stable {
            return;
        }
        let left = minted.expires - t;
        let both = self.rules.lanes.has(lane.other()) || self.judge.gave_way;
        let early = match question {
            Question::Classic if both => t < minted.at + 13 * MINUTE,
            Question::Classic => left > 16 * MINUTE,
            _ => left > 320 * SECOND + 2 * self.setup.skew,
        };
        if early && minted.dies == u64::MAX {
            self.break_promise(
                "nothing that lives is fetched again without need",
                format!(
                    "#{r} asks {question:?} though v{} has {} s left",
                    seen.value,
                    left / SECOND
                ),
            );
        }
    }
}
