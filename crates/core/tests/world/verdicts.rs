//! What must last: what a crash may lose, what a store may hold, and that a live token is back once all is well.

use wxtoken_core::budget::BudgetKind;
use wxtoken_core::credential::Lane;

use crate::question::{Question, Who};
use crate::replica::id_of;
use crate::setup::{HOUR, MINUTE, SECOND};
use crate::world::World;

impl World {
    /// Another replica's call may just have minted, as its note in the store says: whoever takes over must doubt.
    pub(crate) fn open_note(&self, lane: Lane) -> bool {
        let record = self.store.record();
        let note = record.and_then(|record| record.intents[lane.index()]);
        note.is_some_and(|note| note.fence.number > 0)
    }

    /// Whoever gets a lease beside an open note must take it for a call that may still be under way.
    pub(crate) fn judge_open_notes(&mut self) {
        let t = self.t;
        for lane in Lane::ALL {
            if self.open_note(lane) {
                self.judge.uncertain(lane, t);
            }
        }
    }

    /// A process is gone: what its readers saw must be known to the store, unless it said that it was not.
    pub(crate) fn judge_crash(&mut self, r: usize) {
        let t = self.t;
        let replica = &self.replicas[r];
        for k in 0..3 {
            let Some(seen) = replica.seen[k] else {
                continue;
            };
            if !replica.unsaved && !self.store.knew(id_of(seen.value).0) {
                self.break_promise(
                    "a published value is never lost",
                    format!("#{r} handed out v{}, and no store knows it", seen.value),
                );
                return;
            }
        }
        let replica = &mut self.replicas[r];
        if replica.unsaved {
            replica.highest = [(0, None); 3];
        }
        let open = replica.notes > 0 || !replica.queued.is_empty();
        // An answer that was in its memory only.
        let newest = Lane::ALL.map(|lane| self.wechat.newest(lane));
        let forgotten = newest.map(|value| {
            value.is_some_and(|value| {
                self.wechat.value(value).by == Who::Us && !self.store.knew(id_of(value).0)
            })
        });
        self.judge.known_dead = None; // it may not have been written down
        if self.setup.own {
            let record = self.store.record();
            self.judge.gave_way = record.is_some_and(|record| record.contest.yielded);
        }
        let minting: Vec<Lane> = replica
            .calls
            .iter()
            .filter(|call| matches!(call.question, Question::Classic | Question::Forced))
            .filter_map(|call| call.question.fetches())
            .chain(Lane::ALL.into_iter().filter(|lane| {
                let vague = open || replica.saves > 0 || replica.unsaved;
                vague || forgotten[lane.index()]
            }))
            .collect();
        for lane in minting {
            self.judge.uncertain(lane, t);
        }
    }

    pub(crate) fn judge_store(&mut self) {
        let t = self.t;
        self.judge.last_write = t;
        let Some(record) = self.store.record() else {
            return;
        };
        let generations = [0, 1, 2].map(|k| record.handed_out[k].generation.0);
        let orders = [0, 1].map(|lane| record.lanes[lane].as_ref().map_or(0, |held| held.sent.0));
        let (before, lanes) = self.judge.stored;
        let back = generations
            .iter()
            .zip(before)
            .any(|(now, then)| *now < then);
        // A lane that is no longer configured is let go of; one that comes back is newer.
        let older = orders
            .iter()
            .zip(lanes)
            .any(|(now, then)| *now > 0 && *now < then);
        self.judge.stored = (generations, orders);
        if generations[0] > before[0] {
            self.will_be_known(generations[0]);
        }
        if back || older && !self.judge.stepped && !self.judge.is_settling(t) {
            self.break_promise(
                "the store never goes back",
                format!("{before:?} {lanes:?} to {generations:?} {orders:?}"),
            );
        }
    }

    /// How long after everything is well again a live token is owed: refusals are retried within 5 min, back-off within
    /// one, a note's deadline is 20 s and a lease 30 s; after a 45009 an hour, and budgets have their own pace.
    pub(crate) fn bound(&self) -> u64 {
        let mut bound = 12 * MINUTE;
        if self.judge.quota_told + 2 * HOUR > self.t {
            bound += 62 * MINUTE;
        }
        let spacing = (0..2)
            .map(|budget| self.spent(budget).spacing())
            .max()
            .unwrap_or(0);
        bound += 3 * spacing;
        let believed = self.replicas.iter().filter_map(|replica| {
            let machine = replica.machine.as_ref()?;
            Some(machine.spent(BudgetKind::Forced, replica.now(self.t)).used)
        });
        if self.judge.used(4).max(believed.max().unwrap_or(0)) >= 4 {
            bound += 2 * HOUR; // no more forced refreshes today: a stuck value has to reach its end
        }
        bound
    }

    pub(crate) fn judge_calm(&mut self) {
        let t = self.t;
        // Where nobody remembers that a token was adopted, a person has to say so again.
        let record = self.store.record();
        let remembered = record.is_some_and(|record| record.contest.classic_ours);
        let adopted = self.adopt.is_some() && (self.judge.lost_at == 0 || remembered);
        let owed = self.setup.rules.take_over || adopted;
        let spent = (0..2).any(|budget| {
            let spent = self.spent(budget);
            spent.used + 2 >= spent.limit
        });
        if !self.calm || !owed || spent || t < self.judge.clocks_excused_until {
            return;
        }
        for r in 0..self.replicas.len() {
            if !self.replicas[r].up() {
                continue;
            }
            let seen = self.replicas[r].seen[0];
            let lives = seen.is_some_and(|seen| self.wechat.alive(seen.value, t));
            // Of a death that nobody tells, the regular probe has to tell: that has its own time.
            let untold = seen.is_some() && self.replicas[r].guilt[0].evidence.is_none();
            // A moment without one, while replicas take turns at renewing, is no lasting lack.
            let lasting = t > self.replicas[r].absent_since + 2 * MINUTE;
            if !lives && !untold && lasting {
                let since = (t - self.calm_since) / SECOND;
                self.break_promise(
                    "a live token is back within a bounded time",
                    format!("#{r} has none, {since} s after faults stopped"),
                );
            }
        }
    }
}
