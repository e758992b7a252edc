//! One sink at a Redis: what is known of its entry, and what follows from what was found there.
//!
//! Pure. Must not know: connections, other sinks.

use std::sync::Arc;

use wxtoken_core::app::AppId;
use wxtoken_core::clock::Boot;
use wxtoken_core::credential::{Credential, CredentialKey, Generation, ValueId};

use super::super::fare::Fare;
use super::judge::{Acquaintance, Judgement};
use super::pace::{Pace, Turn};
use crate::redis::Trouble;
use crate::sdk::{Entry, Found, Place};

/// Another replica may have written a value of which we have not heard yet.
const IN_DOUBT: u64 = 300;

/// One sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sink {
    /// What it holds.
    pub(super) key: CredentialKey,
    /// Where, and in which form.
    pub(super) place: Place,
}

/// What is known of the credentials.
pub(super) trait Truth: Send + Sync {
    /// The value that is handed out now.
    fn current(&self, key: &CredentialKey) -> Option<Arc<Credential>>;
    /// How a value is known as this credential's.
    fn acquaintance(&self, key: CredentialKey) -> Box<dyn Acquaintance + '_>;
}

/// What was found where our value should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strange {
    /// It was deleted, or ended before its time.
    Missing,
    /// Something the SDK cannot use.
    Unusable,
    /// Another's value.
    Foreign(ValueId),
}

/// Something to be written.
pub(super) struct Writing {
    pub(super) sink: Arc<Sink>,
    pub(super) generation: Generation,
    pub(super) entries: Vec<Entry>,
}

/// Something to be looked at.
pub(super) struct Looking {
    pub(super) sink: Arc<Sink>,
    pub(super) value: Arc<Credential>,
}

/// What follows from a look or from writing.
pub(super) enum Then {
    /// The keeper is told: evidence against this value.
    Report(Arc<Sink>, Arc<Credential>),
    /// The value may be another replica's, of which we have not heard: somebody may ask.
    Doubt(AppId),
    /// People are told what was found.
    Tell(Arc<Sink>, Strange, Found),
    /// People are told that somebody keeps changing it, and that it is put right more seldom from now on.
    Contended(Arc<Sink>),
    /// People are told that everything is gone at once.
    Emptied(usize),
    /// People are told that this one cannot be written.
    Failed(Arc<Sink>, Trouble),
    /// It can be written again.
    Well(Arc<Sink>),
    /// Ours lies there again.
    Restored(Arc<Sink>),
}

pub(super) struct Kept {
    pub(super) sink: Arc<Sink>,
    pub(super) fare: Fare<Strange>,
    pub(super) look_at: Option<Boot>,
    /// It was written or found since the connection was opened: what is missing then was taken away.
    pub(super) met: bool,
    /// What was written last.
    pub(super) written: Option<Generation>,
    /// Somebody changed it; ours goes back when it is known to live.
    pub(super) contested: bool,
    pub(super) doubt: Option<ValueId>,
    /// It could not be read or written, and that was told.
    pub(super) refused: bool,
    pub(super) pace: Pace,
}

impl Kept {
    pub(super) fn new(sink: Arc<Sink>, now: Boot) -> Self {
        Self {
            sink,
            fare: Fare::new(None),
            look_at: Some(now),
            met: false,
            written: None,
            contested: false,
            doubt: None,
            refused: false,
            pace: Pace::default(),
        }
    }

    /// It is put right, as often as its pace allows.
    pub(super) fn put_right(&mut self, now: Boot) -> Option<Then> {
        let Turn { at, slower } = self.pace.next(now);
        self.fare.want(at);
        slower.then(|| Then::Contended(Arc::clone(&self.sink)))
    }

    /// It was found changed: people hear of it once, the keeper until it has answered.
    fn strange(&mut self, what: Strange, found: Found, value: &Arc<Credential>) -> Vec<Then> {
        let news = self.fare.found(what);
        let sink = || Arc::clone(&self.sink);
        let tell = news.to_tell.then(|| Then::Tell(sink(), what, found));
        let report = || Then::Report(sink(), Arc::clone(value));
        let report = news.to_report.then(report);
        tell.into_iter().chain(report).collect()
    }

    fn contested(&mut self, what: Strange, found: Found, value: &Arc<Credential>) -> Vec<Then> {
        self.contested = true;
        self.strange(what, found, value)
    }

    /// What follows from a look at its entry.
    pub(super) fn follow(
        &mut self,
        judgement: Judgement,
        found: Vec<Found>,
        value: &Arc<Credential>,
        now: Boot,
    ) -> Vec<Then> {
        let first = found.into_iter().next().unwrap_or(Found::Absent);
        let met = std::mem::replace(&mut self.met, true);
        self.refused = false;
        match judgement {
            Judgement::Intact => {
                self.fare.intact();
                (self.contested, self.doubt) = (false, None);
                Vec::new()
            }
            Judgement::Missing if !met => {
                self.fare.want(now);
                Vec::new()
            }
            Judgement::Missing => self.contested(Strange::Missing, first, value),
            Judgement::Stale => self.put_right(now).into_iter().collect(),
            // It would make the SDK fetch, and nobody's value is lost.
            Judgement::Unusable => {
                let mut then = self.strange(Strange::Unusable, first, value);
                then.extend(self.put_right(now));
                then
            }
            Judgement::Foreign(id) if self.doubt != Some(id) => {
                self.doubt = Some(id);
                self.look_at = Some(now.plus(IN_DOUBT));
                vec![Then::Doubt(self.sink.key.app)]
            }
            Judgement::Foreign(id) => self.contested(Strange::Foreign(id), first, value),
        }
    }
}
