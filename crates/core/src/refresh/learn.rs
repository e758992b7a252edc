//! Rule 3: what a record means after a restart or from another replica.
//!
//! Boot times mean nothing to others, so records carry wall times; and wall clocks step, and differ.

use super::alarm::AlarmName;
use super::lane::Held;
use super::machine::{Handed, Known, LeaseState, Machine, Task};
use super::mutant::planted;
use super::rules::{CLOCK_TOLERANCE, FORCE_GAP, LEAVE_ALONE, OVERLAP, REACH, STRAGGLE};
use super::ticket::HeldTicket;
use super::{due, publish};
use crate::clock::{Boot, Now, Wall};
use crate::credential::{Lane, Ticket};
use crate::store::{Fence, Intent, Record, StoredTicket, StoredToken};

/// What `expires_in` of a ticket always says, in milliseconds.
const TICKET_LIFETIME: u64 = 7_200_000;

impl Machine {
    /// Takes over what a record says where it is newer than what is held: at a restart that is everything.
    /// `takes_over`: under a lease, or in a store of our own, so that nobody else is at work.
    pub(super) fn learn(&mut self, record: &Record, takes_over: bool, now: Now) {
        // Replicas' clocks differ a little; our own, after a restart, should not.
        let tolerance = match self.lease {
            LeaseState::Own(_) => 0,
            LeaseState::None { .. }
            | LeaseState::Asking
            | LeaseState::Held { .. }
            | LeaseState::Away { .. } => CLOCK_TOLERANCE,
        };
        let clock_off =
            now.wall.plus(tolerance) < record.saved_at || self.is_raised(AlarmName::ClockOff);
        // It is surely no earlier than when the record was written, whatever our clock says.
        let as_of = Now {
            wall: now.wall.max(record.saved_at),
            ..now
        };
        for lane in Lane::ALL {
            let taken = record.lanes[lane.index()]
                .as_ref()
                .is_some_and(|stored| self.learn_token(lane, stored, takes_over, as_of));
            let order = record.lanes[lane.index()]
                .as_ref()
                .map_or_else(Wall::default, |stored| stored.sent);
            self.learn_intent(lane, record.intents[lane.index()], order, takes_over, as_of);
            if taken && clock_off {
                self.doubt_restored(lane, now);
            }
        }
        for ticket in Ticket::ALL {
            if let Some(stored) = &record.tickets[ticket as usize] {
                self.learn_ticket(ticket, stored, as_of);
                if clock_off {
                    self.doubt_restored_ticket(ticket, now);
                }
            }
        }
        self.learn_generations(record);
        self.learn_counts(record, takes_over, now);
        self.learn_contest(record, takes_over, self.steady_wall(now));
        for remembered in &record.remembered {
            let ends = as_of.boot_at(remembered.ends);
            if self.lane_holding(remembered.id).is_some() {
                continue;
            }
            self.remember(
                Known {
                    id: remembered.id,
                    kind: remembered.kind,
                    ends,
                },
                now,
            );
        }
        self.late_mint = self.late_mint.max(record.late_mint);
    }

    fn learn_generations(&mut self, record: &Record) {
        for (handed, theirs) in self.handed.iter_mut().zip(record.handed_out) {
            if theirs.generation > handed.generation {
                *handed = Handed {
                    generation: theirs.generation,
                    id: theirs.id,
                    lane: theirs.lane,
                    current: handed.current.take(),
                    staged: None,
                };
            }
        }
    }

    fn learn_counts(&mut self, record: &Record, takes_over: bool, now: Now) {
        let forced = record.budgets.last_forced;
        let seen = self.lane(Lane::Stable).map(|state| state.forced_seen);
        if seen.unwrap_or_default() != forced {
            // Made by another clock, or by ours before a restart: it may have been just now.
            let state = self.lane_mut(Lane::Stable);
            state.forced_seen = forced;
            state.force_gap_ends = now.boot.plus(FORCE_GAP);
        }
        let mut counted = record.budgets.not_beyond(self.steady_wall(now));
        if let Some(uncounted) = &self.uncounted {
            counted = counted.added(uncounted);
        }
        // Who takes over goes by the store, which knows of calls taken back as well; who only listens may have heard late.
        self.budgets = if takes_over {
            counted
        } else {
            self.budgets.merged(&counted)
        };
    }

    fn learn_contest(&mut self, record: &Record, takes_over: bool, at: Wall) {
        let at_rest = !self.saving.dirty && self.saving.in_flight.is_none();
        if record.contest == crate::store::Contest::default() {
            return;
        }
        let contest = self.contest_mut();
        if record.contest.kills[2] > contest.kills[2] {
            contest.kills = record.contest.kills.map(|kill| kill.min(at));
        }
        let leave_until = record.contest.leave_until.min(at.plus(LEAVE_ALONE));
        contest.leave_until = contest.leave_until.max(leave_until);
        // Giving way ends as well: who takes over goes by the store, who only listens may have heard late.
        if takes_over && at_rest {
            contest.yielded = record.contest.yielded;
        } else if takes_over {
            contest.yielded |= record.contest.yielded;
        }
        contest.classic_ours |= record.contest.classic_ours;
    }

    /// Says whether it was taken over.
    fn learn_token(
        &mut self,
        lane: Lane,
        stored: &StoredToken,
        takes_over: bool,
        now: Now,
    ) -> bool {
        let at_rest = !self.saving.dirty && self.saving.in_flight.is_none();
        let sent = now.boot_at(stored.sent).min(now.boot);
        let unsaved = self.lane(lane).is_some_and(|state| state.unsaved);
        let replaced = self.known.iter().any(|known| known.id == stored.id);
        let mine = self.lanes[lane.index()]
            .as_deref_mut()
            .and_then(|state| state.held.as_mut());
        if let Some(held) = mine {
            if held.id == stored.id {
                held.order = held.order.max(stored.sent);
                match (stored.dead, at_rest) {
                    (true, true) if !held.dead => self.bury(lane, now),
                    // We may know better, and could not save it: a probe tells.
                    (true, false) if !held.dead => self.doubt_alive(lane, now),
                    // Another replica may have found it alive after all.
                    (false, true) if takes_over => held.dead = false,
                    _ => {}
                }
                return false;
            }
            if replaced {
                held.order = held.order.max(stored.sent.plus(1)); // ours came after it
                return false;
            }
            // At the same place, what is durable goes before what is not.
            if held.order > stored.sent || held.order == stored.sent && !unsaved {
                return false;
            }
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
        (state.unsaved, state.unsaved_mint) = (false, false);
        state.order_to_be = Wall::default();
        state.retry.clear();
        state.health = super::lane::Health {
            probe_due,
            ..Default::default()
        };
        true
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
        }
    }

    /// An open note: of another holder, or of our own life before a restart. Whoever takes over must assume that the call
    /// has minted (rule 3). While its maker may still tell, it is only kept in mind.
    fn learn_intent(
        &mut self,
        lane: Lane,
        intent: Option<Intent>,
        beside: Wall,
        takes_over: bool,
        now: Now,
    ) {
        let own_store = matches!(self.lease, LeaseState::Own(_));
        if intent.is_none() && self.lane(lane).is_none() {
            return;
        }
        let state = self.lane_mut(lane);
        state.theirs = None;
        let Some(intent) = intent.filter(|note| state.closed != Some(*note)) else {
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
            state.theirs = Some(now.boot.plus(takes + 1000));
            return;
        }
        state.intent = Some(intent);
        state.may_have_been_replaced(sent, OVERLAP);
        if !own_store {
            state.doubt_calls_until(now.boot.plus(REACH)); // by whatever clock it was sent
            state.others_end = state.others_end.max(intent.deadline);
            let grace = now.boot.plus(takes.saturating_add(STRAGGLE));
            state.wait_until = now
                .boot_at(intent.deadline)
                .min(grace)
                .max(state.wait_until);
        }
    }

    fn learn_ticket(&mut self, ticket: Ticket, stored: &StoredTicket, now: Now) {
        let first_seen = now.boot_at(stored.first_seen).min(now.boot);
        let state = self.tickets[ticket as usize].get_or_insert_default();
        let mine = state.held.as_ref();
        if mine.is_some_and(|held| held.id == stored.id || held.order >= stored.first_seen) {
            return;
        }
        let replaced = mine.map(|held| held.id);
        let left = stored.expires.since(now.wall).min(TICKET_LIFETIME);
        let lifetime = stored
            .expires
            .since(stored.first_seen)
            .clamp(1, TICKET_LIFETIME);
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
        });
        state.due = now.boot; // its age is uncertain: ask soon
        state.retry.clear();
        if let Some(id) = replaced {
            let ends = now.boot.plus(OVERLAP);
            let kind = ticket.kind();
            self.remember(Known { id, kind, ends }, now);
        }
    }

    /// A machine for an app, from its record if there is one. `own` is the fence of a store that is ours alone.
    #[must_use]
    pub fn restore(
        rules: std::sync::Arc<super::rules::Rules>,
        record: Option<&Record>,
        own: Option<Fence>,
        seed: u64,
        now: Now,
    ) -> Self {
        let mut machine = Self::empty(rules, own, seed, now);
        if let Some(record) = record {
            machine.learn(record, true, now);
            publish::resume(&mut machine, now);
        }
        machine
    }
}
