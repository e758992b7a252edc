//! What an app's machine is told to do: lanes, kinds, limits and timings. Shared by all apps that are configured alike.

use crate::budget::Limits;
use crate::credential::{Kind, Lane, Ticket};

/// Which of the two lanes are used, and which is handed out first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lanes {
    /// One lane only.
    Only(Lane),
    /// Both: this one is handed out, the other is a hot standby.
    First(Lane),
}

impl Lanes {
    /// The lane that is handed out while it is live.
    #[must_use]
    pub const fn primary(self) -> Lane {
        match self {
            Self::Only(lane) | Self::First(lane) => lane,
        }
    }

    /// Whether a lane is in use.
    #[must_use]
    pub fn has(self, lane: Lane) -> bool {
        matches!(self, Self::First(_)) || self.primary() == lane
    }
}

/// How one app is kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rules {
    /// Which lanes.
    pub lanes: Lanes,
    /// Which kinds, in the order of [`Kind::ALL`]; the access token is always kept, for tickets hang on it.
    pub kinds: [bool; 3],
    /// Calls a day.
    pub limits: Limits,
    /// The first classic fetch may kill what other programs hold (rule 10).
    pub take_over: bool,
    /// Others fetch: their values are looked at, nothing is fetched and nothing handed out.
    pub shadow: bool,
    /// The app has sinks, whose readers report nothing: stable values are probed as well.
    pub watched: bool,
    /// When things are done.
    pub timing: Timing,
    /// A planted mistake.
    #[cfg(feature = "mutants")]
    pub mutant: Option<super::mutant::Mutant>,
}

impl Rules {
    /// One lane, the access token only, an ordinary account, ordinary timings.
    #[must_use]
    pub const fn new(lanes: Lanes) -> Self {
        Self {
            lanes,
            kinds: [true, false, false],
            limits: Limits::ORDINARY,
            take_over: false,
            shadow: false,
            watched: false,
            timing: Timing::ORDINARY,
            #[cfg(feature = "mutants")]
            mutant: None,
        }
    }

    /// Whether a ticket is kept.
    #[must_use]
    pub const fn wants(&self, ticket: Ticket) -> bool {
        self.kinds[ticket.kind().index()]
    }

    /// Whether a kind is kept for handing out.
    #[must_use]
    pub const fn keeps(&self, kind: Kind) -> bool {
        self.kinds[kind.index()]
    }
}

/// When things are done. Everything in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Timing {
    /// A classic token is replaced this long before it ends, but never more than a third of its lifetime before.
    pub classic_before: u64,
    /// A stable token is asked for this long before it ends: WeChat renews it only in the last 300 s.
    pub stable_before: u64,
    /// How often classic values, and values with sinks, are probed.
    pub probe_every: u64,
    /// How long one call to WeChat may take.
    pub call_timeout: u64,
    /// How long a lease is asked for.
    pub lease: u64,
}

impl Timing {
    /// 15 min, 290 s, 60 s; calls take at most 10 s, leases 30 s.
    pub const ORDINARY: Self = Self {
        classic_before: 900_000,
        stable_before: 290_000,
        probe_every: 60_000,
        call_timeout: 10_000,
        lease: 30_000,
    };
}

/// For how long WeChat lets a replaced token live on (getAccessToken: "within 5 minutes old and new both work").
pub(super) const OVERLAP: u64 = 300_000;
/// Forced refreshes keep 30 s between them (getStableAccessToken); one more for two clocks.
pub(super) const FORCE_GAP: u64 = 31_000;
/// Of WeChat's 20 forced refreshes a day the machine uses at most these by itself.
pub(super) const FORCED_BY_MACHINE: u32 = 6;
/// A value younger than this may not have reached all of WeChat: its death is looked at twice.
pub(super) const YOUNG: u64 = 10_000;
/// Hearsay is probed at most this often.
pub(super) const HEARSAY_GAP: u64 = 10_000;
/// For so long a path whose evidence was wrong gives none (rule 8).
pub(super) const UNHEARD: u64 = 600_000;
/// A ticket reported dead is asked for at most this often.
pub(super) const TICKET_REPORT_GAP: u64 = 60_000;
/// A contested classic lane that is not handed out is left alone this long.
pub(super) const LEAVE_ALONE: u64 = 2 * 3_600_000;
/// Three kills within this make a primary classic lane give way.
pub(super) const KILL_WINDOW: u64 = 3_600_000;
/// Clocks this far apart are wrong.
pub(super) const CLOCK_TOLERANCE: u64 = 30_000;
/// Dead values are remembered this long, so that late reports of them are recognised.
pub(super) const REMEMBER: u64 = 2 * 3_600_000;
/// How much of a call's answer may still be under way after its timeout, at WeChat's own side.
pub(super) const STRAGGLE: u64 = 30_000;
/// How long after it was sent a call of ours may still mint, for all we know.
pub(super) const REACH: u64 = 2 * STRAGGLE;
/// A fetch that an operator asked for and that could not be made for so long is no longer wished.
pub(super) const WISH_LAPSES: u64 = 600_000;
