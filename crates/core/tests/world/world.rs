//! The scheduler: what happens next, in simulated milliseconds, and to whom.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;

use wxtoken_core::credential::{Lane, Token};
use wxtoken_core::refresh::event::{CallId, Event};
use wxtoken_core::refresh::rules::Rules;
use wxtoken_core::refresh::{Machine, step};
use wxtoken_core::store::{Fence, Record};

use crate::chance::Chance;
use crate::judge::Judge;
use crate::replica::{DAWN, Fate, Phase, Replica, id_of};
use crate::setup::{DAY, HOUR, MINUTE, SECOND, Setup};
use crate::store::Store;
use crate::table::{Fault, Table};
use crate::wechat::{Question, Says, Value, WeChat, Who};

/// A promise that was broken.
#[derive(Debug, Clone)]
pub(crate) struct Violation {
    pub(crate) invariant: &'static str,
    pub(crate) at: u64,
    pub(crate) detail: String,
}

/// A write on its way to the store.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) good: Event,
    pub(crate) bad: Event,
    pub(crate) record: Box<Record>,
    pub(crate) fence: Fence,
    pub(crate) note: bool,
}

/// Something that will happen.
#[derive(Debug)]
pub(crate) enum Ev {
    Give(usize, u32, Event),
    Wake(usize, u32, u64),
    Arrive(usize, u32, CallId, Question),
    Answer(usize, u32, CallId, Says),
    Timeout(usize, u32, CallId),
    Land(usize, u32, Box<Write>),
    WriteDone(usize, u32, bool, Event),
    LeaseTry(usize, u32, u64),
    Reconcile(usize),
    Reload(usize, u32),
    Fault,
    Fire(Fault, usize),
    Restart(usize),
    Resume(usize, u32),
    ForeignFetch,
    Notice(Value),
    Look(usize, u32),
    Calm,
    Judgement,
    Chaos,
}

/// What is to come, earliest first; what it is lies apart, so that little moves when they are sorted.
#[derive(Default)]
struct Agenda {
    order: BinaryHeap<Reverse<(u64, u64, usize)>>,
    events: Vec<Option<Ev>>,
    free: Vec<usize>,
    number: u64,
}

impl Agenda {
    fn push(&mut self, at: u64, ev: Ev) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.events.push(None);
            self.events.len() - 1
        });
        self.events[slot] = Some(ev);
        self.number += 1;
        self.order.push(Reverse((at, self.number, slot)));
    }

    fn pop(&mut self) -> Option<(u64, Ev)> {
        let Reverse((at, _, slot)) = self.order.pop()?;
        self.free.push(slot);
        Some((at, self.events[slot].take()?))
    }
}

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
    trace: Option<VecDeque<String>>,
}

impl World {
    pub(crate) fn new(seed: u64, setup: Option<Setup>, traced: bool) -> Self {
        let mut chance = Chance::new(seed);
        let drawn = Setup::draw(&mut chance);
        let setup = setup.unwrap_or(drawn);
        #[cfg(feature = "mutants")]
        let any_fence = setup.planted(wxtoken_core::refresh::mutant::Mutant::NoFence);
        #[cfg(not(feature = "mutants"))]
        let any_fence = false;
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
            store: Store::new(setup.own, any_fence),
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

    pub(crate) fn break_promise(&mut self, invariant: &'static str, detail: String) {
        if self.violation.is_none() {
            let at = self.t;
            for r in 0..self.replicas.len() {
                let machine = format!("#{r} is {:?}", self.replicas[r].machine);
                self.tell(|| machine);
            }
            self.tell(|| format!("BROKEN: {invariant}: {detail}"));
            self.violation = Some(Violation {
                invariant,
                at,
                detail,
            });
        }
    }

    pub(crate) fn tell(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            if trace.len() >= crate::run::lines() {
                trace.pop_front();
            }
            let at = clock(self.t);
            trace.push_back(format!("{at} {}", line()));
        }
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
            Ev::Reconcile(r) => self.reconcile(r),
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

    /// An event reaches a process: now, or when it is awake again, or never.
    pub(crate) fn give(&mut self, r: usize, life: u32, event: Event) {
        let replica = &mut self.replicas[r];
        if replica.life != life || !replica.up() {
            return;
        }
        if replica.stalled_until > self.t {
            replica.queued.push(event);
            return;
        }
        self.hear(r, event);
    }

    fn hear(&mut self, r: usize, event: Event) {
        self.integrate(r);
        self.note_event(r, &event);
        self.tell(|| format!("  #{r} hears {}", words(&event)));
        let t = self.t;
        let replica = &mut self.replicas[r];
        let now = replica.now(t);
        let Some(machine) = replica.machine.take() else {
            return;
        };
        let (machine, effects) = step(machine, event, now);
        replica.machine = Some(machine);
        if replica.steps.0 == t {
            replica.steps.1 += 1;
        } else {
            replica.steps = (t, 1);
        }
        let hot = replica.steps.1 > 400;
        self.table.steps += 1;
        if hot {
            self.break_promise(
                "no hot loop",
                format!("#{r} stepped 400 times in a millisecond"),
            );
            return;
        }
        let life = replica_life(&self.replicas[r]);
        self.replicas[r].woken = false;
        let crash = self.crash_within.filter(|(whom, _)| *whom == r);
        if crash.is_some() {
            self.crash_within = None;
        }
        for (done, effect) in effects.into_iter().enumerate() {
            if crash.is_some_and(|(_, after)| done >= after) {
                self.crash(r);
                return;
            }
            self.carry_out(r, life, effect);
        }
        if !self.replicas[r].woken {
            self.replicas[r].wake += 1; // nothing is to be woken for
            self.replicas[r].wake_at = 0;
        }
        self.look(r);
        self.fire_armed(r);
    }

    /// A process starts, from what its store holds.
    fn restart(&mut self, r: usize) {
        if self.replicas[r].up() {
            return;
        }
        let t = self.t;
        let own = self.store.open();
        // A store that is away leaves the local snapshot, which is as old as the last write.
        let record = self.store.shown();
        let seed = self.chance.next();
        let rules = Arc::clone(&self.rules);
        let replica = &mut self.replicas[r];
        let now = replica.now(t);
        let machine = Machine::restore(rules, record.as_deref(), own, seed, now);
        replica.machine = Some(Box::new(machine));
        replica.life += 1;
        replica.born = t;
        replica.looked = t;
        replica.learned = self.store.version;
        replica.write_tail = t;
        self.judge.restarted(r, replica);
        self.judge_open_notes();
        self.tell(|| format!("#{r} starts"));
        self.look(r);
        let life = self.replicas[r].life;
        self.give(r, life, Event::Due);
        if let Some(value) = self.adopt.filter(|_| {
            let machine = self.replicas[r].machine.as_ref();
            machine.is_some_and(|machine| {
                let lane = machine.lane_view(Lane::Classic, now);
                lane.is_none_or(|lane| lane.expires.is_none())
            })
        }) {
            let token = token(value);
            let id = id_of(value);
            self.give(r, life, Event::Adopt { token, id });
        }
    }

    fn resume(&mut self, r: usize, life: u32) {
        let replica = &mut self.replicas[r];
        if replica.life != life || replica.stalled_until > self.t {
            return;
        }
        replica.looked = self.t;
        let mut queued = std::mem::take(&mut replica.queued);
        self.tell(|| format!("#{r} goes on, with {} events", queued.len()));
        if self.chance.percent(50) {
            queued.reverse();
        }
        self.look(r);
        for event in queued {
            self.give(r, life, event);
        }
        self.give(r, life, Event::Due);
    }
}

const fn replica_life(replica: &Replica) -> u32 {
    replica.life
}

/// A value as its bytes.
pub(crate) fn token(value: Value) -> Token {
    Token::new(&format!("v{value}")).unwrap()
}

/// Days, hours, minutes, seconds, milliseconds.
pub(crate) fn clock(t: u64) -> String {
    let (days, hours, minutes) = (t / DAY, t / HOUR % 24, t / MINUTE % 60);
    format!(
        "{days}d {hours:02}:{minutes:02}:{:02}.{:03}",
        t / SECOND % 60,
        t % 1000
    )
}

fn words(event: &Event) -> String {
    match event {
        Event::Learned(record)
        | Event::LeaseWon {
            record: Some(record),
            ..
        } => {
            let lanes = record.lanes.clone().map(|lane| {
                lane.map(|held| {
                    format!("v{}{}", held.id.0 - 1, if held.dead { " dead" } else { "" })
                })
            });
            let notes = record
                .intents
                .map(|note| note.map(|note| (note.fence.number, note.sent.0 - DAWN)));
            let name = if matches!(event, Event::Learned(_)) {
                "Learned"
            } else {
                "LeaseWon"
            };
            format!(
                "{name} {lanes:?} notes {notes:?} late {:?}",
                record.late_mint
            )
        }
        Event::RulesChanged(rules) => format!("RulesChanged {:?}", rules.lanes),
        other => format!("{other:?}"),
    }
}
