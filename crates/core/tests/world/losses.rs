//! What goes wrong with a shared store: replicas cut off from it, leases that end early, an emptied store, a failover that loses
//! the last writes, a master that does not know that it is none any more.
//!
//! Replicas talk to each other through the store alone, so there is nothing to cut between them.

use crate::agenda::Ev;
use crate::client::Reach;
use crate::redis::Redis;
use crate::setup::{MINUTE, SECOND};
use crate::store::Behind;
use crate::table::Fault;
use crate::world::World;

impl World {
    pub(crate) fn strike_store(&mut self, fault: Fault, r: usize) {
        let t = self.t;
        match fault {
            Fault::StoreCut => {
                let way = self
                    .chance
                    .pick(&[Reach::NoRequest, Reach::NoRequest, Reach::NoAnswer]);
                let until = t + self.chance.spread(500, 10 * MINUTE);
                self.replicas[r].cut = (until, way);
                self.replicas[r].cut_at = t;
                if way == Reach::NoRequest {
                    self.holder_is_lost(r);
                }
                self.push(until, Ev::Mended(r));
            }
            Fault::LeaseEnds => {
                self.store.redis.lease = None;
                self.judge.lease_ended = t;
            }
            Fault::StoreEmptied => {
                self.tell(|| "the store is empty".into());
                self.store.redis.row = None;
                self.store.redis.lease = None;
                if self.chance.percent(50) {
                    self.begin_life();
                } else {
                    self.all_compare(10 * SECOND); // no connection ended
                }
                self.rows_lost();
            }
            _ => {
                // What is written from now on does not reach the other machine.
                let copy = self.store.redis.clone();
                let lag = if self.chance.percent(80) {
                    self.chance.spread(1, 2 * SECOND)
                } else {
                    self.chance.spread(SECOND, 5 * MINUTE)
                };
                self.push(t + lag, Ev::FailOver(Box::new(copy)));
            }
        }
    }

    /// Another machine is the master now, with what it knows. Some may still reach the old one, for a while.
    pub(crate) fn fail_over(&mut self, copy: Redis) {
        if copy.life != self.store.redis.life || self.calm {
            return; // it has been replaced otherwise
        }
        let old = std::mem::replace(&mut self.store.redis, copy);
        self.tell(|| "the store fails over".into());
        if self.chance.percent(40) && self.store.behind.is_none() {
            let reached_by = [(); 3].map(|()| self.chance.percent(50));
            self.tell(|| format!("  {reached_by:?} still reach the old master"));
            self.store.behind = Some(Behind {
                redis: old,
                reached_by,
            });
            let until = self.t + self.chance.spread(SECOND, 12 * SECOND);
            self.judge.split = (self.t, until);
            self.push(until, Ev::OldMasterEnds);
        }
        self.begin_life();
        self.rows_lost();
    }

    /// The old master's writes are undone; who was there looks at the new one.
    pub(crate) fn old_master_ends(&mut self) {
        let Some(behind) = self.store.behind.take() else {
            return;
        };
        self.tell(|| "the old master ends".into());
        self.rows_lost();
        for r in 0..self.replicas.len() {
            if behind.reached_by[r] {
                self.replicas[r].behind_until = self.t;
                let life = self.replicas[r].life;
                self.soon(1500, Ev::Compare(r, life));
            }
        }
    }

    /// Every connection ends, and is made anew.
    fn begin_life(&mut self) {
        self.store.redis.life += 1;
        self.all_compare(1500);
    }

    fn all_compare(&mut self, within: u64) {
        for r in 0..self.replicas.len() {
            let life = self.replicas[r].life;
            if !self.store.is_behind(r) {
                self.soon(within, Ev::Compare(r, life));
            }
        }
    }

    pub(crate) fn mended(&mut self, r: usize) {
        if self.reach(r) != Reach::Well {
            return; // something else is wrong meanwhile
        }
        let life = self.replicas[r].life;
        self.soon(1500, Ev::Compare(r, life));
    }
}
