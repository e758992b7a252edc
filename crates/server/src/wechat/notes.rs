//! What a call showed beyond what the rules need: for `check`, for the log, for people. Holds no secret.
//!
//! Must not know: how the call was made.

use std::net::IpAddr;

use wxtoken_core::source::{Answer, Failure};

use super::base::Base;
use super::wire::Rid;

/// Which of an app's two AppSecrets WeChat accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SecretUsed {
    /// `secret`.
    Current,
    /// `previous_secret`: the change of the AppSecret has not happened at WeChat yet.
    Previous,
}

/// What happened, and what people may want to know beyond it.
#[derive(Debug)]
pub struct Told {
    /// For the rules.
    pub result: Result<Answer, Failure>,
    /// For people.
    pub notes: Notes,
}

/// What a call showed that the rules do not need. Holds no secret.
#[derive(Debug, Default)]
pub struct Notes {
    /// The errcode answered last, if there was one.
    pub errcode: Option<i64>,
    /// WeChat's name for the call, in that answer.
    pub rid: Option<Rid>,
    /// The address WeChat saw us come from: 40164 names the one to put on the whitelist.
    pub seen_ip: Option<IpAddr>,
    /// Which AppSecret was accepted, where one was.
    pub secret: Option<SecretUsed>,
    /// The host that answered or failed last.
    pub host: Option<Base>,
    /// Why no connection could be made.
    pub unreachable: Option<String>,
}
