//! What reaches the store, in the order given or never, who hears of it, and leases.

use wxtoken_core::refresh::event::Event;
use wxtoken_core::store::{Fence, Record};

use crate::agenda::{Ev, Write};
use crate::setup::SECOND;
use crate::store::{LEASE, Written};
use crate::world::World;

impl World {
    pub(crate) fn write(
        &mut self,
        r: usize,
        life: u32,
        (good, bad): (Event, Event),
        record: Box<Record>,
        fence: Fence,
        note: bool,
    ) {
        let slow = self.store.slowness(self.t);
        let takes = 1 + self.chance.below(slow);
        let at = self.replicas[r].write_tail.max(self.t) + takes;
        self.replicas[r].write_tail = at;
        let write = Write {
            good,
            bad,
            record,
            fence,
            note,
        };
        self.push(at, Ev::Land(r, life, Box::new(write)));
    }

    /// A write reaches the store, though its writer may be gone.
    pub(crate) fn land(&mut self, r: usize, life: u32, write: Write) {
        let gone = self.replicas[r].life != life;
        if gone && self.chance.percent(50) {
            return; // it had not left yet
        }
        let Write {
            good,
            bad,
            record,
            fence,
            note,
        } = write;
        let before = self.judge.word(&self.store);
        let t = self.t;
        let event = match self.store.write(*record, fence, t) {
            Written::Durable => {
                self.judge_store();
                if self.judge.word(&self.store) != before {
                    self.spread_word(r);
                }
                good
            }
            Written::Refused => bad,
            Written::Stale => Event::Stale(self.store.shown()),
        };
        self.soon(3, Ev::WriteDone(r, life, note, event));
    }

    pub(crate) fn write_done(&mut self, r: usize, life: u32, note: bool, event: Event) {
        let replica = &mut self.replicas[r];
        if replica.life != life {
            return;
        }
        if replica.stalled_until <= self.t {
            self.integrate(r);
        }
        let replica = &mut self.replicas[r];
        if note {
            replica.notes -= 1;
        } else {
            replica.saves -= 1;
        }
        self.give(r, life, event);
    }

    /// Others hear of a change: soon, or when they next compare, or first of an older one.
    pub(crate) fn spread_word(&mut self, from: usize) {
        for r in 0..self.replicas.len() {
            if r == from || !self.replicas[r].up() {
                continue;
            }
            if self.chance.percent(85) {
                let life = self.replicas[r].life;
                if let Some(record) = self.store.record.clone() {
                    let within = if self.chance.percent(5) { 5000 } else { 50 };
                    self.soon(within, Ev::Give(r, life, Event::Learned(Box::new(record))));
                }
            } else {
                self.soon(60 * SECOND, Ev::Reconcile(r));
            }
        }
    }

    pub(crate) fn reconcile(&mut self, r: usize) {
        if self.t < self.store.away_until {
            self.soon(60 * SECOND, Ev::Reconcile(r));
            return;
        }
        let version = self.store.version;
        if self.replicas[r].learned < version {
            self.replicas[r].learned = version;
            let life = self.replicas[r].life;
            if let Some(record) = self.store.record.clone() {
                self.give(r, life, Event::Learned(Box::new(record)));
            }
        }
    }

    pub(crate) fn try_lease(&mut self, r: usize, life: u32, asked: u64) {
        let t = self.t;
        if self.replicas[r].life != life {
            return;
        }
        if t < self.store.away_until {
            self.soon(2000, Ev::Give(r, life, Event::LeaseUnavailable));
            return;
        }
        let event = match self.store.lease((r, life), LEASE, t) {
            Ok(fence) => {
                self.replicas[r].learned = self.store.version;
                self.judge_open_notes();
                Event::LeaseWon {
                    fence,
                    until: self.replicas[r].now(asked).boot.plus(LEASE),
                    record: self.store.shown(),
                }
            }
            Err(free_in) => Event::LeaseTaken {
                free_at: self.replicas[r].now(t).boot.plus(free_in),
            },
        };
        self.soon(10, Ev::Give(r, life, event));
    }
}
