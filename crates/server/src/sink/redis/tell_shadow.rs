//! What people are told of an app in shadow mode: who fetches when, and every clash.
//!
//! Never a value; keys with a secret in them masked.

use wxtoken_core::clock::Wall;

use super::kept::Sink;
use super::shadow::{Sight, Sighted};
use super::tell::{Teller, shown};
use crate::keeper::time;
use crate::sdk::{Found, Seen};

impl Teller {
    /// Something was seen.
    pub(super) fn sighted(&self, what: &Sighted) {
        match what {
            Sighted::Value {
                sink,
                found,
                held,
                before,
                first,
            } => self.value(sink, found, held.seen, *before, *first),
            Sighted::Again { .. } => {} // told when it was first seen
            Sighted::Gone { sink, before } => self.gone(sink, *before),
            Sighted::Unusable { sink, found } => {
                let who = self.looks_like(sink, found);
                let detail = self.says(sink, |key, at, noticed| {
                    format!("{who} wrote something that holds no token into {key} in Redis at {at} (noticed {noticed})")
                });
                self.trouble(sink, "shadow-unusable", detail);
            }
            Sighted::Disagree { one, other } => {
                let other = shown(other);
                let detail = self.says(one, |key, at, noticed| {
                    format!(
                        "{key} and {other} in Redis at {at} hold different tokens of the same app (noticed {noticed}): two \
                         programs fetch, and on the classic lane each kills the other's within five minutes"
                    )
                });
                self.trouble(one, "shadow-disagree", detail);
            }
            Sighted::Failed { sink, trouble } => {
                let detail = self.says(sink, |key, at, _| {
                    format!("{key} in Redis at {at} cannot be watched: {trouble}")
                });
                self.trouble(sink, "sink-failed", detail);
            }
        }
    }

    fn value(&self, sink: &Sink, found: &Found, seen: Seen, before: Option<Sight>, first: bool) {
        let until = match seen {
            Seen::Until(end) => format!("used until {}", time(end)),
            Seen::Always => "used as long as it lies there".to_owned(),
            Seen::Expired => "which its readers take for ended".to_owned(),
        };
        let who = self.looks_like(sink, found);
        let now = self.keeper.now().wall;
        let detail = self.says(sink, |key, at, noticed| match before {
            Some(before) => format!(
                "{who} fetched: a new token stands in {key} in Redis at {at} since {noticed}, {until}; the one before, seen \
                 since {}, {}",
                time(before.noticed),
                rest(before.seen, now)
            ),
            None if first => format!("{key} in Redis at {at} holds a token of {who}, {until}"),
            None => format!("{who} fetched: a token stands in {key} in Redis at {at} since {noticed}, {until}"),
        });
        if first {
            tracing::info!(app.id = %sink.key.app, credential.kind = %sink.key.kind, "{}: {detail}", sink.key.app);
        } else {
            self.trouble(sink, "fetched-by-others", detail);
        }
    }

    fn gone(&self, sink: &Sink, before: Sight) {
        let now = self.keeper.now().wall;
        let detail = self.says(sink, |key, at, noticed| {
            format!(
                "{key} in Redis at {at} holds nothing any more (noticed {noticed}); the token that was there, seen since {}, {}",
                time(before.noticed),
                rest(before.seen, now)
            )
        });
        self.trouble(sink, "shadow-gone", detail);
    }

    fn says(&self, sink: &Sink, text: impl FnOnce(&str, &str, &str) -> String) -> String {
        text(&shown(sink), &self.at, &time(self.keeper.now().wall))
    }
}

/// How much of its time a value had left.
fn rest(seen: Seen, now: Wall) -> String {
    match seen {
        Seen::Until(end) if end > now => format!("had {} s left", end.since(now) / 1000),
        Seen::Until(_) | Seen::Expired => "had ended".to_owned(),
        Seen::Always => "had no end of its own".to_owned(),
    }
}
