//! All sinks at one Redis: which are to be written, and when. What is looked at, and what follows from it, is in `look`.
//!
//! Pure: every question comes with the time. Must not know: connections, how people are told.

use std::collections::HashMap;
use std::sync::Arc;

use wxtoken_core::app::AppId;
use wxtoken_core::clock::{Boot, Now};
use wxtoken_core::credential::{CredentialKey, Kind, ValueId};
use wxtoken_core::refresh::verdict::{Theirs, Verdict};

use super::kept::{BELIEVED, Heard, Kept, Sink, Then, Truth, Writing};
use super::look::Round;
use crate::redis::Trouble;
use crate::sdk::Value;

/// What happens to an entry often happens in several steps.
pub(super) const SETTLES: u64 = 50;
/// How often everything is looked at, where no events come sooner; for many sinks less often.
pub(super) const LOOK_EVERY: u64 = 3_000;
/// When a Redis that cannot be written is tried again; the connection has its own pauses.
pub(super) const RETRY: u64 = 500;
/// How many are written or looked at together.
pub(super) const TOGETHER: usize = 500;

/// All sinks at one Redis.
pub(super) struct Room {
    pub(super) kept: Vec<Kept>,
    by_key: HashMap<Vec<u8>, usize>,
    by_credential: HashMap<CredentialKey, Vec<usize>>,
    /// Values that were asked for before this come from the store: they may have died since.
    began: Boot,
    pub(super) look_at_all: Boot,
    pub(super) not_before: Boot,
    pub(super) round: Round,
}

impl Room {
    pub(super) fn new(now: Boot) -> Self {
        Self {
            kept: Vec::new(),
            by_key: HashMap::new(),
            by_credential: HashMap::new(),
            began: now,
            look_at_all: now,
            not_before: now,
            round: Round::default(),
        }
    }

    /// Which sinks there are now. Those that stay go on; what was written for the others stays where it is.
    pub(super) fn configure(&mut self, sinks: Vec<Sink>, now: Boot) {
        let mut before: HashMap<Vec<u8>, Kept> = self
            .kept
            .drain(..)
            .filter_map(|kept| Some((first_key(&kept.sink)?, kept)))
            .collect();
        self.kept = sinks
            .into_iter()
            .map(|sink| {
                let old = first_key(&sink).and_then(|key| before.remove(&key));
                let same = old.filter(|old| *old.sink == sink);
                same.unwrap_or_else(|| Kept::new(Arc::new(sink), now))
            })
            .collect();
        (self.by_key, self.by_credential) = Default::default();
        for (at, kept) in self.kept.iter().enumerate() {
            for key in kept.sink.place.keys() {
                self.by_key.insert(key.as_bytes().to_vec(), at);
            }
            let same = self.by_credential.entry(kept.sink.key).or_default();
            same.push(at);
        }
    }

    /// Every key, to listen for what happens to it.
    pub(super) fn keys(&self) -> Vec<Vec<u8>> {
        self.by_key.keys().cloned().collect()
    }

    /// A new value is handed out, or its end moved. What comes from the store, or was taken over from others, is looked at first:
    /// they may have fetched since, and a live value is not to be overwritten by a dead one.
    pub(super) fn changed(&mut self, app: AppId, kind: Kind, truth: &dyn Truth, now: Boot) {
        let key = CredentialKey { app, kind };
        let Some(value) = truth.current(&key) else {
            return;
        };
        let began = self.began;
        self.each(&key, |kept| {
            let known = value.sent >= began || kept.written.is_some();
            let same = kept
                .contested
                .is_some_and(|contest| contest.about == value.id);
            if known && !value.adopted && !same {
                kept.fare.want(now);
            } else {
                kept.look_at = Some(now);
            }
        });
    }

    /// The value was found alive.
    pub(super) fn put_back(&mut self, key: &CredentialKey, now: Boot) -> Vec<Then> {
        let mut told = Vec::new();
        self.each(key, |kept| {
            let goes_back = kept.contested.is_some_and(|contest| !contest.stays);
            if goes_back && kept.fare.due().is_none() {
                told.extend(kept.put_right(now));
            }
        });
        told
    }

    /// Something happened to a key.
    pub(super) fn touched(&mut self, key: &[u8], now: Boot) {
        let at = self.by_key.get(key).copied();
        if let Some(kept) = at.and_then(|at| self.kept.get_mut(at)) {
            kept.look_at.get_or_insert(now.plus(SETTLES));
        }
    }

    /// There is a new connection: Redis may have forgotten anything.
    pub(super) fn connected(&mut self, now: Boot) {
        for kept in &mut self.kept {
            kept.met = false;
        }
        self.round = Round::default();
        self.look_at_all = now;
    }

    /// When there is something to do.
    pub(super) fn wake(&self) -> Boot {
        let due = |kept: &Kept| [kept.fare.due(), kept.look_at].into_iter().flatten().min();
        let due = self.kept.iter().filter_map(due).min();
        let next = due.unwrap_or(Boot::NEVER).min(self.look_at_all);
        if self.kept.is_empty() {
            Boot::NEVER
        } else {
            next.max(self.not_before)
        }
    }

    /// What is to be written now, with the values of now.
    pub(super) fn writings(&mut self, truth: &dyn Truth, now: Now) -> Vec<Writing> {
        if now.boot < self.not_before {
            return Vec::new();
        }
        let due = self.kept.iter_mut().filter_map(|kept| {
            if !kept.fare.take(now.boot) {
                return None;
            }
            // Where there is none it is written when there is one.
            let value = truth.current(&kept.sink.key)?;
            let ends = now.wall_at(value.expires);
            let entries = kept
                .sink
                .place
                .entries(&Value::new(&value.token, ends, now.wall)?);
            kept.look_at = None;
            Some(Writing {
                sink: Arc::clone(&kept.sink),
                generation: value.generation,
                entries,
            })
        });
        due.take(TOGETHER).collect()
    }

    /// What came of writing one.
    pub(super) fn wrote(
        &mut self,
        writing: &Writing,
        outcome: Result<(), Trouble>,
        now: Boot,
    ) -> Vec<Then> {
        let Some(kept) = self.find(&writing.sink) else {
            return Vec::new();
        };
        match outcome {
            Ok(()) => {
                kept.met = true;
                kept.written = Some(writing.generation);
                kept.fare.written();
                kept.is_ours(now)
            }
            Err(trouble) if concerns_all(&trouble) => {
                kept.fare.want(now);
                self.not_before = now.plus(RETRY);
                Vec::new()
            }
            Err(trouble) => {
                let first = kept.fare.failed(now);
                let is_news = !std::mem::replace(&mut kept.told.failed, true) && first;
                let tell = is_news.then(|| Then::Failed(Arc::clone(&writing.sink), trouble));
                tell.into_iter().collect()
            }
        }
    }

    /// The keeper has answered.
    pub(super) fn answered(
        &mut self,
        sink: &Arc<Sink>,
        about: ValueId,
        heard: Heard,
        truth: &dyn Truth,
        now: Boot,
    ) -> Option<Then> {
        let kept = self.find(sink)?;
        kept.fare.answered();
        let contest = kept.contested.as_mut()?;
        if kept.fare.due().is_some() {
            return None;
        }
        if let Some(new) = truth.current(&sink.key).filter(|new| new.id != about) {
            if new.adopted {
                kept.look_at = Some(now);
            } else {
                kept.fare.want(now);
            }
            return None;
        }
        if contest.about == about && heard == Heard::OfTheirs(Theirs::Lives) {
            contest.lives_until = Some(now.plus(BELIEVED));
        }
        let alive = heard == Heard::OfOurs(Some(Verdict::Alive));
        alive.then(|| kept.put_right(now)).flatten()
    }

    fn each(&mut self, key: &CredentialKey, mut change: impl FnMut(&mut Kept)) {
        for at in self.by_credential.get(key).into_iter().flatten() {
            if let Some(kept) = self.kept.get_mut(*at) {
                change(kept);
            }
        }
    }

    /// A sink, if it is still configured.
    pub(super) fn find(&mut self, sink: &Arc<Sink>) -> Option<&mut Kept> {
        let key = sink.place.keys().first()?;
        let at = *self.by_key.get(key.as_bytes())?;
        let kept = self.kept.get_mut(at)?;
        Arc::ptr_eq(&kept.sink, sink).then_some(kept)
    }
}

/// Whether a trouble met with one key would be met with all.
pub(super) fn concerns_all(trouble: &Trouble) -> bool {
    !matches!(trouble, Trouble::NotAllowed | Trouble::Other(_))
}

/// Under which it is found.
pub(super) fn first_key(sink: &Sink) -> Option<Vec<u8>> {
    Some(sink.place.keys().first()?.as_bytes().to_vec())
}
