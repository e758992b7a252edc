//! What is asked of WeChat: one call at a time, with a reason, within the budgets.

use wxtoken_core::credential::Lane;
use wxtoken_core::retry::Spent;

use crate::question::{Question, Who};
use crate::replica::{Call, id_of};
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
            if soon && t > self.judge.clocks_excused_until {
                self.break_promise(
                    "budgets are never exceeded",
                    format!("#{r} forced twice within 30 s"),
                );
            }
        }
        for budget in budgets {
            let calls = &mut self.judge.calls[budget];
            while calls.front().is_some_and(|at| at + 30 * HOUR <= t) {
                calls.pop_front();
            }
            calls.push_back(t);
            let (limit, total) = (usize::from(self.rules.limits.per_day[budget]), calls.len());
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
        let normal = |question| question == Question::Stable;
        let leased = |call: &Call| call.leased;
        let clash = self
            .replicas
            .iter()
            .enumerate()
            .find_map(|(other, replica)| {
                let call = replica.calls.iter().find(|call| {
                    let under_way =
                        t < call.asked + timeout && call.question.fetches() == Some(lane);
                    // The stated exception: stable in normal mode, while the store is away.
                    let excepted = normal(call.question) && !leased(call)
                        || normal(question) && self.store.away_until > 0;
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
        let stored = self.store.record.as_ref();
        let stored = stored.and_then(|record| record.lanes[lane.index()].as_ref());
        let rival = stored.is_some_and(|stored| stored.id != id_of(seen.value));
        if (unsure || rival || self.replicas[r].asks_again) && question == Question::Stable {
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
