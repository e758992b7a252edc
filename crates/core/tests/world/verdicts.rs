//! The promises, as the judge holds them against what happened. WeChat's own state decides what was dead or alive.

use wxtoken_core::budget::BudgetKind;
use wxtoken_core::credential::Lane;
use wxtoken_core::refresh::alarm::{Alarm, AlarmName};
use wxtoken_core::retry::Spent;

use crate::replica::{Call, KINDS, Seen, id_of, value_of};
use crate::setup::{DAY, HOUR, MINUTE, SECOND};
use crate::wechat::{Question, Says, Value, Who};
use crate::world::{Ev, World};

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
            || self.store.away_until > from && spent.used * 4 >= spent.limit
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
    fn probed_every(&self, r: usize, value: Value) -> Option<u64> {
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
        if !token_lives || spent.used * 4 >= spent.limit || misled {
            return;
        }
        let guilt = self.replicas[r].guilt[k];
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

    /// What WeChat has seen of a budget over thirty hours.
    pub(crate) fn spent(&self, budget: usize) -> Spent {
        Spent {
            used: self.judge.used(budget),
            limit: self.rules.limits.per_day[budget].into(),
        }
    }

    /// The same, or what the machine believes where a clock was set: then it may only believe more.
    fn believed(&self, r: usize, kind: BudgetKind) -> Spent {
        let spent = self.spent(kind as usize);
        let replica = &self.replicas[r];
        let machine = replica.machine.as_ref().filter(|_| self.judge.stepped);
        let believes = machine.map_or(0, |machine| machine.spent(kind, replica.now(self.t)).used);
        Spent {
            used: spent.used.max(believes),
            ..spent
        }
    }

    /// What readers see now, against what they saw before.
    pub(crate) fn look(&mut self, r: usize) {
        let t = self.t;
        for (k, kind) in KINDS.into_iter().enumerate() {
            let replica = &self.replicas[r];
            let Some(machine) = &replica.machine else {
                return;
            };
            let current = machine.current(kind, replica.now(t)).map(|value| Seen {
                value: value_of(value.id),
                generation: value.generation.0,
                ends: replica.true_time(value.expires),
            });
            let before = replica.seen[k];
            if current == before {
                if let Some(seen) = current.filter(|seen| seen.ends + 1000 < t) {
                    self.break_promise(
                        "boot time decides what lives",
                        format!("#{r} hands out v{} beyond the end it was given", seen.value),
                    );
                }
                continue;
            }
            self.replicas[r].seen[k] = current;
            match (before, current) {
                (_, Some(current)) => self.shown(r, k, before, current),
                (Some(before), None) => self.withdrawn(r, k, before),
                (None, None) => {}
            }
        }
    }

    fn shown(&mut self, r: usize, k: usize, before: Option<Seen>, seen: Seen) {
        let t = self.t;
        if before.is_none_or(|before| before.value != seen.value) {
            let guilt = &mut self.replicas[r].guilt[k];
            (guilt.evidence, guilt.since, guilt.idle) = (None, t, 0);
            self.replicas[r].tampered[k] = None; // a publication rewrites sinks
        }
        let (highest, bearer) = self.replicas[r].highest[k];
        if seen.generation < highest
            || seen.generation == highest && bearer.is_some_and(|bearer| bearer != seen.value)
        {
            self.break_promise(
                "generations never go back",
                format!(
                    "#{r} hands out v{} as {} after {highest}",
                    seen.value, seen.generation
                ),
            );
        }
        self.replicas[r].highest[k] = (seen.generation, Some(seen.value));
        let life = self.replicas[r].life;
        self.push(seen.ends + 1500, Ev::Look(r, life));
        if k > 0 {
            return;
        }
        let minted = self.wechat.value(seen.value).clone();
        let own = self.judge.fetched_by(seen.value) == Some((r, life))
            && (self.setup.own || !self.judge.stepped);
        let misjudged = minted.at < self.judge.last_step[r];
        let clock_excuse = !own
            && (misjudged || self.replicas[r].clock_doubt || !self.setup.own && self.judge.stepped);
        let allowed = SECOND + if own { 0 } else { 2 * self.setup.skew };
        if seen.ends > minted.expires + allowed && !clock_excuse {
            self.break_promise(
                "no expiry is handed out beyond the truth",
                format!(
                    "#{r} says v{} ends {} ms too late",
                    seen.value,
                    seen.ends - minted.expires
                ),
            );
        }
        let Some(before) = before else { return };
        let older = self.wechat.value(before.value);
        if before.value != seen.value
            && older.lane == minted.lane
            && older.at > minted.at
            && !self.setup.adopts
        {
            self.break_promise(
                "an older value never replaces a newer one",
                format!("#{r} hands out v{} after v{}", seen.value, before.value),
            );
        }
        // What was taken from a store is corrected by an answer, which counts from when its question was sent.
        let resumed = self.replicas[r].stalled_until + SECOND >= t;
        let correction = if resumed { 11 * MINUTE } else { 12 * SECOND };
        if before.value == seen.value && seen.ends + correction < before.ends {
            self.cut_short(r, before, seen.ends);
        }
        let _ = t;
    }

    fn withdrawn(&mut self, r: usize, k: usize, before: Seen) {
        let t = self.t;
        if k == 0 {
            self.replicas[r].absent_since = t;
        }
        if k == 0 && before.ends > t + 50 {
            self.cut_short(r, before, t);
        }
    }

    /// A value is not handed out for as long as was said: only a death, or a call of ours that may have killed it, excuses.
    fn cut_short(&mut self, r: usize, before: Seen, ends: u64) {
        let t = self.t;
        let minted = self.wechat.value(before.value);
        let Some(lane) = minted.lane else { return };
        // A value that is being handed over may go before it dies: it has a successor.
        let dead = minted.end() <= t + 100 || self.wechat.newest(lane) != Some(before.value);
        let doubted = self.judge.uncertain[lane.index()] >= minted.at
            || self.judge.lanes_changed_at + HOUR > t
            || self.judge.all_bad_until + HOUR > t
            || self.replicas[r].clock_doubt
            || !self.setup.own
                && (self.judge.stepped || before.ends < ends + 2 * self.setup.skew + SECOND)
            || !self.setup.own && self.open_note(lane);
        if !dead && !doubted {
            self.break_promise(
                "no live value is thrown away",
                format!(
                    "#{r} lets go of v{}, which lives until {}",
                    before.value,
                    minted.end()
                ),
            );
        }
    }

    /// Another replica's call may just have minted, as its note in the store says: whoever takes over must doubt.
    fn open_note(&self, lane: Lane) -> bool {
        let note = self
            .store
            .record
            .as_ref()
            .and_then(|record| record.intents[lane.index()]);
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
            if total <= limit
                || t <= self.judge.clocks_excused_until
                || !self.setup.own && self.judge.stepped
            {
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
        if (unsure || rival) && question == Question::Stable {
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

    /// Rule 10, at the moment of a mint: whose token does it kill?
    pub(crate) fn judge_mint(
        &mut self,
        question: Question,
        who: Who,
        before: Option<Value>,
        says: Says,
    ) {
        let t = self.t;
        if question != Question::Classic || !matches!(says, Says::Value(..)) {
            return;
        }
        let Some(before) = before else { return };
        let theirs = self.wechat.value(before).by == Who::Foreign;
        if who == Who::Foreign || !theirs {
            return;
        }
        if self.setup.foreign && self.chance.percent(50) {
            let again = t + 5 * MINUTE + self.chance.below(20 * MINUTE);
            self.push(again, Ev::ForeignFetch);
        }
        let standby = self.rules.lanes.primary() != Lane::Classic || self.judge.gave_way;
        let ours = self.wechat.values[..before as usize]
            .iter()
            .rposition(|minted| minted.lane == Some(Lane::Classic) && minted.by == Who::Us);
        let repair = ours.is_some_and(|ours| self.judge.known_dead == Some(ours as Value));
        // Where a clock was found to be off, an early death accuses nobody, and so protects nobody.
        let unsure = self.judge.stepped && self.setup.readings.date_header;
        let doubted = ours.is_some_and(|ours| {
            self.judge.uncertain[0] + 2 * MINUTE >= self.wechat.value(ours as Value).at
        });
        let excused = unsure
            || doubted
            || t < self.judge.reasons[0]
            || t < self.judge.clocks_excused_until
            || !self.setup.own && self.judge.stepped;
        if !repair || excused {
            self.judge.war.clear();
            return;
        }
        self.judge.war.push_back(t);
        while self
            .judge
            .war
            .front()
            .is_some_and(|at| at + 2 * HOUR <= t + MINUTE)
        {
            self.judge.war.pop_front();
        }
        let hour = self.judge.war.iter().filter(|at| **at + HOUR > t).count();
        if standby && self.judge.war.len() > 1 || hour > 3 {
            let kills = self.judge.war.len();
            self.break_promise(
                "no war over the classic token",
                format!("{kills} repairs killed a living token"),
            );
        }
    }

    pub(crate) fn alarm(&mut self, r: usize, alarm: Alarm) {
        self.tell(|| format!("  #{r} alarms {alarm:?}"));
        match alarm {
            Alarm::Unsaved => self.replicas[r].unsaved = true,
            Alarm::Over(AlarmName::Unsaved) => self.replicas[r].unsaved = false,
            Alarm::ForeignFetcher { .. } => self.judge_accusation(r),
            Alarm::GaveWay => self.judge.gave_way = true,
            Alarm::Over(AlarmName::GaveWay) => self.judge.gave_way = false,
            _ => {}
        }
    }

    fn judge_accusation(&mut self, r: usize) {
        self.judge.accused = true;
        let Some((_, value)) = self.judge.just_dead.filter(|(whom, _)| *whom == r) else {
            return;
        };
        let minted = self.wechat.value(value);
        let foreign = minted.killed_by == Who::Foreign && minted.dies < minted.expires;
        let excused = self.judge.all_bad_until + HOUR / 4 > self.t
            || self.replicas[r].clock_doubt
            || !self.setup.own && self.judge.stepped;
        if !foreign && !excused {
            self.break_promise(
                "nobody is accused of what we did ourselves",
                format!("v{value}, {minted:?}"),
            );
        }
    }

    /// After the machine heard that a value is dead: if another program did it, that is said.
    pub(crate) fn told_dead(&mut self, r: usize, call: &Call, says: Says) {
        let t = self.t;
        let Question::Probe(Lane::Classic, value) = call.question else {
            return;
        };
        if says != Says::Dead(40001) || !self.replicas[r].up() || self.replicas[r].stalled_until > t
        {
            return;
        }
        let minted = self.wechat.value(value).clone();
        let foreign = minted.killed_by == Who::Foreign && minted.by == Who::Us;
        let early = minted.dies.saturating_add(20 * SECOND) < minted.expires
            && t + 20 * SECOND < minted.expires;
        let taken_down = self.replicas[r].seen[0].is_none_or(|seen| seen.value != value);
        let was_out = self.replicas[r].highest[0].1 == Some(value);
        let fetching = self.replicas[r]
            .calls
            .iter()
            .any(|call| call.question == Question::Classic);
        let ours_may_have = fetching
            || self.judge.uncertain[0] + 2 * MINUTE >= minted.at
            || self.judge.last_late_mint + 2 * MINUTE >= minted.at && self.judge.last_late_mint > 0
            || self.replicas[r].clock_doubt
            || self.judge.stepped;
        if foreign
            && early
            && taken_down
            && was_out
            && self.setup.own
            && !ours_may_have
            && !self.judge.accused
        {
            self.break_promise(
                "another program that fetches is named",
                format!("v{value}, {minted:?}"),
            );
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
            let record = self.store.record.as_ref();
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
        let Some(record) = &self.store.record else {
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
        if back || older && !self.judge.stepped {
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
        if self.judge.used(4) >= 4 {
            bound += 2 * HOUR; // no more forced refreshes today: a stuck value has to reach its end
        }
        bound
    }

    pub(crate) fn judge_calm(&mut self) {
        let t = self.t;
        let owed = self.setup.rules.take_over || self.adopt.is_some();
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
