//! Writes a file so that a reader sees the old content or the new, whole, and nobody else ever could have.
//!
//! Owns: the temporary file, owner, mode, fsync, rename. Must not know: when to write, what the content means.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_lc_rs::rand;
use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, RawMode, Stat, Uid, fchmod, fchown, fstat,
    fsync, openat, renameat, statat, unlinkat,
};
use rustix::io::Errno;
use rustix::process::geteuid;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Now;
use wxtoken_core::credential::Credential;
use zeroize::Zeroizing;

use super::content;
use super::file_error::FileSinkError;
use crate::config::FileSinkConfig;

/// Stands in the names of our temporary files, between the file's own name and 16 hex digits.
const OURS: &str = ".wxtoken-";
const DIGITS: usize = 16;
/// More than any content of ours.
const LARGEST: u64 = 64 * 1024;

/// Who may read, write and execute.
const PERMISSIONS: RawMode = 0o777;
/// Of a new file, where none are configured.
const OWNER_ALONE: RawMode = 0o600;

/// What is found where a sink was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileState {
    /// What we wrote.
    Intact,
    /// Nothing: it was removed, or never written.
    Missing,
    /// Something else: another value, an edited or torn file, or no regular file at all.
    Foreign(Foreign),
}

/// Tells one strange content from another, in this process; says nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Foreign(u64);

impl Foreign {
    /// No content that can be read.
    const NO_FILE: FileState = FileState::Foreign(Self(0));

    fn of(content: &[u8]) -> FileState {
        static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        FileState::Foreign(Self(KEYS.hash_one(content)))
    }
}

/// One file that holds a copy of one credential. Its calls block.
#[derive(Debug)]
pub struct FileSink {
    app: AppId,
    config: FileSinkConfig,
    tidied: AtomicBool,
}

impl FileSink {
    /// A sink for a credential of `app`; touches nothing yet.
    #[must_use]
    pub fn new(app: AppId, config: FileSinkConfig) -> Self {
        Self {
            app,
            config,
            tidied: AtomicBool::new(false),
        }
    }

    /// Where it is and what it holds.
    #[must_use]
    pub fn config(&self) -> &FileSinkConfig {
        &self.config
    }

    /// Puts the credential there, durably and at once: readers see the content before or this one.
    ///
    /// # Errors
    /// Says why not, and the cure. What was there before is unharmed.
    pub fn write(&self, credential: &Credential, now: Now) -> Result<(), FileSinkError> {
        let (folder, name) = self.folder()?;
        self.tidy(&folder, name);
        let replaced = self.replaced(&folder, name)?;
        let content = content::render(self.config.format, &self.app, credential, now);
        let temporary = self.temporary_name(name)?;
        let flags =
            OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&folder, &temporary, flags, Mode::RUSR | Mode::WUSR)
            .map_err(|errno| self.failed(errno))?;
        let done = self
            .fill(file, &content, replaced)
            .and_then(|()| self.put_in_place(&folder, &temporary, name));
        if done.is_err() {
            // It may be gone already; what is left is tidied at the next start.
            let _ = unlinkat(&folder, &temporary, AtFlags::empty());
        }
        done
    }

    /// Looks whether the credential is still there as it was written, at whatever moment.
    ///
    /// # Errors
    /// The place cannot be looked at.
    pub fn check(&self, credential: &Credential, now: Now) -> Result<FileState, FileSinkError> {
        let (folder, name) = match self.folder() {
            Err(FileSinkError::NoFolder(_)) => return Ok(FileState::Missing),
            other => other?,
        };
        self.tidy(&folder, name);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match openat(&folder, name, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(FileState::Missing),
            Err(Errno::LOOP | Errno::NXIO) => return Ok(Foreign::NO_FILE),
            Err(errno) => return Err(self.failed(errno)),
        };
        let found = fstat(&file).map_err(|errno| self.failed(errno))?;
        if !is_regular(&found) {
            return Ok(Foreign::NO_FILE);
        }
        let mut text = Zeroizing::new(Vec::with_capacity(4096));
        File::from(file)
            .take(LARGEST)
            .read_to_end(&mut text)
            .map_err(|error| FileSinkError::from_io(self.path(), error))?;
        let ours = std::str::from_utf8(&text).is_ok_and(|text| {
            content::is_ours(self.config.format, &self.app, credential, now, text)
        });
        Ok(if ours {
            FileState::Intact
        } else {
            Foreign::of(&text)
        })
    }

    /// The folder, opened once and checked: from here on nobody can exchange it for another.
    fn folder(&self) -> Result<(OwnedFd, &OsStr), FileSinkError> {
        let path = &self.config.path;
        let name = path
            .file_name()
            .ok_or_else(|| FileSinkError::NoName(self.path()))?;
        let parent = path.parent().filter(|parent| *parent != Path::new(""));
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = openat(CWD, parent.unwrap_or(Path::new(".")), flags, Mode::empty())
            .map_err(|errno| self.failed(errno))?;
        let found = fstat(&folder).map_err(|errno| self.failed(errno))?;
        let mode = Mode::from_raw_mode(found.st_mode);
        let sticky_and_ours = mode.contains(Mode::SVTX) && found.st_uid == geteuid().as_raw();
        if mode.contains(Mode::WOTH) && !sticky_and_ours {
            return Err(FileSinkError::FolderOpen {
                path: self.path(),
                mode: mode.as_raw_mode(),
            });
        }
        Ok((folder, name))
    }

    /// What is there now, if it may be replaced.
    fn replaced(&self, folder: &OwnedFd, name: &OsStr) -> Result<Option<Stat>, FileSinkError> {
        match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) if is_regular(&found) => Ok(Some(found)),
            Ok(found) if FileType::from_raw_mode(found.st_mode) == FileType::Symlink => {
                Err(FileSinkError::Symlink(self.path()))
            }
            Ok(_) => Err(FileSinkError::NotAFile(self.path())),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(self.failed(errno)),
        }
    }

    /// Owner and mode first, then content, then the disk has it.
    fn fill(
        &self,
        file: OwnedFd,
        content: &str,
        replaced: Option<Stat>,
    ) -> Result<(), FileSinkError> {
        self.give_away(&file, replaced)?;
        let kept = replaced.map(|old| old.st_mode & PERMISSIONS);
        let mode = self.config.mode.map(|mode| mode as RawMode).or(kept);
        let mode = Mode::from_raw_mode(mode.unwrap_or(OWNER_ALONE));
        fchmod(&file, mode).map_err(|errno| self.failed(errno))?;
        let mut file = File::from(file);
        file.write_all(content.as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(|error| FileSinkError::from_io(self.path(), error))
    }

    /// The configured owner and group; where none are, those of the file that is replaced.
    fn give_away(&self, file: &OwnedFd, replaced: Option<Stat>) -> Result<(), FileSinkError> {
        let now = fstat(file).map_err(|errno| self.failed(errno))?;
        let owner = self.config.owner.or(replaced.map(|old| old.st_uid));
        let group = self.config.group.or(replaced.map(|old| old.st_gid));
        let owner = owner.filter(|owner| *owner != now.st_uid);
        let group = group.filter(|group| *group != now.st_gid);
        if owner.is_none() && group.is_none() {
            return Ok(());
        }
        fchown(file, owner.map(Uid::from_raw), group.map(Gid::from_raw)).map_err(|errno| {
            let show = |id: Option<u32>| id.map_or("unchanged".to_owned(), |id| id.to_string());
            match errno {
                Errno::PERM | Errno::INVAL => FileSinkError::Owner {
                    path: self.path(),
                    owner: show(owner),
                    group: show(group),
                },
                other => self.failed(other),
            }
        })
    }

    fn put_in_place(
        &self,
        folder: &OwnedFd,
        temporary: &OsStr,
        name: &OsStr,
    ) -> Result<(), FileSinkError> {
        renameat(folder, temporary, folder, name)
            .and_then(|()| fsync(folder))
            .map_err(|errno| self.failed(errno))
    }

    fn temporary_name(&self, name: &OsStr) -> Result<OsString, FileSinkError> {
        let mut random = [0; DIGITS / 2];
        rand::fill(&mut random).map_err(|_| self.failed(Errno::IO))?;
        let mut temporary = prefix(name);
        temporary.push(format!("{:016x}", u64::from_ne_bytes(random)));
        Ok(temporary)
    }

    /// Once: removes what a crash of ours left half written. Trouble here harms nothing.
    fn tidy(&self, folder: &OwnedFd, name: &OsStr) {
        if self.tidied.swap(true, Ordering::Relaxed) {
            return;
        }
        let prefix = prefix(name);
        let prefix = prefix.as_encoded_bytes();
        let entries = Dir::read_from(folder).into_iter().flatten().flatten();
        for entry in entries {
            let left_over = entry
                .file_name()
                .to_bytes()
                .strip_prefix(prefix)
                .is_some_and(|rest| rest.len() == DIGITS && rest.iter().all(u8::is_ascii_hexdigit));
            if left_over
                && statat(folder, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)
                    .is_ok_and(|found| is_regular(&found))
                && let Err(errno) = unlinkat(folder, entry.file_name(), AtFlags::empty())
            {
                tracing::warn!(path = %self.config.path.display(), "an unfinished file could not be removed: {errno}");
            }
        }
    }

    fn failed(&self, errno: Errno) -> FileSinkError {
        FileSinkError::from_errno(self.path(), errno)
    }

    fn path(&self) -> PathBuf {
        self.config.path.to_path_buf()
    }
}

fn prefix(name: &OsStr) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(name);
    prefix.push(OURS);
    prefix
}

fn is_regular(found: &Stat) -> bool {
    FileType::from_raw_mode(found.st_mode) == FileType::RegularFile
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
