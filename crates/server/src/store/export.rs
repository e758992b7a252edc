//! The whole store as one sealed file: to back it up, or to move it.
//!
//! The file: a line that names it, version (1), sort of key (1), iterations (4), salt (16); then frames, each its length (4)
//! and sealed bytes bound to their place; the last one says how many there were. So a file that was cut short, altered or
//! put together from others is refused before anything is imported. Must not know: which store it comes from or goes to.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::num::NonZeroU32;
use std::time::Duration;

use aws_lc_rs::{pbkdf2, rand};
use wxtoken_core::app::AppId;
use wxtoken_core::store::{Lease, Loaded, Record, RecordStore, StoreError};
use zeroize::Zeroizing;

use super::keys::{MasterKey, ValueHasher};
use super::precedence::merged;
use super::rekey::rekeyed;
use super::sealed::{SealError, Sealer};
use super::wire;

const MAGIC: &[u8; 16] = b"wxtoken export\n\0";
const VERSION: u8 = 1;
const SALT: usize = 16;
const HEAD: usize = 16 + 1 + 1 + 4 + SALT;
/// PBKDF2-HMAC-SHA256, as OWASP advises.
const ITERATIONS: u32 = 600_000;
/// More than a file may ask for, so that it cannot keep us busy for hours.
const MOST_ITERATIONS: u32 = 20_000_000;
const SHORTEST_PASSPHRASE: usize = 12;
/// No record is larger.
const LARGEST_FRAME: u32 = 1 << 20;
const FAMILY: &[u8] = b"export";
/// How long a lease is asked for while one record is written.
const LEASE: Duration = Duration::from_secs(30);

/// What an export is sealed under.
#[derive(Clone, Copy)]
pub enum ExportKey<'a> {
    /// A passphrase a person keeps: for a file that goes to another machine.
    Passphrase(&'a str),
    /// The store's own master key: for a backup beside it.
    Master(&'a MasterKey),
}

/// What was exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exported {
    /// Records in the file.
    pub records: u64,
    /// Damaged records that could not be.
    pub damaged: u64,
}

/// What was imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Imported {
    /// Records of apps the store did not know.
    pub new: u64,
    /// Records that brought something newer.
    pub updated: u64,
    /// Records that brought nothing newer; what was held was kept.
    pub kept: u64,
}

/// Why there is no export or import.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Too easy to guess.
    #[error(
        "the passphrase is too short; take at least {SHORTEST_PASSPHRASE} characters, better five random words"
    )]
    WeakPassphrase,
    /// Not one of ours.
    #[error("this is no wxtoken export")]
    NotAnExport,
    /// From a later version.
    #[error("this export has format {0}, from a newer wxtoken; import it with that version")]
    Newer(u8),
    /// A passphrase was given for a file under a master key, or the other way round.
    #[error("this export is sealed under {0}; give that")]
    OtherSort(&'static str),
    /// The key does not open it. Nothing was imported.
    #[error(
        "the key does not open this export: it is the wrong one, or the file's start is damaged; nothing was imported"
    )]
    WrongKey,
    /// Altered, cut short or put together. Nothing was imported.
    #[error(
        "the export is damaged at record {0}; nothing was imported. Take another copy of the file"
    )]
    Damaged(u64),
    /// The store refused.
    #[error(
        "{done} records were imported, then the store refused; run it again when that is cured, what is there is kept: {source}"
    )]
    Store {
        /// How many had been dealt with.
        done: u64,
        /// Why.
        source: StoreError,
    },
    /// The system gives no random numbers.
    #[error("the system gives no random numbers; is /dev/urandom there?")]
    NoRandom,
    /// The file cannot be read or written.
    #[error("the export file cannot be read or written: {0}")]
    Io(#[from] io::Error),
}

/// Writes everything the store holds to `out`, sealed. Flushes; making it durable is the caller's.
///
/// # Errors
/// The store or the file refuses, or the passphrase is weak.
pub async fn export(
    store: &dyn RecordStore,
    key: ExportKey<'_>,
    out: &mut (dyn Write + Send),
) -> Result<Exported, ExportError> {
    let mut salt = [0; SALT];
    rand::fill(&mut salt).map_err(|_| ExportError::NoRandom)?;
    let iterations = match key {
        ExportKey::Passphrase(_) => ITERATIONS,
        ExportKey::Master(_) => 0,
    };
    let sealer = sealer(key, iterations, salt)?;
    out.write_all(&head(key, iterations, salt))?;
    let mut counts = Exported::default();
    let mut trouble = None;
    store
        .load_all(&mut |loaded| match loaded {
            Loaded::Record(app, record) if trouble.is_none() => {
                trouble = write_record(out, &sealer, counts.records, &app, &record).err();
                counts.records += 1;
            }
            Loaded::Record(..) => {}
            Loaded::Damaged { .. } => counts.damaged += 1,
        })
        .await
        .map_err(|source| ExportError::Store { done: 0, source })?;
    trouble.map_or(Ok(()), Err)?;
    write_frame(out, &sealer, b"end", counts.records, &[])?;
    out.flush()?;
    Ok(counts)
}

/// Takes the records of an export into a store: of each app, what is newer by generation. The whole file is checked before
/// the first is written. `hasher` is the store's own.
///
/// # Errors
/// A wrong key or a damaged file imports nothing; a store that refuses half-way keeps what it has.
pub async fn import<F: Read + Seek + Send>(
    store: &dyn RecordStore,
    hasher: &ValueHasher,
    key: ExportKey<'_>,
    file: &mut F,
) -> Result<Imported, ExportError> {
    let sealer = read_head(file, key)?;
    let start = file.stream_position()?;
    let mut number = 0;
    while read_record(file, &sealer, number)?.is_some() {
        number += 1;
    }
    file.seek(SeekFrom::Start(start))?;
    let (mut counts, mut number) = (Imported::default(), 0);
    while let Some((app, record)) = read_record(file, &sealer, number)? {
        let taken = take(store, &app, rekeyed(record, hasher), &mut counts).await;
        taken.map_err(|source| ExportError::Store {
            done: number,
            source,
        })?;
        number += 1;
    }
    Ok(counts)
}

async fn take(
    store: &dyn RecordStore,
    app: &AppId,
    offered: Record,
    counts: &mut Imported,
) -> Result<(), StoreError> {
    let (fence, held) = match store.lease(app, LEASE).await? {
        Lease::Won { fence, record, .. } => (fence, record),
        Lease::Taken { .. } => {
            return Err(StoreError::Unavailable(format!(
                "{app} is in use by a running wxtoken; stop it first"
            )));
        }
    };
    let result = match held {
        Some(held) => {
            let both = merged(&held, &offered);
            if both == *held {
                counts.kept += 1;
                Ok(())
            } else {
                counts.updated += 1;
                store.write(app, &both, fence).await
            }
        }
        None => {
            counts.new += 1;
            store.write(app, &offered, fence).await
        }
    };
    store.release(app, fence).await;
    result
}

fn head(key: ExportKey<'_>, iterations: u32, salt: [u8; SALT]) -> Vec<u8> {
    let mut head = Vec::with_capacity(HEAD);
    head.extend_from_slice(MAGIC);
    head.extend_from_slice(&[VERSION, sort(key).0]);
    head.extend_from_slice(&iterations.to_be_bytes());
    head.extend_from_slice(&salt);
    head
}

fn sort(key: ExportKey<'_>) -> (u8, &'static str) {
    match key {
        ExportKey::Passphrase(_) => (1, "a passphrase"),
        ExportKey::Master(_) => (2, "a master key"),
    }
}

fn read_head(file: &mut dyn Read, key: ExportKey<'_>) -> Result<Sealer, ExportError> {
    let mut head = [0; HEAD];
    file.read_exact(&mut head)
        .map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => ExportError::NotAnExport,
            _ => ExportError::Io(error),
        })?;
    let rest = head.strip_prefix(MAGIC).ok_or(ExportError::NotAnExport)?;
    let (&[version, found], rest) = rest.split_first_chunk().ok_or(ExportError::NotAnExport)?;
    let (iterations, salt) = rest.split_first_chunk().ok_or(ExportError::NotAnExport)?;
    let salt = salt.try_into().map_err(|_| ExportError::NotAnExport)?;
    if version != VERSION {
        return Err(ExportError::Newer(version));
    }
    if found != sort(key).0 {
        let other = if found == 1 {
            "a passphrase"
        } else {
            "a master key"
        };
        return Err(ExportError::OtherSort(other));
    }
    sealer(key, u32::from_be_bytes(*iterations), salt)
}

fn sealer(key: ExportKey<'_>, iterations: u32, salt: [u8; SALT]) -> Result<Sealer, ExportError> {
    let key = match key {
        ExportKey::Master(master) => master.derive_parts(&[b"export", &salt]),
        ExportKey::Passphrase(text) => {
            if text.chars().count() < SHORTEST_PASSPHRASE {
                return Err(ExportError::WeakPassphrase);
            }
            let rounds = NonZeroU32::new(iterations)
                .filter(|rounds| rounds.get() <= MOST_ITERATIONS)
                .ok_or(ExportError::WrongKey)?;
            let mut key = Zeroizing::new([0; 32]);
            let sort = pbkdf2::PBKDF2_HMAC_SHA256;
            pbkdf2::derive(sort, rounds, &salt, text.as_bytes(), key.as_mut_slice());
            key
        }
    };
    Ok(Sealer::new(MasterKey::from_bytes(key).into(), salt))
}

fn write_record(
    out: &mut (dyn Write + Send),
    sealer: &Sealer,
    number: u64,
    app: &AppId,
    record: &Record,
) -> Result<(), ExportError> {
    let content = wire::encode(record).map_err(SealError::from);
    let content = content.map_err(|_| ExportError::Damaged(number))?;
    let name = app.as_str().as_bytes();
    let mut plain = Zeroizing::new(Vec::with_capacity(2 + name.len() + content.len()));
    plain.push(wire::VERSION);
    plain.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
    plain.extend_from_slice(name);
    plain.extend_from_slice(&content);
    write_frame(out, sealer, b"record", number, &plain)
}

fn write_frame(
    out: &mut (dyn Write + Send),
    sealer: &Sealer,
    what: &[u8],
    number: u64,
    plain: &[u8],
) -> Result<(), ExportError> {
    let sealed = sealer
        .seal(FAMILY, &label(what, number), plain)
        .map_err(|_| ExportError::NoRandom)?;
    let length = u32::try_from(sealed.len()).map_err(|_| ExportError::Damaged(number))?;
    out.write_all(&length.to_be_bytes())?;
    Ok(out.write_all(&sealed)?)
}

/// The next record; none at the true end of the file.
fn read_record(
    file: &mut dyn Read,
    sealer: &Sealer,
    number: u64,
) -> Result<Option<(AppId, Record)>, ExportError> {
    let damaged = || ExportError::Damaged(number);
    let mut length = [0; 4];
    file.read_exact(&mut length).map_err(|_| damaged())?;
    let length = u32::from_be_bytes(length);
    if length > LARGEST_FRAME {
        return Err(damaged());
    }
    let mut sealed = Vec::new();
    file.take(length.into()).read_to_end(&mut sealed)?;
    let plain = match sealer.open(FAMILY, &label(b"record", number), &sealed) {
        Ok(plain) => plain,
        Err(SealError::OtherKey) if number == 0 => return Err(ExportError::WrongKey),
        Err(_) => {
            // Only the end itself may stand here, and nothing after it.
            let end = sealer.open(FAMILY, &label(b"end", number), &sealed);
            let nothing_more = file.read(&mut [0])? == 0;
            return if end.is_ok() && nothing_more {
                Ok(None)
            } else {
                Err(damaged())
            };
        }
    };
    let (&[version, length], rest) = plain.split_first_chunk().ok_or_else(damaged)?;
    let (name, content) = rest.split_at_checked(length.into()).ok_or_else(damaged)?;
    let app = std::str::from_utf8(name)
        .ok()
        .and_then(|name| name.parse().ok())
        .ok_or_else(damaged)?;
    let record = wire::decode(version, content).map_err(|_| damaged())?;
    Ok(Some((app, record)))
}

fn label(what: &[u8], number: u64) -> Vec<u8> {
    [what, &number.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::super::contract::{generation, load, records::*, won};
    use super::super::keys::tests::key;
    use super::super::memory::MemoryStore;
    use super::*;
    use proptest::prelude::*;

    const PASSPHRASE: ExportKey<'static> = ExportKey::Passphrase("correct horse battery");

    async fn filled(generations: &[u64]) -> MemoryStore {
        let store = MemoryStore::new();
        for (number, value) in (0..).zip(generations) {
            let (fence, _) = won(&store, &app(number)).await;
            let record = rekeyed(full_record(), &key(1).value_hasher());
            let record = generation(record, 0, *value);
            store.write(&app(number), &record, fence).await.unwrap();
        }
        store
    }

    async fn exported(store: &MemoryStore, key: ExportKey<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        export(store, key, &mut out).await.unwrap();
        out
    }

    async fn imported(
        store: &MemoryStore,
        with: ExportKey<'_>,
        bytes: &[u8],
    ) -> Result<Imported, ExportError> {
        import(store, &key(1).value_hasher(), with, &mut Cursor::new(bytes)).await
    }

    #[tokio::test]
    async fn a_store_moves_whole_under_a_passphrase_and_under_a_master_key() {
        let from = filled(&[10, 20, 30]).await;
        let master = key(1);
        for with in [PASSPHRASE, ExportKey::Master(&master)] {
            let to = MemoryStore::new();
            let bytes = exported(&from, with).await;
            let counts = imported(&to, with, &bytes).await.unwrap();
            assert_eq!((counts.new, counts.updated, counts.kept), (3, 0, 0));
            assert_eq!(load(&to).await, load(&from).await);
            let counts = imported(&to, with, &bytes).await.unwrap();
            assert_eq!((counts.new, counts.updated, counts.kept), (0, 0, 3));
        }
    }

    #[tokio::test]
    async fn of_each_app_what_is_newer_is_held_afterwards() {
        let (from, to) = (filled(&[10, 20]).await, filled(&[15, 15, 15]).await);
        let master = key(1);
        let with = ExportKey::Master(&master);
        let bytes = exported(&from, with).await;
        let counts = imported(&to, with, &bytes).await.unwrap();
        assert_eq!((counts.new, counts.updated, counts.kept), (0, 1, 1));
        let held: Vec<_> = load(&to).await.0.into_values().collect();
        let generations: Vec<_> = held.iter().map(|r| r.handed_out[0].generation.0).collect();
        assert_eq!(generations, [15, 20, 15]);
    }

    #[tokio::test]
    async fn a_record_from_elsewhere_gets_the_ids_of_its_new_store() {
        let from = filled(&[10]).await;
        let bytes = exported(&from, PASSPHRASE).await;
        let (to, hasher) = (MemoryStore::new(), key(9).value_hasher());
        let file = &mut Cursor::new(bytes);
        import(&to, &hasher, PASSPHRASE, file).await.unwrap();
        let record = &load(&to).await.0[&app(0)];
        let stable = record.lanes[1].as_ref().unwrap();
        assert_eq!(stable.id, hasher.id(stable.token.expose()));
    }

    #[tokio::test]
    async fn a_wrong_key_and_strange_files_import_nothing() {
        let (from, to) = (filled(&[10]).await, MemoryStore::new());
        let (right, wrong) = (key(1), key(2));
        let under_master = exported(&from, ExportKey::Master(&right)).await;
        let under_words = exported(&from, PASSPHRASE).await;
        let words = ExportKey::Passphrase("another passphrase");
        for (with, bytes, says) in [
            (ExportKey::Master(&wrong), &under_master[..], "wrong one"),
            (words, &under_words, "wrong one"),
            (PASSPHRASE, &under_master, "under a master key"),
            (
                ExportKey::Master(&right),
                &under_words,
                "under a passphrase",
            ),
            (PASSPHRASE, b"PK\x03\x04", "no wxtoken export"),
            (ExportKey::Passphrase("short"), &under_words, "too short"),
        ] {
            let error = imported(&to, with, bytes).await.unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        assert!(load(&to).await.0.is_empty());
    }

    #[tokio::test]
    async fn nothing_of_a_token_can_be_read_in_the_file() {
        let bytes = exported(&filled(&[10, 20]).await, PASSPHRASE).await;
        for lane in full_record().lanes.into_iter().flatten() {
            let value = lane.token.expose().as_bytes().to_vec();
            assert!(
                !bytes
                    .windows(12)
                    .any(|window| value.windows(12).any(|piece| piece == window))
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_file_altered_cut_or_lengthened_anywhere_imports_nothing(at: prop::sample::Index, bit in 0u8..8, how in 0..3) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let master = key(1);
                let with = ExportKey::Master(&master);
                let mut bytes = exported(&filled(&[10, 20, 30]).await, with).await;
                let at = at.index(bytes.len());
                match how {
                    0 => bytes[at] ^= 1 << bit,
                    1 => bytes.truncate(at),
                    _ => bytes.push(bit),
                }
                let to = MemoryStore::new();
                // The iteration count means nothing under a master key, so it alone may be altered.
                let unused = how == 0 && (18..22).contains(&at);
                assert_eq!(imported(&to, with, &bytes).await.is_ok(), unused);
                assert_eq!(load(&to).await.0.is_empty(), !unused);
            });
        }
    }
}
