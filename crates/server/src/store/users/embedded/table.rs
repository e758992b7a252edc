//! The tables, and every statement that touches them.
//!
//! Must not know: what is in a slot, threads, which write holds.

use rusqlite::{Connection, OptionalExtension, Row, params};
use wxtoken_core::clock::Wall;
use wxtoken_core::user::OnceKey;

use super::super::seal::{Name, Sealed};
use super::slots;

pub(super) type Sql<T> = rusqlite::Result<T>;

/// A user's record as it lies there.
pub(super) struct Stored {
    pub(super) until: Wall,
    pub(super) slot: i64,
    pub(super) sealed: Sealed,
}

/// Times beyond this are this.
pub(super) fn time(wall: Wall) -> i64 {
    i64::try_from(wall.0).unwrap_or(i64::MAX)
}

pub(super) fn meta(connection: &Connection, name: &str) -> Sql<Option<Vec<u8>>> {
    connection
        .prepare_cached("SELECT value FROM meta WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()
}

pub(super) fn set_meta(connection: &Connection, name: &str, value: &[u8]) -> Sql<()> {
    connection
        .prepare_cached("INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2")?
        .execute(params![name, value])?;
    Ok(())
}

pub(super) fn drop_meta(connection: &Connection, name: &str) -> Sql<()> {
    let mut delete = connection.prepare_cached("DELETE FROM meta WHERE name = ?1")?;
    delete.execute([name])?;
    Ok(())
}

const JOINED: &str =
    "SELECT name, version, until, slot, content FROM user LEFT JOIN slot ON slot.id = user.slot";

pub(super) fn find(connection: &Connection, name: &Name) -> Sql<Option<Stored>> {
    connection
        .prepare_cached(&format!("{JOINED} WHERE name = ?1"))?
        .query_row([name], stored)
        .optional()
}

/// The record under the first name, or else under the second: at one moment, so that one that changes its name is not missed.
pub(super) fn find_either(
    connection: &Connection,
    name: &Name,
    other: &Name,
) -> Sql<Option<Stored>> {
    connection
        .prepare_cached(&format!(
            "{JOINED} WHERE name IN (?1, ?2) ORDER BY name = ?1 DESC LIMIT 1"
        ))?
        .query_row([name, other], stored)
        .optional()
}

/// So many of those that come after a name, in the order of names.
pub(super) fn after(connection: &Connection, name: &[u8], count: i64) -> Sql<Vec<Stored>> {
    connection
        .prepare_cached(&format!("{JOINED} WHERE name > ?1 ORDER BY name LIMIT ?2"))?
        .query_map(params![name, count], stored)?
        .collect()
}

fn stored(row: &Row<'_>) -> Sql<Stored> {
    let content: Option<Vec<u8>> = row.get(4)?;
    let (name, version, until): (Vec<u8>, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
    Ok(Stored {
        until: Wall(until.max(0).cast_unsigned()),
        slot: row.get(3)?,
        sealed: Sealed {
            // One of another length is nobody's, as one of zeros.
            name: name.try_into().unwrap_or_default(),
            version: version.cast_unsigned(),
            bytes: content.and_then(slots::unpacked).unwrap_or_default(),
        },
    })
}

/// Keeps a record, in the place of `old` where there is one.
pub(super) fn put(
    connection: &Connection,
    sealed: &Sealed,
    until: Wall,
    old: Option<i64>,
) -> Sql<()> {
    let slot = slots::put(connection, &sealed.bytes, old)?;
    connection
        .prepare_cached(
            "INSERT INTO user (name, version, until, slot) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (name) DO UPDATE SET version = ?2, until = ?3, slot = ?4",
        )?
        .execute(params![
            sealed.name,
            sealed.version.cast_signed(),
            time(until),
            slot
        ])?;
    Ok(())
}

/// Takes a record away, and overwrites it.
pub(super) fn remove(connection: &Connection, name: &Name, slot: i64) -> Sql<()> {
    forget(connection, name)?;
    slots::clear(connection, slot)
}

/// Takes a record's name away; its slot is somebody else's from now on.
pub(super) fn forget(connection: &Connection, name: &Name) -> Sql<()> {
    let mut delete = connection.prepare_cached("DELETE FROM user WHERE name = ?1")?;
    delete.execute([name])?;
    Ok(())
}

/// Clears away so many records whose time is over, at most.
pub(super) fn purge(connection: &Connection, now: Wall, count: i64) -> Sql<usize> {
    let over: Vec<(Vec<u8>, i64)> = connection
        .prepare_cached("SELECT name, slot FROM user WHERE until <= ?1 ORDER BY until LIMIT ?2")?
        .query_map(params![time(now), count], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect::<Sql<_>>()?;
    let mut delete = connection.prepare_cached("DELETE FROM user WHERE name = ?1")?;
    for (name, slot) in &over {
        delete.execute([name])?;
        slots::clear(connection, *slot)?;
    }
    Ok(over.len())
}

/// Clears away so many notes whose time is over, at most.
pub(super) fn purge_notes(connection: &Connection, now: Wall, count: i64) -> Sql<usize> {
    connection
        .prepare_cached(
            "DELETE FROM note WHERE key IN (SELECT key FROM note WHERE until <= ?1 ORDER BY until LIMIT ?2)",
        )?
        .execute(params![time(now), count])
}

/// Leaves a note, unless one is there whose time is not over.
pub(super) fn put_note(
    connection: &Connection,
    key: &OnceKey,
    sealed: &[u8],
    (now, until): (Wall, Wall),
) -> Sql<bool> {
    let put = connection
        .prepare_cached(
            "INSERT INTO note (key, until, sealed) VALUES (?1, ?2, ?3)
             ON CONFLICT (key) DO UPDATE SET until = ?2, sealed = ?3 WHERE until <= ?4",
        )?
        .execute(params![key.0, time(until), sealed, time(now)])?;
    Ok(put == 1)
}

/// Takes a note away.
pub(super) fn take_note(connection: &Connection, key: &OnceKey, now: Wall) -> Sql<Option<Vec<u8>>> {
    let taken: Option<(i64, Vec<u8>)> = connection
        .prepare_cached("DELETE FROM note WHERE key = ?1 RETURNING until, sealed")?
        .query_row([key.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(taken
        .filter(|(until, _)| time(now) < *until)
        .map(|(_, sealed)| sealed))
}
