//! What holds whatever happens, in whatever order: random events thrown at one machine.

#![cfg(test)]

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use wxtoken_core::clock::{Boot, Now, Wall};
use wxtoken_core::credential::{Kind, Lane, Token, ValueId};
use wxtoken_core::refresh::event::{Adoption, CallId, Effect, Event, SaveId};
use wxtoken_core::refresh::rules::{Lanes, Rules};
use wxtoken_core::refresh::verdict::Evidence;
use wxtoken_core::refresh::{Machine, step};
use wxtoken_core::source::{Answer, Ask, Failure, Minted, Passing, Reply, Trouble};
use wxtoken_core::store::{Fence, Record};

const MINUTE: u64 = 60_000;

/// What chance does next. Numbers pick among what there is.
#[derive(Debug, Clone)]
enum Act {
    Pass(u64),
    StepWall(i64),
    Answer(usize, u8, u16),
    Fail(usize, u8, bool),
    WriteLands(bool),
    Report(u8, u8, u8),
    Nudge(u8, bool),
    Lease(u8),
    Learn,
    Adopt(u8),
    Change(u8),
    Restart,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (0u64..20_000).prop_map(Act::Pass),
        2 => (0u64..90 * MINUTE).prop_map(Act::Pass),
        1 => (-100_000_000i64..100_000_000).prop_map(Act::StepWall),
        8 => (any::<usize>(), 0u8..6, 1u16..7201).prop_map(|(a, b, c)| Act::Answer(a, b, c)),
        4 => (any::<usize>(), any::<u8>(), any::<bool>()).prop_map(|(a, b, c)| Act::Fail(a, b, c)),
        8 => prop::bool::weighted(0.8).prop_map(Act::WriteLands),
        3 => (0u8..3, 0u8..6, 0u8..4).prop_map(|(a, b, c)| Act::Report(a, b, c)),
        1 => (0u8..3, any::<bool>()).prop_map(|(a, b)| Act::Nudge(a, b)),
        4 => (0u8..6).prop_map(Act::Lease),
        1 => Just(Act::Learn),
        1 => (0u8..6).prop_map(Act::Adopt),
        1 => (0u8..8).prop_map(Act::Change),
        1 => Just(Act::Restart),
    ]
}

fn rules(pick: u8) -> Rules {
    let lanes = [
        Lanes::Only(Lane::Classic),
        Lanes::Only(Lane::Stable),
        Lanes::First(Lane::Classic),
        Lanes::First(Lane::Stable),
    ];
    Rules {
        kinds: [true, pick & 4 > 0, pick & 1 > 0],
        take_over: true,
        watched: pick & 2 > 0,
        ..Rules::new(lanes[usize::from(pick) % 4])
    }
}

fn minted(value: u8, seconds: u16) -> Minted {
    Minted {
        token: Token::new(&format!("value-{value}")).unwrap(),
        id: ValueId(u64::from(value) + 1),
        expires_in: Duration::from_secs(seconds.into()),
    }
}

struct Throw {
    machine: Box<Machine>,
    own: Option<Fence>,
    now: Now,
    wake: Option<Boot>,
    asks: Vec<(CallId, Ask)>,
    writes: Vec<(Event, Event, Record)>,
    stored: Option<Record>,
    generations: [u64; 3],
    effects_since: (Boot, usize),
}

impl Throw {
    fn new(pick: u8, own: bool) -> Self {
        let now = Now {
            wall: Wall(1_795_000_000_000),
            boot: Boot(1_000_000),
        };
        let own = own.then_some(Fence {
            epoch: 1,
            number: 1,
        });
        Self {
            machine: Box::new(Machine::restore(Arc::new(rules(pick)), None, own, 3, now)),
            own,
            now,
            wake: None,
            asks: Vec::new(),
            writes: Vec::new(),
            stored: None,
            generations: [0; 3],
            effects_since: (now.boot, 0),
        }
    }

    fn hear(&mut self, event: Event) {
        let (machine, effects) = step(self.machine.clone(), event, self.now);
        self.machine = machine;
        self.wake = None;
        for effect in effects {
            self.effects_since.1 += 1;
            self.carry_out(effect);
        }
        for kind in Kind::ALL {
            let Some(value) = self.machine.current(kind, self.now) else {
                continue;
            };
            assert!(value.expires > self.now.boot, "dead by its own word");
            let last = &mut self.generations[kind.index()];
            assert!(value.generation.0 >= *last, "a generation went back");
            *last = value.generation.0;
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::WakeAt(at) => {
                assert!(at > self.now.boot, "woken at once: a hot loop");
                self.wake = Some(at);
            }
            Effect::Ask(call, ask, _) => {
                assert!(
                    self.asks.iter().all(|(_, other)| slot(other) != slot(&ask)),
                    "two calls in one slot: {ask:?} beside {:?}",
                    self.asks
                );
                self.asks.push((call, ask));
            }
            Effect::Note(call, record, _) => {
                self.writes
                    .push((Event::Noted(call), Event::NoteFailed(call), *record));
            }
            Effect::Save(save, record, _) => {
                let pending = |id: &SaveId| {
                    self.writes
                        .iter()
                        .any(|(event, ..)| matches!(event, Event::Saved(other) if other == id))
                };
                assert!(!pending(&save));
                self.writes
                    .push((Event::Saved(save), Event::SaveFailed(save), *record));
            }
            Effect::TakeLease
            | Effect::Release(_)
            | Effect::Publish(_)
            | Effect::PostLateMint(_)
            | Effect::PutBack(_)
            | Effect::Alarm(_) => {}
        }
    }

    fn pass(&mut self, millis: u64) {
        let end = self.now.boot.plus(millis);
        while let Some(at) = self.wake.filter(|at| *at <= end) {
            self.move_to(at);
            self.hear(Event::Due);
        }
        self.move_to(end);
    }

    /// At most so many effects a simulated minute, whatever goes wrong.
    fn move_to(&mut self, boot: Boot) {
        self.now.wall = self.now.wall.plus(boot.since(self.now.boot));
        self.now.boot = boot;
        if boot.since(self.effects_since.0) > MINUTE {
            self.effects_since = (boot, 0);
        }
        assert!(self.effects_since.1 < 3000, "a hot loop");
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Pass(millis) => self.pass(millis),
            Act::StepWall(by) => {
                self.now.wall = Wall(self.now.wall.0.saturating_add_signed(by));
            }
            Act::Answer(at, value, seconds) => self.answer(at, value, seconds),
            Act::Fail(at, how, sent) => self.fail(at, how, sent),
            Act::WriteLands(well) => self.write_lands(well),
            Act::Report(kind, value, evidence) => {
                let all = [
                    Evidence::FirstHand,
                    Evidence::Report,
                    Evidence::Hearsay,
                    Evidence::Sink,
                ];
                self.hear(Event::Reported {
                    kind: Kind::ALL[usize::from(kind)],
                    id: ValueId(u64::from(value) + 1),
                    evidence: all[usize::from(evidence)],
                });
            }
            Act::Nudge(kind, force) => {
                let kind = Kind::ALL[usize::from(kind)];
                self.hear(Event::Nudged { kind, force });
            }
            Act::Lease(how) => self.lease(how),
            Act::Learn => {
                if let Some(record) = self.stored.clone() {
                    self.hear(Event::Learned(Box::new(record)));
                }
            }
            Act::Adopt(value) => {
                let Minted { token, id, .. } = minted(value, 1);
                self.hear(Event::Adopt(Adoption {
                    lane: Lane::ALL[usize::from(value % 2)],
                    token,
                    id,
                    expires: (value > 2).then(|| self.now.wall.plus(u64::from(value) * 600_000)),
                }));
            }
            Act::Change(pick) => self.hear(Event::RulesChanged(Arc::new(rules(pick)))),
            Act::Restart => self.restart(),
        }
    }

    fn answer(&mut self, at: usize, value: u8, seconds: u16) {
        if self.asks.is_empty() {
            return;
        }
        let (call, ask) = self.asks.remove(at % self.asks.len());
        let reply = match ask {
            Ask::Probe(..) if value.is_multiple_of(2) => Reply::Alive,
            Ask::Probe(..) => Reply::Dead(if value == 5 { 42001 } else { 40001 }),
            // Tickets and tokens never share a value.
            Ask::Ticket(..) => Reply::Minted(minted(value + 100, seconds)),
            Ask::Classic => Reply::Minted(minted(value + 50, seconds)),
            Ask::Stable | Ask::Forced => Reply::Minted(minted(value, seconds)),
        };
        let upstream_time = seconds
            .is_multiple_of(3)
            .then(|| Wall(self.now.wall.0.saturating_add(u64::from(seconds) * 20)));
        self.hear(Event::Answered(
            call,
            Answer {
                reply,
                upstream_time,
            },
        ));
    }

    fn fail(&mut self, at: usize, how: u8, sent: bool) {
        if self.asks.is_empty() {
            return;
        }
        let (call, ask) = self.asks.remove(at % self.asks.len());
        let trouble = match how % 6 {
            0 => Trouble::Passing(Passing::Busy),
            1 => Trouble::Passing(Passing::Cut),
            2 => Trouble::Passing(Passing::Unreachable),
            3 => Trouble::Refused(40164),
            4 => Trouble::QuotaUsedUp,
            _ if matches!(ask, Ask::Ticket(..) | Ask::Probe(..)) => Trouble::TokenBad(40001),
            _ => Trouble::Passing(Passing::Nonsense),
        };
        let upstream_time = None;
        self.hear(Event::Failed(
            call,
            Failure {
                trouble,
                sent,
                upstream_time,
            },
        ));
    }

    fn write_lands(&mut self, well: bool) {
        if self.writes.is_empty() {
            return;
        }
        let (good, bad, record) = self.writes.remove(0);
        if well {
            self.stored = Some(record);
            self.hear(good);
        } else {
            self.hear(bad);
        }
    }

    fn lease(&mut self, how: u8) {
        if self.own.is_some() {
            return;
        }
        let until = self.now.boot.plus(30_000);
        let number = self.now.boot.0;
        let record = self.stored.clone().map(Box::new);
        self.hear(match how {
            0 => Event::LeaseTaken {
                free_at: self.now.boot.plus(5000),
            },
            1 => Event::LeaseUnavailable,
            2 => Event::Stale(record),
            _ => Event::LeaseWon {
                fence: Fence { epoch: 1, number },
                begins_epoch: number.is_multiple_of(5),
                until,
                record,
            },
        });
    }

    fn restart(&mut self) {
        self.asks.clear();
        self.writes.clear();
        self.wake = None;
        // What was published unsaved may be forgotten with a failed disk.
        self.generations = [0; 3];
        let rules = Arc::clone(self.machine.rules());
        self.own = self.own.map(|own| Fence {
            number: own.number + 1,
            ..own
        });
        let seed = self.now.boot.0;
        *self.machine = Machine::restore(rules, self.stored.as_ref(), self.own, seed, self.now);
        self.hear(Event::Due);
    }
}

/// Rule 1's slots.
fn slot(ask: &Ask) -> u8 {
    match ask {
        Ask::Classic => 0,
        Ask::Stable | Ask::Forced => 1,
        Ask::Probe(lane, _) => 2 + u8::from(*lane == Lane::Stable),
        Ask::Ticket(ticket, _) => 4 + *ticket as u8,
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_happens_rule_1_holds_generations_grow_and_nothing_runs_hot(
        pick: u8,
        own: bool,
        acts in prop::collection::vec(act(), 1..300),
    ) {
        let mut throw = Throw::new(pick, own);
        throw.hear(Event::Due);
        for act in acts {
            throw.act(act);
        }
    }

    #[test]
    fn a_record_restored_at_once_makes_the_same_record(
        pick: u8,
        acts in prop::collection::vec(act(), 1..200),
    ) {
        let mut throw = Throw::new(pick, true);
        throw.hear(Event::Due);
        for act in acts {
            throw.act(act);
        }
        is_restored(&throw)?;
    }
}

/// What a machine makes of its own record makes the same record again.
fn is_restored(throw: &Throw) -> Result<(), TestCaseError> {
    // Once by way of a restart, for what a restart settles by itself.
    let own = throw.own.map(|own| Fence {
        number: own.number + 1,
        ..own
    });
    let rules = Arc::clone(throw.machine.rules());
    let restore = |record: &Record| {
        Machine::restore(Arc::clone(&rules), Some(record), own, 9, throw.now).record(throw.now)
    };
    let once = restore(&throw.machine.record(throw.now));
    let twice = restore(&once);
    prop_assert_eq!(&once, &twice);
    let whole = throw.machine.record(throw.now);
    prop_assert_eq!(&once.handed_out, &whole.handed_out);
    let ids = |record: &Record| {
        record
            .lanes
            .clone()
            .map(|lane| lane.map(|lane| (lane.id, lane.dead)))
    };
    prop_assert_eq!(ids(&once), ids(&whole));
    let calls = |record: &Record| record.budgets.counts.map(|count| count.slots);
    prop_assert_eq!(calls(&once), calls(&whole));
    prop_assert_eq!(&once.contest.yielded, &whole.contest.yielded);
    Ok(())
}

#[test]
fn a_ticket_born_before_the_machine_was_started_is_restored_as_it_was() {
    let mut throw = Throw::new(109, true);
    throw.hear(Event::Due);
    for act in [
        Act::WriteLands(true),
        Act::Answer(0, 1, 1),
        Act::StepWall(0),
        Act::WriteLands(false),
        Act::WriteLands(false),
        Act::Answer(16_998_633_439_738_484_167, 2, 1),
        Act::WriteLands(true),
        Act::WriteLands(true),
        Act::Pass(673),
        Act::Answer(0, 0, 1),
        Act::Answer(0, 0, 1),
        Act::Pass(16),
        Act::Answer(0, 0, 1),
        Act::Restart,
        Act::WriteLands(false),
        Act::Answer(0, 0, 1907),
        Act::WriteLands(false),
        Act::Answer(0, 0, 1),
        Act::Answer(0, 0, 1),
        Act::WriteLands(false),
        Act::Pass(2_827_153),
        Act::Answer(0, 0, 1002),
        Act::Answer(0, 0, 1),
        Act::Pass(5_332_878),
        Act::StepWall(-8_159_032),
    ] {
        throw.act(act);
    }
    is_restored(&throw).unwrap();
}
