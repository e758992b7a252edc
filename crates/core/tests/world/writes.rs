//! What reaches the store, in the order given or never, and what comes back.

use std::sync::Arc;

use wxtoken_core::clock::Wall;
use wxtoken_core::refresh::event::Event;
use wxtoken_core::store::{Fence, Record};

use crate::agenda::{Ev, Write};
use crate::client::Reach;
use crate::redis::Refused;
use crate::setup::SECOND;
use crate::store::Written;
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
            knows: self.knows(r),
        };
        self.push(at, Ev::Land(r, life, Box::new(write)));
    }

    /// A write reaches the store, though its writer may be gone.
    pub(crate) fn land(&mut self, r: usize, life: u32, write: Write) {
        let gone = self.replicas[r].life != life;
        if gone && self.chance.percent(50) {
            return; // it had not left yet
        }
        let note = write.note;
        if !self.setup.own {
            let (event, within) = self.land_shared(r, gone, write);
            self.soon(within, Ev::WriteDone(r, life, note, event));
            return;
        }
        let t = self.t;
        let event = match self.store.write(*write.record, write.fence, t) {
            Written::Durable => {
                self.judge_store();
                write.good
            }
            Written::Refused => write.bad,
            Written::Stale => Event::Stale(self.store.shown()),
        };
        self.soon(3, Ev::WriteDone(r, life, note, event));
    }

    /// In Redis: what its writer hears of it, and how soon.
    fn land_shared(&mut self, r: usize, gone: bool, write: Write) -> (Event, u64) {
        let reach = if gone { Reach::Well } else { self.reach(r) };
        if reach == Reach::NoRequest || self.t < self.store.full_until {
            return (write.bad, 2 * SECOND);
        }
        let (known, shown) = write.knows;
        let (fence, record) = (write.fence, Arc::new(*write.record));
        let taken = (self.store.at(r)).write(known, shown, fence, Arc::clone(&record));
        if taken.is_ok() {
            self.landed(r, &record, write.note);
        }
        if gone || reach == Reach::NoAnswer {
            return (write.bad, 2 * SECOND);
        }
        let event = match taken {
            Ok(version) => {
                self.wrote(r, fence, record, version);
                write.good
            }
            Err(refused) => Event::Stale(self.refused(r, &record, fence, refused)),
        };
        (event, 3)
    }

    fn landed(&mut self, r: usize, record: &Record, note: bool) {
        self.store.remember(record);
        if !self.store.is_behind(r) {
            if note && record.intents[0].is_some() {
                self.judge.noted_at = self.t;
            }
            self.judge_store();
        }
        self.publish_version(r, false);
    }

    /// What was refused is offered where the store has forgotten. The row's record.
    fn refused(
        &mut self,
        r: usize,
        record: &Record,
        fence: Fence,
        refused: Refused,
    ) -> Option<Box<Record>> {
        self.forget_lease(r, fence);
        let row = self.store.at(r).row.clone();
        match row {
            Some(row) if refused == Refused::Stale && row.granted.epoch == fence.epoch => {
                self.take(r, &row, true)
            }
            _ => self.offer(r, Some(record)),
        }
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

    pub(crate) fn try_lease(&mut self, r: usize, life: u32, asked: u64) {
        if self.replicas[r].life != life {
            return;
        }
        match self.ask_for_lease(r, life, asked) {
            Some(event) => self.soon(10, Ev::Give(r, life, event)),
            None => self.soon(2000, Ev::Give(r, life, Event::LeaseUnavailable)),
        }
    }

    pub(crate) fn post_late_mint(&mut self, r: usize, at: Wall) {
        let t = self.t;
        if self.setup.own {
            self.store.note_late_mint(at, t);
        } else if self.reach(r) != Reach::NoRequest && t >= self.store.full_until {
            let (known, _) = self.knows(r);
            self.store.at(r).note(known, at);
            self.publish_version(r, false);
        }
        self.judge.reason(0, t);
    }
}
