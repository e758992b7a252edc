//! What each trouble means for the connection it was met on, and for who asked.
//!
//! Must not know: how it is told.

use super::trouble::Trouble;

/// What each trouble means for the connection it was met on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// It is of no more use; another may do at once.
    Reconnect,
    /// It is of no more use, and another is no better right now.
    Drop,
    /// It is as good as it was.
    Keep,
}

impl Trouble {
    pub(crate) fn then(&self) -> Then {
        match self {
            Self::Unreachable { .. } | Self::ReadOnly { .. } => Then::Reconnect,
            Self::Slow { .. }
            | Self::Refused { .. }
            | Self::SentinelRefused { .. }
            | Self::Protected { .. }
            | Self::Crowded { .. }
            | Self::Tls { .. }
            | Self::AuthoritysOwn { .. }
            | Self::NoMaster { .. }
            | Self::Stranger { .. }
            | Self::NoDatabase { .. } => Then::Drop,
            Self::NotAllowed
            | Self::Full
            | Self::Loading
            | Self::CannotPersist
            | Self::Incomplete
            | Self::WrongKey
            | Self::Newer(_)
            | Self::NoRandom
            | Self::Other(_) => Then::Keep,
        }
    }

    /// Whether Redis answers all the while, and only takes nothing that is written, or not from us.
    pub(super) const fn is_of_writing(&self) -> bool {
        match self {
            Self::NotAllowed
            | Self::ReadOnly { .. }
            | Self::Full
            | Self::CannotPersist
            | Self::Incomplete => true,
            Self::Unreachable { .. }
            | Self::Slow { .. }
            | Self::Refused { .. }
            | Self::SentinelRefused { .. }
            | Self::Protected { .. }
            | Self::Crowded { .. }
            | Self::Loading
            | Self::NoMaster { .. }
            | Self::Tls { .. }
            | Self::AuthoritysOwn { .. }
            | Self::Stranger { .. }
            | Self::NoDatabase { .. }
            | Self::WrongKey
            | Self::Newer(_)
            | Self::NoRandom
            | Self::Other(_) => false,
        }
    }

    /// Whether only a person can end it, and the store must not be worked on as it is configured.
    #[must_use]
    pub const fn is_of_another_store(&self) -> bool {
        matches!(self, Self::WrongKey | Self::Newer(_))
    }
}
