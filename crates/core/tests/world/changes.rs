//! How replicas hear of each other through a shared store: messages that mostly arrive, comparisons that find what they have not
//! told, and what is given back to a store that has forgotten. As `crates/server/src/store/redis/changes.rs` does it.

use std::sync::Arc;

use wxtoken_core::clock::Wall;
use wxtoken_core::merge::merged;
use wxtoken_core::refresh::event::Event;
use wxtoken_core::store::{Fence, Record};

use crate::agenda::Ev;
use crate::client::Reach;
use crate::redis::{Body, Row};
use crate::setup::SECOND;
use crate::world::World;

impl World {
    /// Whether a message of one reaches another: most do. What a lost one costs is a comparison later on.
    pub(crate) fn hears(&mut self, r: usize, from: usize) -> bool {
        self.reach(r) == Reach::Well
            && self.store.is_behind(r) == self.store.is_behind(from)
            && self.chance.percent(92)
    }

    /// A write was taken: those who hear of it read it, the others find it when they next compare.
    pub(crate) fn publish_version(&mut self, from: usize, epoch: bool) {
        for r in 0..self.replicas.len() {
            if !self.replicas[r].up() {
                continue;
            }
            let life = self.replicas[r].life;
            if !self.hears(r, from) {
                self.replicas[r].deaf_at = self.t;
                self.soon(10 * SECOND, Ev::Compare(r, life));
            } else if epoch {
                self.soon(50, Ev::Refill(r, life));
            } else if r != from {
                let late = self.chance.percent(5);
                if late {
                    self.replicas[r].deaf_at = self.t;
                }
                let within = if late { 3000 } else { 50 };
                self.soon(within, Ev::Read(r, life));
            }
        }
    }

    pub(crate) fn epoch_begins(&mut self, r: usize) {
        self.tell(|| format!("  an epoch begins, as #{r} asks"));
        if !self.store.is_behind(r) {
            self.judge.epoch_began = self.t;
        }
        self.publish_version(r, true);
    }

    /// Whether a process can ask the store now; if it stands still, it does so later.
    fn can_ask(&mut self, r: usize, life: u32, later: fn(usize, u32) -> Ev) -> bool {
        let replica = &self.replicas[r];
        if replica.life != life || !replica.up() {
            return false;
        }
        if replica.stalled_until > self.t {
            let at = replica.stalled_until + 1;
            self.push(at, later(r, life));
            return false;
        }
        self.reach(r) == Reach::Well
    }

    /// An epoch has begun: what is held is offered, and what others have offered told, for no comparison will find it.
    pub(crate) fn refill(&mut self, r: usize, life: u32) {
        if !self.can_ask(r, life, Ev::Refill) {
            return;
        }
        let record = self.offer(r, None);
        if let Some(record) = record.filter(|_| !self.store.mistakes().untold) {
            self.give(r, life, Event::Learned(record));
        }
    }

    /// What another wrote is read.
    pub(crate) fn read(&mut self, r: usize, life: u32) {
        if !self.can_ask(r, life, Ev::Read) {
            return;
        }
        let row = self.store.at(r).row.clone().unwrap_or_default();
        if row.version <= self.replicas[r].client.version {
            return;
        }
        // While others offer, reading alone would drop what is kept here and lacks there.
        if row.granted.number == 0 {
            self.refill(r, life);
            return;
        }
        let record = self.take(r, &row, false);
        self.snapshot(r);
        if let Some(record) = record {
            self.give(r, life, Event::Learned(record));
        }
    }

    /// Versions are compared: after every subscription, and every ten seconds.
    pub(crate) fn compare(&mut self, r: usize, life: u32) {
        if self.store.mistakes().never_compares || !self.can_ask(r, life, Ev::Compare) {
            return;
        }
        let row = self.store.at(r).row.as_ref();
        let (version, granted) = row.map_or((0, None), |row| (row.version, Some(row.granted)));
        let client = &self.replicas[r].client;
        let has_forgotten = granted.is_none() || version < client.version;
        let begins = granted.is_some_and(|it| it.number == 0 && it.epoch > client.epoch);
        if has_forgotten || begins {
            self.refill(r, life);
        } else {
            self.read(r, life);
        }
    }

    /// Gives Redis what it lacks, while an epoch begins: what is kept in memory, or `mine`. The row's record afterwards.
    pub(crate) fn offer(&mut self, r: usize, mine: Option<&Record>) -> Option<Box<Record>> {
        let client = &self.replicas[r].client;
        let kept = client.kept.as_ref().map(|body| body.record.as_ref());
        let (kept, known) = (mine.or(kept).cloned(), client.newest());
        let (_, begins) = self.store.at(r).lease(None, known, self.t);
        if begins {
            self.epoch_begins(r);
        }
        let row = self.store.at(r).row.clone().unwrap_or_default();
        let Some(kept) = kept.filter(|_| row.granted.number == 0) else {
            return self.take(r, &row, false);
        };
        let held = row.body.as_ref().map(|body| body.record.as_ref());
        let held = held.filter(|_| !self.store.mistakes().unmerged);
        let late = kept.late_mint.max(held.and_then(|held| held.late_mint));
        let both = held.map_or_else(|| kept.clone(), |held| merged(held, &kept));
        let both = Arc::new(both);
        if held == Some(&*both) {
            return self.take(r, &row, false);
        }
        let Some(version) = self.store.at(r).offer(Arc::clone(&both)) else {
            return self.take(r, &row, false);
        };
        self.tell(|| format!("  #{r} offers what it holds"));
        self.judge_merged(&both, late);
        self.store.remember(&both);
        self.wrote(r, row.granted, Arc::clone(&both), version);
        self.judge_offer(r);
        self.publish_version(r, false);
        Some(Box::new(both.as_ref().clone()))
    }

    /// What a row holds, with what is kept here and lacks there; whoever writes has been shown the late mint beside it.
    pub(crate) fn take(&mut self, r: usize, row: &Row, writes: bool) -> Option<Box<Record>> {
        let client = &mut self.replicas[r].client;
        let kept = client.kept.as_ref().and_then(|kept| kept.record.late_mint);
        let held = row.body.as_ref().and_then(|held| held.record.late_mint);
        if writes {
            client.shown = row.late;
        }
        let taken = client.take(row)?;
        self.judge_merged(&taken, kept.max(held).max(row.late));
        Some(taken)
    }

    /// Two values that know nothing of each other were found: one more fetch tells.
    fn judge_merged(&mut self, record: &Record, known: Option<Wall>) {
        if record.late_mint > known {
            self.judge.reason(0, self.t);
        }
    }

    /// A write of this process was taken.
    pub(crate) fn wrote(&mut self, r: usize, fence: Fence, record: Arc<Record>, version: u64) {
        let body = Body { fence, record };
        self.replicas[r].client.wrote(body, version);
        self.snapshot(r);
    }

    /// The local snapshot follows what is known, mostly.
    pub(crate) fn snapshot(&mut self, r: usize) {
        if self.chance.percent(80) {
            let replica = &mut self.replicas[r];
            replica.snapshot.clone_from(&replica.client.kept);
        }
    }
}
