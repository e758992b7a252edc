//! Replaces a database file that is broken in places by a new one with everything that can still be read.
//!
//! The broken file is kept beside it, under another name. Must not know: what is in a sealed row.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use foldhash::fast::RandomState;
use rusqlite::Connection;
use wxtoken_core::app::AppId;

use super::identity::{write_identity, write_ledger};
use super::ledger::Ledger;
use super::load::every_readable;
use super::open::connect;
use super::table::{self, Found};
use super::trouble::{Trouble, is_corrupt};
use super::writer::Writer;

/// Rebuilds in one process's life; a disk that damages more needs a person.
const MOST: u8 = 3;

/// A new file that is whole and waits to take the broken one's place. Until it has, there is no file open to work with.
pub(super) struct Successor {
    /// The name that the broken file gets.
    kept: PathBuf,
    /// What the new file holds.
    ledger: Ledger,
}

impl Writer {
    /// Does `work`; if the file turns out to be broken, replaces it and does the work again. A replacement that the system
    /// did not let come to its end before is ended first.
    pub(super) fn mending<T>(
        &mut self,
        mut work: impl FnMut(&mut Self) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        self.succeed()?;
        match work(self) {
            Err(Trouble::Database(error)) if is_corrupt(&error) && self.rebuilt < MOST => {
                if let Err(reason) = self.rebuild() {
                    tracing::error!("the damaged database file could not be replaced: {reason}");
                    return Err(error.into());
                }
                work(self)
            }
            other => other,
        }
    }

    /// Makes the new file beside the old one, then changes them over. Only a new file counts: where there is no room for one
    /// now, there may be later.
    pub(super) fn rebuild(&mut self) -> Result<(), String> {
        let fresh = beside(&self.path, ".rebuilt");
        let ledger = self.make(&fresh).inspect_err(|_| {
            // Half a file is of no use, and may have taken the last room there was.
            let _ = remove_database(&fresh);
        })?;
        let nowhere = Connection::open_in_memory().map_err(|error| error.to_string())?;
        self.rebuilt += 1;
        let at = self.clock.now().wall.0;
        let kept = beside(&self.path, &format!(".damaged-{at}-{}", self.rebuilt));
        self.successor = Some(Successor { kept, ledger });
        // Closing writes its journal back as far as it can; what is lost by that is broken anyway.
        drop(std::mem::replace(&mut self.connection, nowhere));
        self.succeed().map_err(|trouble| trouble.plain())
    }

    fn make(&self, fresh: &Path) -> Result<Ledger, String> {
        remove_database(fresh).map_err(|error| error.to_string())?;
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(fresh)
            .map_err(|error| error.to_string())?;
        let target = connect(fresh).map_err(|error| error.to_string())?;
        let ledger = self.copy_rows(&target).map_err(|trouble| trouble.plain())?;
        target.close().map_err(|(_, error)| error.to_string())?;
        Ok(ledger)
    }

    /// Puts the new file in its place, if there is one that is not there yet. What fails is tried again at the next work:
    /// each step is taken once, however often this is begun.
    pub(super) fn succeed(&mut self) -> Result<(), Trouble> {
        let Some(successor) = &self.successor else {
            return Ok(());
        };
        change_over(&self.path, &successor.kept).map_err(Trouble::Unreplaced)?;
        let opened =
            connect(&self.path).map_err(|error| Trouble::Unreplaced(io::Error::other(error)))?;
        tracing::warn!(
            "the database file was damaged; it is kept as {} and was replaced by what could be saved",
            successor.kept.display()
        );
        self.connection = opened;
        if let Some(successor) = self.successor.take() {
            self.ledger = successor.ledger;
        }
        Ok(())
    }

    /// Everything that can be read and holds its seal, and the store's identity from memory.
    fn copy_rows(&self, target: &Connection) -> Result<Ledger, Trouble> {
        let transaction = target.unchecked_transaction()?;
        write_identity(&transaction, &self.sealer, self.fence.epoch)?;
        let (mut ledger, mut sum) = (self.ledger.clone(), 0u128);
        let mut copied: HashSet<AppId, RandomState> = HashSet::default();
        let mut failed = Ok(());
        let mut copy = |found| {
            if let Found::Stored(row) = found
                && self.unsealed_row(&row).is_ok()
                && copied.insert(row.label.app)
            // a broken page may show a row a second time
            {
                failed = table::put_back(&transaction, &row);
                sum = sum.wrapping_add(self.mark(&row));
            }
            failed.is_ok()
        };
        every_readable(&self.connection, &mut copy)?;
        failed?;
        ledger.believe(sum);
        write_ledger(&transaction, &self.sealer, &ledger)?;
        transaction.commit()?;
        Ok(ledger)
    }
}

/// Gives the broken file another name and the new one its own. Nothing is left to be done once there is no new one.
fn change_over(path: &Path, kept: &Path) -> io::Result<()> {
    let fresh = beside(path, ".rebuilt");
    if !fresh.try_exists()? {
        return Ok(());
    }
    for journal in ["-wal", "-shm"] {
        rename_if_there(&beside(path, journal), &beside(kept, journal))?;
    }
    // A second name before the first is taken away: a start at any moment must find a database.
    if fs::hard_link(path, kept).is_err() {
        rename_if_there(path, kept)?;
    }
    fs::rename(&fresh, path)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// A file whose replacement was cut short where the broken one had gone and the new one had not come: it comes now.
pub(super) fn end_change_over(path: &Path) -> io::Result<()> {
    let fresh = beside(path, ".rebuilt");
    if path.try_exists()? || !fresh.try_exists()? {
        return Ok(());
    }
    fs::rename(fresh, path)
}

fn rename_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn remove_database(path: &Path) -> io::Result<()> {
    for name in [path.to_owned(), beside(path, "-wal"), beside(path, "-shm")] {
        match fs::remove_file(name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
