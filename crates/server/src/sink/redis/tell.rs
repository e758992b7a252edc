//! What people are told of the sinks at one Redis: log, metrics, notices. Never a value; keys with a secret in them masked.

use std::sync::{Arc, Mutex, PoisonError};

use wxtoken_core::clock::Wall;

use super::kept::{Sink, Strange};
use crate::keeper::{Keeper, Notice, time};
use crate::redis::Trouble;
use crate::sdk::{Found, recognise};
use crate::telemetry::Metrics;
use crate::words::Sentence;

/// What a user needs besides its keys; a cluster tells where they lie.
const NEEDED: &str = "+ping +select +get +pttl +set +multi +exec (in a cluster +cluster|slots)";
const FOR_HASHES: &str = "+del +hset +hgetall +pexpire";
const FOR_EVENTS: &str = "+subscribe +config|get and &__keyspace@*";

/// How the sinks at one Redis fare as a whole.
pub(super) type Standing = Arc<Mutex<Option<(Trouble, Wall)>>>;

/// One who tells.
pub(super) struct Teller {
    pub(super) keeper: Keeper,
    pub(super) metrics: Arc<Metrics>,
    /// Which Redis.
    pub(super) at: String,
    pub(super) standing: Standing,
}

impl Teller {
    /// Nothing can be read or written there.
    pub(super) fn away(&self, trouble: &Trouble) {
        let now = self.keeper.now().wall;
        let mut standing = self.standing();
        if standing
            .as_ref()
            .is_none_or(|(told, _)| told.name() != trouble.name())
        {
            let since = standing.as_ref().map_or(now, |(_, since)| *since);
            *standing = Some((trouble.clone(), since));
            tracing::error!(
                sink.at = %self.at, sink.trouble = trouble.name(), alarm = "sink-failed",
                "the entries in Redis at {} cannot be kept true: {}", self.at, worded(trouble)
            );
            self.metrics.alarm("sink-failed");
        }
    }

    /// Something was read or written there.
    pub(super) fn reached(&self) {
        if let Some((over, since)) = self.standing().take() {
            tracing::info!(
                sink.at = %self.at, sink.trouble = over.name(),
                "the entries in Redis at {} are kept true again, after {}", self.at, time(since)
            );
        }
    }

    /// One entry was written, or not.
    pub(super) fn wrote(&self, outcome: &'static str) {
        self.metrics.sink_write("redis", outcome);
    }

    /// Somebody changed an entry.
    pub(super) fn changed(&self, sink: &Sink, what: Strange, found: &Found) {
        self.wrote("changed_by_others");
        let (key, at) = (shown(sink), &self.at);
        let noticed = time(self.keeper.now().wall);
        let who = self.looks_like(sink, found);
        let detail = match what {
            Strange::Missing => format!(
                "{key} in Redis at {at} was deleted, or ended before its time (noticed {noticed}): WxJava does that when \
                 WeChat calls its token bad; ours goes back once WeChat says that it lives"
            ),
            Strange::Unusable => format!(
                "{who} wrote something that holds no token into {key} in Redis at {at} (noticed {noticed}); ours goes back \
                 at once"
            ),
            Strange::Unreadable => format!(
                "{who} wrote something into {key} in Redis at {at} that cannot be read in the format configured for it \
                 (noticed {noticed}); ours goes back once WeChat says that it lives"
            ),
            Strange::Foreign(_) => format!(
                "{who} wrote a value that is not ours into {key} in Redis at {at} (noticed {noticed}): it fetched by \
                 itself, with the same AppSecret; ours goes back once WeChat says that it lives and theirs has not ended it, \
                 else a new one is written"
            ),
        };
        self.trouble(sink, "sink-changed", detail);
    }

    /// It is changed again and again.
    pub(super) fn contended(&self, sink: &Sink) {
        let (key, at) = (shown(sink), &self.at);
        let detail = format!(
            "{key} in Redis at {at} is changed by another program again and again; ours goes back ever more seldom, at \
             least once a minute: find the program, or give it another key"
        );
        self.trouble(sink, "sink-contended", detail);
    }

    /// One entry cannot be written, where others can.
    pub(super) fn failed(&self, sink: &Sink, trouble: &Trouble) {
        let (key, at) = (shown(sink), &self.at);
        let detail = match trouble {
            Trouble::NotAllowed => format!(
                "the Redis user may not keep {key} at {at} true: it needs that key (~) and {NEEDED}, for hashes {FOR_HASHES} \
                 too, and to notice changes at once {FOR_EVENTS}"
            ),
            trouble => format!("{key} in Redis at {at} cannot be kept true: {trouble}"),
        };
        self.trouble(sink, "sink-failed", detail);
    }

    /// It can be again.
    pub(super) fn well(&self, sink: &Sink) {
        self.over(sink, "sink-failed", "is kept true again");
    }

    /// What somebody changed is ours again.
    pub(super) fn restored(&self, sink: &Sink) {
        self.over(sink, "sink-changed", "holds our value again");
    }

    /// Nobody changes it any more.
    pub(super) fn calm(&self, sink: &Sink) {
        self.over(sink, "sink-contended", "is left in peace");
    }

    fn over(&self, sink: &Sink, name: &'static str, what: &str) {
        let (key, at, app) = (shown(sink), &self.at, sink.key.app);
        tracing::info!(app.id = %app, alarm = name, "over: {key} in Redis at {at} {what}");
        self.keeper.announce(Notice::Cleared { app, name });
    }

    /// Everything is gone at once.
    pub(super) fn emptied(&self, entries: usize) {
        self.metrics.alarm("sink-emptied");
        tracing::warn!(
            sink.at = %self.at, alarm = "sink-emptied",
            "Redis at {} was emptied: all {entries} entries were gone at once, and are written again", self.at
        );
    }

    pub(super) fn trouble(&self, sink: &Sink, name: &'static str, detail: String) {
        let key = sink.key;
        self.metrics.alarm(name);
        tracing::warn!(app.id = %key.app, credential.kind = %key.kind, alarm = name, "{}: {detail}", key.app);
        self.keeper.announce(Notice::Trouble {
            app: key.app,
            kind: Some(key.kind),
            name,
            detail,
        });
    }

    /// Who may have written it.
    pub(super) fn looks_like(&self, sink: &Sink, found: &Found) -> String {
        let now = self.keeper.now().wall;
        let key = sink.place.keys().first();
        let candidates = key.map_or_else(Vec::new, |key| recognise(key.as_bytes(), found, now));
        let mut writers: Vec<&str> = candidates.iter().map(|one| one.writer).collect();
        writers.dedup();
        writers.truncate(3);
        if writers.is_empty() {
            writers.push(sink.place.format().writer());
        }
        format!("something that writes {}'s format", writers.join(" or "))
    }

    fn standing(&self) -> std::sync::MutexGuard<'_, Option<(Trouble, Wall)>> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A trouble for people, and since when.
pub(super) fn told(standing: &Standing) -> Option<(Sentence, Wall)> {
    let standing = standing.lock().unwrap_or_else(PoisonError::into_inner);
    let (trouble, since) = standing.as_ref()?;
    Some((worded(trouble), *since))
}

/// A trouble of those who keep entries: they need less than a store does.
fn worded(trouble: &Trouble) -> Sentence {
    if *trouble != Trouble::NotAllowed {
        return Sentence::of(trouble);
    }
    Sentence::new(
        format!(
            "Redis 用户缺少权限：它要保管的每个键（~）和 {NEEDED}；哈希还要 {FOR_HASHES}；要立即察觉变化，还要 {FOR_EVENTS}"
        ),
        format!(
            "the Redis user lacks a permission: it needs each key it keeps (~) and {NEEDED}, for hashes {FOR_HASHES} too, and \
             to notice changes at once {FOR_EVENTS}"
        ),
    )
}

/// Its first key, without secrets.
pub(super) fn shown(sink: &Sink) -> String {
    sink.place
        .keys()
        .first()
        .map(ToString::to_string)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_keeps_copies_is_not_told_to_have_a_stores_permissions() {
        let standing = Standing::default();
        *standing.lock().unwrap() = Some((Trouble::NotAllowed, Wall(0)));
        let (text, _) = told(&standing).unwrap();
        let text = text.to_string();
        assert!(
            text.contains(NEEDED) && !text.contains("+@scripting"),
            "{text}"
        );
    }
}
