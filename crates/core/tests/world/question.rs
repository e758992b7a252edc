//! What is asked of WeChat, by whom, and what it says.

use wxtoken_core::credential::{Lane, Ticket};
use wxtoken_core::source::Trouble;

/// A value, by its number.
pub(crate) type Value = u32;

/// Who caused something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Us,
    Foreign,
    /// WeChat itself.
    WeChat,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question {
    Classic,
    Stable,
    Forced,
    Ticket(Ticket, Value),
    Probe(Lane, Value),
}

impl Question {
    pub(crate) const fn fetches(self) -> Option<Lane> {
        match self {
            Self::Classic => Some(Lane::Classic),
            Self::Stable | Self::Forced => Some(Lane::Stable),
            Self::Ticket(..) | Self::Probe(..) => None,
        }
    }

    /// Its place among the budgets.
    pub(crate) const fn budget(self) -> usize {
        match self {
            Self::Classic => 0,
            Self::Stable => 1,
            Self::Ticket(..) => 2,
            Self::Probe(..) => 3,
            Self::Forced => 4,
        }
    }
}

/// What is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Says {
    Value(Value, u64),
    Alive,
    Dead(i64),
    Trouble(Trouble),
}
