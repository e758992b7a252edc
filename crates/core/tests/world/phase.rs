//! What a process is at, and what happens to its calls on their way.

/// What a process is at when something happens to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Idle,
    BackingOff,
    Leasing,
    Noting,
    Fetching,
    Probing,
    Ticketing,
    Staged,
    Saving,
    Stalled,
    Down,
}

impl Phase {
    pub(crate) const ALL: [Self; 11] = [
        Self::Idle,
        Self::BackingOff,
        Self::Leasing,
        Self::Noting,
        Self::Fetching,
        Self::Probing,
        Self::Ticketing,
        Self::Staged,
        Self::Saving,
        Self::Stalled,
        Self::Down,
    ];
}

/// What happens to a call on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Well,
    /// Minted, and the answer never comes.
    LostAnswer,
    /// Arrives long after it was given up.
    LateRequest(u64),
    /// The answer takes so long.
    Delayed(u64),
}
