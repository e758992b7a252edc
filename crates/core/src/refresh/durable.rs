//! Between the machine and its record: what is stored, and rule 3: what a record means after a restart or from a replica.
//!
//! Boot times mean nothing to others, so records carry wall times.

use super::lane::Held;
use super::machine::{Handed, Known, LeaseState, Machine};
use super::mutant::planted;
use super::rules::{OVERLAP, STRAGGLE};
use super::ticket::HeldTicket;
use super::{due, publish};
use crate::clock::{Now, Wall};
use crate::credential::{Lane, Ticket};
use crate::store::{Fence, HandedOut, Intent, Record, Remembered, StoredTicket, StoredToken};

/// The machine's lasting part.
pub(super) fn record(machine: &Machine, now: Now) -> Record {
    Record {
        saved_at: now.wall,
        lanes: Lane::ALL.map(|lane| {
            machine
                .lane(lane)
                .and_then(|state| state.held.as_ref())
                .map(|held| stored(held, now))
        }),
        tickets: Ticket::ALL.map(|ticket| {
            let state = machine.tickets[ticket as usize].as_deref()?;
            state.held.as_ref().map(|held| stored_ticket(held, now))
        }),
        handed_out: [0, 1, 2].map(|kind| handed_out(&machine.handed[kind])),
        intents: Lane::ALL.map(|lane| machine.lane(lane).and_then(|state| state.intent)),
        budgets: if planted!(machine.rules, BudgetNotDurable) {
            crate::budget::Budgets::default()
        } else {
            machine.budgets
        },
        remembered: machine
            .known
            .iter()
            .map(|known| Remembered {
                id: known.id,
                kind: known.kind,
                ends: now.wall_at(known.ends),
            })
            .collect(),
        contest: machine.contest(),
        late_mint: machine.late_mint,
    }
}

fn stored(held: &Held, now: Now) -> StoredToken {
    StoredToken {
        token: held.token.clone(),
        id: held.id,
        sent: now.wall_at(held.sent),
        expires: now.wall_at(held.expires),
        lifetime: held.lifetime,
        dead: held.dead,
    }
}

fn stored_ticket(held: &HeldTicket, now: Now) -> StoredTicket {
    StoredTicket {
        token: held.token.clone(),
        id: held.id,
        first_seen: now.wall_at(held.first_seen),
        born_after: held.born_after.map(|at| now.wall_at(at)),
        expires: now.wall_at(held.expires),
    }
}

fn handed_out(handed: &Handed) -> HandedOut {
    HandedOut {
        generation: handed.generation,
        id: handed.id,
        lane: handed.lane,
    }
}

impl Machine {
    /// Takes over what a record says where it is newer than what is held: at a restart that is everything.
    pub(super) fn learn(&mut self, record: &Record, now: Now) {
        for lane in Lane::ALL {
            if let Some(stored) = &record.lanes[lane.index()] {
                self.learn_token(lane, stored, record.saved_at, now);
            }
            if let Some(intent) = record.intents[lane.index()] {
                self.learn_intent(lane, intent, now);
            }
        }
        for ticket in Ticket::ALL {
            if let Some(stored) = &record.tickets[ticket as usize] {
                self.learn_ticket(ticket, stored, now);
            }
        }
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
        self.budgets = self.budgets.merged(&record.budgets);
        self.budgets.last_forced = self.budgets.last_forced.min(self.steady_wall(now));
        self.learn_contest(record);
        for remembered in &record.remembered {
            let ends = now.boot_at(remembered.ends);
            self.remember(
                Known {
                    id: remembered.id,
                    kind: remembered.kind,
                    ends,
                },
                now,
            );
        }
        if let Some(at) = record
            .late_mint
            .filter(|at| self.late_mint.is_none_or(|mine| mine < *at))
        {
            self.late_mint = Some(at);
            self.lane_mut(Lane::Classic).settle = self.in_use(Lane::Classic);
        }
    }

    fn learn_contest(&mut self, record: &Record) {
        if record.contest == crate::store::Contest::default() {
            return;
        }
        let contest = self.contest_mut();
        if record.contest.kills[2] > contest.kills[2] {
            contest.kills = record.contest.kills;
        }
        contest.leave_until = contest.leave_until.max(record.contest.leave_until);
        contest.yielded |= record.contest.yielded;
        contest.classic_ours |= record.contest.classic_ours;
    }

    fn learn_token(&mut self, lane: Lane, stored: &StoredToken, saved_at: Wall, now: Now) {
        let sent = now.boot_at(stored.sent);
        let mine = self.lane(lane).and_then(|state| state.held.as_ref());
        let same = mine.is_some_and(|held| held.id == stored.id);
        if same {
            if stored.dead {
                self.bury(lane, now);
            }
            return;
        }
        if mine.is_some_and(|held| now.wall_at(held.sent) >= stored.sent) {
            return;
        }
        let stepped_back = now.wall < saved_at;
        let left = stored.expires.since(now.wall).min(stored.lifetime);
        let expires = now.boot.plus(left);
        let mut due = due::due(
            lane,
            expires,
            stored.lifetime,
            &self.rules.timing,
            &mut self.jitter,
        );
        if planted!(self.rules, FetchAtRestart) {
            due = now.boot;
        }
        let held = Held {
            token: stored.token.clone(),
            id: stored.id,
            sent,
            expires,
            lifetime: stored.lifetime,
            due,
            dead: stored.dead,
            restored: true,
        };
        self.displace(lane, now);
        let probe_due = self.first_probe(now);
        let state = self.lane_mut(lane);
        state.held = Some(held);
        state.stuck = false;
        state.settle = false;
        state.retry.clear();
        state.health = super::lane::Health {
            probe_due,
            ..Default::default()
        };
        if stepped_back {
            state.health.suspected = Some(now.boot);
        }
    }

    /// An intent of another holder, or of our own life before a restart: the call may have minted (rule 3).
    fn learn_intent(&mut self, lane: Lane, intent: Intent, now: Now) {
        let own_store = matches!(self.lease, LeaseState::Own(_));
        if self.fence(now) == Some(intent.fence) {
            return;
        }
        let state = self.lane_mut(lane);
        if state.intent.is_some_and(|mine| mine.sent >= intent.sent) {
            return;
        }
        let sent = now.boot_at(intent.sent);
        if state.held.as_ref().is_some_and(|held| held.sent >= sent) {
            return;
        }
        state.intent = Some(intent);
        state.may_have_been_replaced(sent, OVERLAP);
        if !own_store {
            let grace = now
                .boot
                .plus(intent.deadline.since(intent.sent).saturating_add(STRAGGLE));
            state.wait_until = now
                .boot_at(intent.deadline)
                .min(grace)
                .max(state.wait_until);
        }
    }

    fn learn_ticket(&mut self, ticket: Ticket, stored: &StoredTicket, now: Now) {
        let first_seen = now.boot_at(stored.first_seen);
        let state = self.tickets[ticket as usize].get_or_insert_default();
        let mine = state.held.as_ref();
        if mine.is_some_and(|held| {
            held.id == stored.id || now.wall_at(held.first_seen) >= stored.first_seen
        }) {
            return;
        }
        let left = stored.expires.since(now.wall).min(7 * 24 * 3_600_000);
        state.held = Some(HeldTicket {
            token: stored.token.clone(),
            id: stored.id,
            first_seen,
            born_after: stored.born_after.map(|at| now.boot_at(at)),
            last_seen: first_seen,
            lifetime: stored.expires.since(stored.first_seen).max(1),
            expires: now.boot.plus(left),
        });
        state.due = now.boot; // its age is uncertain: ask soon
        state.retry.clear();
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
            machine.learn(record, now);
            publish::resume(&mut machine, now);
        }
        machine
    }
}
