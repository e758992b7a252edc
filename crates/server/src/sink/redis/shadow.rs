//! What others keep in Redis, while an app is in shadow mode: looked at, told, given to the keeper to probe. Never written.
//!
//! Pure: every question comes with the time. Must not know: connections, how people are told, what lives.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use wxtoken_core::clock::{Boot, Now, Wall};
use wxtoken_core::credential::{CredentialKey, Token, ValueId};

use super::judge::Acquaintance;
use super::kept::Sink;
use super::room::{LOOK_EVERY, RETRY, SETTLES, TOGETHER, concerns_all, first_key};
use crate::redis::Trouble;
use crate::sdk::{Found, Held, Reading, Seen};

/// A program that renews several entries writes them one after the other.
const AGREE_WITHIN: u64 = 10_000;

/// All entries at one Redis that others write.
pub(super) struct Watch {
    watched: Vec<Watched>,
    by_key: HashMap<Vec<u8>, usize>,
    look_at_all: Boot,
    not_before: Boot,
    /// Pairs of values that are known to stand beside each other.
    disagreed: HashSet<(ValueId, ValueId)>,
}

struct Watched {
    sink: Arc<Sink>,
    look_at: Option<Boot>,
    sight: Option<Sight>,
    /// It was looked at before.
    known: bool,
    /// The keeper did not take what was seen: it does not know that the app is in shadow mode yet.
    not_taken: bool,
    /// It could not be read, and that was told.
    unseen: bool,
}

/// A value as it was first seen at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sight {
    pub(super) id: ValueId,
    pub(super) noticed: Wall,
    pub(super) seen: Seen,
}

/// What was seen.
#[derive(Debug)]
pub(super) enum Sighted {
    /// A value is there; what was there before, if we saw that.
    Value {
        sink: Arc<Sink>,
        found: Found,
        held: Held,
        before: Option<Sight>,
        /// It was there when we came.
        first: bool,
    },
    /// It is still there, and has to be offered again.
    Again { sink: Arc<Sink>, held: Held },
    /// What was there is gone.
    Gone { sink: Arc<Sink>, before: Sight },
    /// Something its readers cannot use.
    Unusable { sink: Arc<Sink>, found: Found },
    /// Two places of one credential hold different values.
    Disagree { one: Arc<Sink>, other: Arc<Sink> },
    /// It cannot be read.
    Failed { sink: Arc<Sink>, trouble: Trouble },
}

impl Sighted {
    /// What a probe is to say of: a value that its readers use, and its end if they know one.
    pub(super) fn to_probe(&self) -> Option<(&Arc<Sink>, &Token, Option<Wall>)> {
        let (Self::Value { sink, held, .. } | Self::Again { sink, held }) = self else {
            return None;
        };
        match held.seen {
            Seen::Until(end) => Some((sink, &held.token, Some(end))),
            Seen::Always => Some((sink, &held.token, None)),
            Seen::Expired => None,
        }
    }
}

impl Watch {
    pub(super) fn new(now: Boot) -> Self {
        Self {
            watched: Vec::new(),
            by_key: HashMap::new(),
            look_at_all: now,
            not_before: now,
            disagreed: HashSet::new(),
        }
    }

    /// Which entries there are now. Those that stay go on.
    pub(super) fn configure(&mut self, sinks: Vec<Sink>, now: Boot) {
        let before = self.watched.drain(..);
        let mut before: HashMap<Vec<u8>, Watched> = before
            .filter_map(|watched| Some((first_key(&watched.sink)?, watched)))
            .collect();
        let stays = |sink: Sink| {
            let old = first_key(&sink).and_then(|key| before.remove(&key));
            let same = old.filter(|old| *old.sink == sink);
            same.unwrap_or_else(|| Watched {
                sink: Arc::new(sink),
                look_at: Some(now),
                sight: None,
                known: false,
                not_taken: false,
                unseen: false,
            })
        };
        self.watched = sinks.into_iter().map(stays).collect();
        self.by_key.clear();
        for (at, watched) in self.watched.iter().enumerate() {
            for key in watched.sink.place.keys() {
                self.by_key.insert(key.as_bytes().to_vec(), at);
            }
        }
    }

    /// Every key, to listen for what happens to it.
    pub(super) fn keys(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        self.by_key.keys().cloned()
    }

    /// Something happened to a key.
    pub(super) fn touched(&mut self, key: &[u8], now: Boot) {
        let at = self.by_key.get(key).copied();
        if let Some(watched) = at.and_then(|at| self.watched.get_mut(at)) {
            watched.look_at.get_or_insert(now.plus(SETTLES));
        }
    }

    /// When there is something to do.
    pub(super) fn wake(&self) -> Boot {
        if self.watched.is_empty() {
            return Boot::NEVER;
        }
        let due = self.watched.iter().filter_map(|watched| watched.look_at);
        let next = due.min().unwrap_or(Boot::NEVER).min(self.look_at_all);
        next.max(self.not_before)
    }

    /// What is to be looked at now.
    pub(super) fn lookings(&mut self, now: Boot) -> Vec<Arc<Sink>> {
        if now < self.not_before {
            return Vec::new();
        }
        if now >= self.look_at_all {
            self.look_at_all = now.plus(LOOK_EVERY);
            for watched in &mut self.watched {
                watched.look_at.get_or_insert(now);
            }
        }
        let due = self.watched.iter_mut().filter_map(|watched| {
            watched.look_at.take_if(|at| *at <= now)?;
            Some(Arc::clone(&watched.sink))
        });
        due.take(TOGETHER).collect()
    }

    /// What was found at one place.
    pub(super) fn looked(
        &mut self,
        sink: &Arc<Sink>,
        found: Vec<Found>,
        known: &dyn Acquaintance,
        now: Now,
    ) -> Option<Sighted> {
        let reading = sink.place.read(&found, now.wall);
        let found = found.into_iter().next().unwrap_or(Found::Absent);
        let watched = self.find(sink)?;
        let first = !std::mem::replace(&mut watched.known, true);
        watched.unseen = false;
        let before = watched.sight;
        let sink = Arc::clone(sink);
        let Reading::Held(held) = reading else {
            let before = watched.sight.take();
            return match (reading, before) {
                (Reading::Absent, Some(before)) => Some(Sighted::Gone { sink, before }),
                (Reading::Foreign, Some(_)) => Some(Sighted::Unusable { sink, found }),
                (Reading::Foreign, None) if first => Some(Sighted::Unusable { sink, found }),
                (_, _) => None,
            };
        };
        let sight = Sight {
            id: known.id_of(&held.token),
            noticed: now.wall,
            seen: held.seen,
        };
        let again = std::mem::take(&mut watched.not_taken);
        if before.is_some_and(|before| before.id == sight.id) {
            return again.then_some(Sighted::Again { sink, held });
        }
        watched.sight = Some(sight);
        Some(Sighted::Value {
            sink,
            found,
            held,
            before,
            first,
        })
    }

    /// What was seen there could not be given away: it is offered again at the next look.
    pub(super) fn not_taken(&mut self, sink: &Arc<Sink>) {
        if let Some(watched) = self.find(sink) {
            watched.not_taken = true;
        }
    }

    /// It could not be read: told once, unless that concerns all.
    pub(super) fn unseen(
        &mut self,
        sink: &Arc<Sink>,
        trouble: Trouble,
        now: Boot,
    ) -> Option<Sighted> {
        if concerns_all(&trouble) {
            self.not_before = now.plus(RETRY);
            self.find(sink)?.look_at = Some(now);
            return None;
        }
        let told = std::mem::replace(&mut self.find(sink)?.unseen, true);
        let sink = Arc::clone(sink);
        (!told).then_some(Sighted::Failed { sink, trouble })
    }

    /// Places of one credential that have held different values for a while; each pair of values is told once.
    pub(super) fn disagreements(&mut self, now: Now) -> Vec<Sighted> {
        let mut first: HashMap<CredentialKey, (&Arc<Sink>, Sight)> = HashMap::new();
        let mut differ = Vec::new();
        for watched in &self.watched {
            let Some(sight) = watched.sight else { continue };
            let (other, held) = *first
                .entry(watched.sink.key)
                .or_insert((&watched.sink, sight));
            let settled = held.noticed.max(sight.noticed).plus(AGREE_WITHIN) <= now.wall;
            let pair = (held.id.min(sight.id), held.id.max(sight.id));
            if pair.0 != pair.1 && settled && self.disagreed.insert(pair) {
                let (one, other) = (Arc::clone(&watched.sink), Arc::clone(other));
                differ.push(Sighted::Disagree { one, other });
            }
        }
        let ids: HashSet<ValueId> = self
            .watched
            .iter()
            .filter_map(|watched| Some(watched.sight?.id))
            .collect();
        self.disagreed
            .retain(|(one, other)| ids.contains(one) && ids.contains(other));
        differ
    }

    fn find(&mut self, sink: &Arc<Sink>) -> Option<&mut Watched> {
        let key = sink.place.keys().first()?;
        let at = *self.by_key.get(key.as_bytes())?;
        let watched = self.watched.get_mut(at)?;
        Arc::ptr_eq(&watched.sink, sink).then_some(watched)
    }
}
