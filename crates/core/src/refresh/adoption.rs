//! Rule 10: a token that other programs use is taken over instead of being killed by a first fetch.
//!
//! It is probed first, and its lane is not fetched meanwhile. Alive, it is held like one of ours; dead, it is refused.
//! In shadow mode every value that others write comes here and is probed in its turn; held, but not handed out, it is probed
//! regularly, and there when the app goes live.

use super::alarm::Alarm;
use super::due;
use super::event::{Adoption, Effect};
use super::lane::{Health, Held};
use super::machine::Machine;
use crate::clock::{Boot, Now, Wall};
use crate::credential::{Lane, ValueId};

/// What an adopted token, whose age nobody knows, is believed to have left.
const UNKNOWN_LEFT: u64 = 3_600_000;
/// What WeChat gives a token at most: whoever says that more is left is wrong.
const MOST_LEFT: u64 = 7_200_000;
/// Probes without an answer, after which a lane that may be fetched is fetched.
pub(super) const PATIENCE: u8 = 3;
/// At most this many wait to be probed: more than programs fetch for one app.
const MOST_OFFERS: usize = 8;

/// A token to be taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) given: Adoption,
    /// Shadow mode: when it was seen in use. What is held since longer is older.
    met: Option<Boot>,
}

impl Offer {
    /// Whether it was in use after this value came.
    fn is_newer_than(&self, held: &Held) -> bool {
        self.met.is_some_and(|met| met > held.sent)
    }
}

impl Machine {
    /// Somebody hands over a token that others use.
    pub(super) fn consider(&mut self, adoption: Adoption, now: Now) {
        let held = self.lives_in(adoption.lane, now);
        let needed = held.is_none_or(|held| self.rules.shadow && held.id != adoption.id);
        if !self.in_use(adoption.lane) || !needed {
            return;
        }
        if let Some(known) = self.offer_of(adoption.id) {
            known.given.expires = adoption.expires.or(known.given.expires);
            return;
        }
        let met = self.rules.shadow.then_some(now.boot);
        // Of values that are seen in use there may be several; an operator gives one.
        self.offers
            .retain(|offer| met.is_some() || offer.met.is_some());
        if self.offers.len() >= MOST_OFFERS {
            self.offers.remove(0);
        }
        self.lane_mut(adoption.lane).health.failures = 0;
        let given = adoption;
        self.offers.push(Offer { given, met });
    }

    fn offer_of(&mut self, id: ValueId) -> Option<&mut Offer> {
        self.offers.iter_mut().find(|offer| offer.given.id == id)
    }

    fn take_offer(&mut self, about: Option<ValueId>) -> Option<Offer> {
        let asked = |offer: &Offer| Some(offer.given.id) == about;
        let at = self.offers.iter().position(asked)?;
        Some(self.offers.remove(at))
    }

    pub(super) fn lives_in(&self, lane: Lane, now: Now) -> Option<&Held> {
        let state = self.lane(lane).filter(|state| state.live(now))?;
        state.held.as_ref()
    }

    /// Another replica's value is held now: nothing has to be taken over, unless others wrote another since.
    pub(super) fn adoption_overtaken(&mut self, lane: Lane, now: Now) {
        let mut offers = std::mem::take(&mut self.offers);
        if let Some(held) = self.lives_in(lane, now) {
            let shadow = self.rules.shadow;
            offers.retain(|offer| {
                let needed = shadow || offer.is_newer_than(held);
                offer.given.lane != lane || (needed && offer.given.id != held.id)
            });
        }
        self.offers = offers;
    }

    /// What is to be adopted into this lane, and has not been proven alive or dead: the newest, for that is in use.
    pub(super) fn adopting(&self, lane: Lane) -> Option<&Adoption> {
        let mut all = self.offers.iter().rev().map(|offer| &offer.given);
        all.find(|given| given.lane == lane)
    }

    /// It lives: it is held.
    pub(super) fn adopt_if_alive(&mut self, about: Option<ValueId>, sent: Boot, now: Now) {
        let Some(offer) = self.take_offer(about) else {
            return;
        };
        let lane = offer.given.lane;
        let held = self.lives_in(lane, now);
        if !self.rules.shadow && held.is_some_and(|held| !offer.is_newer_than(held)) {
            return; // an operator's fetch was faster
        }
        let (given, met) = (offer.given, offer.met);
        self.offers
            .retain(|other| other.given.lane != lane || other.met > met);
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
            adopted: true,
        });
        (state.unsaved, state.unsaved_mint) = (true, false);
        state.minted_by = None;
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
        let Some(refused) = self.take_offer(about) else {
            return false;
        };
        // What came after it may have ended it in good order.
        let later =
            |offer: &Offer| offer.given.lane == refused.given.lane && offer.met > refused.met;
        let followed = self.offers.iter().any(later);
        if refused.met.is_none() {
            effects.push(Effect::Alarm(Alarm::AdoptionRefused));
        } else if self.rules.shadow && !followed {
            effects.push(Effect::Alarm(clash(None, now)));
        }
        true
    }

    /// Shadow mode: a value that others use died before its end.
    pub(super) fn clashed(&self, last_alive: Boot, now: Now, effects: &mut Vec<Effect>) {
        if self.rules.shadow {
            effects.push(Effect::Alarm(clash(Some(now.wall_at(last_alive)), now)));
        }
    }

    /// WeChat does not say. A lane that is fetched all the same does not wait for ever; a shadow goes on asking.
    pub(super) fn adoption_undecided(&mut self, lane: Lane, failures: u8, now: Now) {
        let may_fetch = lane == Lane::Stable || self.classic_held_back(now).is_none();
        if !self.rules.shadow && may_fetch && failures >= PATIENCE {
            self.offers.retain(|offer| offer.given.lane != lane);
        }
    }
}

const fn clash(last_alive: Option<Wall>, now: Now) -> Alarm {
    Alarm::Clash {
        last_alive,
        found_dead: now.wall,
    }
}
