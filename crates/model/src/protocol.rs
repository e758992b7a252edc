//! What is looked at: how far, and perhaps with a mistake.

/// How far to look. How often leases are taken is not bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Bounds {
    /// Processes.
    pub replicas: u8,
    /// Kills, stalls and cuts, answers that get lost, failovers and restarts of Redis, all together.
    pub faults: u8,
    /// Calls to WeChat.
    pub calls: u8,
}

/// A mistake that is planted, so that the properties can show that they would find it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mistake {
    /// A write is taken under any fence.
    AnyFence,
    /// A write looks at fences only: in a new life, which may have lost a grant, an older holder is let in.
    LifeNotLookedAt,
    /// A new life of the store, or an emptied one, begins no epoch.
    NoEpoch,
    /// Nobody waits for offers.
    OffersNotAwaited,
    /// A call leaves without a note.
    NoNote,
    /// A successor does not wait for an open note's deadline.
    NoteNotAwaited,
    /// A call leaves though its note's deadline has passed.
    LateCall,
    /// Whoever minted without a lease tells nobody.
    LateMintNotTold,
    /// A lease is given back by whoever thinks it is theirs.
    ForeignRelease,
    /// A replica takes over whatever it reads.
    OlderAccepted,
    /// Of two records the stored one goes.
    StoredWins,
    /// Of two records the one with the newer generation goes, though the other knows that its value was replaced.
    ReplacedReturns,
    /// A note that took another's place is closed, and the other forgotten, when its call was not made.
    NoteForgotten,
    /// What was minted meanwhile is dropped for any value that another has saved, though that was fetched at the same time.
    OverlapNotTold,
}

/// The protocol, within bounds, perhaps with a mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Protocol {
    /// How far to look.
    pub bounds: Bounds,
    /// What is planted.
    pub mistake: Option<Mistake>,
    /// Whether to look, from each state, at what comes of it once nothing goes wrong any more.
    pub settling: bool,
}

impl Protocol {
    /// As it is.
    #[must_use]
    pub const fn new(replicas: u8, faults: u8, calls: u8) -> Self {
        Self {
            bounds: Bounds {
                replicas,
                faults,
                calls,
            },
            mistake: None,
            settling: false,
        }
    }

    /// With this mistake.
    #[must_use]
    pub const fn with(self, mistake: Mistake) -> Self {
        Self {
            mistake: Some(mistake),
            ..self
        }
    }

    /// With a look at how each state settles.
    #[must_use]
    pub const fn settling(self) -> Self {
        Self {
            settling: true,
            ..self
        }
    }

    /// Whether this mistake is planted.
    pub(crate) fn has(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }
}
