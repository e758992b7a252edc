//! The rules of refreshing (design section 5) as a machine without I/O, one per app: `step(machine, event, now)` gives the
//! next machine and what its shell must do.
//!
//! An event changes what is known; then one plan looks at all that is known and starts what is due. So no event can be
//! forgotten, and the order in which things happen does not matter.
//! Must not know: the clock, the loop, HTTP, the store behind the trait.

mod adoption;
pub mod alarm;
mod alarms;
mod clocks;
mod contest;
mod counts;
mod due;
mod durable;
pub mod event;
mod hear;
mod held_back;
mod lane;
mod learn;
mod lease;
mod machine;
pub mod mutant;
mod notes;
mod overlap;
mod parked;
mod plan;
mod probe;
mod publish;
mod revive;
pub mod rules;
mod stranger;
mod ticket;
mod tickets;
mod tokens;
mod trouble;
pub mod verdict;
mod view;
mod wants;

pub use held_back::HeldBack;
pub use lane::Outcome;
pub use machine::Machine;
pub use parked::Parked;
pub use view::{LaneView, Standing};

use crate::clock::Now;
use event::{Effect, Event};

/// One step: what happened, when; what the machine is then, and what is to be done, in order. Boxed, for it is long, and
/// goes from hand to hand at every step.
#[must_use]
pub fn step(mut machine: Box<Machine>, event: Event, now: Now) -> (Box<Machine>, Vec<Effect>) {
    let mut effects = Vec::new();
    machine.hear(event, now, &mut effects);
    machine.plan(now, &mut effects);
    (machine, effects)
}
