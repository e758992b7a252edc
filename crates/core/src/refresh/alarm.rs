//! What people are told, with the times they need to find the cause.

use crate::budget::BudgetKind;
use crate::clock::Wall;
use crate::credential::{Kind, Lane};
use crate::source::Trouble;

/// Something a person should know. Holds no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alarm {
    /// Another program with the same AppSecret fetched the classic token (rule 10).
    ForeignFetcher {
        /// When the killed value was fetched by us.
        fetched: Wall,
        /// When it was last known alive.
        last_alive: Wall,
        /// When it was found dead.
        found_dead: Wall,
    },
    /// Another program's token lives where a copy of ours should be: it was fetched after ours, which ends within minutes.
    ForeignFetch {
        /// When ours was fetched.
        fetched: Wall,
        /// When theirs was first seen.
        noticed: Wall,
    },
    /// Another program forced the stable token to change.
    ForeignForce {
        /// When that was noticed.
        noticed: Wall,
    },
    /// The primary classic lane was killed three times in an hour: stable is handed out instead.
    GaveWay,
    /// WeChat refuses; a person must act.
    Refused {
        /// What was asked for.
        kind: Kind,
        /// In which lane.
        lane: Option<Lane>,
        /// With which errcode.
        errcode: i64,
    },
    /// WeChat says that the day's quota is used up (45009).
    QuotaUsedUp {
        /// Of what.
        kind: Kind,
        /// In which lane.
        lane: Option<Lane>,
    },
    /// Our own budget is used up: no call is made.
    OverBudget(BudgetKind),
    /// A fetch failed in a way that usually passes.
    Trouble {
        /// What was asked for.
        kind: Kind,
        /// In which lane.
        lane: Option<Lane>,
        /// What happened.
        trouble: Trouble,
    },
    /// What is handed out is not saved: a crash now may cost a fetch.
    Unsaved,
    /// The store does not accept writes, so nothing that mints is fetched.
    StoreRefuses,
    /// Our clock and WeChat's differ.
    ClockOff {
        /// Milliseconds; positive when ours is ahead.
        ahead: i64,
    },
    /// The first classic fetch would kill what others hold: it needs `take_over = true` or a token to adopt.
    NeedsTakeOver,
    /// A forced refresh was answered with the value it was to replace.
    ForceChangedNothing,
    /// The token given for adoption is dead.
    AdoptionRefused,
    /// Shadow mode: a token that other programs use died before its end, for one of them fetched another.
    Clash {
        /// When it was alive last; none if it was dead when it was first seen.
        last_alive: Option<Wall>,
        /// When it was found dead.
        found_dead: Wall,
    },
    /// WeChat calls every token bad, the newest too.
    NothingLives,
    /// The trouble of this name is over.
    Over(AlarmName),
}

/// The troubles that last, and end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum AlarmName {
    /// See [`Alarm::Refused`].
    Refused,
    /// See [`Alarm::QuotaUsedUp`].
    QuotaUsedUp,
    /// See [`Alarm::OverBudget`].
    OverBudget,
    /// See [`Alarm::Trouble`].
    Trouble,
    /// See [`Alarm::Unsaved`].
    Unsaved,
    /// See [`Alarm::StoreRefuses`].
    StoreRefuses,
    /// See [`Alarm::ClockOff`].
    ClockOff,
    /// See [`Alarm::NeedsTakeOver`].
    NeedsTakeOver,
    /// See [`Alarm::NothingLives`].
    NothingLives,
    /// See [`Alarm::ForeignFetcher`].
    ForeignFetcher,
    /// See [`Alarm::ForeignForce`].
    ForeignForce,
    /// See [`Alarm::GaveWay`].
    GaveWay,
    /// See [`Alarm::ForceChangedNothing`].
    ForceChangedNothing,
    /// See [`Alarm::AdoptionRefused`].
    AdoptionRefused,
    /// See [`Alarm::Clash`].
    Clash,
}

impl AlarmName {
    /// The stable name in logs, metrics and the stream.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::QuotaUsedUp => "quota-used-up",
            Self::OverBudget => "over-budget",
            Self::Trouble => "upstream-trouble",
            Self::Unsaved => "unsaved",
            Self::StoreRefuses => "store-refuses",
            Self::ClockOff => "clock-off",
            Self::NeedsTakeOver => "needs-take-over",
            Self::NothingLives => "nothing-lives",
            Self::ForeignFetcher => "foreign-fetcher",
            Self::ForeignForce => "foreign-force",
            Self::GaveWay => "gave-way",
            Self::ForceChangedNothing => "force-changed-nothing",
            Self::AdoptionRefused => "adoption-refused",
            Self::Clash => "clash",
        }
    }
}

impl Alarm {
    /// Its stable name.
    #[must_use]
    pub const fn name(&self) -> AlarmName {
        match self {
            Self::ForeignFetcher { .. } | Self::ForeignFetch { .. } => AlarmName::ForeignFetcher,
            Self::ForeignForce { .. } => AlarmName::ForeignForce,
            Self::GaveWay => AlarmName::GaveWay,
            Self::Refused { .. } => AlarmName::Refused,
            Self::QuotaUsedUp { .. } => AlarmName::QuotaUsedUp,
            Self::OverBudget(_) => AlarmName::OverBudget,
            Self::Trouble { .. } => AlarmName::Trouble,
            Self::Unsaved => AlarmName::Unsaved,
            Self::StoreRefuses => AlarmName::StoreRefuses,
            Self::ClockOff { .. } => AlarmName::ClockOff,
            Self::NeedsTakeOver => AlarmName::NeedsTakeOver,
            Self::ForceChangedNothing => AlarmName::ForceChangedNothing,
            Self::AdoptionRefused => AlarmName::AdoptionRefused,
            Self::Clash { .. } => AlarmName::Clash,
            Self::NothingLives => AlarmName::NothingLives,
            Self::Over(name) => *name,
        }
    }
}
