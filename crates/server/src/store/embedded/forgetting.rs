//! What becomes of the record of an app that is configured no more: a mark with the time, and once its day is over, nothing.
//!
//! Must not know: which apps are configured. Purging waits for someone who does to say so again, for a record whose mark is old
//! may be that of an app that has come back.

use wxtoken_core::app::AppId;

use super::table::{self, Found, Stored};
use super::trouble::Trouble;
use super::writer::Writer;

/// A removed app's record is kept this long, milliseconds (design section 7).
const KEPT: u64 = 24 * 3600 * 1000;

impl Writer {
    /// Marks a record; drops it where that was done a day ago.
    pub(super) fn forget(&mut self, app: &AppId) -> Result<(), Trouble> {
        let Some(row) = self.held(app)? else {
            return Ok(());
        };
        let now = self.clock.now().wall.0;
        match row.forgotten.map(i64::cast_unsigned) {
            None => self.mark_as_forgotten(row, Some(now.cast_signed())),
            Some(since) if self.marks_hold && since.saturating_add(KEPT) < now => {
                let mark = self.mark(&row);
                self.ledger.take(mark);
                Ok(table::remove(&self.connection, row.id)?)
            }
            Some(_) => Ok(()), // its time runs from when that was first seen
        }
    }

    /// Takes the mark away.
    pub(super) fn remember(&mut self, app: &AppId) -> Result<(), Trouble> {
        match self.held(app)? {
            Some(row) if row.forgotten.is_some() => self.mark_as_forgotten(row, None),
            Some(_) | None => Ok(()),
        }
    }

    fn held(&self, app: &AppId) -> Result<Option<Stored>, Trouble> {
        Ok(match table::find(&self.connection, app)? {
            Some(Found::Stored(row)) => Some(row),
            Some(Found::Odd { .. }) | None => None,
        })
    }

    fn mark_as_forgotten(&mut self, mut row: Stored, at: Option<i64>) -> Result<(), Trouble> {
        let mark = self.mark(&row);
        self.ledger.take(mark);
        row.forgotten = at;
        let mark = self.mark(&row);
        self.ledger.add(mark);
        Ok(table::forget(&self.connection, row.id, at)?)
    }
}
