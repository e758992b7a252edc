//! Between the machine and its record: what is stored, and rule 3: what a record means after a restart or from a replica.
//!
//! Boot times mean nothing to others, so records carry wall times.

use super::lane::LaneState;
use super::machine::{Handed, Machine};
use super::mutant::planted;
use super::rules::REACH;
use super::ticket::HeldTicket;
use crate::clock::Now;
use crate::credential::{Lane, Ticket};
use crate::store::{Fence, HandedOut, Intent, Record, Remembered, StoredTicket, StoredToken};

/// The machine's lasting part.
pub(super) fn record(machine: &Machine, now: Now) -> Record {
    Record {
        saved_at: now.wall,
        lanes: Lane::ALL.map(|lane| machine.lane(lane).and_then(|state| stored(state, now))),
        tickets: Ticket::ALL.map(|ticket| {
            let state = machine.tickets[ticket as usize].as_deref()?;
            state.held.as_ref().map(|held| stored_ticket(held, now))
        }),
        handed_out: [0, 1, 2].map(|kind| handed_out(&machine.handed[kind])),
        intents: Lane::ALL.map(|lane| machine.lane(lane).and_then(|state| intent(state, now))),
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

/// The open note; or, while a settled one still explains why the value could die early, that.
fn intent(state: &LaneState, now: Now) -> Option<Intent> {
    // Beside the value's own place, so that it still reaches beyond it when boot time has begun anew.
    let sent = now
        .wall_at(state.doubted_until)
        .max(state.stored_order().plus(1))
        .minus(REACH);
    let doubt = state.held_is_doubted().then_some(Intent {
        fence: Fence::default(),
        sent,
        deadline: sent,
    });
    state.intent.or(doubt)
}

fn stored(state: &LaneState, now: Now) -> Option<StoredToken> {
    if let Some(rival) = &state.rival {
        return Some(rival.stored.clone()); // until WeChat has said that ours is the newer one
    }
    let held = state.held.as_ref()?;
    let order = state.stored_order();
    Some(StoredToken {
        token: held.token.clone(),
        id: held.id,
        sent: order,
        expires: now.wall_at(held.expires),
        lifetime: held.lifetime,
        dead: held.dead,
        noted: state.minted_by.filter(|_| state.unsaved),
    })
}

fn stored_ticket(held: &HeldTicket, now: Now) -> StoredTicket {
    StoredTicket {
        token: held.token.clone(),
        id: held.id,
        first_seen: held.order,
        born_after: held.first_end.map(|end| {
            // What it was stored with may lie before boot time began, which this machine's clock cannot say.
            let stored = held.stored_birth.filter(|_| held.restored);
            stored.unwrap_or_else(|| now.wall_at(end).minus(held.lifetime))
        }),
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
