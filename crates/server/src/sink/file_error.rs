//! Why a file sink could not be written, each with its cure. Never holds content.

use std::io;
use std::path::PathBuf;

use rustix::io::Errno;

/// Why a file sink could not be written or looked at. What was there before is still there, whole.
#[derive(Debug, thiserror::Error)]
pub enum FileSinkError {
    /// The path has no file name.
    #[error("{0} names no file; give the file's full path")]
    NoName(PathBuf),
    /// The folder is not there.
    #[error("{0}: its folder does not exist; make it, closed to others")]
    NoFolder(PathBuf),
    /// Anyone could put another file in its place.
    #[error(
        "{path}: everyone may write in its folder (mode {mode:04o}); chmod o-w the folder, or choose another"
    )]
    FolderOpen {
        /// The file.
        path: PathBuf,
        /// The folder's permission bits.
        mode: u32,
    },
    /// Someone could lead us to write elsewhere.
    #[error("{0} is a symbolic link, which is not followed; configure the place it points to")]
    Symlink(PathBuf),
    /// A folder, a pipe, a device.
    #[error("{0} is there and is not a regular file; move it away")]
    NotAFile(PathBuf),
    /// A single file was mounted here, so it cannot be replaced as a whole.
    #[error(
        "{0} is mounted by itself and cannot be replaced; mount its folder instead of the single file"
    )]
    Mounted(PathBuf),
    /// Only root may give a file away.
    #[error(
        "{path} cannot be given to owner {owner}, group {group}: run wxtoken as root, or as that user or a member of that group, \
         or set owner and group of the sink to those wxtoken has"
    )]
    Owner {
        /// The file.
        path: PathBuf,
        /// The user it should belong to.
        owner: String,
        /// The group it should belong to.
        group: String,
    },
    /// The system does not let us.
    #[error("{0}: no permission; let the user wxtoken runs as write in its folder")]
    NoPermission(PathBuf),
    /// No space, or the quota is used up.
    #[error("{0}: the disk is full; free some space, it is tried again")]
    DiskFull(PathBuf),
    /// Mounted read-only.
    #[error("{0}: the disk is read-only; mount it writable (with systemd: ReadWritePaths=)")]
    ReadOnly(PathBuf),
    /// Anything else.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl FileSinkError {
    pub(super) fn from_errno(path: PathBuf, errno: Errno) -> Self {
        match errno {
            Errno::NOENT | Errno::NOTDIR => Self::NoFolder(path),
            Errno::LOOP => Self::Symlink(path),
            Errno::ISDIR => Self::NotAFile(path),
            Errno::BUSY | Errno::XDEV => Self::Mounted(path),
            Errno::ACCESS | Errno::PERM => Self::NoPermission(path),
            Errno::NOSPC | Errno::DQUOT => Self::DiskFull(path),
            Errno::ROFS => Self::ReadOnly(path),
            other => Self::Io {
                path,
                source: other.into(),
            },
        }
    }

    pub(super) fn from_io(path: PathBuf, error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(errno) => Self::from_errno(path, errno),
            None => Self::Io {
                path,
                source: error,
            },
        }
    }
}
