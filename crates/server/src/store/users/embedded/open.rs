//! Opens the file and checks whose it is. What it holds is not looked at, however much that is.
//!
//! A file that is damaged as a whole is put aside: credentials are not affected, and users are asked again.
//! Must not know: what is written later.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use wxtoken_core::clock::Wall;

use super::super::super::embedded::{OpenError, Trouble, prepare_file};
use super::super::super::keys::MasterKeys;
use super::super::super::sealed::{SealError, Sealer, StoreId};
use super::super::seal::UserSeal;
use super::aside;
use super::damage;
use super::schema::{self, Sort};
use super::table;
use crate::words::Sentence;

/// The database's file name.
pub(super) const FILE: &str = "users.db";
/// The check under the previous master key, as long as users may be sealed under that one.
pub(super) const PREVIOUS_CHECK: &str = "previous_key_check";
const KEY_CHECK: &str = "key_check";
const STORE: &str = "store";

/// Everything that is worked with.
pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) seal: Arc<UserSeal>,
    pub(super) path: PathBuf,
    /// Users may be sealed under the previous master key.
    pub(super) is_resealing: bool,
}

pub(super) fn open(folder: &Path, keys: &MasterKeys, now: Wall) -> Result<Opened, OpenError> {
    let path = folder.join(FILE);
    if damage::is_noted(&path) {
        if path.exists() {
            begin_anew(&path, now, "a page of it was, when it was last used")?;
        }
        damage::is_over(&path).map_err(|error| unavailable(&path, &error))?;
    }
    let opened = match attempt(folder, &path, keys) {
        Err(OpenError::Corrupt { reason, .. }) => {
            begin_anew(&path, now, &reason.en)?;
            attempt(folder, &path, keys)
        }
        opened => opened,
    }?;
    aside::remove_old(folder, now);
    Ok(opened)
}

fn begin_anew(path: &Path, now: Wall, reason: &str) -> Result<(), OpenError> {
    let aside = put_aside(path, now).map_err(|error| unavailable(path, &error))?;
    tracing::error!(
        "the users' file {} is damaged ({reason}) and was put aside as {}; a new one is begun: users are asked again when they \
         come, credentials are not affected. `wxtoken import` brings back the last export. The first start after 30 days removes \
         what was put aside",
        path.display(),
        aside.display()
    );
    Ok(())
}

fn attempt(folder: &Path, path: &Path, keys: &MasterKeys) -> Result<Opened, OpenError> {
    prepare_file(path, folder)?;
    let trouble = |error: rusqlite::Error| Trouble::from(error).at_open(path);
    let connection = connect(path).map_err(trouble)?;
    match schema::sort(&connection).map_err(trouble)? {
        Sort::Ours | Sort::Bare => {}
        Sort::Newer(found) => {
            return Err(OpenError::Newer {
                path: path.into(),
                found,
                known: schema::SCHEMA,
            });
        }
        Sort::Foreign => {
            return Err(corrupt(
                path,
                "它不是 wxtoken 的用户文件",
                "it is not wxtoken's file of users",
            ));
        }
    }
    settings(&connection).map_err(trouble)?;
    if matches!(schema::sort(&connection).map_err(trouble)?, Sort::Bare) {
        found_store(&connection, keys).map_err(|error| error.at_open(path))?;
    }
    let (seal, is_resealing) = identify(&connection, keys, path)?;
    // What was deleted when a process was killed may still lie in the journal.
    truncate(&connection).map_err(trouble)?;
    Ok(Opened {
        connection,
        seal: Arc::new(seal),
        path: path.into(),
        is_resealing,
    })
}

/// A connection to the file.
pub(super) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(1))?;
    connection.pragma_update(None, "trusted_schema", "OFF")?;
    connection.pragma_update(None, "cell_size_check", "ON")?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

/// A connection that only reads.
pub(super) fn connect_reader(path: &Path) -> rusqlite::Result<Connection> {
    let connection = connect(path)?;
    connection.pragma_update(None, "query_only", "ON")?;
    connection.pragma_update(None, "cache_size", -2048)?;
    Ok(connection)
}

fn settings(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update_and_check(None, "secure_delete", "ON", |_| Ok(()))?;
    connection.pragma_update_and_check(None, "journal_size_limit", 64 << 20, |_| Ok(()))?;
    connection.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))?;
    // KiB: names are spread over all pages of their index.
    connection.pragma_update(None, "cache_size", -8192)
}

/// Moves what is in the journal into the file, and empties it; whether that was possible.
pub(super) fn truncate(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
        Ok(row.get::<_, i64>(0)? == 0)
    })
}

/// The first moments: tables and an identity, at once.
fn found_store(connection: &Connection, keys: &MasterKeys) -> Result<(), Trouble> {
    let mut id: StoreId = [0; 16];
    aws_lc_rs::rand::fill(&mut id).map_err(|_| SealError::NoRandom)?;
    let transaction = connection.unchecked_transaction()?;
    schema::create(&transaction)?;
    table::set_meta(&transaction, STORE, &id)?;
    write_check(&transaction, &Sealer::new(keys.clone(), id))?;
    transaction.commit()?;
    Ok(())
}

/// Whose this is, and whether users are to be sealed anew: refuses a wrong master key, and to go on without the one that some
/// may still be under.
fn identify(
    connection: &Connection,
    keys: &MasterKeys,
    path: &Path,
) -> Result<(UserSeal, bool), OpenError> {
    let trouble = |error: Trouble| error.at_open(path);
    let damaged = || corrupt(path, "它的标识损坏了", "its identity is damaged");
    let meta = |name| table::meta(connection, name).map_err(|error| trouble(error.into()));
    let (Some(id), Some(check)) = (meta(STORE)?, meta(KEY_CHECK)?) else {
        return Err(damaged());
    };
    let seal = UserSeal::new(keys.clone(), id.try_into().map_err(|_| damaged())?);
    let opens = |check: &[u8]| match seal.sealer().open(KEY_CHECK.as_bytes(), b"", check) {
        Ok(_) => Ok(true),
        Err(SealError::OtherKey) => Ok(false),
        Err(_) => Err(damaged()),
    };
    if !opens(&check)? {
        return Err(OpenError::WrongKey(path.into()));
    }
    let before = meta(PREVIOUS_CHECK)?;
    if let Some(before) = &before
        && !opens(before)?
    {
        return Err(OpenError::PreviousKeyNeeded(path.into()));
    }
    let is_changed = seal.is_under_previous(&check);
    if is_changed {
        change_keys(connection, seal.sealer(), &check).map_err(trouble)?;
    }
    Ok((seal, is_changed || before.is_some()))
}

/// The check is sealed anew at once, the users by and by; until all are, the check that was says which key they may be under.
fn change_keys(connection: &Connection, sealer: &Sealer, before: &[u8]) -> Result<(), Trouble> {
    let transaction = connection.unchecked_transaction()?;
    write_check(&transaction, sealer)?;
    table::set_meta(&transaction, PREVIOUS_CHECK, before)?;
    Ok(transaction.commit()?)
}

fn write_check(connection: &Connection, sealer: &Sealer) -> Result<(), Trouble> {
    let check = sealer.seal(KEY_CHECK.as_bytes(), b"", b"wxtoken users")?;
    Ok(table::set_meta(connection, KEY_CHECK, &check)?)
}

fn put_aside(path: &Path, now: Wall) -> io::Result<PathBuf> {
    let named = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let aside = named(&format!(".damaged-{}", now.0));
    fs::rename(path, &aside)?;
    // A journal belongs to its file.
    for part in ["-wal", "-shm"] {
        match fs::rename(named(part), named(&format!(".damaged-{}{part}", now.0))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(aside)
}

fn corrupt(path: &Path, zh: &str, en: &str) -> OpenError {
    OpenError::Corrupt {
        path: path.into(),
        reason: Sentence::new(zh, en),
    }
}

fn unavailable(path: &Path, error: &io::Error) -> OpenError {
    OpenError::Unavailable {
        path: path.into(),
        reason: Sentence::of(error),
    }
}
