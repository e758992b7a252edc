//! Leases of a shared store: asked for, kept alive by their holder's process, lost, given back. As
//! `crates/server/src/store/redis/leases.rs` does it.

use wxtoken_core::refresh::event::Event;
use wxtoken_core::store::Fence;

use crate::agenda::Ev;
use crate::client::Reach;
use crate::redis::{Holder, KEPT_EVERY, Said};
use crate::world::World;

impl World {
    /// Whether it may think that a lease of its own stands behind what it does.
    pub(crate) fn is_leased(&self, r: usize) -> bool {
        self.setup.own || self.replicas[r].client.held.is_some() && self.reach(r) == Reach::Well
    }

    /// A lease is asked for. None: no answer comes.
    pub(crate) fn ask_for_lease(&mut self, r: usize, life: u32, asked: u64) -> Option<Event> {
        let reach = self.reach(r);
        if reach == Reach::NoRequest || self.t < self.store.full_until {
            return None;
        }
        let t = self.t;
        let known = self.replicas[r].client.newest();
        let (said, begins) = self.store.at(r).lease(Some((r, life)), known, t);
        if begins {
            self.epoch_begins(r);
        }
        if let Said::Won(fence, _) = said {
            self.judge_grant(r, fence);
        }
        if reach == Reach::NoAnswer {
            return None;
        }
        let free_in = match said {
            Said::Won(fence, begins) => {
                return Some(self.lease_won((r, life), fence, asked, begins));
            }
            Said::Offers(free_in) => {
                self.refill(r, life);
                free_in
            }
            Said::Taken(free_in) => free_in,
            Said::Look => 100, // never, for somebody asks
        };
        let free_at = self.replicas[r].now(t).boot.plus(free_in);
        Some(Event::LeaseTaken { free_at })
    }

    fn lease_won(
        &mut self,
        (r, life): Holder,
        fence: Fence,
        asked: u64,
        begins_epoch: bool,
    ) -> Event {
        let row = self.store.at(r).row.clone().unwrap_or_default();
        let lease = self.rules.timing.lease;
        if begins_epoch {
            self.judge.unwritten_epoch = self.t;
        }
        let record = self.take(r, &row, true);
        let replica = &mut self.replicas[r];
        replica.client.held = Some((fence, asked + lease));
        let until = replica.now(asked).boot.plus(lease);
        if !std::mem::replace(&mut replica.client.keeping, true) {
            let at = self.t + KEPT_EVERY;
            self.push(at, Ev::Keep(r, life));
        }
        self.snapshot(r);
        self.judge_open_notes();
        Event::LeaseWon {
            fence,
            until,
            record,
            begins_epoch,
        }
    }

    /// The holder's process keeps its lease alive, for as long as it was asked for.
    pub(crate) fn keep(&mut self, r: usize, life: u32) {
        let t = self.t;
        let replica = &mut self.replicas[r];
        if replica.life != life || !replica.up() {
            return;
        }
        if replica.stalled_until > t {
            let at = replica.stalled_until + 1;
            self.push(at, Ev::Keep(r, life));
            return;
        }
        let Some((fence, until)) = replica.client.held else {
            replica.client.keeping = false;
            return;
        };
        let reach = self.reach(r);
        if until <= t {
            self.release(r, life, fence);
        } else if reach != Reach::NoRequest {
            let kept = self.store.at(r).keep((r, life), fence, t);
            if !kept && reach == Reach::Well {
                self.replicas[r].client.held = None;
                self.give(r, life, Event::LeaseLost(fence));
            }
        }
        self.push(t + KEPT_EVERY, Ev::Keep(r, life));
    }

    pub(crate) fn release(&mut self, r: usize, life: u32, fence: Fence) {
        self.forget_lease(r, fence);
        if self.reach(r) == Reach::NoRequest {
            return; // it ends by itself
        }
        let t = self.t;
        let before = self.store.at(r).lease;
        let free = self.store.at(r).release((r, life), fence);
        let others = before.is_some_and(|(by, _, ends)| by != (r, life) && ends > t);
        if others && self.store.at(r).lease.is_none() {
            self.break_promise(
                "nobody but its holder gives a lease back",
                format!("#{r} has given back {before:?}"),
            );
        }
        if free {
            for other in 0..self.replicas.len() {
                let heard = self.hears(other, r);
                let replica = &self.replicas[other];
                if heard && replica.up() {
                    let life = replica.life;
                    self.soon(50, Ev::Give(other, life, Event::LeaseFreed));
                }
            }
        }
    }

    pub(crate) fn forget_lease(&mut self, r: usize, fence: Fence) {
        let held = &mut self.replicas[r].client.held;
        held.take_if(|(held, _)| *held == fence);
    }
}
