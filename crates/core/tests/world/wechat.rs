//! The model WeChat: what it mints, what lives, what it refuses. It alone judges whether a value was dead.

use crate::chance::Chance;
use crate::question::{Question, Says, Value, Who};
use crate::setup::{DAY, HOUR, MINUTE, Readings, SECOND};
use wxtoken_core::credential::{Lane, Ticket};
use wxtoken_core::source::{Passing, Trouble};

/// What WeChat gives a token or a ticket.
pub(crate) const LIFETIME: u64 = 7200 * SECOND;
const OVERLAP: u64 = 300 * SECOND;

#[derive(Debug, Clone)]
pub(crate) struct Minted {
    /// None for tickets.
    pub(crate) lane: Option<Lane>,
    pub(crate) by: Who,
    pub(crate) at: u64,
    /// Its own end.
    pub(crate) expires: u64,
    /// When it dies by being replaced.
    pub(crate) dies: u64,
    pub(crate) killed_by: Who,
}

impl Minted {
    pub(crate) fn end(&self) -> u64 {
        self.expires.min(self.dies)
    }
}

#[derive(Debug, Clone)]
pub(crate) struct WeChat {
    readings: Readings,
    pub(crate) values: Vec<Minted>,
    /// Per lane, newest last; only the last three matter.
    lines: [Vec<Value>; 2],
    tickets: [Option<Value>; 2],
    ticket_phase: u64,
    last_force: Option<u64>,
    forces: Vec<u64>,
    /// Windows of trouble, by their ends.
    pub(crate) busy_until: u64,
    pub(crate) refuses: (u64, i64),
    pub(crate) quota_until: [u64; 2],
    pub(crate) all_bad: (u64, u64),
    /// When each value was last found alive by a probe or a ticket's question.
    pub(crate) seen_alive: Vec<u64>,
}

impl WeChat {
    pub(crate) fn new(readings: Readings, chance: &mut Chance) -> Self {
        Self {
            readings,
            values: Vec::new(),
            lines: [Vec::new(), Vec::new()],
            tickets: [None, None],
            ticket_phase: chance.below(LIFETIME),
            last_force: None,
            forces: Vec::new(),
            busy_until: 0,
            refuses: (0, 0),
            quota_until: [0; 2],
            all_bad: (0, 0),
            seen_alive: Vec::new(),
        }
    }

    pub(crate) fn value(&self, value: Value) -> &Minted {
        &self.values[value as usize]
    }

    pub(crate) fn alive(&self, value: Value, t: u64) -> bool {
        t < self.value(value).end() && !self.all_bad_at(t)
    }

    pub(crate) fn all_bad_at(&self, t: u64) -> bool {
        self.all_bad.0 <= t && t < self.all_bad.1
    }

    /// The lane's newest value.
    pub(crate) fn newest(&self, lane: Lane) -> Option<Value> {
        self.lines[lane.index()].last().copied()
    }

    /// Everything that goes wrong ends.
    pub(crate) fn calm(&mut self, t: u64) {
        self.busy_until = self.busy_until.min(t);
        self.refuses.0 = self.refuses.0.min(t);
        self.quota_until = self.quota_until.map(|until| until.min(t));
        self.all_bad.1 = self.all_bad.1.min(t);
    }

    pub(crate) fn ask(&mut self, question: Question, by: Who, t: u64) -> Says {
        if t < self.busy_until {
            return Says::Trouble(Trouble::Passing(Passing::Busy));
        }
        match question {
            Question::Probe(_, value) => self.probe(value, t),
            Question::Ticket(ticket, with) => self.ticket(ticket, with, t),
            Question::Classic | Question::Stable | Question::Forced => self.token(question, by, t),
        }
    }

    fn token(&mut self, question: Question, by: Who, t: u64) -> Says {
        let lane = question.fetches().unwrap_or(Lane::Stable);
        if by == Who::Us && t < self.refuses.0 {
            return Says::Trouble(Trouble::Refused(self.refuses.1));
        }
        if by == Who::Us && t < self.quota_until[lane.index()] {
            return Says::Trouble(Trouble::QuotaUsedUp);
        }
        match question {
            Question::Classic => self.mint_classic(by, t),
            Question::Forced => self.force(by, t),
            Question::Stable | Question::Ticket(..) | Question::Probe(..) => self.normal(by, t),
        }
    }

    fn mint(&mut self, lane: Option<Lane>, by: Who, at: u64, expires: u64) -> Value {
        let value = self.values.len() as Value;
        self.values.push(Minted {
            lane,
            by,
            at,
            expires,
            dies: u64::MAX,
            killed_by: Who::WeChat,
        });
        self.seen_alive.push(0);
        if let Some(lane) = lane {
            self.lines[lane.index()].push(value);
        }
        value
    }

    /// Ends the lane's current value after some grace, and all before it at once where that is so read.
    fn replace(&mut self, lane: Lane, grace: u64, evict: bool, by: Who, t: u64) {
        let line = &self.lines[lane.index()];
        let recent = line.iter().rev().take(6).copied().collect::<Vec<_>>();
        for (age, value) in recent.into_iter().enumerate() {
            let dies = if age == 0 { t + grace } else { t };
            let value = &mut self.values[value as usize];
            if (age == 0 || evict) && dies < value.dies && t < value.expires {
                value.dies = dies;
                value.killed_by = by;
            }
        }
    }

    fn mint_classic(&mut self, by: Who, t: u64) -> Says {
        self.replace(Lane::Classic, OVERLAP, self.readings.third_evicts, by, t);
        let value = self.mint(Some(Lane::Classic), by, t, t + LIFETIME);
        Says::Value(value, LIFETIME / SECOND)
    }

    fn normal(&mut self, by: Who, t: u64) -> Says {
        if let Some(value) = self.newest(Lane::Stable) {
            let left = self.value(value).expires.saturating_sub(t);
            if left > OVERLAP {
                return Says::Value(value, left / SECOND);
            }
        }
        let value = self.mint(Some(Lane::Stable), by, t, t + LIFETIME);
        Says::Value(value, LIFETIME / SECOND)
    }

    fn force(&mut self, by: Who, t: u64) -> Says {
        self.forces.retain(|at| t < at + DAY);
        let too_soon = self.last_force.is_some_and(|last| t < last + 30 * SECOND);
        if too_soon || self.forces.len() >= 20 {
            if !self.readings.force_limit_refuses && self.newest(Lane::Stable).is_some() {
                return self.unchanged(t);
            }
            return Says::Trouble(if too_soon {
                Trouble::Passing(Passing::TooFast)
            } else {
                Trouble::QuotaUsedUp
            });
        }
        self.last_force = Some(t);
        self.forces.push(t);
        let grace = if self.readings.force_kills_at_once {
            0
        } else {
            OVERLAP
        };
        self.replace(Lane::Stable, grace, true, by, t);
        let value = self.mint(Some(Lane::Stable), by, t, t + LIFETIME);
        Says::Value(value, LIFETIME / SECOND)
    }

    fn unchanged(&mut self, t: u64) -> Says {
        let Some(value) = self.newest(Lane::Stable) else {
            return Says::Trouble(Trouble::Passing(Passing::Busy));
        };
        let left = self.value(value).expires.saturating_sub(t);
        if left < SECOND {
            return self.normal(Who::Us, t);
        }
        Says::Value(value, left / SECOND)
    }

    fn death(&self, value: Value, t: u64) -> i64 {
        let minted = self.value(value);
        let replaced = minted.dies < minted.expires;
        if t >= minted.expires && (!replaced || self.readings.late_death_is_42001) {
            42001
        } else {
            40001
        }
    }

    fn probe(&mut self, value: Value, t: u64) -> Says {
        if self.alive(value, t) {
            self.seen_alive[value as usize] = t;
            return Says::Alive;
        }
        Says::Dead(self.death(value, t))
    }

    fn ticket(&mut self, ticket: Ticket, with: Value, t: u64) -> Says {
        if !self.alive(with, t) {
            return Says::Trouble(Trouble::TokenBad(self.death(with, t)));
        }
        let born = (t + self.ticket_phase) / LIFETIME * LIFETIME;
        let born = born.saturating_sub(self.ticket_phase);
        let held = self.tickets[ticket as usize];
        let value = match held.filter(|held| self.value(*held).at >= born) {
            Some(held) => held,
            None => {
                let ends = (t + self.ticket_phase) / LIFETIME * LIFETIME + LIFETIME;
                let ends = ends - self.ticket_phase + self.readings.ticket_lingers;
                let value = self.mint(None, Who::WeChat, t, ends);
                self.tickets[ticket as usize] = Some(value);
                value
            }
        };
        self.seen_alive[value as usize] = t;
        Says::Value(value, LIFETIME / SECOND)
    }

    /// WeChat calls the current stable value bad, and still answers with it.
    pub(crate) fn stick_stable(&mut self, t: u64) -> Option<Value> {
        let value = self.newest(Lane::Stable)?;
        let minted = &mut self.values[value as usize];
        if t + HOUR / 6 < minted.expires && minted.dies == u64::MAX {
            minted.dies = t;
            minted.killed_by = Who::WeChat;
            return Some(value);
        }
        None
    }

    /// Some trouble for a while: what was asked before it stays.
    pub(crate) fn all_bad_for(&mut self, t: u64, millis: u64) {
        self.all_bad = (t, t + millis.min(30 * MINUTE));
    }
}
