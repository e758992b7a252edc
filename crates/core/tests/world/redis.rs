//! The model Redis: one app's row and lease, and what each script does with them, named as in
//! `crates/server/src/store/redis/scripts`. Its own clock is the only one, and is right.
//!
//! Must not know: who can reach it, what processes keep in memory.

use std::sync::Arc;

use wxtoken_core::clock::Wall;
use wxtoken_core::store::{Fence, Record};

use crate::replica::DAWN;

/// Who asks for a lease: which replica, in which of its lives.
pub(crate) type Holder = (usize, u32);

/// For how long replicas may offer what they hold, once an epoch has begun.
pub(crate) const OFFERS: u64 = 2000;
/// How long a lease lives that nobody keeps alive.
pub(crate) const LIVES: u64 = 2500;
/// How often its holder does.
pub(crate) const KEPT_EVERY: u64 = 800;

/// A sealed body, and the fence it is bound to.
#[derive(Debug, Clone)]
pub(crate) struct Body {
    pub(crate) fence: Fence,
    pub(crate) record: Arc<Record>,
}

impl Body {
    pub(crate) fn generations(&self) -> [u64; 3] {
        [0, 1, 2].map(|kind| self.record.handed_out[kind].generation.0)
    }
}

/// What lies under `PREFIX:{APPID}:record`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Row {
    /// The newest fence granted.
    pub(crate) granted: Fence,
    pub(crate) version: u64,
    /// A late mint that no writer has been shown yet.
    pub(crate) late: Option<Wall>,
    /// The life it was granted in.
    life: Option<u64>,
    /// End of the offers.
    merge: u64,
    pub(crate) body: Option<Body>,
}

/// Mistakes that can be planted here and in each process's side of the store, for the rules that they break are a store's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Mistakes {
    /// Any fence will do.
    pub(crate) any_fence: bool,
    /// A new life begins no epoch.
    pub(crate) no_epoch: bool,
    /// Nobody is waited for when an epoch begins, and nothing is offered.
    pub(crate) no_offers: bool,
    /// What is offered is put in the place of what others have offered.
    pub(crate) unmerged: bool,
    /// What others have offered is read, and not told.
    pub(crate) untold: bool,
    /// Any lease is given back by anybody.
    pub(crate) frees_any: bool,
    /// A lease lives for as long as it was asked for, though nobody keeps it alive.
    pub(crate) lives_long: bool,
    /// Nobody looks for what messages have not told.
    pub(crate) never_compares: bool,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Redis {
    pub(crate) row: Option<Row>,
    pub(crate) lease: Option<(Holder, Fence, u64)>,
    /// One process that has been the master all the while.
    pub(crate) life: u64,
    pub(crate) mistakes: Mistakes,
}

/// Why a write was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    Stale,
    /// And nobody has begun an epoch in this life yet.
    Void,
}

/// What the lease script said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    /// Under this fence; and whether no holder has written in its epoch yet.
    Won(Fence, bool),
    Taken(u64),
    Offers(u64),
    Look,
}

impl Redis {
    /// `lease.lua`; says also whether it began an epoch. Nobody as holder only looks.
    pub(crate) fn lease(&mut self, holder: Option<Holder>, known: u64, t: u64) -> (Said, bool) {
        let row = self.row.get_or_insert_default();
        let other = known > row.version || row.life != Some(self.life);
        let begins = row.life.is_none() || other && !self.mistakes.no_epoch;
        if begins {
            let newest = row.granted.epoch.max(row.version).max(known);
            let epoch = (DAWN + t).max(newest + 1);
            row.granted = Fence { epoch, number: 0 };
            (row.version, row.life) = (epoch, Some(self.life));
            row.merge = t + if self.mistakes.no_offers { 0 } else { OFFERS };
            self.lease = None;
        }
        if row.granted.number == 0 && row.merge > t {
            return (Said::Offers(row.merge - t), begins);
        }
        let Some(holder) = holder else {
            return (Said::Look, begins);
        };
        if let Some((held_by, _, ends)) = self.lease
            && held_by != holder
            && ends > t
        {
            return (Said::Taken(ends - t), begins);
        }
        // The answer to who was given the first lease may have been lost. An offer's number is zero.
        let by = row.body.as_ref().map(|body| body.fence);
        let is_unwritten = by.is_none_or(|by| by.epoch != row.granted.epoch || by.number == 0);
        // By the clock, too: where a grant was lost unnoticed, its number is not given to somebody else.
        row.granted.number = (row.granted.number + 1).max(DAWN + t);
        let granted = row.granted;
        self.lease = Some((holder, granted, t + self.lives()));
        (Said::Won(granted, is_unwritten), begins)
    }

    const fn lives(&self) -> u64 {
        if self.mistakes.lives_long {
            30_000
        } else {
            LIVES
        }
    }

    /// `keep.lua`: false if it is lost.
    pub(crate) fn keep(&mut self, holder: Holder, fence: Fence, t: u64) -> bool {
        let held = self.lease.filter(|(_, _, ends)| *ends > t);
        if let Some((held_by, under, _)) = held
            && (held_by, under) != (holder, fence)
        {
            return false;
        }
        let newest = self.row.as_ref().is_some_and(|row| row.granted == fence);
        if held.is_none() && !newest {
            return false;
        }
        self.lease = Some((holder, fence, t + self.lives()));
        true
    }

    /// `write.lua`: the version it made.
    pub(crate) fn write(
        &mut self,
        known: u64,
        shown: Option<Wall>,
        fence: Fence,
        record: Arc<Record>,
    ) -> Result<u64, Refused> {
        let body = Body { fence, record };
        let row = self.row.as_mut().ok_or(Refused::Void)?;
        if row.life != Some(self.life) && !self.mistakes.no_epoch {
            return Err(Refused::Void);
        }
        let older = row.body.as_ref().is_some_and(|held| {
            let pairs = held.generations().into_iter().zip(body.generations());
            pairs.into_iter().any(|(held, offered)| offered < held)
        });
        if !self.mistakes.any_fence && (fence < row.granted || older) {
            return Err(Refused::Stale);
        }
        row.version = row.version.max(known) + 1;
        row.granted = fence;
        row.body = Some(body);
        if row.late <= shown {
            row.late = None;
        }
        Ok(row.version)
    }

    /// `note.lua`: the version it made.
    pub(crate) fn note(&mut self, known: u64, at: Wall) -> u64 {
        let row = self.row.get_or_insert_default();
        row.version = row.version.max(known) + 1;
        row.late = row.late.max(Some(at));
        row.version
    }

    /// `offer.lua`, of what was merged with what is there: the version it made, if nobody has been given the lease yet.
    pub(crate) fn offer(&mut self, record: Arc<Record>) -> Option<u64> {
        let row = self.row.as_mut()?;
        if row.granted.number > 0 || self.mistakes.no_offers {
            return None;
        }
        row.version += 1;
        row.body = Some(Body {
            fence: row.granted,
            record,
        });
        Some(row.version)
    }

    /// `release.lua`: whether it is free now.
    pub(crate) fn release(&mut self, holder: Holder, fence: Fence) -> bool {
        let is_it = self
            .lease
            .is_some_and(|(held_by, under, _)| (held_by, under) == (holder, fence));
        if is_it || self.mistakes.frees_any {
            self.lease = None;
        }
        is_it
    }
}
