//! The tables, and every statement that touches them.
//!
//! Must not know: what is in a sealed row, threads, which write holds.

use std::hash::{DefaultHasher, Hash, Hasher};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, params};
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Wall;
use wxtoken_core::store::Fence;

use super::super::sealed::Label;

/// Damaged rows kept for people to look at.
const DAMAGED_KEPT: i64 = 1000;

const COLUMNS: &str =
    "id, app, epoch, fence, token_generation, jsapi_generation, card_generation, forgotten, sealed";

/// A row whose columns are what they should be; whether its seal holds is another question.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) id: i64,
    pub(super) label: Label,
    /// When its app was removed from the configuration.
    pub(super) forgotten: Option<i64>,
    pub(super) sealed: Vec<u8>,
}

/// A row as it was found.
pub(super) enum Found {
    Stored(Stored),
    /// Some column holds what it cannot.
    Odd {
        id: i64,
        app: Option<AppId>,
    },
}

impl Found {
    pub(super) fn id(&self) -> i64 {
        match self {
            Self::Stored(row) => row.id,
            Self::Odd { id, .. } => *id,
        }
    }

    /// Whose it says it is.
    pub(super) fn app(&self) -> Option<AppId> {
        match self {
            Self::Stored(row) => Some(row.label.app),
            Self::Odd { app, .. } => *app,
        }
    }
}

pub(super) type Sql<T> = rusqlite::Result<T>;

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

pub(super) fn find(connection: &Connection, app: &AppId) -> Sql<Option<Found>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM record WHERE app = ?1"))?
        .query_row([app.as_str()], |row| Ok(found(row)))
        .optional()
}

/// Writes a row; the app is remembered again if it was forgotten.
pub(super) fn put(connection: &Connection, label: &Label, sealed: &[u8]) -> Sql<()> {
    let [token, jsapi, card] = label.generations.map(u64::cast_signed);
    connection
        .prepare_cached(
            "INSERT INTO record (app, epoch, fence, token_generation, jsapi_generation, card_generation, sealed)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (app) DO UPDATE SET epoch = ?2, fence = ?3, token_generation = ?4, jsapi_generation = ?5,
             card_generation = ?6, sealed = ?7, forgotten = NULL",
        )?
        .execute(params![
            label.app.as_str(),
            label.fence.epoch.cast_signed(),
            label.fence.number.cast_signed(),
            token,
            jsapi,
            card,
            sealed
        ])?;
    Ok(())
}

/// Every row after `after`, in the order of their numbers, until `each` says stop.
pub(super) fn scan(
    connection: &Connection,
    after: i64,
    mut each: impl FnMut(Found) -> bool,
) -> Sql<()> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM record WHERE id > ?1 ORDER BY id"
    ))?;
    let mut rows = statement.query([after])?;
    while let Some(row) = rows.next()? {
        if !each(found(row)) {
            break;
        }
    }
    Ok(())
}

/// One row by its number.
pub(super) fn at(connection: &Connection, id: i64) -> Sql<Option<Found>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM record WHERE id = ?1"))?
        .query_row([id], |row| Ok(found(row)))
        .optional()
}

/// The sum of [`name`] over the index of apps: if the rows give another, index and rows do not fit together.
pub(super) fn names(connection: &Connection) -> Sql<u64> {
    let mut statement = connection.prepare_cached("SELECT id, app FROM record ORDER BY app")?;
    let mut rows = statement.query([])?;
    let mut sum = 0u64;
    while let Some(row) = rows.next()? {
        if let (Some(id), ValueRef::Text(app)) = (integer(row, 0), row.get_ref(1)?) {
            sum = sum.wrapping_add(name(id, &String::from_utf8_lossy(app)));
        }
    }
    Ok(sum)
}

/// What one row adds to that sum. Against accidents, not against anyone.
pub(super) fn name(id: i64, app: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (id, app).hash(&mut hasher);
    hasher.finish()
}

/// The numbers of all rows that the index of apps knows, as far as it can be read, and whether that is to its end.
pub(super) fn indexed(connection: &Connection) -> (Vec<i64>, bool) {
    let mut ids = Vec::new();
    let mut read = || -> Sql<()> {
        let mut statement = connection.prepare("SELECT id FROM record ORDER BY app")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            ids.extend(integer(row, 0));
        }
        Ok(())
    };
    let whole = read().is_ok();
    (ids, whole)
}

/// The newest fence number any row was written under.
pub(super) fn newest_fence(connection: &Connection) -> Sql<i64> {
    connection.query_row("SELECT coalesce(max(fence), 0) FROM record", [], |row| {
        row.get(0)
    })
}

/// Moves a damaged row out of the way, where a person can still look at it.
pub(super) fn set_aside(
    connection: &Connection,
    id: i64,
    app: Option<&AppId>,
    at: Wall,
    reason: &str,
) -> Sql<()> {
    connection
        .prepare_cached(
            "INSERT INTO damaged (app, at, reason, sealed)
             SELECT ?2, ?3, ?4, CASE typeof(sealed) WHEN 'blob' THEN sealed END FROM record WHERE id = ?1",
        )?
        .execute(params![
            id,
            app.map(AppId::as_str),
            at.0.cast_signed(),
            reason
        ])?;
    remove(connection, id)?;
    connection
        .prepare_cached("DELETE FROM damaged WHERE id <= (SELECT max(id) FROM damaged) - ?1")?
        .execute([DAMAGED_KEPT])?;
    Ok(())
}

pub(super) fn remove(connection: &Connection, id: i64) -> Sql<()> {
    connection
        .prepare_cached("DELETE FROM record WHERE id = ?1")?
        .execute([id])?;
    Ok(())
}

/// A row of another file, as it was.
pub(super) fn put_back(connection: &Connection, row: &Stored) -> Sql<()> {
    put(connection, &row.label, &row.sealed)?;
    forget(connection, connection.last_insert_rowid(), row.forgotten)
}

/// Since when the row's app is configured no more, if it is not.
pub(super) fn forget(connection: &Connection, id: i64, at: Option<i64>) -> Sql<()> {
    connection
        .prepare_cached("UPDATE record SET forgotten = ?2 WHERE id = ?1")?
        .execute(params![id, at])?;
    Ok(())
}

/// The same row under another key.
pub(super) fn reseal(connection: &Connection, id: i64, sealed: &[u8]) -> Sql<()> {
    connection
        .prepare_cached("UPDATE record SET sealed = ?2 WHERE id = ?1")?
        .execute(params![id, sealed])?;
    Ok(())
}

fn found(row: &Row<'_>) -> Found {
    let id = integer(row, 0).unwrap_or(-1);
    let app = match row.get_ref(1) {
        Ok(ValueRef::Text(text)) => std::str::from_utf8(text)
            .ok()
            .and_then(|text| text.parse().ok()),
        _ => None,
    };
    stored(row, id, app).map_or(Found::Odd { id, app }, Found::Stored)
}

fn stored(row: &Row<'_>, id: i64, app: Option<AppId>) -> Option<Stored> {
    let number = |column| integer(row, column).map(i64::cast_unsigned);
    let ValueRef::Blob(sealed) = row.get_ref(8).ok()? else {
        return None;
    };
    let forgotten = match row.get_ref(7).ok()? {
        ValueRef::Null => None,
        ValueRef::Integer(at) => Some(at),
        ValueRef::Real(_) | ValueRef::Text(_) | ValueRef::Blob(_) => return None,
    };
    Some(Stored {
        id,
        label: Label {
            app: app?,
            fence: Fence {
                epoch: number(2)?,
                number: number(3)?,
            },
            generations: [number(4)?, number(5)?, number(6)?],
        },
        forgotten,
        sealed: sealed.to_vec(),
    })
}

fn integer(row: &Row<'_>, column: usize) -> Option<i64> {
    match row.get_ref(column) {
        Ok(ValueRef::Integer(number)) => Some(number),
        _ => None,
    }
}
