//! Rule 10: another's value lies where a copy of ours should. On the classic lane each fetch ends the value before it within
//! five minutes, in which a probe still calls it alive: so theirs is probed first. If it lives and is the newer, ours is replaced.
//!
//! Must not know: where copies are kept.

use super::adoption::PATIENCE;
use super::alarm::Alarm;
use super::event::{Effect, Meeting};
use super::machine::Machine;
use super::rules::{OVERLAP, REACH};
use super::verdict::Theirs;
use crate::clock::{Boot, Now};
use crate::credential::{Lane, Token, ValueId};

/// What was said of a value is believed for so long.
const BELIEVED: u64 = 60_000;
/// At most this many are kept in mind.
const MOST: usize = 4;

/// Another's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stranger {
    pub(super) id: ValueId,
    pub(super) token: Token,
    /// The lane of the value that should lie there.
    lane: Lane,
    /// When it was first met: what we fetched later is the newer.
    met: Boot,
    /// What WeChat said of it, and when.
    said: Option<(Theirs, Boot)>,
}

impl Machine {
    /// Another's value was found.
    pub(super) fn meet(&mut self, meeting: Meeting, now: Now) {
        let Meeting { over, token, id } = meeting;
        self.forget_strangers(now);
        let Some(lane) = self.lane_holding(over) else {
            return;
        };
        if !self.ends_by_a_foreign_fetch(lane) || self.is_known(id) {
            return;
        }
        if let Some(known) = self.strangers.iter_mut().find(|known| known.id == id) {
            known
                .said
                .take_if(|(_, at)| now.boot.since(*at) >= BELIEVED);
            return;
        }
        if self.strangers.len() >= MOST {
            self.strangers.remove(0);
        }
        self.strangers.push(Stranger {
            id,
            token,
            lane,
            met: now.boot,
            said: None,
        });
    }

    /// What another's value means for ours; none while it is being found out.
    #[must_use]
    pub fn theirs(&self, over: ValueId, id: ValueId, now: Now) -> Option<Theirs> {
        if self.offers.iter().any(|offer| offer.given.id == id) {
            return None;
        }
        let known = self.strangers.iter().find(|known| known.id == id);
        let ours = self.lane_holding(over);
        let Some(known) = known.filter(|known| ours == Some(known.lane) && !self.is_known(id))
        else {
            return Some(Theirs::IsNoMatter);
        };
        if !self.is_newer(known, now) {
            return Some(Theirs::IsNoMatter);
        }
        known.said.map(|(said, _)| said)
    }

    /// The next of them to be probed.
    pub(super) fn stranger_in_question(&self, lane: Lane, now: Now) -> Option<&Stranger> {
        let mut all = self.strangers.iter();
        all.find(|known| known.lane == lane && known.said.is_none() && self.is_newer(known, now))
    }

    pub(super) fn stranger_lives(
        &mut self,
        about: Option<ValueId>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Some(known) = self.it_is_said(about, Theirs::Lives, now) else {
            return;
        };
        let (lane, met) = (known.lane, known.met);
        let Some(held) = self.lives_in(lane, now).filter(|held| held.sent <= met) else {
            return;
        };
        let fetched = now.wall_at(held.sent);
        if lane == Lane::Classic {
            let noticed = now.wall_at(met);
            self.killed(Alarm::ForeignFetch { fetched, noticed }, now, effects);
        }
        self.saving.dirty = true;
        let state = self.lane_mut(lane);
        state.doubt_held(); // its death is told of already
        state.health.put_back = false;
        if let Some(held) = state.held.as_mut() {
            held.expires = held.expires.min(met.plus(OVERLAP));
            held.due = now.boot;
        }
    }

    /// Whether it was a stranger's.
    pub(super) fn stranger_is_dead(&mut self, about: Option<ValueId>, now: Now) -> bool {
        self.it_is_said(about, Theirs::IsNoMatter, now).is_some()
    }

    /// WeChat does not say: what is ours is to be probed as well.
    pub(super) fn stranger_undecided(&mut self, lane: Lane, failures: u8, now: Now) {
        let asked = self.stranger_in_question(lane, now).map(|known| known.id);
        if failures >= PATIENCE && asked.is_some() {
            self.it_is_said(asked, Theirs::Unclear, now);
        }
    }

    /// Those that say nothing of the value held now, and are surely dead themselves.
    pub(super) fn forget_strangers(&mut self, now: Now) {
        let mut all = std::mem::take(&mut self.strangers);
        all.retain(|known| {
            let held = self.lives_in(known.lane, now);
            held.is_some_and(|held| now.boot < held.sent.max(known.met).plus(OVERLAP + REACH))
        });
        self.strangers = all;
    }

    /// WeChat gives the same stable value to all; but of a value taken over nobody knows the lane.
    fn ends_by_a_foreign_fetch(&self, lane: Lane) -> bool {
        let held = self.lane(lane).and_then(|state| state.held.as_ref());
        lane == Lane::Classic || held.is_some_and(|held| held.adopted)
    }

    fn is_known(&self, id: ValueId) -> bool {
        self.values().any(|(known, _)| known == id)
    }

    fn is_newer(&self, known: &Stranger, now: Now) -> bool {
        let held = self.lives_in(known.lane, now);
        held.is_some_and(|held| held.sent <= known.met)
    }

    fn it_is_said(&mut self, about: Option<ValueId>, what: Theirs, now: Now) -> Option<&Stranger> {
        let known = self.strangers.iter_mut();
        let mut known = known.filter(|known| Some(known.id) == about && known.said.is_none());
        let known = known.next()?;
        known.said = Some((what, now.boot));
        Some(known)
    }
}
