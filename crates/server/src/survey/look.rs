//! Reads what lies at those of some keys that look as if they had to do with WeChat.
//!
//! Must not know: whose they are.

use futures_util::future::try_join_all;
use redis::{Cmd, Value};

use super::sort::is_of_interest;
use crate::redis::{Connection, Trouble, bytes};
use crate::sdk::{Content, Found, Ttl};

/// No entry of an SDK is longer: of what is, only so much is read.
const LONGEST: u32 = 16 * 1024;
/// No hash of an SDK has more fields: one that has is not read.
const MOST_FIELDS: i64 = 32;

/// What lies at the keys of interest among these; nothing where the user must not read it.
pub(super) async fn at(
    connection: &Connection,
    at: &str,
    keys: Vec<Vec<u8>>,
) -> Result<Vec<(Vec<u8>, Option<Found>)>, Trouble> {
    let of_interest = keys.into_iter().filter(|key| is_of_interest(key));
    let read = of_interest.map(|key| async move {
        let found = match one(connection, &key).await {
            Ok(found) => Some(found),
            // It was replaced by something else meanwhile.
            Err(error) if error.code() == Some("WRONGTYPE") => Some(Found::Other),
            Err(error) => match Trouble::of(&error, at) {
                Trouble::NotAllowed => None,
                trouble => return Err(trouble),
            },
        };
        Ok((key, found))
    });
    try_join_all(read).await
}

async fn one(connection: &Connection, key: &[u8]) -> redis::RedisResult<Found> {
    let sort = connection.ask(&on("TYPE", key)).await?;
    let ttl = match connection.ask(&on("PTTL", key)).await? {
        Value::Int(left) if left >= 0 => Ttl::Left(left.unsigned_abs()),
        // Gone meanwhile.
        Value::Int(-2) => return Ok(Found::Absent),
        _ => Ttl::Unset,
    };
    match bytes(sort).as_deref() {
        Some(b"string") => {
            let mut range = on("GETRANGE", key);
            range.arg(0).arg(LONGEST - 1);
            let body = bytes(connection.ask(&range).await?).unwrap_or_default();
            Ok(Found::Text(Content::new(body), ttl))
        }
        Some(b"hash") => match connection.ask(&on("HLEN", key)).await? {
            Value::Int(1..=MOST_FIELDS) => {
                let fields = connection.ask(&on("HGETALL", key)).await?;
                Ok(Found::Fields(pairs(fields), ttl))
            }
            _ => Ok(Found::Other),
        },
        Some(b"none") => Ok(Found::Absent),
        _ => Ok(Found::Other),
    }
}

fn on(command: &str, key: &[u8]) -> Cmd {
    let mut command = redis::cmd(command);
    command.arg(key);
    command
}

fn pairs(fields: Value) -> Vec<(Vec<u8>, Content)> {
    let pair = |(name, value)| Some((bytes(name)?, Content::new(bytes(value)?)));
    match fields {
        Value::Map(fields) => fields.into_iter().filter_map(pair).collect(),
        Value::Array(flat) => {
            let mut flat = flat.into_iter();
            let two = std::iter::from_fn(|| Some((flat.next()?, flat.next()?)));
            two.filter_map(pair).collect()
        }
        _ => Vec::new(),
    }
}
