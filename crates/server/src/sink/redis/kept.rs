//! One sink at a Redis: what is known of its entry, and what follows from what was found there.
//!
//! Pure. Must not know: connections, other sinks.

use std::sync::Arc;

use wxtoken_core::app::AppId;
use wxtoken_core::clock::Boot;
use wxtoken_core::credential::{Credential, CredentialKey, Generation, Lane, Token, ValueId};
use wxtoken_core::refresh::verdict::{Theirs, Verdict};

use super::super::fare::Fare;
use super::judge::{Acquaintance, Judgement};
use super::pace::{Pace, Turn};
use crate::redis::Trouble;
use crate::sdk::{Entry, Found, Place, Reading};

/// Another replica may have written a value of which we have not heard yet.
const IN_DOUBT: u64 = 300;
/// How long a living value of another's is believed to live on.
pub(super) const BELIEVED: u64 = 60_000;

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
    /// An entry without a token.
    Unusable,
    /// Something that cannot be read.
    Unreadable,
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

/// What was found at an entry.
pub(super) struct Seen {
    pub(super) judgement: Judgement,
    pub(super) reading: Reading,
    /// At its first key.
    pub(super) found: Found,
}

/// What came of a report, or of asking about another's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// What the keeper says of ours, if anything.
    OfOurs(Option<Verdict>),
    /// What it says of theirs.
    OfTheirs(Theirs),
}

/// What follows from a look or from writing.
pub(super) enum Then {
    /// The keeper is asked about another's value that may have ended ours.
    Meet(Arc<Sink>, Arc<Credential>, Token),
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
    /// It can be read and written again.
    Well(Arc<Sink>),
    /// Ours lies there again.
    Restored(Arc<Sink>),
    /// Nobody has changed it for a while.
    Calm(Arc<Sink>),
}

/// What people were told of an entry, and have not been told to be over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// It could not be read or written.
    pub(super) failed: bool,
    /// Somebody changed it.
    changed: bool,
    /// Somebody keeps changing it.
    contended: bool,
}

/// An entry that somebody changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Contest {
    /// The value of ours that was there, or should have been.
    pub(super) about: ValueId,
    /// Another's value lies there that may have ended ours, which does not go back while that is not known.
    pub(super) stays: bool,
    /// It lives: until then nobody is asked again.
    pub(super) lives_until: Option<Boot>,
}

pub(super) struct Kept {
    pub(super) sink: Arc<Sink>,
    pub(super) fare: Fare<Strange>,
    pub(super) look_at: Option<Boot>,
    /// It was written or found since the connection was opened: what is missing then was taken away.
    pub(super) met: bool,
    /// What was written last.
    pub(super) written: Option<Generation>,
    /// Somebody changed it.
    pub(super) contested: Option<Contest>,
    pub(super) doubt: Option<ValueId>,
    pub(super) told: Told,
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
            contested: None,
            doubt: None,
            told: Told::default(),
            pace: Pace::default(),
        }
    }

    /// It is put right, as often as its pace allows.
    pub(super) fn put_right(&mut self, now: Boot) -> Option<Then> {
        let Turn { at, slower } = self.pace.next(now);
        self.fare.want(at);
        self.told.contended |= slower;
        slower.then(|| Then::Contended(Arc::clone(&self.sink)))
    }

    /// It was read or written.
    fn is_well(&mut self) -> Option<Then> {
        std::mem::take(&mut self.told.failed).then(|| Then::Well(Arc::clone(&self.sink)))
    }

    /// Ours lies there: whatever was told of it is over.
    pub(super) fn is_ours(&mut self, now: Boot) -> Vec<Then> {
        (self.contested, self.doubt) = (None, None);
        let restored = std::mem::take(&mut self.told.changed);
        let calm = self.told.contended && self.pace.is_quiet(now);
        self.told.contended &= !calm;
        let over = [
            self.is_well(),
            restored.then(|| Then::Restored(Arc::clone(&self.sink))),
            calm.then(|| Then::Calm(Arc::clone(&self.sink))),
        ];
        over.into_iter().flatten().collect()
    }

    /// It was found changed: people hear of it once, the keeper until it has answered.
    fn strange(&mut self, what: Strange, found: Found, value: &Arc<Credential>) -> Vec<Then> {
        let news = self.fare.found(what);
        let sink = || Arc::clone(&self.sink);
        self.told.changed |= news.to_tell;
        let tell = news.to_tell.then(|| Then::Tell(sink(), what, found));
        let report = || Then::Report(sink(), Arc::clone(value));
        let report = news.to_report.then(report);
        tell.into_iter().chain(report).collect()
    }

    fn contested(&mut self, what: Strange, found: Found, value: &Arc<Credential>) -> Vec<Then> {
        self.contested = Some(Contest {
            about: value.id,
            stays: false,
            lives_until: None,
        });
        self.strange(what, found, value)
    }

    /// Another's value lies there. On the classic lane whoever fetched it has ended ours by that, though not at once: whether it
    /// lives is asked before anything else.
    fn foreign(
        &mut self,
        (id, token): (ValueId, Token),
        found: Found,
        value: &Arc<Credential>,
        now: Boot,
    ) -> Vec<Then> {
        if value.lane != Some(Lane::Classic) && !value.adopted {
            return self.contested(Strange::Foreign(id), found, value);
        }
        let before = self.contested.filter(|contest| contest.about == value.id);
        let lives_until = before.and_then(|contest| contest.lives_until);
        self.contested = Some(Contest {
            about: value.id,
            stays: true,
            lives_until,
        });
        let mut then = self.strange(Strange::Foreign(id), found, value);
        let reported = then.pop_if(|then| matches!(then, Then::Report(..)));
        if reported.is_none() {
            return then;
        }
        if lives_until.is_some_and(|until| now < until) {
            self.fare.answered();
        } else {
            then.push(Then::Meet(Arc::clone(&self.sink), Arc::clone(value), token));
        }
        then
    }

    /// What follows from a look at its entry.
    pub(super) fn follow(&mut self, seen: Seen, value: &Arc<Credential>, now: Boot) -> Vec<Then> {
        let first = seen.found;
        let met = std::mem::replace(&mut self.met, true);
        let well = self.is_well();
        let then = match seen.judgement {
            Judgement::Intact => {
                self.fare.intact();
                self.is_ours(now)
            }
            Judgement::Missing if !met => {
                self.fare.want(now);
                Vec::new()
            }
            Judgement::Missing => self.contested(Strange::Missing, first, value),
            // Ours all the same: a replica wrote it, or somebody who took it from us. Nobody is to be found.
            Judgement::Stale => {
                self.fare.want(self.pace.next(now).at);
                Vec::new()
            }
            // It would make the SDK fetch, and nobody's value is lost.
            Judgement::Unusable => {
                let mut then = self.strange(Strange::Unusable, first, value);
                then.extend(self.put_right(now));
                then
            }
            Judgement::Unreadable => self.contested(Strange::Unreadable, first, value),
            Judgement::Foreign(id) if self.doubt != Some(id) => {
                self.doubt = Some(id);
                self.look_at = Some(now.plus(IN_DOUBT));
                vec![Then::Doubt(self.sink.key.app)]
            }
            Judgement::Foreign(id) => match seen.reading {
                Reading::Held(held) => self.foreign((id, held.token), first, value, now),
                Reading::Absent | Reading::Foreign => Vec::new(), // nobody's value has an id
            },
        };
        well.into_iter().chain(then).collect()
    }
}
