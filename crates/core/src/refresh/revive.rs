//! Rule 3: what a stored value, or a note, means to a machine that may hold one of its own: after a restart, or when another
//! replica wrote it.
//!
//! Must not know: records as a whole.

use super::due;
use super::lane::{Health, Held, LaneState, Rival};
use super::machine::{Known, LeaseState, Machine, Task};
use super::mutant::planted;
use super::rules::{CLOCK_TOLERANCE, OVERLAP, REACH};
use super::ticket::HeldTicket;
use crate::clock::{Boot, Now, Wall};
use crate::credential::{Lane, Ticket};
use crate::store::{Fence, Intent, StoredTicket, StoredToken};

/// What `expires_in` of a ticket always says, in milliseconds.
const TICKET_LIFETIME: u64 = 7_200_000;

impl Machine {
    /// Says whether it was taken over.
    pub(super) fn learn_token(
        &mut self,
        lane: Lane,
        stored: &StoredToken,
        takes_over: bool,
        now: Now,
    ) -> bool {
        let sent = now.boot_at(stored.sent).min(now.boot);
        let replaced = self.known.iter().any(|known| known.id == stored.id);
        let held = self
            .lane_mut(lane)
            .held
            .as_mut()
            .map(|held| (held.id, &mut held.order));
        match held {
            Some((id, _)) if id == stored.id => {
                self.met_again(lane, stored, takes_over, now);
                return false;
            }
            Some((_, order)) if replaced => {
                *order = (*order).max(stored.sent.plus(1)); // ours came after it
                return false;
            }
            Some(_) | None => {}
        }
        self.meets_what_may_be_newer(lane, stored);
        if !self.gives_way(lane, stored, now) {
            return false;
        }
        let held = self.revived(lane, stored, sent, now);
        self.displace(lane, now);
        self.known.retain(|known| known.id != stored.id);
        let fetching = self.busy(match lane {
            Lane::Classic => Task::Classic,
            Lane::Stable => Task::Stable,
        });
        let probe_due = self.first_probe(lane, now);
        let state = self.lane_mut(lane);
        state.held = Some(held);
        if let Some(note) = state
            .intent
            .filter(|note| !fetching && note.sent <= stored.sent)
        {
            // Somebody fetched after it: what it gave, if anything, is not the newest.
            state.doubt_calls_until(now.boot_at(note.sent).min(now.boot).plus(REACH));
            state.close_intent();
        }
        state.stuck = false;
        state.rival = None;
        (state.unsaved, state.unsaved_mint) = (false, false);
        state.minted_by = None;
        state.order_to_be = Wall::default();
        state.retry.clear();
        state.health = Health {
            probe_due,
            ..Default::default()
        };
        true
    }

    /// Whether what is held, if anything, makes room for another value.
    fn gives_way(&mut self, lane: Lane, stored: &StoredToken, now: Now) -> bool {
        let state = self.lane_mut(lane);
        let Some(held) = &state.held else {
            return true;
        };
        // At the same place, what is durable goes before what is not. Two that both are know nothing of each other: all take the
        // same one, and one more fetch tells which lives.
        let tied = held.order == stored.sent && !state.unsaved;
        let stays = held.order > stored.sent || tied && held.id > stored.id;
        if !stays && lane == Lane::Stable && state.unsaved && held.live(now) {
            rival(state, stored, now);
            return false;
        }
        if tied && lane == Lane::Classic {
            self.late_mint = self.late_mint.max(Some(stored.sent));
        }
        !stays
    }

    /// The value held is stored as well: where it stands among others, and whether it is said to be dead.
    fn met_again(&mut self, lane: Lane, stored: &StoredToken, takes_over: bool, now: Now) {
        let at_rest = !self.saving.dirty && self.saving.in_flight.is_none();
        let timing = self.rules.timing;
        let mut jitter = self.jitter;
        let state = self.lane_mut(lane);
        let Some(held) = state.held.as_mut() else {
            return;
        };
        held.order = held.order.max(stored.sent);
        let newer = |rival: &mut Box<Rival>| rival.stored.sent < stored.sent;
        if state.rival.take_if(newer).is_some() {
            held.due = due::due(lane, held.expires, held.lifetime, &timing, &mut jitter);
        }
        // What was written may be older than what we have seen ourselves.
        let alive = state.health.last_alive;
        let seen = alive > Boot::default() && now.boot.since(alive) < CLOCK_TOLERANCE;
        let dead = held.dead;
        if takes_over && at_rest && !stored.dead {
            held.dead = false; // another replica may have found it alive after all
        }
        self.jitter = jitter;
        match stored.dead && !dead {
            true if at_rest && !seen => self.bury(lane, now),
            // We may know better, and could not save it: a probe tells.
            true => self.doubt_alive(lane, now),
            false => {}
        }
    }

    /// A stored token as it is held: it ends when the wall clock says so, but never lives longer than when it was minted.
    fn revived(&mut self, lane: Lane, stored: &StoredToken, sent: Boot, now: Now) -> Held {
        let left = stored.expires.since(now.wall).min(stored.lifetime);
        let expires = now.boot.plus(left);
        let timing = self.rules.timing;
        let mut due = due::due(lane, expires, stored.lifetime, &timing, &mut self.jitter);
        if planted!(self.rules, FetchAtRestart) {
            due = now.boot;
        }
        Held {
            token: stored.token.clone(),
            id: stored.id,
            sent,
            order: stored.sent,
            expires,
            lifetime: stored.lifetime,
            due,
            dead: stored.dead,
            restored: true,
            adopted: false,
        }
    }

    /// An open note: of another holder, or of our own life before a restart. Whoever takes over must assume that the call
    /// has minted (rule 3). While its maker may still tell, it is only kept in mind.
    pub(super) fn learn_intent(
        &mut self,
        lane: Lane,
        intent: Option<Intent>,
        beside: Wall,
        takes_over: bool,
        now: Now,
    ) {
        let own_store = matches!(self.lease, LeaseState::Own(_));
        let waits = !own_store && !planted!(self.rules, NoteNotWaitedFor);
        if intent.is_none() && self.lane(lane).is_none() {
            return;
        }
        let state = self.lane_mut(lane);
        state.theirs = None;
        let Some(intent) = intent.filter(|note| state.closed != Some(*note)) else {
            state.heard = None;
            return;
        };
        let sent = now.boot_at(intent.sent).min(now.boot);
        if intent.fence == Fence::default() {
            // Compared as stored: boot time may have begun since.
            let ended = intent.sent.plus(REACH);
            state.doubt_calls_until(now.boot_at(ended).min(now.boot.plus(REACH)));
            if ended > beside {
                state.doubt_held();
            }
            return;
        }
        let fetched = state.held.as_ref().map(|held| held.order);
        let newer = fetched.is_some_and(|order| order > beside) && !state.unsaved;
        let settled = newer || fetched.is_some_and(|order| order >= intent.sent);
        if settled || state.intent.is_some_and(|mine| mine.sent >= intent.sent) {
            return;
        }
        let takes = intent.deadline.since(intent.sent);
        if lane == Lane::Stable && state.confirmed >= sent.plus(takes) {
            state.closed = Some(intent); // normal mode has told since
            return;
        }
        if !takes_over {
            state.await_theirs(intent, now);
            return;
        }
        state.intent = Some(intent);
        state.may_have_been_replaced(sent, OVERLAP);
        if !own_store {
            state.doubt_calls_until(now.boot.plus(REACH)); // by whatever clock it was sent
        }
        if waits {
            state.wait_out(intent, now);
        }
    }

    pub(super) fn learn_ticket(&mut self, ticket: Ticket, stored: &StoredTicket, now: Now) {
        let first_seen = now.boot_at(stored.first_seen).min(now.boot);
        let state = self.tickets[ticket as usize].get_or_insert_default();
        let mine = state.held.as_ref();
        if mine.is_some_and(|held| held.id == stored.id || held.order >= stored.first_seen) {
            return;
        }
        let replaced = mine.map(|held| held.id);
        let left = stored.expires.since(now.wall).min(TICKET_LIFETIME);
        // Its place may be far from when it was seen, where clocks differ.
        let lifetime = match stored.expires.since(stored.first_seen) {
            0 => TICKET_LIFETIME,
            lifetime => lifetime.min(TICKET_LIFETIME),
        };
        state.held = Some(HeldTicket {
            token: stored.token.clone(),
            id: stored.id,
            first_seen,
            order: stored.first_seen,
            first_end: stored.born_after.map(|at| now.boot_at(at.plus(lifetime))),
            last_end: now.boot_at(stored.first_seen.plus(lifetime)),
            last_seen: first_seen,
            successor_ends: now.boot_at(stored.first_seen.plus(lifetime)),
            lifetime,
            expires: now.boot.plus(left),
            restored: true,
            stored_birth: stored.born_after,
        });
        state.due = now.boot; // its age is uncertain: ask soon
        state.retry.clear();
        if let Some(id) = replaced {
            let ends = now.boot.plus(OVERLAP);
            let kind = ticket.kind();
            self.remember(Known { id, kind, ends }, now);
        }
    }
}

/// Another replica saved a value while ours is not saved: ours stays until normal mode has told which lives.
fn rival(state: &mut LaneState, stored: &StoredToken, now: Now) {
    let known = state.rival.as_ref().map(|rival| &rival.stored);
    if known.is_none_or(|known| known != stored && known.sent <= stored.sent) {
        state.rival = Some(Box::new(Rival {
            stored: stored.clone(),
            heard: now.boot,
        }));
        if let Some(held) = state.held.as_mut() {
            held.due = now.boot;
        }
    }
}
