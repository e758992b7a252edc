//! Faults by name: what can go wrong between WeChat and its client.
//!
//! Owns: [`Fault`], where and how often one applies ([`FaultScope`], the table), the catalogue with its words, how an
//! answer is bent. Must not know: rules, sockets.

mod bend;
mod catalog;
mod gzip;
mod table;

pub(crate) use bend::{Bent, Wire};
pub use catalog::{FaultInfo, fault_catalog};
pub use table::{ActiveFault, FaultId, FaultScope};
pub(crate) use table::{FaultTable, Hit, Place};

use serde::{Deserialize, Serialize};

use crate::endpoints::{Door, Route};

/// Something that goes wrong. In JSON: `{"name": "delay", "ms": 500}`; every parameter has a default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fault {
    /// Another program fetches just before: every classic token held so far is dead.
    ForeignFetch,
    /// Another program forces just before: every stable token held so far is dead.
    ForeignForce,
    /// −1, nothing is done.
    Busy,
    /// Any other `errcode`, nothing is done.
    Errcode {
        /// The number.
        #[serde(default = "busy_code")]
        code: i64,
    },
    /// The answer comes late, by real time. Counted and logged at once.
    Delay {
        /// How late.
        #[serde(default = "second")]
        ms: u64,
        /// Whether the call is decided only after the wait.
        #[serde(default)]
        before: bool,
    },
    /// The answer is held until [`crate::World::release_held`] or the faults are cleared.
    Hold {
        /// Whether the call is decided only when released.
        #[serde(default)]
        before: bool,
    },
    /// Of two calls that are under way together, the second is answered first.
    Reorder {
        /// How long the first waits for a second, by real time.
        #[serde(default = "five_seconds")]
        ms: u64,
    },
    /// The call is carried out, then the connection is cut before any byte of the answer.
    LostAnswer,
    /// The answer ends in the middle of its JSON, as correct HTTP.
    TornJson,
    /// The connection is cut in the middle of the answer's body.
    CutBody,
    /// An HTML page with status 200; nothing is done.
    #[serde(rename = "html-200")]
    Html200,
    /// 502 with a gateway's HTML page, or another status; nothing is done.
    BadGateway {
        /// The status.
        #[serde(default = "bad_gateway")]
        status: u16,
    },
    /// The connection is cut when the head of the call has arrived; nothing is done.
    Drop,
    /// The connection is cut when the whole call has arrived; nothing is done.
    DropBeforeMint,
    /// 45009.
    Quota,
    /// 45011.
    Rate,
    /// 40164 with the caller's address.
    NotWhitelisted,
    /// 89503 on calls with the AppSecret.
    ConfirmIp,
    /// 40243 on calls with the AppSecret.
    SecretFrozen,
    /// 40125 on calls with the AppSecret.
    SecretChanged,
    /// 40001 on every call with a token, the probe too.
    AllTokensBad,
    /// 40001 on every call with a token but the probe: a path that is broken, not a token.
    #[serde(rename = "path-always-40001")]
    PathAlways40001,
    /// WeChat's clock is off: `Date`, lifetimes, days.
    ClockOffset {
        /// By how much; negative is behind.
        #[serde(default = "hour")]
        seconds: i64,
    },
    /// The answer is an error that tells the whole request back, secrets and all; nothing is done.
    Echo {
        /// The `errcode`.
        #[serde(default = "busy_code")]
        code: i64,
    },
    /// The answer's body never ends.
    HugeAnswer,
    /// The answer's body comes a byte at a time.
    SlowBody {
        /// Real time between two bytes.
        #[serde(default = "tenth")]
        ms: u64,
    },
    /// An empty token or ticket.
    EmptyToken,
    /// A token or ticket of 600 characters.
    LongToken,
    /// A token or ticket with control characters inside.
    ControlToken,
    /// `expires_in` 0.
    ExpiresZero,
    /// `expires_in` −5.
    ExpiresNegative,
    /// `expires_in` of ten years.
    ExpiresTenYears,
    /// `expires_in` as a string.
    ExpiresString,
    /// The answer is compressed, asked for or not.
    Gzip,
    /// JSON that says it is an image.
    WrongContentType,
    /// Every key of the answer comes twice, the first time with a wrong value.
    DuplicateKeys,
}

impl Fault {
    /// The name used in JSON, in the log, and on the command line.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::ForeignFetch => "foreign-fetch",
            Self::ForeignForce => "foreign-force",
            Self::Busy => "busy",
            Self::Errcode { .. } => "errcode",
            Self::Delay { .. } => "delay",
            Self::Hold { .. } => "hold",
            Self::Reorder { .. } => "reorder",
            Self::LostAnswer => "lost-answer",
            Self::TornJson => "torn-json",
            Self::CutBody => "cut-body",
            Self::Html200 => "html-200",
            Self::BadGateway { .. } => "bad-gateway",
            Self::Drop => "drop",
            Self::DropBeforeMint => "drop-before-mint",
            Self::Quota => "quota",
            Self::Rate => "rate",
            Self::NotWhitelisted => "not-whitelisted",
            Self::ConfirmIp => "confirm-ip",
            Self::SecretFrozen => "secret-frozen",
            Self::SecretChanged => "secret-changed",
            Self::AllTokensBad => "all-tokens-bad",
            Self::PathAlways40001 => "path-always-40001",
            Self::ClockOffset { .. } => "clock-offset",
            Self::Echo { .. } => "echo",
            Self::HugeAnswer => "huge-answer",
            Self::SlowBody { .. } => "slow-body",
            Self::EmptyToken => "empty-token",
            Self::LongToken => "long-token",
            Self::ControlToken => "control-token",
            Self::ExpiresZero => "expires-zero",
            Self::ExpiresNegative => "expires-negative",
            Self::ExpiresTenYears => "expires-ten-years",
            Self::ExpiresString => "expires-string",
            Self::Gzip => "gzip",
            Self::WrongContentType => "wrong-content-type",
            Self::DuplicateKeys => "duplicate-keys",
        }
    }

    /// Whether it means anything on this endpoint.
    pub(crate) fn applies_to(&self, route: &Route, path: &str) -> bool {
        let secret = matches!(route.door, Door::Secret(_));
        let token = route.door == Door::Token;
        match self {
            Self::ConfirmIp | Self::SecretFrozen | Self::SecretChanged => secret,
            Self::ForeignFetch | Self::ForeignForce | Self::NotWhitelisted => secret || token,
            Self::AllTokensBad => token,
            Self::PathAlways40001 => token && path != "/cgi-bin/get_api_domain_ip",
            absurd if absurd.bends_values() => route.mints(),
            _ => true,
        }
    }

    /// Whether it changes the values of a minted answer.
    pub(crate) const fn bends_values(&self) -> bool {
        matches!(
            self,
            Self::EmptyToken
                | Self::LongToken
                | Self::ControlToken
                | Self::ExpiresZero
                | Self::ExpiresNegative
                | Self::ExpiresTenYears
                | Self::ExpiresString
                | Self::DuplicateKeys
        )
    }
}

const fn busy_code() -> i64 {
    -1
}

const fn second() -> u64 {
    1000
}

const fn five_seconds() -> u64 {
    5000
}

const fn tenth() -> u64 {
    100
}

const fn bad_gateway() -> u16 {
    502
}

const fn hour() -> i64 {
    3600
}
