//! What a machine hears, and what it asks its shell to do.

use std::sync::Arc;

use super::alarm::Alarm;
use super::rules::Rules;
use super::verdict::Evidence;
use crate::clock::{Boot, Wall};
use crate::credential::{Kind, Lane, Token, ValueId};
use crate::source::{Answer, Ask, Failure};
use crate::store::{Fence, Record};

/// Names one call among an app's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct CallId(pub u32);

/// Names one save among an app's; later saves hold all that earlier ones held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SaveId(pub u32);

/// A token that other programs use, to be taken over instead of being killed by a first fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adoption {
    /// The lane it is held in. A classic token in the stable lane lives until its end as well, and so the other way round.
    pub lane: Lane,
    /// The value.
    pub token: Token,
    /// Its keyed hash.
    pub id: ValueId,
    /// When it ends; none if nobody knows, which is believed to be in an hour.
    pub expires: Option<Wall>,
}

/// Another's value was found where a copy of ours should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meeting {
    /// The value of ours that should be there.
    pub over: ValueId,
    /// Theirs.
    pub token: Token,
    /// Its keyed hash.
    pub id: ValueId,
}

/// Something happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// The time asked for by [`Effect::WakeAt`] has come, or the machine is new.
    Due,
    /// The note before a call is durable.
    Noted(CallId),
    /// The note before a call could not be written.
    NoteFailed(CallId),
    /// A call was answered.
    Answered(CallId, Answer),
    /// A call failed.
    Failed(CallId, Failure),
    /// A save is durable.
    Saved(SaveId),
    /// A save could not be made.
    SaveFailed(SaveId),
    /// A write was refused, for the store holds something newer: the lease is lost.
    Stale(Option<Box<Record>>),
    /// The lease is ours.
    LeaseWon {
        /// Under which fence to write.
        fence: Fence,
        /// Until when.
        until: Boot,
        /// The record as it is now.
        record: Option<Box<Record>>,
        /// Nobody who had it has written in its epoch yet: what was written before may be lost in part.
        begins_epoch: bool,
    },
    /// Someone else holds the lease.
    LeaseTaken {
        /// When to ask again.
        free_at: Boot,
    },
    /// Whoever had the lease gave it back: it can be asked for at once.
    LeaseFreed,
    /// The store has told, before any write was refused, that this lease is somebody else's now or of an epoch that is over.
    LeaseLost(Fence),
    /// The store cannot be asked for a lease.
    LeaseUnavailable,
    /// Another replica saved this.
    Learned(Box<Record>),
    /// Somebody calls a value of this kind dead.
    Reported {
        /// What it was taken for.
        kind: Kind,
        /// Which value.
        id: ValueId,
        /// On whose word.
        evidence: Evidence,
    },
    /// An operator wants a fetch now; stable is forced if so asked.
    Nudged {
        /// Of what.
        kind: Kind,
        /// With `force_refresh`.
        force: bool,
    },
    /// A token that others use is handed over, to be held once a probe finds it alive.
    Adopt(Adoption),
    /// Another's value was found where a copy of ours should be: where it may have ended ours, a probe tells whether it lives.
    Met(Meeting),
    /// The configuration changed, or the app is back in it: what was refused is tried at once.
    RulesChanged(Arc<Rules>),
    /// The server stops, or the app is ours no more: what is under way ends, nothing else begins; the lease is given back.
    Stopping,
}

/// Something to be done. Writes of one app are carried out in the order given.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Ask the store for the lease.
    TakeLease,
    /// Give the lease back.
    Release(Fence),
    /// Make this durable *before* the call named; answer `Noted` or `NoteFailed` (or `Stale`).
    Note(CallId, Box<Record>, Fence),
    /// Ask WeChat; answer `Answered` or `Failed` within the milliseconds given.
    Ask(CallId, Ask, u64),
    /// Make this durable; answer `Saved` or `SaveFailed` (or `Stale`).
    Save(SaveId, Box<Record>, Fence),
    /// What is handed out for this kind changed: look at [`super::Machine::current`].
    Publish(Kind),
    /// Tell the store that a token was minted without a lease, at this time.
    PostLateMint(Wall),
    /// The current value has just been found alive: sinks that were changed by others may be put back.
    PutBack(Kind),
    /// Send `Due` then, if nothing else came first. Replaces the time asked for before.
    WakeAt(Boot),
    /// Tell people.
    Alarm(Alarm),
}
