//! Why nothing is handed out, in words for the one who asks.
//!
//! Must not know: how those words are sent.

use std::sync::Arc;
use std::time::Duration;

use wxtoken_core::clock::{Now, Wall};

use crate::words::Sentence;

/// Why there is nothing to hand out.
#[derive(Debug, Clone)]
pub enum Absent {
    /// No such app is configured.
    UnknownApp,
    /// The app exists, but this kind is not configured for it.
    UnknownKind,
    /// There is no live value now.
    NoLive(Arc<NoLive>),
}

/// Why there is no live value, in words for the one who asks.
#[derive(Debug, Clone)]
pub struct NoLive {
    /// A stable name: `starting`, `ended`, `refused`, `upstream-trouble`, `over-budget`, `needs-take-over`, `shadow`, `replacing` …
    pub reason: &'static str,
    /// In plain words, with the cure where there is one; no secret.
    pub detail: Sentence,
    /// WeChat's own errcode, where it refused.
    pub errcode: Option<i64>,
    /// Since when.
    pub since: Wall,
    /// When something is next tried.
    pub next_try: Option<Wall>,
}

impl NoLive {
    /// Nothing has been tried yet.
    pub(super) fn starting(now: Now) -> Self {
        let detail = Sentence::new(
            "第一个令牌还没有取到",
            "the first token has not been fetched yet",
        );
        Self::since(now, "starting", detail)
    }

    /// The value ran out this very moment, and the loop has not said why yet.
    pub(super) fn just_ended(now: Now) -> Self {
        let detail = Sentence::new(
            "令牌刚刚到期，没能及时换成新的",
            "the value has just run out and could not be renewed in time",
        );
        Self::since(now, "ended", detail)
    }

    /// Whether waiting this long is in vain: WeChat has refused, and is asked again only later; or others fetch for this app.
    pub(super) fn outlasts(&self, wait: Duration, now: Now) -> bool {
        let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let later = |at: Wall| at > now.wall.plus(millis);
        self.reason == "shadow" || self.errcode.is_some() && self.next_try.is_some_and(later)
    }

    fn since(now: Now, reason: &'static str, detail: Sentence) -> Self {
        Self {
            reason,
            detail,
            errcode: None,
            since: now.wall,
            next_try: Some(now.wall),
        }
    }
}
