//! WeChat's behaviour as pure, synchronous functions of `now`.
//!
//! Owns: one app's two token lines, its tickets, quotas, whitelist and standing, and the switches between unverified
//! readings. Must not know: HTTP, JSON, the clock, locks, what tokens look like.

mod account;
mod admission;
mod app;
mod day;
mod hands;
mod line;
#[cfg(test)]
mod properties;
mod quota;
mod readings;
mod seconds;
mod stable;
mod switches;
mod ticket;
mod users;
mod whitelist;

pub use account::{Account, IpStanding};
pub(crate) use admission::refuse_unless_live;
pub(crate) use app::{AppState, Grant, Identity, Issued, SecretAsk};
pub(crate) use line::Slot;
pub(crate) use quota::{PathId, daily_limit};
pub use readings::{
    ConsentRefusal, DayStart, ForceOverLimit, ForceTooSoon, ForcedPrevious, QuotaCounts, Readings,
    ReplacedAndExpired, SecretRefusal, ThirdMint, TicketLife, TicketTurn, UnknownToken,
    WhitelistCode, WhitelistOnTokens,
};
pub use switches::{Content, CountryCode, Dress, ErrorText, Framing, QuotaText, Quotas, Rules};
pub use users::UserSettings;
pub(crate) use whitelist::{Whitelist, not_on_it};

use serde::{Deserialize, Serialize};

/// The two kinds of ticket `getticket` gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TicketKind {
    /// `type=jsapi`.
    Jsapi,
    /// `type=wx_card`.
    WxCard,
}

/// One independent line of values of an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// `GET /cgi-bin/token`.
    Classic,
    /// `POST /cgi-bin/stable_token`.
    Stable,
    /// `getticket`.
    Ticket(TicketKind),
}

impl Lane {
    /// A small number for each lane.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Classic => 0,
            Self::Stable => 1,
            Self::Ticket(TicketKind::Jsapi) => 2,
            Self::Ticket(TicketKind::WxCard) => 3,
        }
    }

    /// The name used in JSON and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Stable => "stable",
            Self::Ticket(TicketKind::Jsapi) => "jsapi_ticket",
            Self::Ticket(TicketKind::WxCard) => "card_ticket",
        }
    }
}

/// What WeChat thinks of a token at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The newest of its line, and in time.
    Live,
    /// Replaced, but still accepted for the overlap.
    HandingOver,
    /// Nothing replaced it; it ran out.
    Expired,
    /// A newer one replaced it and the overlap is over.
    Replaced,
    /// Both replaced and past its own expiry.
    ReplacedAndExpired,
    /// Never minted here, or for another app.
    Unknown,
}

impl Verdict {
    /// Whether the APIs accept it.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Live | Self::HandingOver)
    }
}
