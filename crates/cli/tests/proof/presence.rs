//! Which replicas are there, and when each of them was not, because somebody killed or stopped it.
//!
//! Must not know: who does that, and why.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use wxtoken_simulator::{SimTime, World};

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// It comes back without its memory.
    Killed,
    Stopped,
}

/// A time in which a replica was killed or stopped. It begins before the signal and ends when the replica answers again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Away {
    pub(crate) how: How,
    pub(crate) from: SimTime,
    pub(crate) to: Option<SimTime>,
}

/// The times of all replicas, by WeChat's clock.
pub(crate) struct Presence {
    world: World,
    away: Mutex<Vec<Vec<Away>>>,
}

impl Presence {
    /// So many, and all are there.
    pub(crate) fn of(replicas: usize, world: &World) -> Self {
        Self {
            world: world.clone(),
            away: Mutex::new(vec![Vec::new(); replicas]),
        }
    }

    pub(crate) fn leaves(&self, at: usize, how: How) {
        assert!(self.is_here(at), "replica {at} is away already");
        let from = self.world.now();
        self.lock()[at].push(Away {
            how,
            from,
            to: None,
        });
    }

    /// Nobody struck it, but it was as if stopped: the machine had no time for it.
    pub(crate) fn stood_still(&self, at: usize, from: SimTime, to: SimTime) {
        let mut all = self.lock();
        all[at].push(Away {
            how: How::Stopped,
            from,
            to: Some(to),
        });
        all[at].sort_by_key(|away| away.from);
    }

    pub(crate) fn is_back(&self, at: usize) {
        let now = self.world.now();
        let mut all = self.lock();
        let away = all[at].iter_mut().find(|away| away.to.is_none());
        away.expect("it was away").to = Some(now);
    }

    pub(crate) fn is_here(&self, at: usize) -> bool {
        self.lock()[at].iter().all(|away| away.to.is_some())
    }

    pub(crate) fn here(&self) -> Vec<usize> {
        let all = 0..self.lock().len();
        all.filter(|at| self.is_here(*at)).collect()
    }

    /// All of them, by the replica.
    pub(crate) fn all(&self) -> Vec<(usize, Away)> {
        let all = self.lock();
        let each = all.iter().enumerate();
        each.flat_map(|(at, times)| times.iter().map(move |away| (at, *away)))
            .collect()
    }

    /// The first time away that touches these moments or what lies between.
    pub(crate) fn away(&self, at: usize, from: SimTime, to: SimTime) -> Option<Away> {
        let touches = |away: &&Away| away.from <= to && away.to.is_none_or(|end| end >= from);
        self.lock()[at].iter().find(touches).copied()
    }

    /// When it was last back before this moment.
    pub(crate) fn back_before(&self, at: usize, moment: SimTime) -> Option<SimTime> {
        let all = self.lock();
        let ends = all[at].iter().filter_map(|away| away.to);
        ends.filter(|end| *end <= moment).max()
    }

    pub(crate) fn replicas(&self) -> usize {
        self.lock().len()
    }

    /// When this one has done what it was told about at that moment: it waits for so long, then it needs so much time in which it
    /// is there. Who was away is told when it is back, and who was killed is told again.
    pub(crate) fn acts(
        &self,
        at: usize,
        mut told: SimTime,
        waits: Duration,
        works: Duration,
    ) -> SimTime {
        let mut begins = told.plus(waits);
        for away in &self.lock()[at] {
            let back = away.to.expect("all are back");
            if back <= told {
                continue;
            }
            if begins.plus(works) <= away.from {
                break;
            }
            if away.how == How::Killed || away.from <= told {
                told = back;
                begins = told.plus(waits);
            } else {
                begins = begins.max(back);
            }
        }
        begins.plus(works)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Vec<Away>>> {
        self.away.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
