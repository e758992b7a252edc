//! Which tables there are, and whether a file has just those.
//!
//! Must not know: what is done with them.

use rusqlite::Connection;

use super::table::Sql;

/// Marks the file as ours: "wxtk".
pub(super) const APPLICATION: i64 = 0x7778_746b;
/// The newest layout of the tables. A later one comes with the step that leads to it.
pub(super) const SCHEMA: i64 = 1;
const TABLES: &str = "
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE record (
    id INTEGER PRIMARY KEY,
    app TEXT NOT NULL UNIQUE,
    epoch INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    token_generation INTEGER NOT NULL,
    jsapi_generation INTEGER NOT NULL,
    card_generation INTEGER NOT NULL,
    forgotten INTEGER,
    sealed BLOB NOT NULL
) STRICT;
CREATE TABLE damaged (id INTEGER PRIMARY KEY, app TEXT, at INTEGER NOT NULL, reason TEXT NOT NULL, sealed BLOB) STRICT;
";
pub(super) fn create(connection: &Connection) -> Sql<()> {
    connection.execute_batch(TABLES)?;
    connection.pragma_update(None, "application_id", APPLICATION)?;
    connection.pragma_update(None, "user_version", SCHEMA)
}

/// Whether there is not a single table.
pub(super) fn is_bare(connection: &Connection) -> Sql<bool> {
    connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| {
        row.get(0)
    })
}

/// Whether the tables are exactly those that [`create`] makes.
pub(super) fn are_ours(connection: &Connection) -> Sql<bool> {
    let fresh = Connection::open_in_memory()?;
    create(&fresh)?;
    Ok(definitions(connection)? == definitions(&fresh)?)
}

fn definitions(connection: &Connection) -> Sql<Vec<(String, String, Option<String>)>> {
    connection
        .prepare("SELECT type, name, sql FROM sqlite_schema ORDER BY name")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect()
}

/// Whether the tables have never held anything.
pub(super) fn is_unused(connection: &Connection) -> Sql<bool> {
    connection.query_row(
        "SELECT NOT EXISTS (SELECT 1 FROM meta) AND NOT EXISTS (SELECT 1 FROM record)",
        [],
        |row| row.get(0),
    )
}
