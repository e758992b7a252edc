//! Slots: places of a few sizes that never move, so that what lay in one is gone once it is overwritten.
//!
//! A slot holds a length (4), what is sealed, and zeros. Must not know: whose a slot is.

use rusqlite::{Connection, OptionalExtension, params};

use super::table::Sql;

const LENGTH: usize = 4;
/// Eight, six, five, four, two, one to a page of 4,096 bytes; beyond, whole pages.
const SIZES: [usize; 6] = [499, 669, 805, 1010, 2032, 4049];
const PAGE: usize = 4092;

/// Puts bytes into the slot `old`, if it is of their size, or into another, and then the old one is cleared. Says which.
pub(super) fn put(connection: &Connection, bytes: &[u8], old: Option<i64>) -> Sql<i64> {
    let content = packed(bytes);
    if let Some(old) = old {
        if size_of(connection, old)? == Some(content.len()) {
            overwrite(connection, old, &content)?;
            return Ok(old);
        }
        clear(connection, old)?;
    }
    let Some(free) = take_free(connection, content.len())? else {
        connection
            .prepare_cached("INSERT INTO slot (content) VALUES (?1)")?
            .execute([content])?;
        return Ok(connection.last_insert_rowid());
    };
    overwrite(connection, free, &content)?;
    Ok(free)
}

/// Overwrites a slot with zeros, and leaves it to whoever needs one.
pub(super) fn clear(connection: &Connection, slot: i64) -> Sql<()> {
    let Some(size) = size_of(connection, slot)? else {
        return Ok(());
    };
    overwrite(connection, slot, &vec![0; size])?;
    connection
        .prepare_cached("INSERT OR IGNORE INTO free (size, slot) VALUES (?1, ?2)")?
        .execute(params![number(size), slot])?;
    Ok(())
}

/// What lies in a slot; none if it is damaged.
pub(super) fn unpacked(mut content: Vec<u8>) -> Option<Vec<u8>> {
    let (length, rest) = content.split_first_chunk::<LENGTH>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    if length > rest.len() {
        return None;
    }
    content.drain(..LENGTH);
    content.truncate(length);
    Some(content)
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let needed = LENGTH + bytes.len();
    let size = SIZES.into_iter().find(|size| *size >= needed);
    let size = size.unwrap_or_else(|| needed.next_multiple_of(PAGE));
    let mut content = Vec::with_capacity(size);
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    content.extend_from_slice(&length.to_be_bytes());
    content.extend_from_slice(bytes);
    content.resize(size, 0);
    content
}

fn overwrite(connection: &Connection, slot: i64, content: &[u8]) -> Sql<()> {
    connection
        .prepare_cached("UPDATE slot SET content = ?2 WHERE id = ?1")?
        .execute(params![slot, content])?;
    Ok(())
}

fn size_of(connection: &Connection, slot: i64) -> Sql<Option<usize>> {
    let size: Option<i64> = connection
        .prepare_cached("SELECT length(content) FROM slot WHERE id = ?1")?
        .query_row([slot], |row| row.get(0))
        .optional()?;
    Ok(size.and_then(|size| size.try_into().ok()))
}

fn number(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

fn take_free(connection: &Connection, size: usize) -> Sql<Option<i64>> {
    let free = connection
        .prepare_cached("SELECT slot FROM free WHERE size = ?1 LIMIT 1")?
        .query_row([number(size)], |row| row.get(0))
        .optional()?;
    if let Some(slot) = free {
        connection
            .prepare_cached("DELETE FROM free WHERE size = ?1 AND slot = ?2")?
            .execute(params![number(size), slot])?;
    }
    Ok(free)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_into_a_slot_comes_out_of_it_whatever_its_length() {
        for length in [0, 1, 495, 496, 1000, 4045, 4046, 9000] {
            let bytes: Vec<u8> = (0..length).map(|at| (at % 251) as u8 + 1).collect();
            let content = packed(&bytes);
            assert!(content.len() >= length + LENGTH);
            assert_eq!(unpacked(content), Some(bytes));
        }
        assert_eq!(unpacked(vec![0, 0]), None);
        assert_eq!(unpacked(vec![0, 0, 0, 9, 1]), None);
    }
}
