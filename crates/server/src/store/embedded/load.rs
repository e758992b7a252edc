//! Reads everything at start: unseals, sets aside what is damaged, compares with the ledger, purges what was forgotten.
//!
//! Must not know: who takes the records.

use std::collections::HashSet;

use foldhash::fast::RandomState;
use rusqlite::Connection;
use wxtoken_core::app::AppId;
use wxtoken_core::store::{Loaded, StoreError};
use zeroize::Zeroizing;

use super::table::{self, Found, Stored};
use super::trouble::{Trouble, is_corrupt};
use super::writer::{ODD, Writer};

/// A removed app's record is kept this long, milliseconds (design section 7).
const KEPT: u64 = 24 * 3600 * 1000;
/// Records handed over at a time.
const CHUNK: usize = 256;
/// Row numbers tried one by one beyond the last that could be read, when the file does not say how far they go.
const BLIND: i64 = 100_000;
const EXCHANGED: &str = "records were put back to an older state, exchanged or removed by something other than wxtoken; what is \
     there now is used. Was the database file edited, or restored in part?";

const LOST: &str = "parts of the database file cannot be read; what could be saved is used";

/// What a walk over all rows found.
#[derive(Default)]
struct Walk {
    chunk: Vec<Loaded>,
    sum: u128,
    damaged: Vec<(i64, Option<AppId>, String)>,
    expired: Vec<Stored>,
    names: u64,
    seen: HashSet<AppId, RandomState>,
    room: Zeroizing<Vec<u8>>,
    twice: bool,
    stopped: bool,
}

impl Writer {
    /// Hands everything to `each` in portions, until that says stop.
    pub(super) fn load(
        &mut self,
        each: &mut dyn FnMut(Vec<Loaded>) -> bool,
    ) -> Result<(), StoreError> {
        let mut walk = Walk::default();
        let broken = self
            .walk(&mut walk, each)
            .map_err(Trouble::into_store_error)?;
        if walk.stopped {
            return Ok(());
        }
        if !self.ledger.fits(walk.sum) && (broken || walk.damaged.is_empty()) {
            let reason = if broken { LOST } else { EXCHANGED }.to_owned();
            walk.chunk.push(Loaded::Damaged { app: None, reason });
            walk.expired.clear();
        }
        self.tidy(&mut walk, broken);
        each(walk.chunk);
        Ok(())
    }

    /// Walks over all rows. True if the file is broken somewhere.
    fn walk(
        &mut self,
        walk: &mut Walk,
        each: &mut dyn FnMut(Vec<Loaded>) -> bool,
    ) -> Result<bool, Trouble> {
        let mut take = |found| self.take(found, walk, each);
        let broken = every_readable(&self.connection, &mut take)?;
        if walk.stopped {
            return Ok(false);
        }
        self.all_shown();
        Ok(broken || walk.twice || table::names(&self.connection).ok() != Some(walk.names))
    }

    fn take(
        &self,
        found: Found,
        walk: &mut Walk,
        each: &mut dyn FnMut(Vec<Loaded>) -> bool,
    ) -> bool {
        let (id, app, opened) = match found {
            Found::Stored(row) => {
                let opened = self
                    .sealer
                    .open_record_in(&mut walk.room, &row.label, &row.sealed)
                    .map_err(|error| error.to_string());
                if opened.is_ok() {
                    walk.sum = walk.sum.wrapping_add(self.mark(&row));
                }
                let (id, app) = (row.id, Some(row.label.app));
                if opened.is_ok() && self.is_expired(&row) {
                    walk.expired.push(row);
                }
                (id, app, opened)
            }
            Found::Odd { id, app } => (id, app, Err(ODD.to_owned())),
        };
        if let Some(app) = &app {
            walk.names = walk.names.wrapping_add(table::name(id, app.as_str()));
        }
        walk.chunk.push(match (opened, app) {
            (Ok(record), Some(app)) if walk.seen.insert(app) => {
                Loaded::Record(app, Box::new(record))
            }
            (Ok(_), Some(_)) => {
                walk.twice = true; // a broken page may show a row a second time
                return true;
            }
            (Ok(_), None) => return true,
            (Err(reason), app) => {
                walk.damaged.push((id, app, reason.clone()));
                Loaded::Damaged { app, reason }
            }
        });
        if walk.chunk.len() >= CHUNK {
            walk.stopped = !each(std::mem::replace(
                &mut walk.chunk,
                Vec::with_capacity(CHUNK),
            ));
        }
        !walk.stopped
    }

    fn is_expired(&self, row: &Stored) -> bool {
        let now = self.clock.now().wall;
        row.forgotten
            .is_some_and(|at| at.cast_unsigned().saturating_add(KEPT) < now.0)
    }

    /// Sets aside, purges, and believes the rest from here on. Trouble is told, and the next start tries again.
    fn tidy(&mut self, walk: &mut Walk, broken: bool) {
        let now = self.clock.now().wall;
        let done = self.transact(|writer| {
            for (id, app, reason) in &walk.damaged {
                table::set_aside(&writer.connection, *id, app.as_ref(), now, reason)?;
            }
            for row in &walk.expired {
                table::remove(&writer.connection, row.id)?;
                walk.sum = walk.sum.wrapping_sub(writer.mark(row));
            }
            writer.ledger.believe(walk.sum);
            Ok(())
        });
        if let Err(trouble) = done {
            tracing::warn!(
                "damaged records could not be set aside: {}",
                trouble.plain()
            );
        }
        if broken && let Err(reason) = self.rebuild() {
            tracing::error!("the damaged database file could not be replaced: {reason}");
        }
    }
}

/// Hands every row that can be read to `each`, until that says stop. True if some could not be.
///
/// Where SQLite gives up on a broken page, the rows behind it are asked for one by one.
pub(super) fn every_readable(
    connection: &Connection,
    each: &mut dyn FnMut(Found) -> bool,
) -> Result<bool, Trouble> {
    let (mut last, mut more) = (0, true);
    let scanned = table::scan(connection, 0, |found| {
        last = found.id().max(last);
        more = each(found);
        more
    });
    match scanned {
        Ok(()) => return Ok(false),
        Err(error) if is_corrupt(&error) => {}
        Err(error) => return Err(error.into()),
    }
    let far = table::last(connection).unwrap_or(last + BLIND);
    let mut ids = last + 1..=far;
    while more && let Some(id) = ids.next() {
        if let Ok(Some(found)) = table::at(connection, id) {
            more = each(found);
        }
    }
    Ok(true)
}
