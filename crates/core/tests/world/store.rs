//! The model store: one record, leases with fences, and what a store refuses.

use wxtoken_core::clock::Wall;
use wxtoken_core::store::{Fence, Record};

use crate::setup::SECOND;

/// Who holds a lease: which replica, in which of its lives.
pub(crate) type Holder = (usize, u32);

#[derive(Debug, Clone)]
pub(crate) struct Store {
    own: bool,
    /// The planted mistake: any fence will do.
    pub(crate) any_fence: bool,
    pub(crate) record: Option<Record>,
    /// Grows with every write.
    pub(crate) version: u64,
    fence: u64,
    pub(crate) lease: Option<(Holder, u64)>,
    /// A late mint that no writer has been shown yet.
    unseen: Option<Wall>,
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
    pub(crate) fn new(own: bool, any_fence: bool) -> Self {
        Self {
            own,
            any_fence,
            record: None,
            version: 0,
            fence: 0,
            lease: None,
            unseen: None,
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

    /// A process opens a store of its own: everything before it is stale.
    pub(crate) fn open(&mut self) -> Option<Fence> {
        self.own.then(|| self.next_fence())
    }

    fn next_fence(&mut self) -> Fence {
        self.fence += 1;
        Fence {
            epoch: 1,
            number: self.fence,
        }
    }

    /// The record as a writer sees it; from here on it knows of any late mint.
    pub(crate) fn shown(&mut self) -> Option<Box<Record>> {
        self.unseen = None;
        self.record.clone().map(Box::new)
    }

    /// None while another holds it.
    pub(crate) fn lease(&mut self, holder: Holder, millis: u64, t: u64) -> Result<Fence, u64> {
        if let Some((other, until)) = self.lease
            && other != holder
            && t < until
        {
            return Err(until - t);
        }
        self.lease = Some((holder, t + millis));
        Ok(self.next_fence())
    }

    pub(crate) fn release(&mut self, holder: Holder, fence: Fence) {
        let newest = fence.number == self.fence;
        if newest && self.lease.is_some_and(|(held_by, _)| held_by == holder) {
            self.lease = None;
        }
    }

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
        if !self.any_fence && (fence.number < self.fence || older) {
            return Written::Stale;
        }
        self.remember(&record);
        let late_mint = record.late_mint.max(self.unseen);
        self.record = Some(Record {
            late_mint,
            ..record
        });
        self.version += 1;
        Written::Durable
    }

    fn remember(&mut self, record: &Record) {
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

    pub(crate) fn note_late_mint(&mut self, at: Wall, t: u64) -> bool {
        if t < self.away_until {
            return false;
        }
        self.unseen = self.unseen.max(Some(at));
        if let Some(record) = self.record.as_mut() {
            record.late_mint = record.late_mint.max(Some(at));
        }
        self.version += 1;
        true
    }

    /// How long a write takes now.
    pub(crate) fn slowness(&self, t: u64) -> u64 {
        if t < self.slow.0 { self.slow.1 } else { 4 }
    }
}

/// For how long leases are granted.
pub(crate) const LEASE: u64 = 30 * SECOND;
