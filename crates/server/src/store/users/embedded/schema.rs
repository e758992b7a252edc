//! Which tables there are, and whether a file has just those.
//!
//! What is sealed lies in slots that never move: a page that SQLite rearranges keeps stale copies of what it moved, which
//! nobody overwrites when the original is deleted. Slots are appended, overwritten in place, and used again.
//! Must not know: what is done with them.

use rusqlite::Connection;

/// Marks the file as ours: "wxus".
const APPLICATION: i64 = 0x7778_7573;
/// The newest layout of the tables. A later one comes with the step that leads to it.
pub(super) const SCHEMA: i64 = 1;
const TABLES: &str = "
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE slot (id INTEGER PRIMARY KEY, content BLOB NOT NULL) STRICT;
CREATE TABLE free (size INTEGER NOT NULL, slot INTEGER NOT NULL, PRIMARY KEY (size, slot)) STRICT, WITHOUT ROWID;
CREATE TABLE user (
    name BLOB PRIMARY KEY,
    version INTEGER NOT NULL,
    until INTEGER NOT NULL,
    slot INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX user_until ON user (until);
CREATE TABLE note (key BLOB PRIMARY KEY, until INTEGER NOT NULL, sealed BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX note_until ON note (until);
";

/// What a file is.
pub(super) enum Sort {
    /// Nothing is in it.
    Bare,
    Ours,
    Newer(i64),
    Foreign,
}

pub(super) fn sort(connection: &Connection) -> rusqlite::Result<Sort> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    Ok(match (number("application_id")?, number("user_version")?) {
        (0, 0) if definitions(connection)?.is_empty() => Sort::Bare,
        (APPLICATION, SCHEMA) if are_ours(connection)? => Sort::Ours,
        (APPLICATION, found) if found > SCHEMA => Sort::Newer(found),
        _ => Sort::Foreign,
    })
}

pub(super) fn create(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(TABLES)?;
    connection.pragma_update(None, "application_id", APPLICATION)?;
    connection.pragma_update(None, "user_version", SCHEMA)
}

fn are_ours(connection: &Connection) -> rusqlite::Result<bool> {
    let fresh = Connection::open_in_memory()?;
    create(&fresh)?;
    Ok(definitions(connection)? == definitions(&fresh)?)
}

fn definitions(connection: &Connection) -> rusqlite::Result<Vec<(String, String, Option<String>)>> {
    connection
        .prepare("SELECT type, name, sql FROM sqlite_schema ORDER BY name")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect()
}
