//! What keeps the records: a file of the process's own, or Redis, shared; and what each refuses.

use wxtoken_core::clock::Wall;
use wxtoken_core::store::{Fence, Record};

use crate::redis::{Mistakes, Redis};

/// A master that was replaced and does not know it: some replicas still reach it for a while, and it goes on giving leases.
#[derive(Debug, Clone)]
pub(crate) struct Behind {
    pub(crate) redis: Redis,
    pub(crate) reached_by: [bool; 3],
}

#[derive(Debug, Clone)]
pub(crate) struct Store {
    own: bool,
    /// The record of a file of one's own.
    record: Option<Record>,
    fence: u64,
    /// A late mint that no writer has been shown yet, there.
    unseen: Option<Wall>,
    /// The master, where it is shared.
    pub(crate) redis: Redis,
    pub(crate) behind: Option<Behind>,
    /// Writes are refused until then.
    pub(crate) full_until: u64,
    /// Nothing is reachable until then.
    pub(crate) away_until: u64,
    /// Writes take long until then, so long at most.
    pub(crate) slow: (u64, u64),
    /// Whether a value was ever durable here, by its hash.
    ever: Vec<bool>,
}

/// What came of a write.
#[derive(Debug)]
pub(crate) enum Written {
    Durable,
    Refused,
    Stale,
}

impl Store {
    pub(crate) fn new(own: bool, mistakes: Mistakes) -> Self {
        Self {
            own,
            record: None,
            fence: 0,
            unseen: None,
            redis: Redis {
                mistakes,
                ..Redis::default()
            },
            behind: None,
            full_until: 0,
            away_until: 0,
            slow: (0, 0),
            ever: Vec::new(),
        }
    }

    pub(crate) fn calm(&mut self, t: u64) {
        self.full_until = self.full_until.min(t);
        self.away_until = self.away_until.min(t);
        self.slow.0 = self.slow.0.min(t);
    }

    /// What it holds: of two masters, the one that will stay.
    pub(crate) fn record(&self) -> Option<&Record> {
        if self.own {
            return self.record.as_ref();
        }
        let body = self.redis.row.as_ref()?.body.as_ref()?;
        Some(&body.record)
    }

    /// The master that this replica reaches.
    pub(crate) fn at(&mut self, r: usize) -> &mut Redis {
        match &mut self.behind {
            Some(behind) if behind.reached_by[r] => &mut behind.redis,
            _ => &mut self.redis,
        }
    }

    pub(crate) const fn mistakes(&self) -> Mistakes {
        self.redis.mistakes
    }

    /// Whether this replica reaches a master that is none any more.
    pub(crate) fn is_behind(&self, r: usize) -> bool {
        let behind = self.behind.as_ref();
        behind.is_some_and(|behind| behind.reached_by[r])
    }

    /// A store of its own gives a fence for life.
    pub(crate) fn open(&mut self) -> Option<Fence> {
        self.own.then(|| {
            self.fence += 1;
            Fence {
                epoch: 1,
                number: self.fence,
            }
        })
    }

    /// The record of one's own file; from here on its writer knows of any late mint.
    pub(crate) fn shown(&mut self) -> Option<Box<Record>> {
        self.unseen = None;
        self.record.clone().map(Box::new)
    }

    /// A write into one's own file.
    pub(crate) fn write(&mut self, record: Record, fence: Fence, t: u64) -> Written {
        if t < self.full_until || t < self.away_until {
            return Written::Refused;
        }
        let held = self.record.as_ref();
        let older = held.is_some_and(|held| {
            let pairs = held.handed_out.iter().zip(&record.handed_out);
            pairs
                .into_iter()
                .any(|(held, offered)| offered.generation < held.generation)
        });
        if !self.redis.mistakes.any_fence && (fence.number < self.fence || older) {
            return Written::Stale;
        }
        self.remember(&record);
        let late_mint = record.late_mint.max(self.unseen);
        self.record = Some(Record {
            late_mint,
            ..record
        });
        Written::Durable
    }

    pub(crate) fn remember(&mut self, record: &Record) {
        let tokens = record.lanes.iter().flatten().map(|stored| stored.id.0);
        let tickets = record.tickets.iter().flatten().map(|stored| stored.id.0);
        for id in tokens.chain(tickets) {
            let at = id as usize;
            if self.ever.len() <= at {
                self.ever.resize(at + 64, false);
            }
            self.ever[at] = true;
        }
    }

    /// Whether a value was ever durable here.
    pub(crate) fn knew(&self, id: u64) -> bool {
        self.ever.get(id as usize).copied().unwrap_or(false)
    }

    /// A late mint, noted in one's own file.
    pub(crate) fn note_late_mint(&mut self, at: Wall, t: u64) {
        if t < self.away_until {
            return;
        }
        self.unseen = self.unseen.max(Some(at));
        if let Some(record) = self.record.as_mut() {
            record.late_mint = record.late_mint.max(Some(at));
        }
    }

    /// How long a write takes now.
    pub(crate) fn slowness(&self, t: u64) -> u64 {
        if t < self.slow.0 { self.slow.1 } else { 4 }
    }
}
