//! What `check` can find of a Redis, as data: the one that replicas share, and those that copies are kept in.
//!
//! Must not know: how it was found, in which words a person is told.

use wxtoken_server::words::Sentence;

use super::finding::Level;

/// A Redis that copies are kept in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Copies {
    /// Which, without user and password.
    pub(crate) at: String,
    /// How many copies are to be kept there.
    pub(crate) copies: usize,
    pub(crate) told: HowTold,
}

/// How what others do to copies is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HowTold {
    /// By events.
    AtOnce,
    /// Not at all: they are looked at every few seconds.
    Not,
    /// By each node of a cluster of its own alone: they are looked at.
    Cluster,
    /// The user may not ask.
    NotToBeAsked,
    /// It cannot be reached, or not as its address says.
    Unusable(Sentence),
}

impl Copies {
    pub(super) const fn level(&self) -> Level {
        match self.told {
            HowTold::AtOnce | HowTold::Cluster => Level::Good,
            HowTold::Not | HowTold::NotToBeAsked => Level::Note,
            HowTold::Unusable(_) => Level::Bad,
        }
    }

    pub(super) const fn name(&self) -> &'static str {
        match self.told {
            HowTold::AtOnce | HowTold::Cluster => "copies",
            HowTold::Not => "copies-events-off",
            HowTold::NotToBeAsked => "copies-events-unknown",
            HowTold::Unusable(_) => "copies-unusable",
        }
    }
}

/// What can be found of the Redis that replicas share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shared {
    /// It answers, and its records are ours.
    Reached { at: String, version: Option<String> },
    /// It does not, or they are not; in words, with the cure.
    Unusable(Sentence),
    /// Its `maxmemory-policy` drops records.
    Evicts(String),
    /// A restart of it leaves nothing.
    Forgets,
    /// It is older than what is tested.
    Old(String),
    /// Our clock is so many seconds ahead of its (or, negative, behind).
    ClockOff(i64),
}

impl Shared {
    pub(super) const fn level(&self) -> Level {
        match self {
            Self::Reached { .. } => Level::Good,
            Self::Forgets | Self::Old(_) => Level::Warning,
            Self::Unusable(_) | Self::Evicts(_) | Self::ClockOff(_) => Level::Bad,
        }
    }

    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Reached { .. } => "redis",
            Self::Unusable(_) => "redis-unusable",
            Self::Evicts(_) => "redis-evicts",
            Self::Forgets => "redis-not-persistent",
            Self::Old(_) => "redis-old",
            Self::ClockOff(_) => "redis-clock-off",
        }
    }
}
