//! SQLite's errors in plain words, with a cure.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use wxtoken_core::store::StoreError;

use super::super::sealed::SealError;

/// Why the embedded store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error(
        "the store in {folder} is held by {holder}; stop that process first, or give this one a store.path of its own"
    )]
    Held {
        /// The store's folder.
        folder: PathBuf,
        /// Who, since when.
        holder: String,
    },
    /// Sealed under another master key. Nothing was changed.
    #[error(
        "the store in {0} was sealed under another master key, and was left as it is; give the key it was made with (to \
         change keys, give both, the old one as previous)"
    )]
    WrongKey(PathBuf),
    /// Written by a later version. Nothing was changed.
    #[error(
        "{path} has format {found}, from a newer wxtoken; this one knows up to {known}. Use the newer wxtoken, or export there and import here"
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest this version knows.
        known: i64,
    },
    /// The file as a whole cannot be read. Nothing was changed.
    #[error(
        "{path} is damaged as a whole ({reason}) and was left as it is; move it away and start again: apps are then fetched \
         anew, or `wxtoken import` brings back the last export"
    )]
    Corrupt {
        /// The database.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The folder is not safe to keep secrets in.
    #[error(
        "the store's folder {path} may be written by everyone (mode {mode:04o}); chmod it to 0700, or let store.path name a new folder inside it"
    )]
    FolderOpen {
        /// The folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Something else than a regular file is where the database should be.
    #[error("{0} is not a regular file; move it away")]
    NotAFile(PathBuf),
    /// The system refuses.
    #[error("the store in {path} cannot be opened: {reason}")]
    Unavailable {
        /// Folder or file.
        path: PathBuf,
        /// What the system says, and a cure where there is one.
        reason: String,
    },
}

/// What went wrong inside, before it is told to anyone.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error("the system gives no thread to read with; look at its limits of memory and processes")]
    NoThread,
}

impl Trouble {
    /// Plain words; never content.
    pub(super) fn plain(&self) -> String {
        match self {
            Self::Database(error) => plain(error),
            Self::Seal(_) | Self::NoThread => self.to_string(),
        }
    }

    pub(super) fn into_store_error(self) -> StoreError {
        StoreError::Unavailable(self.plain())
    }

    /// What it means at opening.
    pub(super) fn at_open(self, path: &Path) -> OpenError {
        let corrupt = match &self {
            Self::Database(error) => is_corrupt(error),
            Self::Seal(_) => true,
            Self::NoThread => false,
        };
        let (path, reason) = (path.to_owned(), self.plain());
        if corrupt {
            OpenError::Corrupt { path, reason }
        } else {
            OpenError::Unavailable { path, reason }
        }
    }
}

/// Whether SQLite says that the file itself is broken.
pub(super) fn is_corrupt(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}

fn plain(error: &rusqlite::Error) -> String {
    let text = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "the disk is full; free some space, wxtoken goes on by itself",
        Some(ErrorCode::ReadOnly) => {
            "the disk or the file is read-only; make it writable, wxtoken goes on by itself"
        }
        Some(ErrorCode::SystemIoFailure) => {
            return format!(
                "the disk reports an error ({error}); look at its space, limits and health"
            );
        }
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            "no permission, or the folder is gone or full; look at its owner, mode and space"
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another program has the database open; close it, wxtoken goes on by itself"
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            "the database is damaged; stop wxtoken, move it away and start again, or import the last export"
        }
        _ => return format!("SQLite says: {error}"),
    };
    text.to_owned()
}
