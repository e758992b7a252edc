//! What is told of a call when it is answered: one line in the log, and the numbers. No query, header or body is in it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Method, StatusCode};
use tokio::time::Instant;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Boot;

use super::family;
use super::mix_up::MixUp;
use super::refusal::Refusal;
use crate::http::request_id::RequestId;

/// What the numbers are made of.
#[derive(Debug, Clone, Copy)]
pub struct Told<'t> {
    /// For which app; empty where that was not known, and `other` where there is no such app.
    pub app: &'t str,
    /// Whose call; empty where that was not known.
    pub caller: &'t str,
    /// The first segment of the path, one of a few.
    pub family: &'static str,
    /// How it ended, one of a few: `ok`, `bad_token`, `busy`, `quota`, `errcode`, `refused`, `failed`, `gone`
    /// (its caller did not wait for the answer).
    pub outcome: &'static str,
    /// Whether it was made again.
    pub replayed: bool,
    /// What we added to the time WeChat took.
    pub added: Duration,
    /// Whether the two kinds of token were taken for each other.
    pub mix_up: Option<MixUp>,
    /// How many bytes of its body went on inside the kernel.
    pub unread: u64,
}

/// An app that is not here, whatever its name: names that a caller makes up are too many to be counted.
pub(super) const OTHER: &str = "other";

/// Where the numbers go.
pub type Tell = Arc<dyn Fn(&Told<'_>) + Send + Sync>;

/// One call's line, filled in as more is known.
pub(super) struct Line {
    method: Method,
    began: Instant,
    took: Option<Duration>,
    pub(super) path: String,
    pub(super) caller: String,
    pub(super) app: Option<AppId>,
    pub(super) errcode: Option<i64>,
    pub(super) rid: Option<String>,
    pub(super) replayed: bool,
    pub(super) upstream: Duration,
    /// Since when it waits for upstream, while it does.
    waits: Option<Instant>,
    /// Bytes of the body that went on inside the kernel.
    pub(super) unread: u64,
    outcome: Option<&'static str>,
    mix_up: Option<MixUp>,
}

impl Line {
    pub(super) fn of(method: &Method, began: Instant) -> Self {
        Self {
            method: method.clone(),
            began,
            took: None,
            path: String::new(),
            caller: String::new(),
            app: None,
            errcode: None,
            rid: None,
            replayed: false,
            upstream: Duration::ZERO,
            waits: None,
            unread: 0,
            outcome: None,
            mix_up: None,
        }
    }

    /// It did not go out, or no answer came.
    pub(super) fn refused(&mut self, why: &Refusal) {
        self.outcome = Some(match why {
            Refusal::Failed(_) => "failed",
            Refusal::Gone => "gone",
            _ => "refused",
        });
        // Who left is told nothing.
        self.errcode = (!matches!(why, Refusal::Gone)).then(|| why.errcode());
        if let Refusal::MixUp(mix_up) = why {
            self.mix_up = Some(*mix_up);
        }
    }

    /// It is on its way up from now on, if it is not already.
    pub(super) fn goes_up(&mut self, now: Instant) {
        self.waits.get_or_insert(now);
    }

    /// Upstream is waited for no more.
    pub(super) fn waits_no_more(&mut self, now: Instant) {
        let since = |waits| now.saturating_duration_since(waits);
        self.upstream += self.waits.take().map_or(Duration::ZERO, since);
    }

    /// It is answered now, and told of a little later.
    pub(super) fn ends(&mut self, now: Instant) {
        self.took
            .get_or_insert(now.saturating_duration_since(self.began));
    }

    pub(super) fn write(
        &self,
        id: &RequestId,
        status: Option<StatusCode>,
        (tell, seen): (&Tell, &MixUps),
        knows: impl Fn(&AppId) -> bool,
        now: impl FnOnce() -> Boot,
    ) {
        let took = self.took.unwrap_or_else(|| self.began.elapsed());
        // Where its caller has left meanwhile.
        let upstream = self.upstream + self.waits.map_or(Duration::ZERO, |waits| waits.elapsed());
        let path = if self.path.is_empty() {
            "?"
        } else {
            &self.path
        };
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(
            request.id = id.as_str(),
            caller = self.caller,
            app.id = self.app.as_ref().map(AppId::as_str),
            method = self.method.as_str(),
            path = self.path,
            status = status.map(|status| status.as_u16()),
            errcode = self.errcode,
            rid = self.rid,
            replayed = self.replayed,
            upstream_ms = millis(upstream),
            took_ms = millis(took),
            "{} {path} of {}",
            self.method,
            if self.caller.is_empty() {
                "nobody known"
            } else {
                &self.caller
            },
        );
        if let Some(mix_up) = self.mix_up
            && seen.is_news(&self.caller, mix_up, now())
        {
            tracing::warn!(
                caller = self.caller,
                path = self.path,
                "{}",
                mix_up.lesson()
            );
        }
        tell(&Told {
            app: match &self.app {
                None => "",
                Some(app) if knows(app) => app.as_str(),
                Some(_) => OTHER,
            },
            caller: &self.caller,
            family: family::label(&self.path),
            outcome: match (status, self.outcome) {
                (None, _) => "gone",
                (Some(_), Some(outcome)) => outcome,
                (Some(_), None) => outcome(self.errcode),
            },
            replayed: self.replayed,
            added: took.saturating_sub(upstream),
            mix_up: self.mix_up,
            unread: self.unread,
        });
    }
}

const fn outcome(errcode: Option<i64>) -> &'static str {
    match errcode {
        None => "ok",
        Some(-1) => "busy",
        Some(40001 | 40014 | 42001) => "bad_token",
        Some(45009 | 45011) => "quota",
        Some(_) => "errcode",
    }
}

/// Mix-ups already told of: once per caller and hour is enough.
#[derive(Debug, Default)]
pub(super) struct MixUps(Mutex<HashMap<(String, MixUp), Boot>>);

impl MixUps {
    const HOUR: u64 = 3_600_000;
    /// Callers remembered; they come from the configuration, so this is never reached in earnest.
    const MOST: usize = 4096;

    fn is_news(&self, caller: &str, mix_up: MixUp, now: Boot) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= Self::MOST {
            told.clear();
        }
        let last = told.entry((caller.to_owned(), mix_up)).or_insert(Boot(0));
        let news = *last == Boot(0) || now.since(*last) >= Self::HOUR;
        if news {
            *last = now;
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use wxtoken_core::clock::Wall;

    use super::*;
    use crate::http::request_id::RequestIds;

    #[tokio::test(start_paused = true)]
    async fn what_upstream_was_waited_for_is_not_ours_though_its_caller_left_meanwhile() {
        let mut line = Line::of(&Method::POST, Instant::now());
        tokio::time::advance(Duration::from_millis(3)).await;
        line.goes_up(Instant::now());
        tokio::time::advance(Duration::from_millis(900)).await;
        let (added, tells) = (Arc::new(Mutex::new(None)), MixUps::default());
        let heard = Arc::clone(&added);
        let tell: Tell =
            Arc::new(move |told| *heard.lock().unwrap() = Some((told.outcome, told.added)));
        line.write(
            &RequestId::sent(Some(b"one"), &RequestIds::new(1), Wall(1)),
            None,
            (&tell, &tells),
            |_| true,
            || Boot(1),
        );
        assert_eq!(
            *added.lock().unwrap(),
            Some(("gone", Duration::from_millis(3)))
        );
    }

    #[test]
    fn a_mix_up_is_told_once_per_caller_and_hour() {
        let told = MixUps::default();
        let at = |minute: u64| Boot(1 + minute * 60_000);
        assert!(told.is_news("shop", MixUp::AppTokenAtSns, at(0)));
        assert!(!told.is_news("shop", MixUp::AppTokenAtSns, at(59)));
        assert!(told.is_news("shop", MixUp::WebTokenAtApi, at(59)));
        assert!(told.is_news("kiosk", MixUp::AppTokenAtSns, at(59)));
        assert!(told.is_news("shop", MixUp::AppTokenAtSns, at(60)));
    }
}
