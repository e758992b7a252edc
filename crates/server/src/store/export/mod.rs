//! The whole store as one sealed file: to back it up, or to move it.
//!
//! The whole file is checked before anything is imported. Must not know: which store it comes from or goes to.

mod error;
mod frame;
mod users;

use std::io::{Read, Seek, SeekFrom, Write};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{sleep, timeout};
use wxtoken_core::app::AppId;
use wxtoken_core::merge::merged;
use wxtoken_core::store::{Fence, Lease, Loaded, Record, RecordStore, StoreError};

use super::keys::{MasterKey, ValueHasher};
use super::rekey::rekeyed;
use super::users::Everyone;
use crate::words::Sentence;
pub use error::ExportError;
use frame::{Frame, Frames, begin, end, read_head};

/// How long a lease is asked for while one record is written.
const LEASE: Duration = Duration::from_secs(30);

/// How long a lease is waited for, and how often it is asked for.
const PATIENCE: Duration = Duration::from_secs(8);
const SOON: Duration = Duration::from_millis(50);
const LATER: Duration = Duration::from_millis(2100);
/// Records taken in together: a Redis that has just begun takes two seconds for each, at the same time.
const TOGETHER: usize = 200;

/// What an export is sealed under.
#[derive(Clone, Copy)]
pub enum ExportKey<'a> {
    /// A passphrase a person keeps: for a file that goes to another machine.
    Passphrase(&'a str),
    /// The store's own master key: for a backup beside it.
    Master(&'a MasterKey),
}

/// What a store holds.
#[derive(Clone, Copy)]
pub struct Contents<'a> {
    /// The records of apps.
    pub records: &'a dyn RecordStore,
    /// Their users.
    pub users: &'a dyn Everyone,
}

/// What was exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exported {
    /// Records in the file.
    pub records: u64,
    /// Damaged records that could not be.
    pub damaged: u64,
    /// Users in the file.
    pub users: u64,
    /// Damaged ones that could not be.
    pub damaged_users: u64,
}

/// What was imported of one sort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Taken {
    /// Those the store did not know.
    pub new: u64,
    /// Those that brought something newer.
    pub updated: u64,
    /// Those that brought nothing newer; what was held was kept.
    pub kept: u64,
}

/// What was imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Imported {
    /// Records of apps.
    pub records: Taken,
    /// Users.
    pub users: Taken,
}

/// Writes everything the store holds to `out`, sealed. Flushes; making it durable is the caller's.
///
/// # Errors
/// The store or the file refuses, or the passphrase is weak.
pub async fn export(
    store: Contents<'_>,
    key: ExportKey<'_>,
    out: &mut (dyn Write + Send),
) -> Result<Exported, ExportError> {
    let refused = |source| ExportError::Store { done: 0, source };
    let has_users = users::are_there(store.users).await.map_err(refused)?;
    let frames = begin(out, key, has_users)?;
    let mut counts = Exported::default();
    let mut trouble = None;
    store
        .records
        .load_all(&mut |loaded| match loaded {
            Loaded::Record(app, record) if trouble.is_none() => {
                trouble = frames
                    .write_record(out, counts.records, &app, &record)
                    .err();
                counts.records += 1;
            }
            Loaded::Record(..) => {}
            Loaded::Damaged { .. } => counts.damaged += 1,
        })
        .await
        .map_err(refused)?;
    trouble.map_or(Ok(()), Err)?;
    if has_users {
        users::export(store.users, &frames, &mut counts, out).await?;
    }
    end(out, &frames, counts.records + counts.users)?;
    Ok(counts)
}

/// Takes an export into a store: of each app what is newer by generation, of each user what was given later. The whole file is
/// checked before the first is written. `hasher` is the store's own.
///
/// # Errors
/// A wrong key or a damaged file imports nothing; a store that refuses half-way keeps what it has.
pub async fn import<F: Read + Seek + Send>(
    store: Contents<'_>,
    hasher: &ValueHasher,
    key: ExportKey<'_>,
    file: &mut F,
) -> Result<Imported, ExportError> {
    let frames = read_head(file, key)?;
    let start = file.stream_position()?;
    check(&frames, file)?;
    file.seek(SeekFrom::Start(start))?;
    let (mut counts, mut number, mut done) = (Imported::default(), 0, 0);
    let mut is_over = false;
    while !is_over {
        let (mut records, mut users) = (Vec::new(), Vec::new());
        while records.len() + users.len() < TOGETHER {
            match frames.read(file, number)? {
                Frame::Record(app, record) => records.push((app, rekeyed(*record, hasher))),
                Frame::User(user) => users.push(user),
                Frame::End => {
                    is_over = true;
                    break;
                }
            }
            number += 1;
        }
        let taking = records
            .iter()
            .map(|(app, offered)| take(store.records, app, offered));
        counts.records.add(join_all(taking).await, &mut done)?;
        let taking = users.iter().map(|user| users::take(store.users, user));
        counts.users.add(join_all(taking).await, &mut done)?;
    }
    Ok(counts)
}

/// Whether every frame is what it was, in its place.
fn check(frames: &Frames, file: &mut (dyn Read + Send)) -> Result<(), ExportError> {
    let mut number = 0;
    let mut were_users = false;
    loop {
        match frames.read(file, number)? {
            Frame::Record(..) if were_users => return Err(ExportError::Damaged(number)),
            Frame::Record(..) => {}
            Frame::User(_) => were_users = true,
            Frame::End => return Ok(()),
        }
        number += 1;
    }
}

/// What became of one.
#[derive(Clone, Copy)]
enum Became {
    New,
    Updated,
    Kept,
}

impl Taken {
    fn add(
        &mut self,
        all: Vec<Result<Became, StoreError>>,
        done: &mut u64,
    ) -> Result<(), ExportError> {
        for became in all {
            let became = became.map_err(|source| ExportError::Store {
                done: *done,
                source,
            })?;
            match became {
                Became::New => self.new += 1,
                Became::Updated => self.updated += 1,
                Became::Kept => self.kept += 1,
            }
            *done += 1;
        }
        Ok(())
    }
}

async fn take(
    store: &dyn RecordStore,
    app: &AppId,
    offered: &Record,
) -> Result<Became, StoreError> {
    let (fence, held) = lease_in_time(store, app).await?;
    let (what, record) = match held {
        None => (Became::New, offered.clone()),
        Some(held) => match merged(&held, offered) {
            both if both == *held => (Became::Kept, both),
            both => (Became::Updated, both),
        },
    };
    let written = match what {
        Became::Kept => Ok(()),
        Became::New | Became::Updated => store.write(app, &record, fence).await,
    };
    store.release(app, fence).await;
    written.map(|()| what)
}

/// An app's lease for a command, and its record. A running replica may have it for a moment; and where Redis has just begun,
/// it first waits for what replicas hold.
///
/// # Errors
/// The store cannot be asked, or somebody keeps the lease.
pub async fn lease_in_time(
    store: &dyn RecordStore,
    app: &AppId,
) -> Result<(Fence, Option<Box<Record>>), StoreError> {
    let asking = async {
        loop {
            match store.lease(app, LEASE).await? {
                Lease::Won { fence, record, .. } => return Ok((fence, record)),
                Lease::Taken { free_in } => sleep(free_in.clamp(SOON, LATER)).await,
            }
        }
    };
    timeout(PATIENCE, asking).await.unwrap_or_else(|_| {
        Err(StoreError::Unavailable(Sentence::new(
            format!("{app} 正由运行中的 wxtoken 使用；过一会儿再试，或先停掉它"),
            format!("{app} is in use by a running wxtoken; try again in a while, or stop it first"),
        )))
    })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::super::contract::{generation, load, records::*, won};
    use super::super::keys::tests::key;
    use super::super::memory::MemoryStore;
    use super::super::users::MemoryUsers;
    use super::*;
    use proptest::prelude::*;

    pub(super) const PASSPHRASE: ExportKey<'static> =
        ExportKey::Passphrase("correct horse battery");

    pub(super) fn contents<'a>(
        records: &'a dyn RecordStore,
        users: &'a dyn Everyone,
    ) -> Contents<'a> {
        Contents { records, users }
    }

    fn nobody() -> MemoryUsers {
        MemoryUsers::new(std::sync::Arc::new(crate::clock::SystemClock))
    }

    fn told(taken: Taken) -> (u64, u64, u64) {
        (taken.new, taken.updated, taken.kept)
    }

    pub(super) async fn filled(generations: &[u64]) -> MemoryStore {
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
        export(contents(store, &nobody()), key, &mut out)
            .await
            .unwrap();
        out
    }

    async fn imported(
        store: &MemoryStore,
        with: ExportKey<'_>,
        bytes: &[u8],
    ) -> Result<Imported, ExportError> {
        import(
            contents(store, &nobody()),
            &key(1).value_hasher(),
            with,
            &mut Cursor::new(bytes),
        )
        .await
    }

    #[tokio::test]
    async fn a_store_moves_whole_under_a_passphrase_and_under_a_master_key() {
        let from = filled(&[10, 20, 30]).await;
        let master = key(1);
        for with in [PASSPHRASE, ExportKey::Master(&master)] {
            let to = MemoryStore::new();
            let bytes = exported(&from, with).await;
            let counts = imported(&to, with, &bytes).await.unwrap();
            assert_eq!(told(counts.records), (3, 0, 0));
            assert_eq!(load(&to).await, load(&from).await);
            let counts = imported(&to, with, &bytes).await.unwrap();
            assert_eq!(told(counts.records), (0, 0, 3));
        }
    }

    #[tokio::test]
    async fn of_each_app_what_is_newer_is_held_afterwards() {
        let (from, to) = (filled(&[10, 20]).await, filled(&[15, 15, 15]).await);
        let master = key(1);
        let with = ExportKey::Master(&master);
        let bytes = exported(&from, with).await;
        let counts = imported(&to, with, &bytes).await.unwrap();
        assert_eq!(told(counts.records), (0, 1, 1));
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
        import(contents(&to, &nobody()), &hasher, PASSPHRASE, file)
            .await
            .unwrap();
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
