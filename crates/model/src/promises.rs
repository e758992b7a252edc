//! What must always hold, said of what was and what is, whatever was done; and what must be reached at all for that to mean
//! anything.
//!
//! Must not know: mistakes.

use stateright::Property;

use crate::protocol::Protocol;
use crate::state::{Broken, Call, Fate, Link, MOST_CALLS, Phase, Record, Replica, Row, State};
use crate::steps::Step;

impl State {
    /// What became of what was known, and whether a promise was broken by this step.
    pub(crate) fn observed(mut self, before: &Self, step: Step) -> Self {
        self.follow_fates(before, step);
        self.broken = before.broken.or_else(|| self.broken_since(before, step));
        self
    }

    fn broken_since(&self, before: &Self, step: Step) -> Option<Broken> {
        let replaced = matches!(step, Step::FailOver | Step::Emptied);
        let granted = self.newest != before.newest;
        if self.row.body != before.row.body && !replaced {
            if self.row.writer > 0 && self.row.writer < before.newest {
                return Some(Broken::OlderFence);
            }
            if self.row.body.generation < before.row.body.generation {
                return Some(Broken::WentBack);
            }
        }
        let pairs = || before.replicas.iter().zip(&self.replicas);
        if pairs().any(|(was, is)| went_back(was, is)) {
            return Some(Broken::WentBack);
        }
        if granted && (before.row.young || before.row.void) && self.somebody_keeps_more() {
            return Some(Broken::NotOffered);
        }
        let holds = |replica: &Replica| replica.link == Link::Well && replica.fence == before.lease;
        let lost = before.lease > 0 && self.lease != before.lease;
        let epoch = self.row.granted != before.row.granted;
        if lost && !epoch && !replaced && pairs().any(|(was, is)| holds(was) && holds(is)) {
            return Some(Broken::LeaseTaken);
        }
        None
    }

    /// Somebody who is there keeps what the row has not.
    fn somebody_keeps_more(&self) -> bool {
        let body = self.row.body;
        let mut there = self
            .replicas
            .iter()
            .filter(|replica| replica.link == Link::Well);
        there.any(|replica| Record::merged(body, replica.kept) != body)
    }

    /// Nothing is under way, nobody is away, and nobody wants anything.
    pub(crate) fn is_at_rest(&self) -> bool {
        let row = &self.row;
        let idle = |replica: &Replica| match replica.link {
            Link::Down => true,
            Link::Away => false,
            Link::Well => {
                replica.phase == Phase::Idle
                    && replica.kept == row.body
                    && !replica.is_dirty()
                    && !replica.mine.asks_for_more()
            }
        };
        let late = row.late > 0 && row.late >= row.body.value;
        !row.void
            && self.calls == [Call::default(); MOST_CALLS]
            && !row.body.asks_for_more()
            && !late
            && self.replicas.iter().all(idle)
    }

    /// The value that lives is stored, and all who run hand it out.
    pub(crate) fn is_agreed(&self) -> bool {
        let hands_it_out =
            |replica: &Replica| replica.link == Link::Down || replica.out.1 == self.live;
        self.row.body.value == self.live && self.replicas.iter().all(hands_it_out)
    }
}

fn went_back(was: &Replica, is: &Replica) -> bool {
    if was.link == Link::Down || is.link == Link::Down {
        return false;
    }
    let (generation, value) = was.out;
    let same = is.out.0 == generation && is.out.1 != value;
    is.out.0 < generation || same || is.out.1 != value && was.mine.has_replaced(is.out.1)
}

/// What fences are for.
pub const FENCES: &str = "a write under an older fence is never durable after a newer grant";
/// Neither in generation, nor to a value that is known to have been replaced.
pub const GENERATIONS: &str = "what is stored, and what is handed out, never goes back";
/// What offers are for.
pub const OFFERS: &str = "no lease is given before everybody there has told what it knows";
/// What the lease's value is for.
pub const LEASES: &str = "a lease ends by its holder's will, or when that is gone";
/// What notes are for: rule 1, in the cluster.
pub const CALLS: &str =
    "two calls are under way only where a note was lost or a process stood still";
/// What all of it is for.
pub const VALUES: &str = "when all is calm, what was minted last is stored and handed out";

/// Looked at where that is asked for: it takes half as long again.
pub const SETTLES: &str = "once nothing goes wrong any more, all comes to rest";

/// All of them, and what has to be reached.
pub(crate) fn all(protocol: &Protocol) -> Vec<Property<Protocol>> {
    let mut all = vec![
        Property::always(FENCES, |_, state: &State| {
            state.broken != Some(Broken::OlderFence)
        }),
        Property::always(GENERATIONS, |_, state: &State| {
            state.broken != Some(Broken::WentBack)
        }),
        Property::always(OFFERS, |_, state: &State| {
            state.broken != Some(Broken::NotOffered)
        }),
        Property::always(LEASES, |_, state: &State| {
            state.broken != Some(Broken::LeaseTaken)
        }),
        Property::always(CALLS, |_, state: &State| {
            let told = |call: &&Call| call.note > 0 && call.fate != Fate::Missed;
            state.calls.iter().filter(told).count() < 2
        }),
        Property::always(VALUES, |_, state: &State| {
            state.fate == Fate::Missed || !state.is_at_rest() || state.is_agreed()
        }),
    ];
    if protocol.settling {
        all.push(Property::always(
            SETTLES,
            |protocol: &Protocol, state: &State| protocol.settles(state),
        ));
    }
    all.extend(reached());
    all
}

fn reached() -> [Property<Protocol>; 6] {
    [
        Property::sometimes("all hand out what was minted last", |_, state: &State| {
            state.live > 0 && state.is_at_rest() && state.is_agreed()
        }),
        Property::sometimes("a late mint is noted", |_, state: &State| {
            state.row.late > 0
        }),
        Property::sometimes("two calls are under way", |_, state: &State| {
            state.calls.iter().filter(|call| call.note > 0).count() == 2
        }),
        Property::sometimes(
            "one holds the lease, another believes that it does",
            |_, state: &State| {
                let believes = |replica: &&Replica| replica.fence > 0;
                state.lease > 0 && state.replicas.iter().filter(believes).count() == 2
            },
        ),
        Property::sometimes("an emptied store is filled again", |_, state: &State| {
            let filled = |row: Row| row.young && row.body.value > 0;
            filled(state.row) && state.faults > 0
        }),
        Property::sometimes("nobody is left who knows", |_, state: &State| {
            state.fate == Fate::Missed
        }),
    ]
}
