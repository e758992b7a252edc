//! What is said of a token that somebody calls dead, and on whose word (rule 8).

/// On whose word a value is suspected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Evidence {
    /// The gateway saw WeChat refuse the token itself (40001, 40014 or 42001).
    FirstHand,
    /// A caller says so (`POST …/dead`).
    Report,
    /// A compatible reader asked again within seconds, or with `force_refresh`: probed at most once in 10 s.
    Hearsay,
    /// A sink's entry was deleted or overwritten: probed, and put back only if alive.
    Sink,
}

/// What another's value, found where a copy of ours should be, means for ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Theirs {
    /// It lives and came after ours, which ends within minutes: theirs stays until ours is another.
    Lives,
    /// It is dead, or ended nothing: what becomes of ours is for a probe of ours to say.
    IsNoMatter,
    /// WeChat does not say.
    Unclear,
}

/// The answer to "this token is dead".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It was not the current value any more: the current one is the answer.
    Replaced,
    /// It is the current value, and WeChat has just said that it is alive.
    Alive,
    /// It was the current value, was dead, and a new one is here.
    Refreshed,
    /// It may be dead, but the answer is not known yet, or a new one can't be had yet.
    Pending,
    /// It is known, as something else: a ticket, another kind, another app's.
    WrongKind,
    /// It is no value we know of.
    Unknown,
}

impl Verdict {
    /// The word in answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Replaced => "replaced",
            Self::Alive => "alive",
            Self::Refreshed => "refreshed",
            Self::Pending => "pending",
            Self::WrongKind => "wrong_kind",
            Self::Unknown => "unknown",
        }
    }
}
