//! What each process's side of the shared store keeps in memory, and whether it can reach the store. As
//! `crates/server/src/store/redis/memory.rs` does it.

use std::sync::Arc;

use wxtoken_core::clock::Wall;
use wxtoken_core::merge::merged;
use wxtoken_core::store::{Fence, Record};

use crate::agenda::Ev;
use crate::redis::{Body, Row};
use crate::setup::SECOND;
use crate::world::World;

/// Who is there for so long after a loss has given back what it knows.
const OFFERED: u64 = 12 * SECOND;

/// What a process remembers of the app's row.
#[derive(Debug, Clone, Default)]
pub(crate) struct Client {
    pub(crate) version: u64,
    pub(crate) epoch: u64,
    /// The late mint its writer has been shown.
    pub(crate) shown: Option<Wall>,
    /// The newest body read or written.
    pub(crate) kept: Option<Body>,
    /// The lease it keeps alive, until then.
    pub(crate) held: Option<(Fence, u64)>,
    pub(crate) keeping: bool,
}

impl Client {
    /// As a process starts: all it knows is the snapshot on its disk.
    pub(crate) fn new(snapshot: Option<Body>) -> Self {
        Self {
            kept: snapshot,
            ..Self::default()
        }
    }

    pub(crate) fn newest(&self) -> u64 {
        self.version.max(self.epoch)
    }

    /// A row was read; what is kept that it lacks.
    fn met(&mut self, row: &Row) -> Option<Body> {
        self.epoch = self.epoch.max(row.granted.epoch);
        let older = row.version < self.version;
        self.version = self.version.max(row.version);
        let missing = self.kept.as_ref().filter(|kept| match &row.body {
            Some(body) => {
                let pairs = kept.generations().into_iter().zip(body.generations());
                older || pairs.into_iter().any(|(kept, held)| kept > held)
            }
            None => true,
        });
        if let Some(missing) = missing {
            return Some(missing.clone());
        }
        if row.body.is_some() {
            self.kept.clone_from(&row.body);
        }
        None
    }

    /// The record a row holds, with a late mint noted beside it, and with what is kept here and lacks there.
    pub(crate) fn take(&mut self, row: &Row) -> Option<Box<Record>> {
        let held = row.body.as_ref().map(|body| &body.record);
        let record = match (held, self.met(row)) {
            (Some(held), Some(kept)) => {
                let both = merged(held, &kept.record);
                self.kept = Some(Body {
                    fence: kept.fence,
                    record: Arc::new(both.clone()),
                });
                Some(both)
            }
            (None, Some(kept)) => Some(kept.record.as_ref().clone()),
            (held, None) => held.map(|held| held.as_ref().clone()),
        };
        let mut record = record.map(Box::new);
        if row.late.is_some() {
            let record = record.get_or_insert_default();
            record.late_mint = record.late_mint.max(row.late);
        }
        record
    }

    pub(crate) fn wrote(&mut self, body: Body, version: u64) {
        self.epoch = self.epoch.max(body.fence.epoch);
        self.shown = None;
        if version > self.version {
            self.version = version;
            self.kept = Some(body);
        }
    }
}

/// What a replica can do with the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    Well,
    /// Nothing arrives there.
    NoRequest,
    /// What arrives there is done, and nothing comes back.
    NoAnswer,
}

impl World {
    pub(crate) fn reach(&self, r: usize) -> Reach {
        let ((until, way), cut_at) = (self.replicas[r].cut, self.replicas[r].cut_at);
        if self.t < self.store.away_until {
            Reach::NoRequest
        } else if self.t < until {
            // What was under way arrives; then the connection is gone, and a new one is not to be had.
            if self.t < cut_at + SECOND {
                way
            } else {
                Reach::NoRequest
            }
        } else {
            Reach::Well
        }
    }

    /// What a writer says of itself when it writes.
    pub(crate) fn knows(&self, r: usize) -> (u64, Option<Wall>) {
        let client = &self.replicas[r].client;
        (client.newest(), client.shown)
    }

    /// A process starts: what the store holds, or, where that is away, the snapshot on its disk.
    pub(crate) fn load(&mut self, r: usize) -> Option<Box<Record>> {
        let snapshot = self.replicas[r].snapshot.clone();
        self.replicas[r].client = Client::new(snapshot.clone());
        let life = self.replicas[r].life + 1;
        self.soon(50, Ev::Compare(r, life));
        let row = self.store.at(r).row.clone();
        let row = row.filter(|_| self.reach(r) == Reach::Well);
        if self.judge.lost_at + OFFERED >= self.replicas[r].looked {
            self.replicas[r].highest = [(0, None); 3]; // it was not there to give back what it knew
        }
        match row {
            Some(row) => self.take(r, &row, true),
            None => {
                // The last write may be missing from it.
                self.replicas[r].highest = [(0, None); 3];
                snapshot.map(|body| Box::new(body.record.as_ref().clone()))
            }
        }
    }
}
