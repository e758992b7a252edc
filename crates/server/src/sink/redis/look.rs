//! Which entries are looked at, when, and what follows from what was found.
//!
//! Pure, as [`super::room`] is.

use std::sync::Arc;

use wxtoken_core::clock::{Boot, Now};

use super::judge::{Judgement, judge};
use super::kept::{Looking, Then, Truth};
use super::room::{LOOK_EVERY, RETRY, Room, TOGETHER, concerns_all};
use crate::redis::Trouble;
use crate::sdk::Found;

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
            } else if !std::mem::replace(&mut kept.refused, true) {
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
                let judgement = judge(&reading, &look.value, now, &*known);
                (look, judgement, found)
            })
            .collect();
        if let Some(lost) = self.emptied(&judged, now.boot) {
            return (lost > 0)
                .then_some(Then::Emptied(lost))
                .into_iter()
                .collect();
        }
        let mut follows = Vec::new();
        for (look, judgement, found) in judged {
            // What was found is no news of a value that was replaced meanwhile: it is being written.
            let still = truth.current(&look.sink.key);
            if still.is_some_and(|value| value.id == look.value.id)
                && let Some(kept) = self.find(&look.sink)
            {
                follows.extend(kept.follow(judgement, found, &look.value, now.boot));
            }
        }
        follows
    }

    /// Where everything is gone at once, Redis was emptied: that says nothing of our values.
    fn emptied(&mut self, judged: &[(Looking, Judgement, Vec<Found>)], now: Boot) -> Option<usize> {
        let met = self.kept.iter().filter(|kept| kept.met).count();
        let all = judged.len() > 1 && judged.len() >= met.min(TOGETHER);
        let missing = |(_, judgement, _): &_| *judgement == Judgement::Missing;
        if !all || !judged.iter().all(missing) {
            return None;
        }
        let mut lost = 0;
        for (look, ..) in judged {
            if let Some(kept) = self.find(&look.sink) {
                lost += usize::from(kept.met);
                kept.fare.want(now);
            }
        }
        Some(lost)
    }
}
