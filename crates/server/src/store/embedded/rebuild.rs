//! Replaces a database file that is broken in places by a new one with everything that can still be read.
//!
//! The broken file is kept beside it, under another name. Must not know: what is in a sealed row.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::open::{connect, copy_meta};
use super::table::{self, Found};
use super::writer::Writer;

const BLIND: i64 = 100_000;

impl Writer {
    /// Makes the new file beside the old one, then changes them over.
    pub(super) fn rebuild(&mut self) -> Result<(), String> {
        let fresh = beside(&self.path, ".rebuilt");
        remove_database(&fresh).map_err(|error| error.to_string())?;
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&fresh)
            .map_err(|error| error.to_string())?;
        let target = connect(&fresh).map_err(|error| error.to_string())?;
        self.copy_rows(&target).map_err(|error| error.to_string())?;
        target.close().map_err(|(_, error)| error.to_string())?;
        self.change_over(&fresh)
            .map_err(|error| error.to_string())?;
        self.connection = connect(&self.path).map_err(|error| error.to_string())?;
        Ok(())
    }

    fn copy_rows(&mut self, target: &Connection) -> Result<(), super::trouble::Trouble> {
        let transaction = target.unchecked_transaction()?;
        copy_meta(&self.connection, &transaction)?;
        let mut sum = 0u128;
        let far = table::last(&self.connection).unwrap_or(BLIND);
        for id in 1..=far {
            let Ok(Some(Found::Stored(row))) = table::at(&self.connection, id) else {
                continue;
            };
            if self.unsealed_row(&row).is_ok() {
                table::put(&transaction, &row.label, &row.sealed)?;
                sum = sum.wrapping_add(self.ledger.mark(&row.label.app, None, &row.sealed));
            }
        }
        self.ledger.believe(sum);
        super::open::write_ledger(&transaction, &self.sealer, &self.ledger)?;
        Ok(transaction.commit()?)
    }

    fn change_over(&mut self, fresh: &Path) -> io::Result<()> {
        let nowhere = Connection::open_in_memory().map_err(io::Error::other)?;
        let old = std::mem::replace(&mut self.connection, nowhere);
        // Closing writes its journal back as far as it can; what is lost by that is broken anyway.
        drop(old);
        let at = self.clock.now().wall.0;
        let kept = beside(&self.path, &format!(".damaged-{at}"));
        for journal in ["-wal", "-shm"] {
            let from = beside(&self.path, journal);
            if from.exists() {
                fs::rename(from, beside(&kept, journal))?;
            }
        }
        fs::rename(&self.path, &kept)?;
        fs::rename(fresh, &self.path)?;
        let folder = self.path.parent().unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()?;
        tracing::warn!(
            "the database file was damaged; it is kept as {} and was replaced by what could be saved",
            kept.display()
        );
        Ok(())
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
