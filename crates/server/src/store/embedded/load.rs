//! Reads everything at start: unseals, sets aside what is damaged, compares with the ledger, notes what was forgotten.
//!
//! Must not know: who takes the records, which of them belong to a configured app.

use std::collections::HashSet;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Builder, ScopedJoinHandle};

use foldhash::fast::RandomState;
use rusqlite::{Connection, MAIN_DB};
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Wall;
use wxtoken_core::store::{Loaded, Record, StoreError};
use zeroize::Zeroizing;

use super::super::sealed::Sealer;
use super::ledger::Ledger;
use super::table::{self, Found, Stored};
use super::trouble::{Trouble, is_corrupt};
use super::writer::{ODD, Writer};

/// Records handed over at a time.
const CHUNK: usize = 256;
/// Row numbers that may lie between two that are known; and that are tried beyond the last where the index is broken.
const BLIND: i64 = 100_000;
/// Portions of rows read ahead of unsealing.
const PORTIONS: usize = 4;
const EXCHANGED: &str = "records were put back to an older state, exchanged or removed by something other than wxtoken; what is \
     there now is used. Was the database file edited, or restored in part?";

const LOST: &str = "parts of the database file cannot be read; what could be saved is used";

/// Takes a portion; false to stop.
type Each<'a> = dyn FnMut(Vec<Loaded>) -> bool + Send + 'a;

/// What a walk over all rows found.
#[derive(Default)]
struct Walk {
    chunk: Vec<Loaded>,
    sum: u128,
    damaged: Vec<(i64, Option<AppId>, String)>,
    forgotten: Vec<AppId>,
    names: u64,
    seen: HashSet<AppId, RandomState>,
    room: Zeroizing<Vec<u8>>,
    twice: bool,
    stopped: bool,
}

impl Writer {
    /// Hands everything to `each` in portions, until that says stop.
    pub(super) fn load(&mut self, each: &mut Each<'_>) -> Result<(), StoreError> {
        self.succeed().map_err(Trouble::into_store_error)?;
        let now = self.clock.now().wall;
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
        } else {
            self.marks_hold = true;
        }
        self.forgotten = std::mem::take(&mut walk.forgotten);
        self.tidy(&mut walk, broken, now);
        each(walk.chunk);
        Ok(())
    }

    /// Walks over all rows, reading here and unsealing beside it. True if the file is broken somewhere.
    fn walk(&mut self, walk: &mut Walk, each: &mut Each<'_>) -> Result<bool, Trouble> {
        let opener = Opener {
            sealer: &self.sealer,
            ledger: &self.ledger,
        };
        let connection = &self.connection;
        let read = std::thread::scope(|scope| {
            let (portions, inbox) = sync_channel::<Vec<Found>>(PORTIONS);
            let beside = Builder::new().name("store-unseal".into());
            let unsealing = beside.spawn_scoped(scope, || {
                let mut rows = inbox.into_iter().flatten();
                while rows
                    .next()
                    .is_some_and(|found| walk.take(found, &opener, each))
                {}
                // Whoever waits for the last records need not wait for what is looked at after them.
                walk.hand_over(each);
            });
            let read = read_portions(connection, &portions);
            drop(portions);
            match unsealing.map(ScopedJoinHandle::join) {
                Ok(Ok(())) => read,
                Ok(Err(_)) | Err(_) => Err(Trouble::NoThread),
            }
        });
        let broken = read?;
        if walk.stopped {
            return Ok(false);
        }
        self.all_shown();
        // The disk takes writes, or there would be no lock: a file that takes none has that from a damaged header.
        let closed = self.connection.is_readonly(MAIN_DB) != Ok(false);
        let indexed = table::names(&self.connection).ok() == Some(walk.names);
        Ok(broken || walk.twice || closed || !indexed)
    }

    /// Sets aside, and believes the rest from here on. Trouble is told, and the next start tries again.
    fn tidy(&mut self, walk: &mut Walk, broken: bool, now: Wall) {
        let done = self.transact(|writer| {
            for (id, app, reason) in &walk.damaged {
                table::set_aside(&writer.connection, *id, app.as_ref(), now, reason)?;
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

/// What it takes to look into a row.
struct Opener<'a> {
    sealer: &'a Sealer,
    ledger: &'a Ledger,
}

impl Walk {
    /// Looks into one row and notes what is to be said of it; false when nobody listens any more.
    fn take(&mut self, found: Found, opener: &Opener<'_>, each: &mut Each<'_>) -> bool {
        let (id, app) = (found.id(), found.app());
        if let Some(app) = &app {
            self.names = self.names.wrapping_add(table::name(id, app.as_str()));
        }
        let opened = match found {
            Found::Stored(row) => self.open(row, opener),
            Found::Odd { .. } => Err(ODD.to_owned()),
        };
        self.chunk.push(match (opened, app) {
            (Ok(Some(record)), Some(app)) => Loaded::Record(app, record),
            (Ok(_), _) => {
                self.twice = true; // a broken page may show a row a second time
                return true;
            }
            (Err(reason), app) => {
                self.damaged.push((id, app, reason.clone()));
                Loaded::Damaged { app, reason }
            }
        });
        if self.chunk.len() >= CHUNK {
            self.hand_over(each);
        }
        !self.stopped
    }

    fn hand_over(&mut self, each: &mut Each<'_>) {
        let full = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK));
        self.stopped = self.stopped || !each(full);
    }

    /// Nothing where the app's record has been seen already.
    fn open(&mut self, row: Stored, opener: &Opener<'_>) -> Result<Option<Box<Record>>, String> {
        let record = opener
            .sealer
            .open_record_in(&mut self.room, &row.label, &row.sealed)
            .map_err(|error| error.to_string())?;
        if !self.seen.insert(row.label.app) {
            return Ok(None);
        }
        let mark = opener
            .ledger
            .mark(&row.label.app, row.forgotten, &row.sealed);
        self.sum = self.sum.wrapping_add(mark);
        if row.forgotten.is_some() {
            self.forgotten.push(row.label.app);
        }
        Ok(Some(Box::new(record)))
    }
}

/// Reads every row in portions, for as long as they are taken. True if some could not be read.
fn read_portions(
    connection: &Connection,
    portions: &SyncSender<Vec<Found>>,
) -> Result<bool, Trouble> {
    let mut portion = Vec::with_capacity(CHUNK);
    let broken = every_readable(connection, &mut |found| {
        portion.push(found);
        if portion.len() < CHUNK {
            return true;
        }
        let full = std::mem::replace(&mut portion, Vec::with_capacity(CHUNK));
        portions.send(full).is_ok()
    })?;
    // If nobody takes it, nobody wants to know.
    let _ = portions.send(portion);
    Ok(broken)
}

/// Hands every row that can be read to `each`, until that says stop. True if some could not be.
///
/// Where SQLite gives up on a broken page, all that has not been met is asked for one by one: up to the last number that was
/// met or that the index of apps knows, and some way on if that is broken too. A number may be damaged itself: one that is
/// far from all others does not say how far they go.
pub(super) fn every_readable(
    connection: &Connection,
    each: &mut dyn FnMut(Found) -> bool,
) -> Result<bool, Trouble> {
    let (mut met, mut more) = (Vec::new(), true);
    let scanned = table::scan(connection, 0, |found| {
        met.push(found.id());
        more = each(found);
        more
    });
    match scanned {
        Ok(()) => return Ok(false),
        Err(error) if is_corrupt(&error) => {}
        Err(error) => return Err(error.into()),
    }
    let (indexed, whole) = table::indexed(connection);
    met.sort_unstable();
    let mut known = [met.as_slice(), &indexed].concat();
    known.sort_unstable();
    let last = known.iter().fold(0, |last, id| {
        let astray = id.saturating_sub(last) > BLIND;
        if astray { last } else { last.max(*id) }
    });
    let near = 1..=last + if whole { 0 } else { BLIND };
    let beyond = indexed.iter().copied().filter(|id| !near.contains(id));
    let mut ids = near
        .clone()
        .chain(beyond)
        .filter(|id| met.binary_search(id).is_err());
    while more && let Some(id) = ids.next() {
        if let Ok(Some(found)) = table::at(connection, id) {
            more = each(found);
        }
    }
    Ok(true)
}
