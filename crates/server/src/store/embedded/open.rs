//! Opens the folder, the lock, the file and the tables, and checks the master key, before anything is changed.
//!
//! Must not know: what is written later, by whom.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use wxtoken_core::clock::Wall;
use wxtoken_core::store::Fence;

use super::super::keys::MasterKeys;
use super::super::sealed::Sealer;
use super::identity::{change_keys, found_store, identify, read_ledger};
use super::ledger::Ledger;
use super::lock::{self, Lock, NoLock};
use super::rebuild::end_change_over;
use super::schema;
use super::trouble::{OpenError, Trouble};
use crate::words::Sentence;

/// The database's file name.
pub(super) const FILE: &str = "wxtoken.db";

/// Everything the writer works with.
pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) sealer: Sealer,
    pub(super) ledger: Ledger,
    pub(super) fence: Fence,
    pub(super) path: PathBuf,
    pub(super) lock: Lock,
}

pub(super) fn open(folder: &Path, keys: MasterKeys, now: Wall) -> Result<Opened, OpenError> {
    prepare_folder(folder)?;
    let lock = lock::take(folder, now).map_err(|no| match no {
        NoLock::Held(holder) => OpenError::Held {
            folder: folder.into(),
            holder,
        },
        NoLock::Io(error) => unavailable(folder, &error),
    })?;
    let path = folder.join(FILE);
    end_change_over(&path).map_err(|error| unavailable(&path, &error))?;
    prepare_file(&path, folder)?;
    let connection = connect(&path)?;
    let trouble = |trouble: Trouble| trouble.at_open(&path);
    if schema::is_unused(&connection).map_err(|e| trouble(e.into()))? {
        found_store(&connection, &keys, now).map_err(trouble)?;
    }
    let (sealer, epoch) = identify(&connection, keys, folder, &path)?;
    let ledger = read_ledger(&connection, &sealer, now).map_err(trouble)?;
    let mut opened = Opened {
        fence: Fence {
            epoch,
            number: ledger.fence + 1,
        },
        connection,
        sealer,
        ledger,
        path: path.clone(),
        lock,
    };
    change_keys(&mut opened).map_err(trouble)?;
    Ok(opened)
}

fn prepare_folder(folder: &Path) -> Result<(), OpenError> {
    let failed = |error: io::Error| unavailable(folder, &error);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(failed)?;
    let found = fs::metadata(folder).map_err(failed)?;
    let mode = found.mode() & 0o7777;
    if found.uid() == rustix::process::geteuid().as_raw() {
        if mode & 0o077 != 0 {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).map_err(failed)?;
        }
    } else if mode & 0o002 != 0 {
        return Err(OpenError::FolderOpen {
            path: folder.into(),
            mode,
        });
    }
    Ok(())
}

/// The file is there, ours alone, before SQLite opens it; its journal takes owner and mode from it.
pub(in crate::store) fn prepare_file(path: &Path, folder: &Path) -> Result<(), OpenError> {
    let failed = |error: io::Error| unavailable(path, &error);
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match made {
        Ok(file) => {
            file.sync_all().map_err(failed)?;
            drop(file);
            File::open(folder)
                .and_then(|folder| folder.sync_all())
                .map_err(failed)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let found = fs::symlink_metadata(path).map_err(failed)?;
            if !found.is_file() {
                return Err(OpenError::NotAFile(path.into()));
            }
            if found.mode() & 0o077 != 0 {
                fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
            }
            Ok(())
        }
        Err(error) => Err(failed(error)),
    }
}

/// Opens the database, and makes its tables if it is empty.
pub(super) fn connect(path: &Path) -> Result<Connection, OpenError> {
    let trouble = |error: rusqlite::Error| Trouble::from(error).at_open(path);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(trouble)?;
    connection
        .busy_timeout(Duration::from_secs(1))
        .map_err(trouble)?;
    // Exclusive: no other process may look in, so the journal's index stays in memory and needs no file.
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    connection
        .pragma_update(None, "locking_mode", "EXCLUSIVE")
        .map_err(trouble)?;
    let ours = (
        number("application_id").map_err(trouble)?,
        number("user_version").map_err(trouble)?,
    );
    let empty = ours == (0, 0) && schema::is_bare(&connection).map_err(trouble)?;
    match ours {
        (0, 0) if empty => {} // new, or its making was cut short
        (schema::APPLICATION, schema::SCHEMA)
            if schema::are_ours(&connection).map_err(trouble)? => {}
        (schema::APPLICATION, schema::SCHEMA) => {
            return Err(OpenError::Corrupt {
                path: path.into(),
                reason: Sentence::new(
                    "各表的定义损坏了",
                    "the definitions of its tables are damaged",
                ),
            });
        }
        (schema::APPLICATION, found) if found > schema::SCHEMA => {
            return Err(OpenError::Newer {
                path: path.into(),
                found,
                known: schema::SCHEMA,
            });
        }
        _ => {
            return Err(OpenError::Corrupt {
                path: path.into(),
                reason: Sentence::new("它不是 wxtoken 的存储", "it is not a wxtoken store"),
            });
        }
    }
    settings(&connection).map_err(trouble)?;
    if empty {
        let transaction = connection.unchecked_transaction().map_err(trouble)?;
        schema::create(&transaction).map_err(trouble)?;
        transaction.commit().map_err(trouble)?;
    }
    Ok(connection)
}

fn settings(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update_and_check(None, "journal_size_limit", 16 << 20, |_| Ok(()))?;
    connection.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))?;
    connection.pragma_update(None, "cell_size_check", "ON")?;
    connection.pragma_update(None, "trusted_schema", "OFF")?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // KiB. The system keeps pages of the file anyway; a second copy of many of them here would cost more than it saves.
    connection.pragma_update(None, "cache_size", -512)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(())
}

fn unavailable(path: &Path, error: &io::Error) -> OpenError {
    OpenError::Unavailable {
        path: path.into(),
        reason: Sentence::of(error),
    }
}
