//! Which entries are looked at, when, and what follows from what was found.
//!
//! Pure, as [`super::room`] is.

use std::sync::Arc;

use wxtoken_core::clock::{Boot, Now};

use super::judge::{Judgement, judge};
use super::kept::{Kept, Looking, Seen, Then, Truth};
use super::room::{LOOK_EVERY, RETRY, Room, TOGETHER, concerns_all};
use crate::redis::Trouble;
use crate::sdk::Found;

/// What the looks of one round have shown so far: not all go together where there are many.
#[derive(Default)]
pub(super) struct Round {
    missing: Vec<(Looking, Seen)>,
    found_some: bool,
}

/// So many are looked at a millisecond at most.
const LOOKS_A_MILLISECOND: usize = 2;

impl Room {
    /// Some could not be read: those that a user may not read are looked at again with all the others.
    pub(super) fn unseen(&mut self, all: Vec<(Looking, Trouble)>, now: Boot) -> Vec<Then> {
        let mut then = Vec::new();
        for (look, trouble) in all {
            let Some(kept) = self.find(&look.sink) else {
                continue;
            };
            if concerns_all(&trouble) {
                kept.look_at = Some(now);
                self.not_before = now.plus(RETRY);
            } else if !std::mem::replace(&mut kept.told.failed, true) {
                then.push(Then::Failed(look.sink, trouble));
            }
        }
        then
    }

    /// What is to be looked at now. What is to be written soon is not: it is known to be wrong.
    pub(super) fn lookings(&mut self, truth: &dyn Truth, now: Now) -> Vec<Looking> {
        if now.boot < self.not_before {
            return Vec::new();
        }
        if now.boot >= self.look_at_all {
            let many = u64::try_from(self.kept.len() / LOOKS_A_MILLISECOND).unwrap_or(u64::MAX);
            self.look_at_all = now.boot.plus(LOOK_EVERY.max(many));
            for kept in &mut self.kept {
                kept.look_at.get_or_insert(now.boot);
            }
        }
        let due = self.kept.iter_mut().filter_map(|kept| {
            kept.look_at.take_if(|at| *at <= now.boot)?;
            if kept.fare.due().is_some() {
                return None;
            }
            Some(Looking {
                sink: Arc::clone(&kept.sink),
                value: truth.current(&kept.sink.key)?,
            })
        });
        due.take(TOGETHER).collect()
    }

    /// What follows from what was found.
    pub(super) fn looked(
        &mut self,
        seen: Vec<(Looking, Vec<Found>)>,
        truth: &dyn Truth,
        now: Now,
    ) -> Vec<Then> {
        let judged: Vec<_> = seen
            .into_iter()
            .map(|(look, found)| {
                let reading = look.sink.place.read(&found, now.wall);
                let known = truth.acquaintance(look.sink.key);
                let judgement = judge(&reading, found.first(), &look.value, now, &*known);
                let found = found.into_iter().next().unwrap_or(Found::Absent);
                let seen = Seen {
                    judgement,
                    reading,
                    found,
                };
                (look, seen)
            })
            .collect();
        let (missing, there): (Vec<_>, Vec<_>) = judged
            .into_iter()
            .partition(|(_, seen)| seen.judgement == Judgement::Missing);
        self.round.found_some |= !there.is_empty();
        self.round.missing.extend(missing);
        let mut follows = self.followed(there, truth, now);
        // Whether everything is gone shows at the round's end.
        let is_due = |kept: &Kept| kept.look_at.is_some_and(|at| at <= now.boot);
        let more = |kept: &Kept| is_due(kept) && is_looked_at(kept, truth);
        if self.round.found_some || !self.kept.iter().any(more) {
            let round = std::mem::take(&mut self.round.missing);
            follows.extend(match self.emptied(&round, truth, now.boot) {
                Some(lost) => Vec::from_iter((lost > 0).then_some(Then::Emptied(lost))),
                None => self.followed(round, truth, now),
            });
        }
        if !self.kept.iter().any(more) {
            self.round.found_some = false;
        }
        follows
    }

    fn followed(&mut self, seen: Vec<(Looking, Seen)>, truth: &dyn Truth, now: Now) -> Vec<Then> {
        let mut follows = Vec::new();
        for (look, seen) in seen {
            // What was found is no news of a value that was replaced meanwhile: it is being written.
            let still = truth.current(&look.sink.key);
            if still.is_some_and(|value| value.id == look.value.id)
                && let Some(kept) = self.find(&look.sink)
            {
                follows.extend(kept.follow(seen, &look.value, now.boot));
            }
        }
        follows
    }

    /// Where everything is gone at once, Redis was emptied: that says nothing of our values.
    fn emptied(
        &mut self,
        missing: &[(Looking, Seen)],
        truth: &dyn Truth,
        now: Boot,
    ) -> Option<usize> {
        let should_be = |kept: &&Kept| kept.met && is_looked_at(kept, truth);
        let met = self.kept.iter().filter(should_be).count();
        if self.round.found_some || missing.len() < 2 || missing.len() < met {
            return None;
        }
        let mut lost = 0;
        for (look, _) in missing {
            if let Some(kept) = self.find(&look.sink) {
                lost += usize::from(kept.met);
                kept.fare.want(now);
            }
        }
        Some(lost)
    }
}

/// What is being written is not looked at, nor is what has no value now.
fn is_looked_at(kept: &Kept, truth: &dyn Truth) -> bool {
    kept.fare.due().is_none() && truth.current(&kept.sink.key).is_some()
}
