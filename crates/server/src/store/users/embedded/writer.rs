//! What one batch of changes does to the tables: all of it, or nothing.
//!
//! Must not know: threads, who waits for the answer, what a record says.

use std::sync::Arc;

use rusqlite::Connection;
use wxtoken_core::clock::{Clock, Wall};
use wxtoken_core::store::StoreError;
use wxtoken_core::user::{OnceKey, Purged};

use super::super::super::embedded::Trouble;
use super::super::PORTION;
use super::super::seal::{Names, Sealed, UserSeal};
use super::damage;
use super::open::{self, Opened, PREVIOUS_CHECK};
use super::table::{self, Stored};
use crate::words::Sentence;

/// How often emptying the journal is tried; each time waits a second for those who read.
const TRIES: usize = 5;

/// One change that is asked for.
pub(super) enum Change {
    /// A record, sealed, if the version there is that one.
    Write(Names, Sealed, Wall, Option<u64>),
    Delete(Names),
    Leave(OnceKey, Vec<u8>, Wall),
    Take(OnceKey),
    Purge,
    /// The file may have so many pages.
    #[cfg(test)]
    Limit(i64),
}

/// What became of it, once it is durable.
pub(super) enum Done {
    Written,
    Overtaken(Option<Sealed>),
    /// There was something to delete; the note was left.
    Was(bool),
    Taken(Option<Vec<u8>>),
    Purged(Purged),
}

pub(super) type Outcome = Result<Done, StoreError>;

/// The one who writes.
pub(super) struct Writer {
    connection: Connection,
    seal: Arc<UserSeal>,
    clock: Arc<dyn Clock>,
    /// Something was deleted and may still lie in the journal.
    traces: bool,
    /// After which name users may be sealed under the previous master key; none once no one is.
    resealed: Option<Vec<u8>>,
}

impl Writer {
    pub(super) fn new(opened: Opened, clock: Arc<dyn Clock>) -> Self {
        Self {
            connection: opened.connection,
            seal: opened.seal,
            clock,
            traces: false,
            resealed: opened.is_resealing.then(Vec::new),
        }
    }

    /// Carries out all changes in one transaction; when this returns they are durable, or none of them happened.
    pub(super) fn commit(&mut self, changes: &[Change]) -> Vec<Outcome> {
        match self.transact(changes) {
            Ok(done) => {
                let mut outcomes: Vec<Outcome> = done.into_iter().map(Ok).collect();
                self.clear_traces(changes, &mut outcomes);
                outcomes
            }
            Err(trouble) => {
                let why = damage::told(&self.connection, &trouble);
                let refused = |_| Err(StoreError::Unavailable(why.clone()));
                changes.iter().map(refused).collect()
            }
        }
    }

    fn transact(&mut self, changes: &[Change]) -> Result<Vec<Done>, Trouble> {
        let (now, resealed) = (self.clock.now().wall, self.resealed.clone());
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        let done = changes
            .iter()
            .map(|change| self.apply(change, now))
            .collect::<Result<Vec<_>, _>>()
            .and_then(|done| {
                self.connection.execute_batch("COMMIT")?;
                Ok(done)
            });
        if done.is_err() {
            self.resealed = resealed;
        } else if resealed.is_some() && self.resealed.is_none() {
            tracing::info!("what is kept of users is sealed under the present master key");
        }
        if done.is_err() && !self.connection.is_autocommit() {
            // Trouble here too is told by the next BEGIN, which then fails.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        done
    }

    fn apply(&mut self, change: &Change, now: Wall) -> Result<Done, Trouble> {
        let connection = &self.connection;
        Ok(match change {
            Change::Write(names, sealed, until, over) => {
                self.write(*names, sealed, *until, *over, now)?
            }
            Change::Delete(names) => Done::Was(self.delete(*names, now)?),
            Change::Leave(key, sealed, until) => {
                Done::Was(table::put_note(connection, key, sealed, (now, *until))?)
            }
            Change::Take(key) => Done::Taken(table::take_note(connection, key, now)?),
            Change::Purge => Done::Purged(self.purge(now)?),
            #[cfg(test)]
            Change::Limit(pages) => {
                connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
                Done::Written
            }
        })
    }

    fn write(
        &self,
        names: Names,
        sealed: &Sealed,
        until: Wall,
        over: Option<u64>,
        now: Wall,
    ) -> Result<Done, Trouble> {
        let there = find(&self.connection, names)?;
        let counts = there.as_ref().filter(|there| {
            let lives = now < there.until;
            // One that cannot be opened is nobody's, and is replaced.
            lives && (over == Some(there.sealed.version) || self.seal.open(&there.sealed).is_ok())
        });
        if counts.map(|there| there.sealed.version) != over {
            return Ok(Done::Overtaken(counts.map(|there| there.sealed.clone())));
        }
        if let Some(there) = &there
            && there.sealed.name != sealed.name
        {
            table::forget(&self.connection, &there.sealed.name)?;
        }
        let slot = there.map(|there| there.slot);
        table::put(&self.connection, sealed, until, slot)?;
        Ok(Done::Written)
    }

    fn delete(&mut self, names: Names, now: Wall) -> Result<bool, Trouble> {
        let mut was = false;
        for name in names.all() {
            if let Some(there) = table::find(&self.connection, &name)? {
                table::remove(&self.connection, &name, there.slot)?;
                was |= now < there.until;
                self.traces = true;
            }
        }
        Ok(was)
    }

    fn purge(&mut self, now: Wall) -> Result<Purged, Trouble> {
        let most = i64::try_from(PORTION).unwrap_or(i64::MAX);
        let records = table::purge(&self.connection, now, most)?;
        let left = i64::try_from(PORTION - records).unwrap_or(0);
        let notes = table::purge_notes(&self.connection, now, left)?;
        let purged = records + notes;
        let more = self.reseal(now, most)?;
        Ok(Purged {
            purged: purged as u64,
            more: more || purged >= PORTION,
        })
    }

    /// Seals the next portion anew, where the master key was changed; whether there is more.
    fn reseal(&mut self, now: Wall, count: i64) -> Result<bool, Trouble> {
        let Some(after) = &self.resealed else {
            return Ok(false);
        };
        let portion = table::after(&self.connection, after, count)?;
        for there in &portion {
            if self.seal.is_under_previous(&there.sealed.bytes) {
                self.reseal_one(there, now)?;
            }
        }
        self.resealed = portion.last().map(|last| last.sealed.name.to_vec());
        if self.resealed.is_none() {
            table::drop_meta(&self.connection, PREVIOUS_CHECK)?;
        }
        Ok(!portion.is_empty())
    }

    fn reseal_one(&self, there: &Stored, now: Wall) -> Result<(), Trouble> {
        let Ok(user) = self.seal.open(&there.sealed) else {
            return Ok(()); // whoever asks for it is told
        };
        let version = there.sealed.version;
        let anew = self
            .seal
            .seal(&user.app, &user.openid, &user.record, user.until, version)
            .map_err(|_| super::super::super::sealed::SealError::NoRandom)?;
        if now >= there.until || table::find(&self.connection, &anew.name)?.is_some() {
            return Ok(table::remove(
                &self.connection,
                &there.sealed.name,
                there.slot,
            )?);
        }
        table::forget(&self.connection, &there.sealed.name)?;
        let slot = Some(there.slot);
        Ok(table::put(&self.connection, &anew, user.until, slot)?)
    }

    /// What was deleted is gone from the journal, too, before anybody is told so.
    fn clear_traces(&mut self, changes: &[Change], outcomes: &mut [Outcome]) {
        if !self.traces {
            return;
        }
        let mut cleared = Ok(false);
        for _ in 0..TRIES {
            cleared = open::truncate(&self.connection);
            if !matches!(cleared, Ok(false)) {
                break;
            }
        }
        let why = match cleared {
            Ok(true) => {
                self.traces = false;
                return;
            }
            Ok(false) => Sentence::new(
                "已经删除，但日志文件还在被读，其中可能还有痕迹；再删除一次",
                "it is deleted, but the journal is being read and may hold traces of it; delete it once more",
            ),
            Err(error) => Trouble::from(error).in_words(),
        };
        for (change, outcome) in changes.iter().zip(outcomes) {
            if matches!(change, Change::Delete(_)) {
                *outcome = Err(StoreError::Unavailable(why.clone()));
            }
        }
    }

    /// Moves what is in the journal into the file. Trouble here costs nothing: the journal stays, and the next try may do.
    pub(super) fn checkpoint(&self) {
        let done = self
            .connection
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        if let Err(error) = done {
            tracing::debug!(error = %error, "the users' journal could not be written back yet");
        }
    }
}

/// The record under either name.
pub(super) fn find(
    connection: &Connection,
    names: Names,
) -> Result<Option<Stored>, rusqlite::Error> {
    match &names.previous {
        None => table::find(connection, &names.current),
        Some(previous) => table::find_either(connection, &names.current, previous),
    }
}
