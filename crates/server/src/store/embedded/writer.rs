//! What one batch of writes does to the tables and to the ledger: all of it, or nothing.
//!
//! Owns: the transaction, which write holds, setting damaged rows aside. Must not know: threads, who waits for the answer.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::Connection;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::{Clock, Wall};
use wxtoken_core::store::{Fence, Record, StoreError};

use super::super::keys::MasterKeys;
use super::super::precedence::{NO_FENCE, is_stale, with_note};
use super::super::revocations::Configured;
use super::super::sealed::{Label, SealError, Sealer};
use super::identity::write_ledger;
use super::ledger::Ledger;
use super::lock::Lock;
use super::open::{self, Opened};
use super::rebuild::Successor;
use super::table::{self, Found, Stored};
use super::trouble::Trouble;

/// One change that is asked for.
#[derive(Debug)]
pub(super) enum Change {
    Write(AppId, Box<Record>, Fence),
    NoteLateMint(AppId, Wall),
    Forget(AppId),
    Remember(AppId),
    /// A caller's virtual tokens of earlier epochs are over.
    Revoke(u64, u64),
    /// These are all callers at a start, at that moment.
    Settle(Vec<Configured>, Wall),
    /// These are all callers after a reload.
    Note(Vec<Configured>),
}

/// What became of it, once it is durable.
pub(super) type Outcome = Result<(), StoreError>;

/// The one who writes.
pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) sealer: Sealer,
    pub(super) ledger: Ledger,
    pub(super) fence: Fence,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) path: std::path::PathBuf,
    /// How often the file had to be replaced since it was opened.
    pub(super) rebuilt: u8,
    /// What is to replace the file and could not yet.
    pub(super) successor: Option<Successor>,
    /// The apps whose records were marked as forgotten when everything was read.
    pub(super) forgotten: Vec<AppId>,
    /// Everything was read, and such marks are to be believed.
    pub(super) marks_hold: bool,
    /// Late mints that no writer has been shown yet.
    unseen: HashMap<AppId, Wall>,
    _lock: Lock,
}

impl Writer {
    pub(super) fn new(opened: Opened, clock: Arc<dyn Clock>) -> Self {
        Self {
            connection: opened.connection,
            sealer: opened.sealer,
            ledger: opened.ledger,
            fence: opened.fence,
            path: opened.path,
            _lock: opened.lock,
            clock,
            rebuilt: 0,
            successor: None,
            forgotten: Vec::new(),
            marks_hold: false,
            unseen: HashMap::new(),
        }
    }

    pub(super) fn keys(&self) -> &MasterKeys {
        self.sealer.keys()
    }

    /// Carries out all changes in one transaction; when this returns they are durable, or none of them happened.
    pub(super) fn commit(&mut self, changes: &[Change]) -> Vec<Outcome> {
        let unseen = self.unseen.clone();
        let all = |writer: &mut Self| changes.iter().map(|change| writer.apply(change)).collect();
        match self.mending(|writer| writer.transact(all)) {
            Ok(outcomes) => outcomes,
            Err(trouble) => {
                self.unseen = unseen;
                let why = trouble.in_words();
                let refused = |_| Err(StoreError::Unavailable(why.clone()));
                changes.iter().map(refused).collect()
            }
        }
    }

    /// The record held for an app, as a writer is shown it.
    pub(super) fn read(&mut self, app: &AppId) -> Result<Option<Box<Record>>, StoreError> {
        let found = self.mending(|writer| Ok(table::find(&writer.connection, app)?));
        let Some(held) = found.map_err(Trouble::into_store_error)? else {
            return Ok(None);
        };
        if let Ok((_, record)) = self.unsealed(&held) {
            self.unseen.remove(app);
            let is_forgotten = matches!(&held, Found::Stored(row) if row.forgotten.is_some());
            if is_forgotten && let Err(trouble) = self.transact(|writer| writer.remember(app)) {
                tracing::warn!(app.id = %app, "the record of {app} is still marked as that of a removed app: {}", trouble.plain());
            }
            return Ok(Some(Box::new(record)));
        }
        if let Err(trouble) = self.transact(|writer| writer.drop_damaged(held, app)) {
            tracing::warn!(app.id = %app, "a damaged record could not be set aside: {}", trouble.plain());
        }
        Ok(None)
    }

    /// Runs `work` in a transaction, the ledger with it: both are as before if it fails.
    pub(super) fn transact<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let before = self.ledger.clone();
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        let done = work(self).and_then(|value| {
            if *self.ledger.to_bytes() != *before.to_bytes() {
                write_ledger(&self.connection, &self.sealer, &self.ledger)?;
            }
            self.connection.execute_batch("COMMIT")?;
            Ok(value)
        });
        if done.is_err() {
            self.ledger = before;
            if !self.connection.is_autocommit() {
                // Trouble here too is told by the next BEGIN, which then fails.
                let _ = self.connection.execute_batch("ROLLBACK");
            }
        }
        done
    }

    fn apply(&mut self, change: &Change) -> Result<Outcome, Trouble> {
        match change {
            Change::Write(app, record, fence) => self.write(app, record, *fence),
            Change::NoteLateMint(app, sent) => self.note(app, *sent).map(Ok),
            Change::Forget(app) => self.forget(app).map(Ok),
            Change::Remember(app) => self.remember(app).map(Ok),
            Change::Revoke(caller, epoch) => {
                self.ledger.revoked.raise(*caller, *epoch);
                Ok(Ok(()))
            }
            Change::Settle(callers, now) => {
                self.ledger.revoked.settle(callers, now.0);
                Ok(Ok(()))
            }
            Change::Note(callers) => {
                self.ledger.revoked.note(callers);
                Ok(Ok(()))
            }
        }
    }

    fn write(&mut self, app: &AppId, record: &Record, fence: Fence) -> Result<Outcome, Trouble> {
        let label = Label::of(*app, record, fence);
        let held = table::find(&self.connection, app)?;
        let old = match &held {
            Some(Found::Stored(row)) if fence != self.fence || is_stale(&row.label, &label) => {
                match self.unsealed_row(row) {
                    Ok(record) => {
                        self.unseen.remove(app);
                        return Ok(Err(StoreError::Stale(Some(Box::new(record)))));
                    }
                    Err(_) => None, // its numbers are not to be believed
                }
            }
            Some(Found::Stored(row)) => Some(row),
            Some(Found::Odd { .. }) | None => None,
        };
        if fence != self.fence {
            return Ok(Err(StoreError::Stale(None)));
        }
        let record = with_note(record, self.unseen.get(app).copied());
        match (old, held.as_ref()) {
            (Some(row), _) => {
                let mark = self.mark(row);
                self.ledger.take(mark);
            }
            (None, Some(_)) => {
                if let Some(held) = held {
                    self.drop_damaged(held, app)?;
                }
            }
            (None, None) => {}
        }
        self.put(&label, &record)?;
        self.ledger.fence = self.ledger.fence.max(fence.number);
        Ok(Ok(()))
    }

    fn note(&mut self, app: &AppId, sent: Wall) -> Result<(), Trouble> {
        let held = table::find(&self.connection, app)?;
        let (label, mut record) = match held.as_ref().map(|held| self.unsealed(held)) {
            Some(Ok(known)) => known,
            Some(Err(_)) | None => (
                Label::of(*app, &Record::default(), NO_FENCE),
                Record::default(),
            ),
        };
        match held {
            Some(Found::Stored(row)) if self.unsealed_row(&row).is_ok() => {
                let mark = self.mark(&row);
                self.ledger.take(mark);
            }
            Some(damaged) => self.drop_damaged(damaged, app)?,
            None => {}
        }
        record.late_mint = record.late_mint.max(Some(sent));
        let unseen = self.unseen.entry(*app).or_default();
        *unseen = sent.max(*unseen);
        self.put(&label, &record)
    }

    fn put(&mut self, label: &Label, record: &Record) -> Result<(), Trouble> {
        let sealed = self.sealer.seal_record(label, record)?;
        table::put(&self.connection, label, &sealed)?;
        let mark = self.ledger.mark(&label.app, None, &sealed);
        self.ledger.add(mark);
        Ok(())
    }

    fn drop_damaged(&mut self, found: Found, app: &AppId) -> Result<(), Trouble> {
        let (id, reason) = match &found {
            Found::Stored(row) => match self.unsealed_row(row) {
                Ok(_) => return Ok(()),
                Err(error) => (row.id, error.to_string()),
            },
            Found::Odd { id, .. } => (*id, ODD.to_owned()),
        };
        tracing::warn!(app.id = %app, "the record of {app} is damaged and was set aside: {reason}");
        self.ledger.doubt();
        let now = self.clock.now().wall;
        Ok(table::set_aside(
            &self.connection,
            id,
            Some(app),
            now,
            &reason,
        )?)
    }

    fn unsealed(&self, found: &Found) -> Result<(Label, Record), SealError> {
        match found {
            Found::Stored(row) => Ok((row.label, self.unsealed_row(row)?)),
            Found::Odd { .. } => Err(SealError::Broken),
        }
    }

    pub(super) fn unsealed_row(&self, row: &Stored) -> Result<Record, SealError> {
        self.sealer.open_record(&row.label, &row.sealed)
    }

    pub(super) fn mark(&self, row: &Stored) -> u128 {
        self.ledger.mark(&row.label.app, row.forgotten, &row.sealed)
    }

    /// Every record has been shown, and with it any note.
    pub(super) fn all_shown(&mut self) {
        self.unseen.clear();
    }

    /// Moves what is in the journal into the file. Trouble here costs nothing: the journal stays, and the next try may do.
    pub(super) fn checkpoint(&self) {
        let done = self
            .connection
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        if let Err(error) = done {
            tracing::debug!(error = %error, "the store's journal could not be written back yet");
        }
    }
}

/// What is said of a row whose columns are not what they should be.
pub(super) const ODD: &str = "its columns are damaged";

pub(super) use open::open as open_store;
