//! The users of one machine: an SQLite file of its own beside the records', so that these stay as small as they are.
//!
//! Durable means fsynced before the future resolves; reads have connections of their own and wait for no write.
//! Must not know: when records change, what they mean.

mod aside;
mod damage;
mod open;
mod schema;
mod slots;
mod table;
mod thread;
mod walk;
mod writer;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::Connection;
use tokio::sync::oneshot;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::{Clock, Wall};
use wxtoken_core::store::StoreError;
use wxtoken_core::user::{Held, OnceKey, OpenId, Purged, UserRecord, UserStore, Written};

use super::super::embedded::{OpenError, Trouble};
use super::super::keys::MasterKeys;
use super::new_version;
use super::seal::{Names, Sealed, UserSeal};
use crate::words::Sentence;
use thread::{Threads, Write};
use writer::{Change, Done, Writer};

/// Threads that read.
const READERS: usize = 2;

type Found = Result<Option<Sealed>, StoreError>;
type Look = (Names, Wall, oneshot::Sender<Found>);

/// Users' records in one file. Dropping it finishes what was begun and closes the file.
pub struct EmbeddedUsers {
    readers: Threads<Look>,
    writer: Threads<Write>,
    seal: Arc<UserSeal>,
    clock: Arc<dyn Clock>,
    path: PathBuf,
}

impl EmbeddedUsers {
    /// Opens the users' file in the folder of a store whose lock is held, or makes one. Blocks for a moment, which does not
    /// depend on how much it holds.
    ///
    /// # Errors
    /// The master key is wrong, the file is newer than this program, or the system refuses. In each case nothing that was
    /// there is changed.
    pub fn open(
        folder: &Path,
        keys: &MasterKeys,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let opened = open::open(folder, keys, clock.now().wall)?;
        let (seal, path) = (Arc::clone(&opened.seal), opened.path.clone());
        let threads = |error: std::io::Error| OpenError::Unavailable {
            path: path.clone(),
            reason: Sentence::of(&error),
        };
        let connect = |_| open::connect_reader(&path);
        let readers = (0..READERS)
            .map(connect)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| Trouble::from(error).at_open(&path))?;
        Ok(Self {
            readers: Threads::working(readers, look).map_err(threads)?,
            writer: Threads::writing(Writer::new(opened, Arc::clone(&clock))).map_err(threads)?,
            seal,
            clock,
            path,
        })
    }

    async fn look(&self, app: &AppId, openid: &OpenId) -> Found {
        let (names, now) = (self.seal.names(app, openid), self.clock.now().wall);
        self.readers.ask(|done| (names, now, done)).await
    }

    /// Where the users' file of a store in `folder` is.
    #[must_use]
    pub fn file_in(folder: &Path) -> PathBuf {
        folder.join(open::FILE)
    }
}

/// Reads one record on a connection of one's own.
fn look(connection: &mut Connection, (names, now, done): Look) {
    let found = writer::find(connection, names);
    let found = found.map(|found| found.filter(|found| now < found.until));
    // Whoever asked may have gone.
    let _ = done.send(match found {
        Ok(found) => Ok(found.map(|found| found.sealed)),
        Err(error) => {
            let why = damage::told(connection, &error.into());
            Err(StoreError::Unavailable(why))
        }
    });
}

#[async_trait]
impl UserStore for EmbeddedUsers {
    async fn read(&self, app: &AppId, openid: &OpenId) -> Result<Option<Held>, StoreError> {
        let found = self.look(app, openid).await?;
        Ok(found.and_then(|sealed| self.seal.held(app, openid, &sealed)))
    }

    async fn write(
        &self,
        app: &AppId,
        openid: &OpenId,
        record: &UserRecord,
        over: Option<u64>,
        until: Wall,
    ) -> Result<Written, StoreError> {
        let version = new_version()?;
        let sealed = self.seal.seal(app, openid, record, until, version)?;
        let names = self.seal.names(app, openid);
        let change = Change::Write(names, sealed, until, over);
        Ok(match self.writer.change(change).await? {
            Done::Overtaken(there) => {
                let held = there.and_then(|sealed| self.seal.held(app, openid, &sealed));
                Written::Overtaken(held)
            }
            _ => Written::Yes(version),
        })
    }

    async fn delete(&self, app: &AppId, openid: &OpenId) -> Result<bool, StoreError> {
        let names = self.seal.names(app, openid);
        let done = self.writer.change(Change::Delete(names)).await?;
        Ok(matches!(done, Done::Was(true)))
    }

    async fn put_once(
        &self,
        key: OnceKey,
        content: &[u8],
        until: Wall,
    ) -> Result<bool, StoreError> {
        let sealed = self.seal.seal_note(&key, content)?;
        let done = self
            .writer
            .change(Change::Leave(key, sealed, until))
            .await?;
        Ok(matches!(done, Done::Was(true)))
    }

    async fn take_once(&self, key: OnceKey) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(match self.writer.change(Change::Take(key)).await? {
            Done::Taken(Some(sealed)) => self.seal.open_note(&key, &sealed),
            _ => None,
        })
    }

    async fn purge(&self) -> Result<Purged, StoreError> {
        Ok(match self.writer.change(Change::Purge).await? {
            Done::Purged(purged) => purged,
            _ => Purged::default(),
        })
    }
}

impl fmt::Debug for EmbeddedUsers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedUsers").finish_non_exhaustive()
    }
}
