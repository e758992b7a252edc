//! Rule 9 over a store that several replicas share: whatever becomes of writes, leases and calls, whoever holds the lease
//! knows of every call that left and that mints; and where no write is lost, it counts not one too many.

#![cfg(test)]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use wxtoken_core::budget::BudgetKind;
use wxtoken_core::clock::{Boot, Now, Wall};
use wxtoken_core::credential::{Kind, Lane, Token, ValueId};
use wxtoken_core::refresh::event::{CallId, Effect, Event};
use wxtoken_core::refresh::rules::{Lanes, Rules};
use wxtoken_core::refresh::{Machine, step};
use wxtoken_core::source::{Answer, Ask, Failure, Minted, Passing, Reply, Trouble};
use wxtoken_core::store::{Fence, Record};

const SECOND: u64 = 1000;
const HOUR: u64 = 3_600_000;
const LEASE: u64 = 30 * SECOND;

/// What becomes of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Lands,
    Fails,
    /// It is there, but its writer hears that it failed.
    LandsUnheard,
}

/// What chance does next, to which replica.
#[derive(Debug, Clone, Copy)]
enum Act {
    Pass(u64),
    Write(Fate),
    /// The first or the last of what waits to be heard.
    Hear(bool),
    Lease,
    StoreAway,
    /// The store's record as it is, or as it once was.
    Learn(usize),
    /// A call of which no byte left; or one whose answer is a new value, or is lost.
    Unsent,
    Answered,
    Cut,
    Wish(bool),
    Crash,
}

/// Everything that happens to a store and the calls that nobody loses.
fn gentle() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0..2 * SECOND).prop_map(Act::Pass),
        3 => (0..40 * SECOND).prop_map(Act::Pass),
        1 => (0..HOUR / 12).prop_map(Act::Pass),
        6 => Just(Act::Write(Fate::Lands)),
        8 => Just(Act::Hear(true)),
        6 => Just(Act::Lease),
        3 => Just(Act::Unsent),
        3 => Just(Act::Answered),
        1 => Just(Act::Cut),
        4 => any::<bool>().prop_map(Act::Wish),
    ]
}

fn rough() -> impl Strategy<Value = Act> {
    prop_oneof![
        20 => gentle(),
        1 => Just(Act::Write(Fate::Fails)),
        4 => Just(Act::Write(Fate::LandsUnheard)),
        2 => Just(Act::Hear(false)),
        1 => Just(Act::StoreAway),
        2 => (0usize..6).prop_map(Act::Learn),
        1 => Just(Act::Crash),
    ]
}

#[derive(Debug)]
struct Write {
    good: Event,
    bad: Event,
    record: Record,
    fence: Fence,
}

/// One process.
struct Replica {
    machine: Box<Machine>,
    skew: u64,
    wake: Option<Boot>,
    lease_asked: bool,
    writes: VecDeque<Write>,
    unheard: VecDeque<Event>,
    asks: Vec<(CallId, usize)>,
}

/// A call that may have left, and when.
struct Left {
    kind: BudgetKind,
    at: Boot,
    unsent: bool,
}

struct Shared {
    boot: Boot,
    replicas: Vec<Replica>,
    record: Option<Record>,
    past: Vec<Record>,
    fence: u64,
    lease: Option<(usize, Boot)>,
    left: Vec<Left>,
    values: u64,
}

fn kind_of(ask: &Ask) -> BudgetKind {
    match ask {
        Ask::Classic => BudgetKind::Classic,
        Ask::Stable => BudgetKind::Stable,
        Ask::Forced => BudgetKind::Forced,
        Ask::Ticket(..) => BudgetKind::Ticket,
        Ask::Probe(..) => BudgetKind::Probe,
    }
}

fn rules() -> Arc<Rules> {
    Arc::new(Rules {
        take_over: true,
        ..Rules::new(Lanes::First(Lane::Stable))
    })
}

impl Shared {
    fn new(replicas: usize, skew: u64) -> Self {
        let mut shared = Self {
            boot: Boot(10 * HOUR),
            replicas: Vec::new(),
            record: Some(Record::default()),
            past: Vec::new(),
            fence: 0,
            lease: None,
            left: Vec::new(),
            values: 0,
        };
        for r in 0..replicas {
            let skew = skew * r as u64;
            let now = shared.now(skew);
            shared.replicas.push(Replica {
                machine: Box::new(Machine::restore(rules(), None, None, 3, now)),
                skew,
                wake: None,
                lease_asked: false,
                writes: VecDeque::new(),
                unheard: VecDeque::new(),
                asks: Vec::new(),
            });
            shared.hear(r, Event::Due);
        }
        shared
    }

    fn now(&self, skew: u64) -> Now {
        Now {
            wall: Wall(1_795_000_000_000 + self.boot.0 + skew),
            boot: self.boot,
        }
    }

    fn hear(&mut self, r: usize, event: Event) {
        let now = self.now(self.replicas[r].skew);
        let replica = &mut self.replicas[r];
        let (machine, effects) = step(replica.machine.clone(), event, now);
        replica.machine = machine;
        replica.wake = None;
        for effect in effects {
            self.carry_out(r, effect);
        }
        self.judge(r);
    }

    fn carry_out(&mut self, r: usize, effect: Effect) {
        let replica = &mut self.replicas[r];
        match effect {
            Effect::WakeAt(at) => replica.wake = Some(at),
            Effect::TakeLease => replica.lease_asked = true,
            Effect::Release(fence) => {
                if fence.number == self.fence {
                    self.lease = None;
                }
            }
            Effect::Note(call, record, fence) => replica.writes.push_back(Write {
                good: Event::Noted(call),
                bad: Event::NoteFailed(call),
                record: *record,
                fence,
            }),
            Effect::Save(save, record, fence) => replica.writes.push_back(Write {
                good: Event::Saved(save),
                bad: Event::SaveFailed(save),
                record: *record,
                fence,
            }),
            Effect::Ask(call, ask, _) => {
                replica.asks.push((call, self.left.len()));
                self.left.push(Left {
                    kind: kind_of(&ask),
                    at: self.boot,
                    unsent: false,
                });
            }
            Effect::Publish(_)
            | Effect::PostLateMint(_)
            | Effect::PutBack(_)
            | Effect::Alarm(_) => {}
        }
    }

    /// Calls of the last 24 hours that may have left.
    fn made(&self, kind: BudgetKind) -> u32 {
        let made = |left: &&Left| {
            let counts =
                left.kind == kind || (left.kind, kind) == (BudgetKind::Forced, BudgetKind::Stable);
            counts && !left.unsent && self.boot.since(left.at) < 24 * HOUR
        };
        self.left.iter().filter(made).count() as u32
    }

    fn used(&self, r: usize, kind: BudgetKind) -> u32 {
        let now = self.now(self.replicas[r].skew);
        self.replicas[r].machine.spent(kind, now).used
    }

    fn holds(&self, r: usize) -> bool {
        self.lease
            .is_some_and(|(holder, until)| holder == r && self.boot < until)
    }

    /// Who holds the lease knows of all that minted.
    fn judge(&self, r: usize) {
        if !self.holds(r) || self.replicas[r].lease_asked {
            return;
        }
        for kind in [BudgetKind::Classic, BudgetKind::Forced] {
            let (used, made) = (self.used(r, kind), self.made(kind));
            assert!(
                used >= made,
                "{used} of {made} {} calls are counted",
                kind.name()
            );
        }
    }

    fn pass(&mut self, millis: u64) {
        let end = self.boot.plus(millis);
        loop {
            let wakes = self.replicas.iter().enumerate();
            let next = wakes.filter_map(|(r, replica)| Some((replica.wake?, r)));
            let Some((at, r)) = next.filter(|(at, _)| *at <= end).min() else {
                break;
            };
            self.boot = self.boot.max(at);
            self.hear(r, Event::Due);
        }
        self.boot = end;
    }

    fn act(&mut self, r: usize, act: Act) {
        match act {
            Act::Pass(millis) => self.pass(millis),
            Act::Write(fate) => self.write(r, fate),
            Act::Hear(first) => {
                let unheard = &mut self.replicas[r].unheard;
                let event = if first {
                    unheard.pop_front()
                } else {
                    unheard.pop_back()
                };
                if let Some(event) = event {
                    self.hear(r, event);
                }
            }
            Act::Lease => self.grant(r),
            Act::StoreAway => {
                if std::mem::take(&mut self.replicas[r].lease_asked) {
                    self.hear(r, Event::LeaseUnavailable);
                }
            }
            Act::Learn(ago) => {
                let record = self.past.iter().rev().nth(ago).cloned();
                if let Some(record) = record {
                    self.hear(r, Event::Learned(Box::new(record)));
                }
            }
            Act::Unsent => self.fail(r, Passing::Unreachable),
            Act::Cut => self.fail(r, Passing::Cut),
            Act::Answered => self.answer(r),
            Act::Wish(force) => self.hear(
                r,
                Event::Nudged {
                    kind: Kind::AccessToken,
                    force,
                },
            ),
            Act::Crash => self.crash(r),
        }
    }

    fn write(&mut self, r: usize, fate: Fate) {
        let Some(write) = self.replicas[r].writes.pop_front() else {
            return;
        };
        let event = if write.fence.number < self.fence {
            Event::Stale(self.record.clone().map(Box::new))
        } else {
            if fate != Fate::Fails {
                self.past.push(write.record.clone());
                self.record = Some(write.record);
            }
            if fate == Fate::Lands {
                write.good
            } else {
                write.bad
            }
        };
        self.replicas[r].unheard.push_back(event);
    }

    fn grant(&mut self, r: usize) {
        if !self.replicas[r].lease_asked {
            return;
        }
        let taken = self.lease.filter(|(holder, _)| *holder != r);
        let event = match taken.filter(|(_, until)| self.boot < *until) {
            Some((_, free_at)) => Event::LeaseTaken { free_at },
            None => {
                let until = self.boot.plus(LEASE);
                self.fence += 1;
                self.lease = Some((r, until));
                let fence = Fence {
                    epoch: 1,
                    number: self.fence,
                };
                let record = self.record.clone().map(Box::new);
                Event::LeaseWon {
                    fence,
                    until,
                    record,
                    begins_epoch: self.fence == 1,
                }
            }
        };
        self.replicas[r].lease_asked = false;
        self.hear(r, event);
    }

    fn fail(&mut self, r: usize, passing: Passing) {
        if self.replicas[r].asks.is_empty() {
            return;
        }
        let (call, left) = self.replicas[r].asks.remove(0);
        let sent = passing != Passing::Unreachable;
        self.left[left].unsent = !sent;
        let failure = Failure {
            trouble: Trouble::Passing(passing),
            sent,
            upstream_time: None,
        };
        self.hear(r, Event::Failed(call, failure));
    }

    fn answer(&mut self, r: usize) {
        if self.replicas[r].asks.is_empty() {
            return;
        }
        let (call, left) = self.replicas[r].asks.remove(0);
        self.values += 1;
        let value = self.values;
        let reply = match self.left[left].kind {
            BudgetKind::Probe => Reply::Alive,
            BudgetKind::Classic | BudgetKind::Stable | BudgetKind::Ticket | BudgetKind::Forced => {
                Reply::Minted(Minted {
                    token: Token::new(&format!("value-{value}")).unwrap(),
                    id: ValueId(value),
                    expires_in: Duration::from_secs(7200),
                })
            }
        };
        let answer = Answer {
            reply,
            upstream_time: None,
        };
        self.hear(r, Event::Answered(call, answer));
    }

    /// The process dies; what it had sent to the store may still land, or not.
    fn crash(&mut self, r: usize) {
        let replica = &mut self.replicas[r];
        replica.unheard.clear();
        replica.asks.clear();
        replica.lease_asked = false;
        for _ in 0..replica.writes.len() / 2 {
            self.write(r, Fate::Lands);
        }
        let replica = &mut self.replicas[r];
        replica.writes.clear();
        replica.unheard.clear();
        let now = self.now(self.replicas[r].skew);
        let machine = Machine::restore(rules(), self.record.as_ref(), None, self.boot.0, now);
        *self.replicas[r].machine = machine;
        self.hear(r, Event::Due);
    }

    /// Everything under way ends well, until nothing is.
    fn settle(&mut self, r: usize) {
        for _ in 0..1000 {
            let replica = &self.replicas[r];
            if replica.writes.is_empty()
                && replica.unheard.is_empty()
                && replica.asks.is_empty()
                && !replica.lease_asked
                && !replica.machine.at_work()
            {
                return;
            }
            self.act(r, Act::Write(Fate::Lands));
            self.act(r, Act::Hear(true));
            self.act(r, Act::Answered);
            self.act(r, Act::Lease);
            self.pass(10);
        }
        panic!("never at rest");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn rule_9_who_holds_the_lease_counts_no_less_than_left(
        replicas in 1usize..3,
        skew in prop::sample::select(vec![0, 200, 7 * HOUR]),
        acts in prop::collection::vec((0usize..2, rough()), 1..400),
    ) {
        let mut shared = Shared::new(replicas, skew);
        for (r, act) in acts {
            shared.act(r % replicas, act);
        }
    }

    #[test]
    fn rule_9_where_no_write_is_lost_not_one_call_too_many_is_counted(
        acts in prop::collection::vec(gentle(), 1..400),
    ) {
        let mut shared = Shared::new(1, 0);
        for act in acts {
            shared.act(0, act);
        }
        // A lease anew at the end: what is then counted is what the store counts.
        shared.settle(0);
        shared.pass(LEASE);
        shared.act(0, Act::Wish(false));
        shared.settle(0);
        for kind in BudgetKind::ALL {
            prop_assert_eq!(shared.used(0, kind), shared.made(kind), "{}", kind.name());
        }
    }
}
