//! What a store that has forgotten gets back before anybody may fetch: all that a survivor knows.
//!
//! It may lose what was not yet at the machine that took over, or all of it where nobody is left who knows. Then, and only then,
//! two mints may meet: the note of one was lost, and its writer was dead, stood still or was cut off while offers were waited
//! for; or it was taken by a master that is none any more. Such calls are counted by nobody.

use wxtoken_core::budget::BudgetKind;
use wxtoken_core::credential::Lane;
use wxtoken_core::refresh::rules::Lanes;
use wxtoken_core::store::Fence;

use crate::question::Question;
use crate::setup::{DAY, HOUR, MINUTE};
use crate::world::World;

impl World {
    /// The store holds less than it did.
    pub(crate) fn rows_lost(&mut self) {
        (self.judge.lost_at, self.judge.after_loss) = (self.t, true);
        self.judge.minted_since_loss = [0; 2];
        self.judge.war.clear(); // what was known of it may be lost as well
        self.judge.stored = ([0; 3], [0; 2]);
        if let Some(record) = self.store.record() {
            let generations = [0, 1, 2].map(|k| record.handed_out[k].generation.0);
            let orders = [0, 1].map(|k| record.lanes[k].as_ref().map_or(0, |held| held.sent.0));
            self.judge.stored = (generations, orders);
        }
    }

    /// Somebody is given the lease.
    pub(crate) fn judge_grant(&mut self, r: usize, fence: Fence) {
        self.tell(|| format!("  #{r} is given {fence:?}"));
        if self.store.is_behind(r) {
            return;
        }
        self.judge.granted_at = self.t;
        if !std::mem::take(&mut self.judge.after_loss) {
            return;
        }
        let since = self.judge.lost_at;
        for other in 0..self.replicas.len() {
            let told = self.was_there(other, since) && self.replicas[other].deaf_at < since;
            if told && !self.knows_all_of(other) {
                self.break_promise(
                    "what a survivor knows is back before anybody may fetch",
                    format!("#{r} is given the lease, and what #{other} knows is not there"),
                );
            }
            self.judge_lost_notes(other, told);
        }
        self.forgive(r);
    }

    /// Something was given back to the store: others have to hear of it as of any change.
    pub(crate) fn judge_offer(&mut self, r: usize) {
        let Some(record) = self.store.record().filter(|_| !self.store.is_behind(r)) else {
            return;
        };
        let generations = [0, 1, 2].map(|k| record.handed_out[k].generation.0);
        let before = std::mem::replace(&mut self.judge.stored.0, generations);
        if generations
            .iter()
            .zip(before)
            .any(|(now, then)| *now < then)
        {
            self.break_promise(
                "the store never goes back",
                format!("{before:?} to {generations:?}, which #{r} offers"),
            );
        }
        if generations[0] > before[0] {
            self.will_be_known(generations[0]);
        }
    }

    /// Whether the store knows all that this process has read or written.
    fn knows_all_of(&self, r: usize) -> bool {
        let Some(kept) = &self.replicas[r].client.kept else {
            return true;
        };
        let row = self.store.redis.row.as_ref();
        if row.is_some_and(|row| row.granted.epoch == kept.fence.epoch) {
            return true; // written in this epoch, and nothing is lost since
        }
        let Some(held) = self.store.record() else {
            return false;
        };
        let generations = (0..3).all(|kind| {
            held.handed_out[kind].generation >= kept.record.handed_out[kind].generation
        });
        generations && held.budgets.merged(&kept.record.budgets) == held.budgets
    }

    /// Calls under way that the store knows nothing of: nobody can wait for them.
    fn judge_lost_notes(&mut self, r: usize, told: bool) {
        for at in 0..self.replicas[r].calls.len() {
            let call = &self.replicas[r].calls[at];
            let mints = matches!(call.question, Question::Classic | Question::Forced);
            let Some(lane) = call.question.fetches().filter(|_| mints && !call.lost) else {
                continue;
            };
            if self.open_note(lane) {
                continue;
            }
            self.replicas[r].calls[at].lost = true;
            if told {
                self.break_promise(
                    "what a survivor knows is back before anybody may fetch",
                    format!("#{r} has a call under way whose note is gone"),
                );
            }
        }
    }

    /// What nobody knows any more cannot be counted. Forced refreshes can: without a survivor the day's count as spent.
    fn forgive(&mut self, r: usize) {
        let t = self.t;
        let wall = self.replicas[r].now(t).wall;
        let record = self.store.record();
        let counted = BudgetKind::ALL.map(|kind| match record {
            Some(record) => record.budgets.used(kind, wall),
            None if kind == BudgetKind::Forced => u32::MAX,
            None => 0,
        });
        for (budget, counted) in counted.into_iter().enumerate() {
            let calls = &self.judge.calls[budget];
            let made = calls.iter().filter(|at| **at + DAY > t).count() as u32;
            if made > counted {
                self.judge.forgiven[budget].push((t + 31 * HOUR, made - counted));
            }
        }
    }

    /// How many calls of a budget are known to nobody.
    pub(crate) fn forgiven(&mut self, budget: usize) -> usize {
        let t = self.t;
        let forgiven = &mut self.judge.forgiven[budget];
        forgiven.retain(|(until, _)| *until > t);
        forgiven.iter().map(|(_, calls)| *calls as usize).sum()
    }

    /// A mint of ours, so soon after the store lost what it held.
    pub(crate) fn judge_storm(&mut self, lane: Lane) {
        if self.setup.own
            || self.judge.stepped // each fetches what has ended by its own clock
            || self.t > self.judge.lost_at + MINUTE
            || self.t < self.judge.reasons[lane.index()]
        {
            return;
        }
        let minted = &mut self.judge.minted_since_loss[lane.index()];
        *minted += 1;
        let minted = *minted;
        if minted > 2 {
            self.break_promise(
                "a store that has forgotten costs no storm",
                format!("{minted} {lane:?} values within a minute"),
            );
        }
    }

    /// A stable value has come to its end while its process was cut off from the store, and nothing else was wrong.
    pub(crate) fn judge_without_store(&mut self, r: usize, natural: bool) {
        const LONG: u64 = 6 * MINUTE;
        let t = self.t;
        let replica = &self.replicas[r];
        let wechat = &self.wechat;
        let trouble = [
            self.unreachable_until,
            self.cut_until,
            wechat.busy_until,
            wechat.refuses.0,
            wechat.quota_until[1],
            wechat.all_bad.1,
            replica.stalled_until,
            replica.born,
            replica.cut_at,
            self.judge.rules_changed_at,
        ];
        let cut_off = self.replicas[r].cut.0 > t;
        let budget = self.spent(BudgetKind::Stable as usize);
        let only = self.rules.lanes == Lanes::Only(Lane::Stable);
        let untroubled = trouble.into_iter().all(|until| until + LONG < t);
        if natural
            && only
            && cut_off
            && untroubled
            && budget.used * 5 < budget.limit
            && !self.judge.stepped
        {
            self.break_promise(
                "the stable lane goes on without the store",
                format!("#{r} has let its value end"),
            );
        }
    }
}
