//! Whose records these are: refuses a wrong master key and a later format before anything is read or written.
//!
//! The store's id comes from the prefix, and is not made by chance: an id that lies in Redis goes with a flush or with the one
//! node of a cluster that has it, and would take every record that is still there with it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use redis::{Cmd, Value};

use super::super::sealed::{SealError, Sealer, StoreId};
use super::row::number;
use super::settings::Prefix;
use crate::redis::{Connection, Guest, Trouble, bytes};

/// The layout of rows that this version writes and reads.
const FORMAT: u64 = 1;
const KEY_CHECK: &[u8] = b"key_check";

/// What tells this store from others.
pub(super) fn store_id(prefix: &Prefix) -> StoreId {
    let whole = digest(&SHA256, format!("wxtoken redis store\0{prefix}").as_bytes());
    let mut id = StoreId::default();
    let length = id.len();
    id.copy_from_slice(&whole.as_ref()[..length]);
    id
}

/// Where it is written down, and how it is sealed.
pub(super) struct Identity {
    pub(super) key: String,
    pub(super) sealer: Arc<Sealer>,
}

#[async_trait]
impl Guest for Identity {
    async fn look(&self, connection: &Connection, at: &str) -> Result<(), Trouble> {
        check(connection, at, self).await
    }

    fn turned_away(&self, trouble: &Trouble) {
        if trouble.is_of_another_store() {
            tracing::error!(
                store.trouble = trouble.name(),
                "{trouble}. Until then nothing is written and no lease is taken; reads go on from memory"
            );
        } else {
            tracing::warn!(store.trouble = trouble.name(), "{trouble}");
        }
    }

    fn back(&self, at: &str, over: &Trouble, lasted: Duration) {
        tracing::info!(
            store.at = %at,
            store.trouble = over.name(),
            lasted_ms = lasted.as_millis(),
            "Redis is well again, after {:.1} s",
            lasted.as_secs_f64()
        );
    }
}

/// Checks what is written down, or writes it down where nothing is.
async fn check(connection: &Connection, at: &str, identity: &Identity) -> Result<(), Trouble> {
    let ask = async |command: &Cmd| {
        let answer = connection.ask(command).await;
        answer.map_err(|error| Trouble::of(&error, at))
    };
    let mut look = redis::cmd("HMGET");
    look.arg(&identity.key).arg(&["format", "check"]);
    let mut found = ask(&look).await?;
    if matches!(&found, Value::Array(fields) if fields.contains(&Value::Nil)) {
        for (field, value) in [
            ("check", sealed_check(&identity.sealer)?),
            ("format", FORMAT.to_string().into_bytes()),
        ] {
            let mut write = redis::cmd("HSETNX");
            write.arg(&identity.key).arg(field).arg(value);
            ask(&write).await?;
        }
        found = ask(&look).await?;
    }
    let Value::Array(fields) = found else {
        return Err(Trouble::Other("no array".to_owned()));
    };
    let mut fields = fields.into_iter().map(bytes);
    let (format, check) = (fields.next().flatten(), fields.next().flatten());
    let format = format.as_deref().and_then(number).unwrap_or(FORMAT);
    if format > FORMAT {
        return Err(Trouble::Newer(format));
    }
    let check = check.unwrap_or_default();
    match identity.sealer.open(KEY_CHECK, b"", &check) {
        Ok(_) => Ok(()),
        Err(SealError::OtherKey) => Err(Trouble::WrongKey),
        Err(_) => {
            tracing::warn!("the key check in Redis was damaged and is written anew");
            ask(&rewrite(identity)?).await.map(drop)
        }
    }
}

/// Seals the check under the master key in use.
pub(super) fn rewrite(identity: &Identity) -> Result<Cmd, Trouble> {
    let mut write = redis::cmd("HSET");
    let check = sealed_check(&identity.sealer)?;
    write.arg(&identity.key).arg("check").arg(check);
    Ok(write)
}

fn sealed_check(sealer: &Sealer) -> Result<Vec<u8>, Trouble> {
    sealer
        .seal(KEY_CHECK, b"", b"wxtoken")
        .map_err(|_| Trouble::NoRandom)
}
