//! Who a store is: its id and epoch, the master key it is sealed under, its ledger; and how the key is changed.
//!
//! Must not know: files and folders, what is written later.

use std::path::Path;

use rusqlite::Connection;
use wxtoken_core::clock::Wall;

use super::super::keys::MasterKeys;
use super::super::rekey::rekeyed;
use super::super::sealed::{SealError, Sealer, StoreId};
use super::ledger::Ledger;
use super::open::Opened;
use super::table::{self, Found};
use super::trouble::{OpenError, Trouble};
use crate::words::Sentence;

const KEY_CHECK: &str = "key_check";
const LEDGER: &str = "ledger";
const STORE: &str = "store";

/// The store's first moments: an identity, an epoch later than any store's before, an empty ledger.
pub(super) fn found_store(
    connection: &Connection,
    keys: &MasterKeys,
    now: Wall,
) -> Result<(), Trouble> {
    let mut id: StoreId = [0; 16];
    aws_lc_rs::rand::fill(&mut id).map_err(|_| SealError::NoRandom)?;
    let sealer = Sealer::new(keys.clone(), id);
    let transaction = connection.unchecked_transaction()?;
    write_identity(&transaction, &sealer, now.0)?;
    write_ledger(&transaction, &sealer, &Ledger::new()?)?;
    transaction.commit()?;
    Ok(())
}

/// Whose store this is: refuses a wrong master key. Gives the epoch.
pub(super) fn identify(
    connection: &Connection,
    keys: MasterKeys,
    folder: &Path,
    path: &Path,
) -> Result<(Sealer, u64), OpenError> {
    let meta = |name| table::meta(connection, name).map_err(|e| Trouble::from(e).at_open(path));
    let corrupt = || OpenError::Corrupt {
        path: path.into(),
        reason: Sentence::new("它的标识损坏了", "its identity is damaged"),
    };
    let (Some(id), Some(check)) = (meta(STORE)?, meta(KEY_CHECK)?) else {
        return Err(corrupt());
    };
    let sealer = Sealer::new(keys, id.try_into().map_err(|_| corrupt())?);
    match sealer.open(KEY_CHECK.as_bytes(), b"", &check) {
        Ok(epoch) => {
            let epoch = epoch.as_slice().try_into().map_err(|_| corrupt())?;
            Ok((sealer, u64::from_be_bytes(epoch)))
        }
        Err(SealError::OtherKey) => Err(OpenError::WrongKey(folder.into())),
        Err(_) => Err(corrupt()),
    }
}

/// The ledger; where it is damaged, a new one that believes the rows it finds, and no virtual token made before.
pub(super) fn read_ledger(
    connection: &Connection,
    sealer: &Sealer,
    now: Wall,
) -> Result<Ledger, Trouble> {
    let sealed = table::meta(connection, LEDGER)?.unwrap_or_default();
    let known = sealer
        .open(LEDGER.as_bytes(), b"", &sealed)
        .ok()
        .and_then(|bytes| Ledger::from_bytes(&bytes));
    if let Some(ledger) = known {
        return Ok(ledger);
    }
    tracing::warn!(
        "the store's ledger is damaged and is made anew: exchanged records could not be noticed this time, and virtual tokens made until now are over"
    );
    let mut ledger = Ledger::new()?;
    ledger.doubt();
    ledger.revoked.raise_all(now.0);
    ledger.fence = table::newest_fence(connection)?.cast_unsigned();
    Ok(ledger)
}

pub(super) fn write_ledger(
    connection: &Connection,
    sealer: &Sealer,
    ledger: &Ledger,
) -> Result<(), Trouble> {
    let sealed = sealer.seal(LEDGER.as_bytes(), b"", ledger.to_bytes().as_slice())?;
    Ok(table::set_meta(connection, LEDGER, &sealed)?)
}

/// Who the store is: its id, and its epoch sealed so that a wrong master key is noticed.
pub(super) fn write_identity(
    connection: &Connection,
    sealer: &Sealer,
    epoch: u64,
) -> Result<(), Trouble> {
    let check = sealer.seal(KEY_CHECK.as_bytes(), b"", &epoch.to_be_bytes())?;
    table::set_meta(connection, KEY_CHECK, &check)?;
    Ok(table::set_meta(connection, STORE, sealer.store())?)
}

/// After the first start with a new master key everything is sealed under it, and the previous one may go.
pub(super) fn change_keys(opened: &mut Opened) -> Result<(), Trouble> {
    let Opened {
        connection,
        sealer,
        ledger,
        fence,
        ..
    } = opened;
    let check = table::meta(connection, KEY_CHECK)?.unwrap_or_default();
    if !sealer.is_under_previous(&check) {
        return Ok(());
    }
    let hasher = sealer.keys().current.value_hasher();
    let transaction = connection.unchecked_transaction()?;
    let mut ledger_then = ledger.clone();
    let mut after = 0;
    while let Some(id) = next_id(&transaction, after)? {
        after = id;
        let Some(Found::Stored(row)) = table::at(&transaction, id)? else {
            continue; // loading will say so
        };
        let Ok(record) = sealer.open_record(&row.label, &row.sealed) else {
            continue;
        };
        let sealed = sealer.seal_record(&row.label, &rekeyed(record, &hasher))?;
        ledger_then.take(ledger_then.mark(&row.label.app, row.forgotten, &row.sealed));
        ledger_then.add(ledger_then.mark(&row.label.app, row.forgotten, &sealed));
        table::reseal(&transaction, id, &sealed)?;
    }
    write_ledger(&transaction, sealer, &ledger_then)?;
    write_identity(&transaction, sealer, fence.epoch)?;
    transaction.commit()?;
    *ledger = ledger_then;
    Ok(())
}

fn next_id(connection: &Connection, after: i64) -> rusqlite::Result<Option<i64>> {
    let mut next = None;
    table::scan(connection, after, |found| {
        next = Some(found.id());
        false
    })?;
    Ok(next)
}
