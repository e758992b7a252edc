//! Tickets within the machine: what an answer, a failure or a report means (rule 11).

use super::event::Effect;
use super::machine::{Known, Machine, Task};
use super::mutant::planted;
use super::rules::{OVERLAP, TICKET_REPORT_GAP};
use super::verdict::Evidence;
use crate::clock::{Boot, Now, millis};
use crate::credential::{Ticket, ValueId};
use crate::source::{Failure, Minted, Trouble};

impl Machine {
    pub(super) fn ticket_seen(
        &mut self,
        ticket: Ticket,
        sent: Boot,
        minted: Minted,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let trusted = planted!(self.rules, TicketExpiryTrusted);
        let mut jitter = self.jitter;
        let state = self.tickets[ticket as usize].get_or_insert_default();
        let before = state.held.as_ref().map(|held| held.id);
        let lifetime = millis(minted.expires_in);
        let changed = state.seen(
            (minted.token, minted.id, lifetime),
            (sent, now.wall_at(sent)),
            trusted,
            &mut jitter,
        );
        let answered = state.reported.is_none();
        if changed {
            state.reported = None; // it was said of another one
            state.put_back = false;
        } else if answered && std::mem::take(&mut state.put_back) {
            effects.push(Effect::PutBack(ticket.kind()));
        }
        state.report_after = now.boot.plus(TICKET_REPORT_GAP);
        self.jitter = jitter;
        if changed {
            self.saving.dirty = true;
            if let Some(id) = before {
                let ends = now.boot.plus(OVERLAP);
                self.remember(
                    Known {
                        id,
                        kind: ticket.kind(),
                        ends,
                    },
                    now,
                );
            }
        }
    }

    pub(super) fn ticket_failed(
        &mut self,
        ticket: Ticket,
        with: Option<ValueId>,
        failure: Failure,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let spent = self.spent(Task::Ticket(ticket).budget(), now);
        let wall = self.steady_wall(now);
        let mut jitter = self.jitter;
        let state = self.tickets[ticket as usize].get_or_insert_default();
        let left = state.held.as_ref().map(|held| held.expires.since(now.boot));
        state
            .retry
            .failed(failure.trouble, left, spent, now, wall, &mut jitter);
        if let (Trouble::TokenBad(_), Some(id)) = (failure.trouble, with) {
            // A rule-8 report on the token; asked again with its successor, or when it proves alive.
            state.refused_with = Some(id);
            state.retry.not_before = now.boot;
            self.jitter = jitter;
            if let Some(lane) = self.lane_holding(id) {
                self.suspect(lane, Evidence::FirstHand, now, effects);
            }
            return;
        }
        if let Trouble::Passing(_) = failure.trouble {
            state.unanswered(now);
        }
        self.jitter = jitter;
        self.tell_trouble(ticket.kind(), None, failure.trouble, effects);
    }

    /// The token a ticket was refused with is alive after all: the refusal was passing trouble.
    pub(super) fn tickets_may_use(&mut self, id: ValueId, now: Now) {
        let mut jitter = self.jitter;
        for state in self.tickets.iter_mut().flatten() {
            if state.refused_with == Some(id) {
                state.refused_with = None;
                let failures = u32::from(state.retry.failures.min(6));
                let wait = 1000 * (1 << failures) + jitter.below(1000);
                // Counted from the refusal: what has been waited for the proof need not be waited again.
                state.retry.not_before = state.retry.not_before.plus(wait).max(now.boot);
            }
        }
        self.jitter = jitter;
    }

    /// One question a minute: differs → refreshed, same → alive.
    pub(super) fn ticket_reported(
        &mut self,
        ticket: Ticket,
        id: ValueId,
        evidence: Evidence,
        now: Now,
    ) {
        let asking = self.busy(Task::Ticket(ticket));
        let Some(state) = self.tickets[ticket as usize].as_deref_mut() else {
            return;
        };
        if state.held.as_ref().is_none_or(|held| held.id != id) {
            return;
        }
        if asking || state.reported.is_none() {
            state.reported = Some(now.boot);
        }
        state.put_back |= evidence == Evidence::Sink;
    }
}
