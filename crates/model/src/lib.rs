//! How replicas fetch the classic token over one Redis, small enough that a checker can look at every order of events.
//!
//! Read [`state`] first (what there is), then [`Step`] (what can happen), then [`promises`]. `scripts` is what Redis does, named
//! as in `crates/server/src/store/redis/scripts`; `process`, `learn` and `merge` are what a machine of `wxtoken-core` does with it.
//! `docs/model.md` says how far it was looked, and what was found.
//!
//! States are made canonical as they arise, rather than by the checker's own symmetry reduction: that one goes depth first
//! only, and ways that are found breadth first are the shortest.
//!
//! Owns: the order of events. There are no clocks: a lease ends when its holder is not there to keep it alive, a deadline
//! passes once the call has ended that left before it. Must not know: lanes but the classic one, budgets, how long anything
//! takes. Those are the simulated world's (`crates/core/tests/world`), which runs the real machine at random.

mod after;
mod calm;
mod canonical;
mod fates;
mod learn;
mod merge;
mod process;
pub mod promises;
mod protocol;
mod scripts;
pub mod state;
mod steps;

pub use protocol::{Bounds, Mistake, Protocol};
pub use steps::{Step, Who};

use stateright::{Model, Property};

use state::State;

impl Model for Protocol {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State::begun(self.bounds.replicas)]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        if state.broken.is_none() {
            self.possible(state, steps);
        }
    }

    fn next_state(&self, before: &State, step: Step) -> Option<State> {
        let after = self.after(before, step).observed(before, step);
        let after = after.canonical(usize::from(self.bounds.replicas));
        (after != *before).then_some(after)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        promises::all(self)
    }
}
