//! SQLite's errors in plain words, with a cure.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use wxtoken_core::store::StoreError;

use super::super::sealed::SealError;
use crate::words::{InChinese, Sentence};

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
        holder: Sentence,
    },
    /// Sealed under another master key. Nothing was changed.
    #[error(
        "the store in {0} was sealed under another master key, and was left as it is; give the key it was made with (to \
         change keys, give both, the old one as previous)"
    )]
    WrongKey(PathBuf),
    /// The master key was changed, and some users are still sealed under the previous one. Nothing was changed.
    #[error(
        "in {0} some users are still sealed under the previous master key, and it was left as it is; put that key back as [store] \
         previous_master_key until the log says `what is kept of users is sealed under the present master key`"
    )]
    PreviousKeyNeeded(PathBuf),
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
        reason: Sentence,
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
        reason: Sentence,
    },
}

impl InChinese for OpenError {
    fn in_chinese(&self) -> String {
        match self {
            Self::Held { folder, holder } => format!(
                "{} 里的存储正由另一个进程使用（{}）；先停掉那个进程，或给这一个换一个 store.path",
                folder.display(),
                holder.zh
            ),
            Self::WrongKey(folder) => format!(
                "{} 里的存储是用另一个主密钥加密的，没有动它；给出创建它的那个主密钥（要换密钥就两个都给，旧的写作 previous）",
                folder.display()
            ),
            Self::PreviousKeyNeeded(path) => format!(
                "{} 里还有用户是用上一个主密钥加密的，没有动它；把那个密钥写回 [store] previous_master_key，直到日志写出 `what is kept of users is sealed under the present master key`",
                path.display()
            ),
            Self::Newer { path, found, known } => format!(
                "{} 的格式是 {found}，出自更新的 wxtoken；这个版本只认到 {known}。换用新版，或在那边 export、在这边 import",
                path.display()
            ),
            Self::Corrupt { path, reason } => format!(
                "{} 整个损坏了（{}），没有动它；把它移走再启动：各应用会重新获取，或用 `wxtoken import` 恢复上一次的导出",
                path.display(),
                reason.zh
            ),
            Self::FolderOpen { path, mode } => format!(
                "存储文件夹 {} 谁都可以写（权限 {mode:04o}）；chmod 0700，或让 store.path 指向其中一个新文件夹",
                path.display()
            ),
            Self::NotAFile(path) => format!("{} 不是普通文件；把它移走", path.display()),
            Self::Unavailable { path, reason } => {
                format!("{} 里的存储打不开：{}", path.display(), reason.zh)
            }
        }
    }
}

/// What went wrong inside, before it is told to anyone.
#[derive(Debug, thiserror::Error)]
pub(in crate::store) enum Trouble {
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error("the system gives no thread to read with; look at its limits of memory and processes")]
    NoThread,
    #[error(
        "a damaged database file could not be replaced by what was saved of it ({0}); it is tried again at the next write. \
         Look at the folder's owner, mode and space"
    )]
    Unreplaced(io::Error),
}

impl Trouble {
    /// Plain words; never content.
    pub(super) fn plain(&self) -> String {
        self.in_words().en
    }

    /// The same in both languages.
    pub(in crate::store) fn in_words(&self) -> Sentence {
        match self {
            Self::Database(error) => plain(error),
            Self::Seal(_) => Sentence::new("密封已破坏", self.to_string()),
            Self::NoThread => Sentence::new(
                "系统给不出读数据的线程；看看内存和进程数的限制",
                self.to_string(),
            ),
            Self::Unreplaced(error) => Sentence::new(
                format!(
                    "损坏的数据库文件还没能换成救出的内容（{error}）；下次写入时会再试。检查文件夹的属主、权限和空间"
                ),
                self.to_string(),
            ),
        }
    }

    /// Whether the file itself is broken.
    pub(in crate::store) fn is_damage(&self) -> bool {
        matches!(self, Self::Database(error) if is_corrupt(error))
    }

    pub(in crate::store) fn into_store_error(self) -> StoreError {
        StoreError::Unavailable(self.in_words())
    }

    /// What it means at opening.
    pub(in crate::store) fn at_open(self, path: &Path) -> OpenError {
        let corrupt = match &self {
            Self::Database(error) => is_corrupt(error),
            Self::Seal(_) => true,
            Self::NoThread | Self::Unreplaced(_) => false,
        };
        let path = path.to_owned();
        match self {
            // What to do is said by the error itself.
            Self::Database(error) if corrupt => OpenError::Corrupt {
                path,
                reason: Sentence::new(
                    format!("SQLite 报告：{error}"),
                    format!("SQLite says: {error}"),
                ),
            },
            other if corrupt => OpenError::Corrupt {
                path,
                reason: other.in_words(),
            },
            other => OpenError::Unavailable {
                path,
                reason: other.in_words(),
            },
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

fn plain(error: &rusqlite::Error) -> Sentence {
    let (zh, en) = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => (
            "磁盘已满；腾出空间，wxtoken 会自己继续",
            "the disk is full; free some space, wxtoken goes on by itself",
        ),
        Some(ErrorCode::ReadOnly) => (
            "磁盘或文件是只读的；改为可写，wxtoken 会自己继续",
            "the disk or the file is read-only; make it writable, wxtoken goes on by itself",
        ),
        Some(ErrorCode::SystemIoFailure) => {
            return Sentence::new(
                format!("磁盘报错（{error}）；检查它的空间、限额和健康状况"),
                format!(
                    "the disk reports an error ({error}); look at its space, limits and health"
                ),
            );
        }
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => (
            "没有权限，或文件夹不在了、已满；检查它的属主、权限和空间",
            "no permission, or the folder is gone or full; look at its owner, mode and space",
        ),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (
            "另一个程序打开着这个数据库；关掉它，wxtoken 会自己继续",
            "another program has the database open; close it, wxtoken goes on by itself",
        ),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => (
            "数据库损坏；停掉 wxtoken，把它移走再启动，或导入上一次的导出",
            "the database is damaged; stop wxtoken, move it away and start again, or import the last export",
        ),
        _ => {
            return Sentence::new(
                format!("SQLite 报告：{error}"),
                format!("SQLite says: {error}"),
            );
        }
    };
    Sentence::new(zh, en)
}
