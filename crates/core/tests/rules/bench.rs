//! A bench for one machine: a clock moved by hand, a disk with moods, and a WeChat that answers what the test says.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use wxtoken_core::clock::{Boot, Now, Wall};
use wxtoken_core::credential::{Kind, Lane, Ticket, Token, ValueId};
use wxtoken_core::refresh::alarm::{Alarm, AlarmName};
use wxtoken_core::refresh::event::{CallId, Effect, Event, SaveId};
use wxtoken_core::refresh::rules::{Lanes, Rules};
use wxtoken_core::refresh::verdict::Evidence;
use wxtoken_core::refresh::{Machine, step};
use wxtoken_core::source::{Answer, Ask, Failure, Minted, Passing, Reply, Trouble};
use wxtoken_core::store::{Fence, Record};

pub(crate) const SECOND: u64 = 1000;
pub(crate) const MINUTE: u64 = 60 * SECOND;
pub(crate) const HOUR: u64 = 60 * MINUTE;
pub(crate) const DAY: u64 = 24 * HOUR;
/// What WeChat gives a token or ticket, in seconds.
pub(crate) const FULL: u64 = 7200;

/// What the disk does with a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disk {
    Good,
    Full,
    /// Writes stay under way until the test lets them through.
    Slow,
}

/// A question under way.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) call: CallId,
    pub(crate) ask: Ask,
}

impl Asked {
    /// `classic`, `stable`, `forced`, `probe VALUE`, `jsapi with VALUE` or `card with VALUE`.
    pub(crate) fn words(&self) -> String {
        match &self.ask {
            Ask::Classic => "classic".into(),
            Ask::Stable => "stable".into(),
            Ask::Forced => "forced".into(),
            Ask::Probe(_, token) => format!("probe {}", token.expose()),
            Ask::Ticket(Ticket::Jsapi, token) => format!("jsapi with {}", token.expose()),
            Ask::Ticket(Ticket::Card, token) => format!("card with {}", token.expose()),
        }
    }
}

enum Write {
    Note(CallId, Box<Record>),
    Save(SaveId, Box<Record>),
}

fn failed(write: &Write) -> Event {
    match write {
        Write::Note(call, _) => Event::NoteFailed(*call),
        Write::Save(save, _) => Event::SaveFailed(*save),
    }
}

pub(crate) struct Bench {
    pub(crate) now: Now,
    pub(crate) machine: Box<Machine>,
    pub(crate) rules: Rules,
    /// None: leases are taken.
    pub(crate) own: Option<Fence>,
    pub(crate) disk: Disk,
    pub(crate) stored: Option<Record>,
    pub(crate) asked: Vec<Asked>,
    pub(crate) alarms: Vec<Alarm>,
    /// Every publication: the kind, and what was handed out then.
    pub(crate) published: Vec<(Kind, Option<String>)>,
    pub(crate) put_back: Vec<Kind>,
    pub(crate) late_mints: Vec<Wall>,
    pub(crate) lease_asked: u32,
    pub(crate) released: u32,
    pub(crate) wake: Option<Boot>,
    /// Writes the disk has been asked for.
    pub(crate) writes: u32,
    /// What WeChat's `Date` header says, as milliseconds ahead of our wall clock.
    pub(crate) date: Option<i64>,
    slow: Vec<Write>,
    heard: VecDeque<Event>,
    starts: u64,
}

pub(crate) fn id(value: &str) -> ValueId {
    ValueId(value.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    }))
}

pub(crate) fn classic() -> Rules {
    Rules {
        take_over: true,
        ..Rules::new(Lanes::Only(Lane::Classic))
    }
}

pub(crate) fn stable() -> Rules {
    Rules::new(Lanes::Only(Lane::Stable))
}

pub(crate) fn both(first: Lane) -> Rules {
    Rules {
        take_over: true,
        ..Rules::new(Lanes::First(first))
    }
}

pub(crate) fn with_jsapi(rules: Rules) -> Rules {
    Rules {
        kinds: [true, true, false],
        ..rules
    }
}

impl Bench {
    /// A machine over a store of its own, without a record; it has been asked to look once.
    pub(crate) fn new(rules: Rules) -> Self {
        let mut bench = Self::asleep(rules);
        bench.hear(Event::Due);
        bench
    }

    /// The same before it has looked for the first time.
    pub(crate) fn asleep(rules: Rules) -> Self {
        Self::start(
            rules,
            Some(Fence {
                epoch: 1,
                number: 1,
            }),
        )
    }

    /// A machine that has to take leases.
    pub(crate) fn leased(rules: Rules) -> Self {
        let mut bench = Self::start(rules, None);
        bench.hear(Event::Due);
        bench
    }

    fn start(rules: Rules, own: Option<Fence>) -> Self {
        let now = Now {
            wall: Wall(1_795_000_000_000),
            boot: Boot(10 * DAY),
        };
        Self {
            machine: Box::new(Machine::restore(Arc::new(rules.clone()), None, own, 7, now)),
            now,
            rules,
            own,
            disk: Disk::Good,
            // A store that gives leases is never new, unless a test says so.
            stored: own.is_none().then(Record::default),
            asked: Vec::new(),
            alarms: Vec::new(),
            published: Vec::new(),
            put_back: Vec::new(),
            late_mints: Vec::new(),
            lease_asked: 0,
            released: 0,
            wake: None,
            writes: 0,
            date: None,
            slow: Vec::new(),
            heard: VecDeque::new(),
            starts: 1,
        }
    }

    /// With a first token of this value, saved and out.
    pub(crate) fn with_token(rules: Rules, value: &str) -> Self {
        let mut bench = Self::new(rules);
        bench.answer(value, FULL);
        assert_eq!(bench.current(), Some(value.to_owned()));
        bench
    }

    pub(crate) fn hear(&mut self, event: Event) {
        let mut event = Some(event);
        while let Some(next) = event {
            let (machine, effects) = step(self.machine.clone(), next, self.now);
            self.machine = machine;
            self.wake = None;
            for effect in effects {
                self.carry_out(effect);
            }
            event = self.heard.pop_front();
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::TakeLease => self.lease_asked += 1,
            Effect::Release(_) => self.released += 1,
            Effect::Note(call, record, _) => self.write(Write::Note(call, record)),
            Effect::Save(save, record, _) => self.write(Write::Save(save, record)),
            Effect::Ask(call, ask, _) => self.asked.push(Asked { call, ask }),
            Effect::Publish(kind) => self.published.push((kind, self.current_of(kind))),
            Effect::PostLateMint(at) => self.late_mints.push(at),
            Effect::PutBack(kind) => self.put_back.push(kind),
            Effect::WakeAt(at) => {
                assert!(at > self.now.boot, "a wake time that is not in the future");
                self.wake = Some(at);
            }
            Effect::Alarm(alarm) => self.alarms.push(alarm),
        }
    }

    fn write(&mut self, write: Write) {
        self.writes += 1;
        match self.disk {
            Disk::Slow => self.slow.push(write),
            Disk::Good => self.land(write),
            Disk::Full => self.heard.push_back(failed(&write)),
        }
    }

    fn land(&mut self, write: Write) {
        let (event, record) = match write {
            Write::Note(call, record) => (Event::Noted(call), record),
            Write::Save(save, record) => (Event::Saved(save), record),
        };
        self.stored = Some(*record);
        self.heard.push_back(event);
    }

    /// Lets through what a slow disk holds.
    pub(crate) fn writes_land(&mut self) {
        for write in std::mem::take(&mut self.slow) {
            self.land(write);
        }
        if let Some(event) = self.heard.pop_front() {
            self.hear(event);
        }
    }

    /// What a slow disk holds comes to nothing.
    pub(crate) fn writes_fail(&mut self) {
        for write in std::mem::take(&mut self.slow) {
            self.hear(failed(&write));
        }
    }

    /// What a slow disk holds lands, and the machine hears that it failed.
    pub(crate) fn writes_land_unheard(&mut self) {
        for write in std::mem::take(&mut self.slow) {
            let event = failed(&write);
            self.land(write);
            self.heard.pop_back();
            self.hear(event);
        }
    }

    /// What a slow disk holds is refused, for another has the lease.
    pub(crate) fn writes_are_stale(&mut self) {
        for _ in std::mem::take(&mut self.slow) {
            let record = self.stored.clone().map(Box::new);
            self.hear(Event::Stale(record));
        }
    }

    /// Time passes; the machine is woken when it asked to be.
    pub(crate) fn pass(&mut self, millis: u64) {
        let end = self.now.boot.plus(millis);
        let mut steps = 0;
        while let Some(at) = self.wake.filter(|at| *at <= end) {
            self.move_to(at);
            self.hear(Event::Due);
            steps += 1;
            assert!(steps < 100_000, "a hot loop");
        }
        self.move_to(end);
    }

    fn move_to(&mut self, boot: Boot) {
        self.now.wall = self.now.wall.plus(boot.since(self.now.boot));
        self.now.boot = boot;
    }

    /// Lets time pass until something is asked, at most this long; says what.
    pub(crate) fn next_ask(&mut self, within: u64) -> String {
        self.woken_until_asked(within, |bench| bench.hear(Event::Due))
    }

    /// As `next_ask`, for a machine that takes leases: it wins every one it asks for.
    pub(crate) fn next_ask_leased(&mut self, within: u64) -> String {
        self.woken_until_asked(within, |bench| {
            let before = bench.lease_asked;
            bench.hear(Event::Due);
            if bench.lease_asked > before {
                bench.lease_won(100 + u64::from(bench.lease_asked));
            }
        })
    }

    fn woken_until_asked(&mut self, within: u64, wake: impl Fn(&mut Self)) -> String {
        let end = self.now.boot.plus(within);
        while self.asked.is_empty() {
            let Some(at) = self.wake.filter(|at| *at <= end) else {
                panic!("nothing was asked within {} s", within / SECOND);
            };
            self.move_to(at);
            wake(self);
        }
        self.asked[0].words()
    }

    /// WeChat answers whatever is under way as if nothing were wrong.
    pub(crate) fn all_well(&mut self) {
        while let Some(asked) = self.asked.first().cloned() {
            match asked.ask {
                Ask::Probe(..) => self.alive(),
                Ask::Stable if self.current().is_some() => {
                    let (value, left) = (self.current().unwrap(), self.left() / SECOND);
                    self.answer(&value, left.max(1));
                }
                Ask::Classic | Ask::Stable | Ask::Forced => {
                    self.answer(&format!("v{}-{}", self.now.boot.0, self.writes), FULL);
                }
                Ask::Ticket(ticket, _) => {
                    let value = self.current_of(ticket.kind());
                    self.answer(&value.unwrap_or_else(|| "ticket".into()), FULL);
                }
            }
        }
    }

    /// An operator's fetch, answered at once.
    pub(crate) fn answer_next(&mut self, value: &str) {
        self.nudge(false);
        self.answer(value, FULL);
    }

    /// Asserts that nothing is asked for this long.
    pub(crate) fn quiet(&mut self, millis: u64) {
        assert_eq!(self.words(), Vec::<String>::new());
        self.pass(millis);
        assert_eq!(self.words(), Vec::<String>::new());
    }

    pub(crate) fn words(&self) -> Vec<String> {
        self.asked.iter().map(Asked::words).collect()
    }

    fn take(&mut self, what: &str) -> Asked {
        let at = self
            .asked
            .iter()
            .position(|asked| asked.words().starts_with(what));
        let Some(at) = at else {
            panic!("{what} was not asked; under way: {:?}", self.words());
        };
        self.asked.remove(at)
    }

    fn reply(&mut self, call: CallId, reply: Reply) {
        let upstream_time = self.upstream_time();
        let answer = Answer {
            reply,
            upstream_time,
        };
        self.hear(Event::Answered(call, answer));
    }

    fn upstream_time(&self) -> Option<Wall> {
        self.date
            .map(|ahead| Wall(self.now.wall.0.saturating_add_signed(ahead)))
    }

    /// Answers the only fetch of a token or ticket under way.
    pub(crate) fn answer(&mut self, value: &str, seconds: u64) {
        self.answer_to("", value, seconds);
    }

    /// Answers the first question under way whose words begin like this.
    pub(crate) fn answer_to(&mut self, what: &str, value: &str, seconds: u64) {
        let asked = self.take(what);
        let minted = Minted {
            token: Token::new(value).unwrap(),
            id: id(value),
            expires_in: Duration::from_secs(seconds),
        };
        self.reply(asked.call, Reply::Minted(minted));
    }

    pub(crate) fn alive(&mut self) {
        let asked = self.take("probe");
        self.reply(asked.call, Reply::Alive);
    }

    pub(crate) fn dead(&mut self) {
        self.dead_by(40001);
    }

    pub(crate) fn dead_by(&mut self, code: i64) {
        let asked = self.take("probe");
        self.reply(asked.call, Reply::Dead(code));
    }

    /// The first question under way fails; bytes had left.
    pub(crate) fn fail(&mut self, trouble: Trouble) {
        self.fail_with(trouble, true);
    }

    pub(crate) fn fail_with(&mut self, trouble: Trouble, sent: bool) {
        let asked = self.take("");
        let failure = Failure {
            trouble,
            sent,
            upstream_time: self.upstream_time(),
        };
        self.hear(Event::Failed(asked.call, failure));
    }

    /// The answer got lost after the request had left.
    pub(crate) fn cut(&mut self) {
        self.fail(Trouble::Passing(Passing::Cut));
    }

    pub(crate) fn busy(&mut self) {
        self.fail(Trouble::Passing(Passing::Busy));
    }

    pub(crate) fn report(&mut self, kind: Kind, value: &str, evidence: Evidence) {
        let id = id(value);
        self.hear(Event::Reported { kind, id, evidence });
    }

    pub(crate) fn reported(&mut self, value: &str) {
        self.report(Kind::AccessToken, value, Evidence::Report);
    }

    pub(crate) fn nudge(&mut self, force: bool) {
        let kind = Kind::AccessToken;
        self.hear(Event::Nudged { kind, force });
    }

    pub(crate) fn rules_change(&mut self, rules: Rules) {
        self.rules = rules.clone();
        self.hear(Event::RulesChanged(Arc::new(rules)));
    }

    /// The process dies and starts anew from what is stored; calls and writes under way are lost.
    pub(crate) fn restart(&mut self) {
        self.starts += 1;
        self.asked.clear();
        self.slow.clear();
        self.heard.clear();
        self.own = self.own.map(|own| Fence {
            number: own.number + 1,
            ..own
        });
        let rules = Arc::new(self.rules.clone());
        *self.machine =
            Machine::restore(rules, self.stored.as_ref(), self.own, self.starts, self.now);
        self.hear(Event::Due);
    }

    pub(crate) fn wall_steps(&mut self, by: i64) {
        self.now.wall = Wall(self.now.wall.0.saturating_add_signed(by));
    }

    /// The lease is ours for half a minute; number one is the first of its epoch.
    pub(crate) fn lease_won(&mut self, number: u64) {
        let record = self.stored.clone().map(Box::new);
        self.hear(Event::LeaseWon {
            fence: Fence { epoch: 1, number },
            until: self.now.boot.plus(30 * SECOND),
            record,
            begins_epoch: number == 1,
        });
    }

    /// Another replica has just fetched and saved this stable value, over the record as it was.
    pub(crate) fn another_fetched(&mut self, value: &str, mut record: Record) {
        let stored = record.lanes[Lane::Stable.index()].as_mut().unwrap();
        stored.token = Token::new(value).unwrap();
        stored.id = id(value);
        stored.sent = self.now.wall;
        stored.expires = self.now.wall.plus(FULL * SECOND);
        self.hear(Event::Learned(Box::new(record)));
    }

    pub(crate) fn current(&self) -> Option<String> {
        self.current_of(Kind::AccessToken)
    }

    pub(crate) fn current_of(&self, kind: Kind) -> Option<String> {
        let value = self.machine.current(kind, self.now)?;
        Some(value.token.expose().to_owned())
    }

    pub(crate) fn generation(&self) -> u64 {
        let value = self.machine.current(Kind::AccessToken, self.now);
        value.map_or(0, |value| value.generation.0)
    }

    /// Milliseconds the value handed out is said to have left.
    pub(crate) fn left(&self) -> u64 {
        let value = self.machine.current(Kind::AccessToken, self.now);
        value.map_or(0, |value| value.expires.since(self.now.boot))
    }

    pub(crate) fn alarmed(&self, name: AlarmName) -> bool {
        self.alarms
            .iter()
            .any(|alarm| alarm.name() == name && !matches!(alarm, Alarm::Over(_)))
    }

    pub(crate) fn is_raised(&self, name: AlarmName) -> bool {
        self.machine.raised().any(|raised| raised == name)
    }

    pub(crate) fn stored_token(&self, lane: Lane) -> Option<String> {
        let token = self.stored.as_ref()?.lanes[lane.index()].as_ref()?;
        Some(token.token.expose().to_owned())
    }
}
