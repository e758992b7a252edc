//! What WeChat can be asked, and how its answers are judged. One implementation speaks HTTP; tests have their own.
//!
//! Must not know: JSON, HTTP, errcodes by name (the client classifies them), when to ask.

use std::time::Duration;

use async_trait::async_trait;

use crate::app::AppId;
use crate::clock::Wall;
use crate::credential::{Lane, Ticket, Token, ValueId};

/// One question to WeChat about one app.
#[derive(Debug, Clone)]
pub enum Ask {
    /// `GET /cgi-bin/token`: mints, and ends the value before within five minutes.
    Classic,
    /// `POST /cgi-bin/stable_token` in normal mode: the same value until its last five minutes.
    Stable,
    /// `POST /cgi-bin/stable_token` with `force_refresh`: mints; 20 a day, 30 s apart.
    Forced,
    /// `GET /cgi-bin/ticket/getticket` with a live access token.
    Ticket(Ticket, Token),
    /// `GET /cgi-bin/get_api_domain_ip`: is this token of this lane alive?
    Probe(Lane, Token),
}

/// A token or ticket as WeChat answered it, checked to be plausible.
#[derive(Debug, Clone)]
pub struct Minted {
    /// The value.
    pub token: Token,
    /// Its keyed hash.
    pub id: ValueId,
    /// `expires_in` as answered: more than zero, at most seven days.
    pub expires_in: Duration,
}

/// A good answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What was learnt.
    pub reply: Reply,
    /// Upstream's clock, from its `Date` header, where it sent one.
    pub upstream_time: Option<Wall>,
}

/// What a good answer says.
#[derive(Debug, Clone)]
pub enum Reply {
    /// A token or a ticket: the answer to every question but a probe.
    Minted(Minted),
    /// The probed token is alive.
    Alive,
    /// The probed token is dead: 40001, 40014 or 42001, by this number.
    Dead(i64),
}

/// Why a question has no good answer. Decides what may be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// What sort of trouble.
    pub trouble: Trouble,
    /// Whether a byte of the request may have left: if so it counts against the budget and may have minted.
    pub sent: bool,
    /// Upstream's clock, where it answered with one.
    pub upstream_time: Option<Wall>,
}

/// The sorts of trouble, each with its own reaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// −1, a timeout, a broken connection, a status other than 200, torn or absurd JSON, 45011: try again with back-off.
    Passing(Passing),
    /// WeChat refuses this app until a person acts. Holds the errcode.
    Refused(i64),
    /// 45009: the day's quota is used up.
    QuotaUsedUp,
    /// 40001, 40014 or 42001 on a call made *with* a token: that token is bad. Holds the errcode.
    TokenBad(i64),
}

/// What passing trouble looked like, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passing {
    /// No connection could be made (DNS, TCP, TLS, proxy).
    Unreachable,
    /// No complete answer in time, or the connection broke.
    Cut,
    /// An HTTP status other than 200.
    Status(u16),
    /// The answer could not be understood, or holds a value no WeChat answer can have.
    Nonsense,
    /// errcode −1: system busy.
    Busy,
    /// errcode 45011: per-minute limit.
    TooFast,
    /// The AppSecret shown was called wrong, and the app has another: the same question, asked again, shows that one.
    OtherSecret,
}

/// Asks WeChat, in one call. Never caches and never retries: both belong to the rules, which count every call.
#[async_trait]
pub trait CredentialSource: Send + Sync {
    /// Asks one question; resolves within `timeout`, whatever happens.
    ///
    /// # Errors
    /// A [`Failure`] says what sort of trouble it was and whether the request may have reached WeChat.
    async fn ask(&self, app: &AppId, ask: Ask, timeout: Duration) -> Result<Answer, Failure>;
}
