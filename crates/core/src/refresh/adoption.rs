//! Rule 10: a token that other programs use is taken over instead of being killed by a first fetch.
//!
//! It is probed first, and its lane is not fetched meanwhile. Alive, it is held like one of ours; dead, it is refused.
//! In shadow mode every value that others write comes here, one after the other; held, but not handed out, it is probed
//! regularly, and there when the app goes live.

use super::alarm::Alarm;
use super::due;
use super::event::{Adoption, Effect};
use super::lane::{Health, Held};
use super::machine::Machine;
use crate::clock::{Boot, Now, Wall};
use crate::credential::{Lane, ValueId};
use crate::source::Ask;

/// What an adopted token, whose age nobody knows, is believed to have left.
const UNKNOWN_LEFT: u64 = 3_600_000;
/// What WeChat gives a token at most: whoever says that more is left is wrong.
const MOST_LEFT: u64 = 7_200_000;
/// Probes without an answer, after which a lane that may be fetched is fetched.
const PATIENCE: u8 = 3;

impl Machine {
    /// Somebody hands over a token that others use.
    pub(super) fn consider(&mut self, adoption: Adoption, now: Now) {
        let held = self.lives_in(adoption.lane, now);
        let needed = held.is_none_or(|held| self.rules.shadow && held != adoption.id);
        if self.in_use(adoption.lane) && needed {
            self.lane_mut(adoption.lane).health.failures = 0;
            self.adopting = Some(adoption);
        }
    }

    fn lives_in(&self, lane: Lane, now: Now) -> Option<ValueId> {
        let state = self.lane(lane).filter(|state| state.live(now))?;
        state.held.as_ref().map(|held| held.id)
    }

    /// Another replica's value is held now: nothing has to be taken over, unless others wrote another since.
    pub(super) fn adoption_overtaken(&mut self, lane: Lane, now: Now) {
        if let Some(held) = self.lives_in(lane, now) {
            let shadow = self.rules.shadow;
            self.adopting
                .take_if(|given| given.lane == lane && (given.id == held || !shadow));
        }
    }

    /// What is to be adopted into this lane, and has not been proven alive or dead.
    pub(super) fn adopting(&self, lane: Lane) -> Option<&Adoption> {
        self.adopting.as_ref().filter(|given| given.lane == lane)
    }

    /// The question that decides.
    pub(super) fn ask_of_adoption(&self, lane: Lane) -> Option<Ask> {
        let given = self.adopting(lane)?;
        Some(Ask::Probe(lane, given.token.clone()))
    }

    /// It lives: it is held.
    pub(super) fn adopt_if_alive(&mut self, about: Option<ValueId>, sent: Boot, now: Now) {
        let Some(given) = self.adopting.take_if(|given| Some(given.id) == about) else {
            return;
        };
        let lane = given.lane;
        if !self.rules.shadow && self.lives_in(lane, now).is_some() {
            return; // an operator's fetch was faster
        }
        let left = given.expires.map(|at| at.since(now.wall).min(MOST_LEFT));
        let expires = left.map_or(sent.plus(UNKNOWN_LEFT), |left| now.boot.plus(left));
        let timing = self.rules.timing;
        let due = due::due(lane, expires, u64::MAX, &timing, &mut self.jitter);
        let order = self.next_order(lane);
        self.displace(lane, now);
        self.known.retain(|known| known.id != given.id);
        if lane == Lane::Classic {
            self.contest_mut().classic_ours = true;
        }
        self.saving.dirty = true;
        let probe_due = sent.plus(self.probe_interval(lane, now)).max(now.boot);
        let state = self.lane_mut(lane);
        state.health = Health {
            last_alive: sent,
            probe_due,
            ..Health::default()
        };
        state.held = Some(Held {
            token: given.token,
            id: given.id,
            sent,
            order,
            expires,
            lifetime: left.unwrap_or(UNKNOWN_LEFT),
            due,
            dead: false,
            restored: false,
        });
        state.unsaved = true;
        state.order_to_be = Wall::default();
        // Nobody knows its age: should it end early, that accuses no one.
        state.doubt_held();
    }

    /// It is dead: whether its lane is fetched now is for the other rules to say. True if that was what was asked about.
    pub(super) fn refuse_adoption(
        &mut self,
        about: Option<ValueId>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let refused = self.adopting.take_if(|given| Some(given.id) == about);
        if refused.is_some() {
            effects.push(Effect::Alarm(if self.rules.shadow {
                clash(None, now)
            } else {
                Alarm::AdoptionRefused
            }));
        }
        refused.is_some()
    }

    /// Shadow mode: a value that others use died before its end.
    pub(super) fn clashed(&self, last_alive: Boot, now: Now, effects: &mut Vec<Effect>) {
        if self.rules.shadow {
            effects.push(Effect::Alarm(clash(Some(now.wall_at(last_alive)), now)));
        }
    }

    /// WeChat does not say. A lane that may be fetched all the same does not wait for ever.
    pub(super) fn adoption_undecided(&mut self, lane: Lane, failures: u8, now: Now) {
        let may_fetch = lane == Lane::Stable || self.classic_held_back(now).is_none();
        if may_fetch && failures >= PATIENCE && self.adopting(lane).is_some() {
            self.adopting = None;
        }
    }
}

const fn clash(last_alive: Option<Wall>, now: Now) -> Alarm {
    Alarm::Clash {
        last_alive,
        found_dead: now.wall,
    }
}
