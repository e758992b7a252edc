//! What is dead and still handed out: WeChat's state says what was dead, time spent idle is the guilt.

use wxtoken_core::budget::BudgetKind;
use wxtoken_core::credential::Lane;
use wxtoken_core::retry::Spent;

use crate::question::Value;
use crate::replica::Seen;
use crate::setup::{HOUR, MINUTE, SECOND};
use crate::world::World;

/// How long a dead value may be handed out by a machine that knows and could act.
const TOLERANCE: u64 = 2 * SECOND;

impl World {
    /// Time has passed for a process: if it hands out what is dead, knows, and is idle, that is its guilt.
    pub(crate) fn integrate(&mut self, r: usize) {
        let t = self.t;
        let replica = &mut self.replicas[r];
        let from = std::mem::replace(&mut replica.looked, t);
        if from >= t || !replica.free(t) {
            return;
        }
        for k in 0..3 {
            let Some(seen) = self.replicas[r].seen[k] else {
                continue;
            };
            let end = self.wechat.value(seen.value).end();
            if end >= t || self.judge.all_bad_until + MINUTE > from {
                continue;
            }
            if k == 0 {
                self.dead_token(r, seen, end, from);
            } else {
                self.dead_ticket(r, k, seen, end, from);
            }
        }
    }

    fn dead_token(&mut self, r: usize, seen: Seen, end: u64, from: u64) {
        let t = self.t;
        let guilt = self.replicas[r].guilt[0];
        let known = end.max(guilt.since).max(self.judge.rules_changed_at);
        let regular = self.probed_every(r, seen.value).map(|every| known + every);
        let told = guilt.evidence;
        let Some(evidence) = [regular, told].into_iter().flatten().min() else {
            return;
        };
        let spent = self.believed(r, BudgetKind::Probe);
        if spent.used >= spent.limit
            || self.store.away_until.max(self.replicas[r].cut.0) > from
                && spent.used * 4 >= spent.limit
        {
            return;
        }
        let spaced = match spent.spacing() {
            0 => 0,
            spacing => self.replicas[r].last_probe + 2 * spacing + SECOND,
        };
        let young = evidence < self.wechat.value(seen.value).at + 12 * SECOND;
        let start = from
            .max(end)
            .max(evidence)
            .max(guilt.excused_until)
            .max(spaced);
        let guilt = &mut self.replicas[r].guilt[0];
        guilt.idle += t.saturating_sub(start);
        let (idle, tolerated) = (guilt.idle, TOLERANCE + if young { 1200 } else { 0 });
        if idle > tolerated {
            self.break_promise(
                "no dead token is handed out for more than 2 s after the evidence",
                format!(
                    "#{r} was idle for {idle} ms with dead v{}; {spent:?}, it says {:?}",
                    seen.value,
                    self.replicas[r].machine.as_ref().map(|machine| {
                        machine.spent(BudgetKind::Probe, self.replicas[r].now(t))
                    })
                ),
            );
        }
    }

    /// How often a value's lane is probed without any report.
    pub(crate) fn probed_every(&self, r: usize, value: Value) -> Option<u64> {
        let lanes = self.rules.lanes;
        let probed = |lane: Lane| {
            lanes.has(lane)
                && (lane == Lane::Classic || self.rules.watched && lane == lanes.primary())
        };
        let lane = self.wechat.value(value).lane?;
        let spent = self.believed(r, BudgetKind::Probe);
        if !probed(lane) || spent.used * 20 >= spent.limit * 9 {
            return None;
        }
        let count = if self.judge.gave_way {
            2
        } else {
            Lane::ALL.into_iter().filter(|lane| probed(*lane)).count() as u64
        };
        let least = 30 * HOUR * count / (u64::from(spent.limit) / 2).max(1);
        let crowded = spent.used * 5 > spent.limit * 2;
        let every = self.rules.timing.probe_every.max(least);
        Some(if crowded { 4 * every } else { every } + SECOND)
    }

    fn dead_ticket(&mut self, r: usize, k: usize, seen: Seen, end: u64, from: u64) {
        let t = self.t;
        let token_lives = self.replicas[r].seen[0].is_some_and(|token| {
            self.wechat.alive(token.value, t) && self.wechat.alive(token.value, from)
        });
        let spent = self.believed(r, BudgetKind::Ticket);
        // A predecessor taken from a store by a wrong clock, and no header to say so: its end is anyone's guess.
        let misled = self.replicas[r].clock_doubt || !self.setup.own && self.judge.stepped;
        let misled =
            misled && !self.setup.readings.date_header || !self.setup.own && self.judge.stepped;
        if !token_lives || misled {
            return;
        }
        let guilt = self.replicas[r].guilt[k];
        // Half is kept for deaths that are told, less what was counted and lost; whether there is more again is looked
        // after in minutes.
        let open = if guilt.evidence.is_some() { 18 } else { 9 };
        if spent.used * 20 >= spent.limit * open {
            let guilt = &mut self.replicas[r].guilt[k];
            guilt.excused_until = guilt.excused_until.max(t + 6 * MINUTE);
            return;
        }
        let evidence = guilt.evidence.map_or(u64::MAX, |at| at + MINUTE);
        let evidence = evidence.min(end.max(guilt.since) + 10 * MINUTE);
        let start = from.max(end).max(evidence).max(guilt.excused_until);
        let guilt = &mut self.replicas[r].guilt[k];
        guilt.idle += t.saturating_sub(start);
        let idle = guilt.idle;
        if idle > 15 * SECOND {
            self.break_promise(
                "a ticket that has ended is replaced within ten minutes, or one after a report",
                format!(
                    "#{r} was idle for {idle} ms with dead ticket v{}; {spent:?}, it says {:?}",
                    seen.value,
                    self.replicas[r].machine.as_ref().map(|machine| {
                        machine.spent(BudgetKind::Ticket, self.replicas[r].now(t))
                    })
                ),
            );
        }
    }

    /// The same, or what the machine believes: it may have counted calls of an earlier life that never left. Where a clock was
    /// set, or what others counted may be lost or never have been made, it may believe any more than that.
    pub(crate) fn believed(&self, r: usize, kind: BudgetKind) -> Spent {
        let spent = self.spent(kind as usize);
        let replica = &self.replicas[r];
        let machine = replica.machine.as_ref();
        let believes = machine.map_or(0, |machine| machine.spent(kind, replica.now(self.t)).used);
        let most = if self.judge.stepped || !self.setup.own {
            u32::MAX
        } else {
            spent.used + spent.used / 20 + 1
        };
        Spent {
            used: spent.used.max(believes.min(most)),
            ..spent
        }
    }
}
