//! WeChat, played on loopback.
//!
//! [`Upstream::start`] opens a real HTTP/1.1 listener that answers like `api.weixin.qq.com`: both token lanes with
//! their overlap rules, tickets, quotas, whitelists, error texts with a `rid`, users, media, web OAuth. [`World`] is
//! the hand inside it: add apps, see every call, count what was minted, kill a token as another program would, break
//! an answer in a named way.
//!
//! It is written from the facts about WeChat and shares no code with the client it tests, so that a mistake in one
//! cannot hide in the other. Where WeChat's behaviour is not proven, both readings exist and [`Readings`] picks one.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use wxtoken_simulator::{AppKind, AppSpec, Lane, Options, SimClock, Upstream};
//! # let start = std::time::UNIX_EPOCH;
//!
//! let upstream = Upstream::start(Options {
//!     clock: SimClock::manual(start),
//!     apps: vec![AppSpec::new("wx0123456789abcdef", "0123456789abcdef0123456789abcdef", AppKind::Official)],
//!     ..Options::default()
//! })
//! .await?;
//! let world = upstream.world();
//! // … point the client at upstream.base_url(), then:
//! assert_eq!(world.minted("wx0123456789abcdef", Lane::Classic), 0);
//! upstream.stop().await;
//! # Ok(()) }
//! ```
//!
//! The map: `rules/` is WeChat's behaviour as pure functions of `now`; `endpoints/` holds one file per feature;
//! `http/` is the thin shell around both; `faults/` bends calls; `world/` is what tests hold, `control/` the same over
//! HTTP; `log` remembers what was asked, `passage` how long each call was under way.

mod apps;
mod clock;
mod control;
mod endpoints;
mod errcode;
mod faults;
mod http;
mod log;
mod passage;
mod people;
mod rules;
mod token;
mod upstream;
mod world;

pub use apps::{AppKind, AppSpec, generated_app};
pub use clock::{SimClock, SimTime};
pub use faults::{ActiveFault, Fault, FaultId, FaultInfo, FaultScope, fault_catalog};
pub use log::{Call, CallMatch, Minted, Show};
pub use passage::Passage;
pub use people::{CodeUses, EncryptedData, Profile};
pub use rules::{
    Account, ConsentRefusal, Content, CountryCode, DayStart, Dress, ErrorText, ForceOverLimit,
    ForceTooSoon, ForcedPrevious, Framing, IpStanding, Lane, QuotaCounts, QuotaText, Quotas,
    Readings, ReplacedAndExpired, Rules, SecretRefusal, ThirdMint, TicketKind, TicketLife,
    TicketTurn, UnknownToken, UserSettings, Verdict, WhitelistCode, WhitelistOnTokens,
};
pub use token::fingerprint;
pub use upstream::{Options, StartError, Upstream};
pub use world::{
    BadWhitelist, CallWait, EncryptError, Encrypted, UnknownApp, UserCode, WhitelistError, World,
};
