//! The scheduler: what happens next, in simulated milliseconds, and to whom.

use std::collections::VecDeque;
use std::sync::Arc;

use wxtoken_core::refresh::event::Event;
use wxtoken_core::refresh::rules::Rules;

use crate::agenda::{Agenda, Ev};
use crate::chance::Chance;
use crate::judge::Judge;
use crate::phase::{Fate, Phase};
use crate::question::{Question, Says, Value, Who};
use crate::replica::Replica;
use crate::setup::{DAY, HOUR, MINUTE, SECOND, Setup};
use crate::store::Store;
use crate::story::Violation;
use crate::table::{Fault, Table};
use crate::wechat::WeChat;

/// A fault that waits for a process to be in a phase.
pub(crate) struct Armed {
    pub(crate) fault: Fault,
    pub(crate) replica: usize,
    pub(crate) phase: Phase,
    pub(crate) until: u64,
}

pub(crate) struct World {
    pub(crate) t: u64,
    pub(crate) chance: Chance,
    pub(crate) setup: Setup,
    pub(crate) rules: Arc<Rules>,
    pub(crate) wechat: WeChat,
    pub(crate) store: Store,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) judge: Judge,
    pub(crate) table: Table,
    pub(crate) violation: Option<Violation>,
    pub(crate) calm: bool,
    /// When the last calm began.
    pub(crate) calm_since: u64,
    pub(crate) armed: Vec<Armed>,
    /// What happens to the next call of a replica.
    pub(crate) next_fate: Option<Fate>,
    /// Nothing can be reached until then; or requests get lost in many ways until then.
    pub(crate) unreachable_until: u64,
    pub(crate) cut_until: u64,
    /// A crash after so many more effects of the next step of a replica.
    pub(crate) crash_within: Option<(usize, usize)>,
    /// The token that another program holds at the beginning.
    pub(crate) adopt: Option<Value>,
    agenda: Agenda,
    pub(crate) trace: Option<VecDeque<String>>,
}

impl World {
    pub(crate) fn new(seed: u64, setup: Option<Setup>, traced: bool) -> Self {
        let mut chance = Chance::new(seed);
        let drawn = Setup::draw(&mut chance);
        let setup = setup.unwrap_or(drawn);
        let skew = setup.skew;
        let replicas = (0..setup.replicas)
            .map(|_| {
                let offset = chance.below(2 * skew + 1).cast_signed() - skew.cast_signed();
                let boot_zero = chance.spread(5000, 100 * DAY).cast_signed();
                Replica::new(boot_zero, offset)
            })
            .collect();
        let wechat = WeChat::new(setup.readings.clone(), &mut chance);
        Self {
            t: MINUTE,
            wechat,
            store: Store::new(setup.own, setup.mistakes),
            replicas,
            judge: Judge::default(),
            table: Table::default(),
            violation: None,
            calm: false,
            calm_since: 0,
            armed: Vec::new(),
            next_fate: None,
            unreachable_until: 0,
            cut_until: 0,
            crash_within: None,
            adopt: None,
            agenda: Agenda::default(),
            trace: traced.then(VecDeque::new),
            rules: Arc::new(setup.rules.clone()),
            setup,
            chance,
        }
    }

    /// Lives through its days, or until a promise is broken.
    pub(crate) fn run(mut self) -> (Table, Option<Violation>, Vec<String>) {
        let end = self.t + self.setup.days * DAY;
        if self.setup.adopts
            && let Says::Value(value, _) = self.wechat.ask(Question::Classic, Who::Foreign, self.t)
        {
            self.adopt = Some(value);
        }
        for replica in 0..self.replicas.len() {
            let at = self.t + self.chance.below(10 * SECOND);
            self.push(at, Ev::Restart(replica));
        }
        let chaos = self.t + HOUR;
        self.push(chaos, Ev::Chaos);
        let mut hour = 0;
        while let Some((at, ev)) = self.agenda.pop() {
            if at > end || self.violation.is_some() {
                break;
            }
            if at / HOUR > self.t / HOUR {
                hour = 0;
            }
            hour += 1;
            self.t = at;
            if hour > 200_000 {
                self.break_promise("no hot loop", "too much happens in an hour".into());
            }
            self.happen(ev);
        }
        self.table.millis = self.t;
        self.table.worlds = 1;
        (
            self.table,
            self.violation,
            self.trace.map(Into::into).unwrap_or_default(),
        )
    }

    pub(crate) fn push(&mut self, at: u64, ev: Ev) {
        self.agenda.push(at.max(self.t), ev);
    }

    pub(crate) fn soon(&mut self, within: u64, ev: Ev) {
        let at = self.t + 1 + self.chance.below(within);
        self.push(at, ev);
    }

    fn happen(&mut self, ev: Ev) {
        match ev {
            Ev::Give(r, life, event) => self.give(r, life, event),
            Ev::Wake(r, life, number) => {
                let replica = &self.replicas[r];
                if replica.life == life && replica.wake == number {
                    self.give(r, life, Event::Due);
                }
            }
            Ev::Arrive(r, life, call, question) => self.arrive(r, life, call, question),
            Ev::Answer(r, life, call, says) => self.answer(r, life, call, says),
            Ev::Timeout(r, life, call) => self.time_out(r, life, call),
            Ev::Land(r, life, write) => self.land(r, life, *write),
            Ev::WriteDone(r, life, note, event) => self.write_done(r, life, note, event),
            Ev::LeaseTry(r, life, asked) => self.try_lease(r, life, asked),
            Ev::Keep(r, life) => self.keep(r, life),
            Ev::Read(r, life) => self.read(r, life),
            Ev::Refill(r, life) => self.refill(r, life),
            Ev::Compare(r, life) => self.compare(r, life),
            Ev::Mended(r) => self.mended(r),
            Ev::FailOver(copy) => self.fail_over(*copy),
            Ev::OldMasterEnds => self.old_master_ends(),
            Ev::Followed(lost, since) => self.judge_followed(lost, since),
            Ev::Known(r, life, generation) => self.judge_known(r, life, generation),
            Ev::Reload(r, life) => {
                let rules = Arc::clone(&self.rules);
                self.give(r, life, Event::RulesChanged(rules));
            }
            Ev::Fault => self.next_fault(),
            Ev::Fire(fault, r) => self.fire(fault, r),
            Ev::Restart(r) => self.restart(r),
            Ev::Resume(r, life) => self.resume(r, life),
            Ev::ForeignFetch => self.foreign_fetch(),
            Ev::Notice(value) => self.notice(value),
            Ev::Look(r, life) => {
                if self.replicas[r].life == life && self.replicas[r].up() {
                    self.look(r);
                }
            }
            Ev::Calm => self.become_calm(),
            Ev::Judgement => self.judge_calm(),
            Ev::Chaos => self.become_chaotic(),
        }
    }
}
