//! The master key's file: read with suspicion, made once, never overwritten.
//!
//! Must not know: what the key is for.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::keys::{InvalidMasterKey, MasterKey};
use crate::words::{InChinese, Sentence};

/// Why the master key cannot be had from its file.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// There is none.
    #[error(
        "the master key file {0} does not exist; make one with: (umask 077; head -c 32 /dev/urandom | base64 > {0})"
    )]
    Missing(PathBuf),
    /// There is a store, but the key it was sealed with is gone.
    #[error(
        "{store} is there but its master key {key} is gone: put the key back, or set $WXTOKEN_MASTER_KEY; without it the store \
         cannot be read by anyone. To start anew, move {store} away"
    )]
    Lost {
        /// The key's place.
        key: PathBuf,
        /// The store's.
        store: PathBuf,
    },
    /// Others may read or change it.
    #[error("the master key file {path} is open to others (mode {mode:04o}): {cure}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// What to do about it.
        cure: Sentence,
    },
    /// It belongs to someone else.
    #[error("the master key file {path} belongs to user {owner}: {}", cure_of_foreign(*by_root, *owner))]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Whether it is root who reads it now.
        by_root: bool,
    },
    /// Its content is not a key.
    #[error("the master key file {path}: {source}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: InvalidMasterKey,
    },
    /// It is a folder, a pipe, or far too large.
    #[error(
        "the master key file {0} is not a small regular file; move it away, and name the file that holds the key"
    )]
    NotAFile(PathBuf),
    /// The system refuses.
    #[error(
        "the master key file {path} cannot be read or made: {source}; look at the owner and mode of it and its folder"
    )]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl InChinese for KeyFileError {
    fn in_chinese(&self) -> String {
        match self {
            Self::Missing(path) => {
                let path = path.display();
                format!(
                    "主密钥文件 {path} 不存在；这样生成：(umask 077; head -c 32 /dev/urandom | base64 > {path})"
                )
            }
            Self::Lost { key, store } => {
                let (key, store) = (key.display(), store.display());
                format!(
                    "{store} 还在，它的主密钥 {key} 却没有了：把密钥放回去，或设置 $WXTOKEN_MASTER_KEY；没有它谁也读不了这个存储。\
                     要重新开始，就把 {store} 移走"
                )
            }
            Self::Open { path, mode, cure } => format!(
                "主密钥文件 {} 别人也能访问（权限 {mode:04o}）：{}",
                path.display(),
                cure.zh
            ),
            Self::Foreign {
                path,
                owner,
                by_root,
            } => {
                let cure = if *by_root {
                    format!(
                        "你现在是 root；以那个用户运行，例如：sudo -u '#{owner}' wxtoken … 只有 wxtoken 总以 root 运行时，才把它 chown 给 root"
                    )
                } else {
                    "chown 给运行 wxtoken 的用户，或给 root".to_owned()
                };
                format!("主密钥文件 {} 属于用户 {owner}：{cure}", path.display())
            }
            Self::Content { path, source } => {
                format!("主密钥文件 {}：{}", path.display(), source.in_chinese())
            }
            Self::NotAFile(path) => format!(
                "主密钥文件 {} 不是小的普通文件；把它移走，写上主密钥所在的文件",
                path.display()
            ),
            Self::Io { path, source } => format!(
                "主密钥文件 {} 读不了或写不了：{}；检查它和所在文件夹的属主与权限",
                path.display(),
                source.in_chinese()
            ),
        }
    }
}

impl MasterKey {
    /// Reads the key from a file that is ours, or root's, and closed to others.
    ///
    /// # Errors
    /// Says what is wrong with the file and how to cure it.
    pub fn read_file(path: &Path) -> Result<Self, KeyFileError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => KeyFileError::Missing(path.into()),
            _ => KeyFileError::Io {
                path: path.into(),
                source,
            },
        };
        // Not to hang on a pipe; what was opened is checked, not what the name means a moment later.
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
            .open(path)
            .map_err(failed)?;
        check(path, &file.metadata().map_err(failed)?)?;
        let mut text = Zeroizing::new(String::with_capacity(1024));
        file.take(1024).read_to_string(&mut text).map_err(failed)?;
        Self::from_base64(&text).map_err(|source| KeyFileError::Content {
            path: path.into(),
            source,
        })
    }

    /// Reads the key from a file, or makes both if there is none. `store` is what is sealed with it: if that is there
    /// already, a missing key is an error and no new one is made.
    ///
    /// # Errors
    /// As [`Self::read_file`]; and the key was lost, or cannot be written.
    pub fn read_or_make_file(path: &Path, store: &Path) -> Result<Self, KeyFileError> {
        match Self::read_file(path) {
            Err(KeyFileError::Missing(_)) if store.exists() => Err(KeyFileError::Lost {
                key: path.into(),
                store: store.into(),
            }),
            Err(KeyFileError::Missing(_)) => {
                let key = Self::generate().map_err(|source| KeyFileError::Content {
                    path: path.into(),
                    source,
                })?;
                make(path, &key).map_err(|source| KeyFileError::Io {
                    path: path.into(),
                    source,
                })?;
                Self::read_file(path) // someone else may have made theirs first; then that one holds
            }
            other => other,
        }
    }
}

/// Most who run this as root by hand have a service that runs as somebody else.
fn cure_of_foreign(by_root: bool, owner: u32) -> String {
    if by_root {
        format!(
            "you are root; run this as that user, as in: sudo -u '#{owner}' wxtoken … Only if wxtoken always runs as root, \
             chown it to root"
        )
    } else {
        "chown it to the user wxtoken runs as, or to root".to_owned()
    }
}

fn check(path: &Path, file: &fs::Metadata) -> Result<(), KeyFileError> {
    if !file.is_file() || file.len() > 1024 {
        return Err(KeyFileError::NotAFile(path.into()));
    }
    let ours = rustix::process::geteuid().as_raw();
    judge(path, file.uid(), file.mode() & 0o7777, ours)
}

/// Whose file it may be and who else may read it, for a process of user `ours`.
fn judge(path: &Path, owner: u32, mode: u32, ours: u32) -> Result<(), KeyFileError> {
    if owner != ours && owner != 0 {
        return Err(KeyFileError::Foreign {
            path: path.into(),
            owner,
            by_root: ours == 0,
        });
    }
    // Root's file may be read by its group, as mounted secrets are. Who runs as root needs no group for it.
    let (closed, zh, en) = match (owner, ours) {
        (0, 0) => (
            0o037,
            "chmod 0600（挂载的 secret：defaultMode 0440 或更严）",
            "chmod 0600 it (a mounted secret: defaultMode 0440 or stricter)",
        ),
        (0, _) => (
            0o037,
            "以 root chmod 0440，属组设为运行 wxtoken 的组（挂载的 secret：defaultMode 0440）",
            "as root chmod 0440 it, with a group wxtoken runs in (a mounted secret: defaultMode 0440)",
        ),
        _ => (0o077, "chmod 0600", "chmod 0600 it"),
    };
    if mode & closed == 0 {
        return Ok(());
    }
    Err(KeyFileError::Open {
        path: path.into(),
        mode,
        cure: Sentence::new(zh, en),
    })
}

/// Writes a new key so that the file is never there without its content, and never replaces one.
fn make(path: &Path, key: &MasterKey) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(format!(".{}.new", std::process::id()));
    let unfinished = PathBuf::from(unfinished);
    let result = (|| {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&unfinished)?;
        file.write_all(key.expose_base64().as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        match fs::hard_link(&unfinished, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    })();
    if let Err(error) = fs::remove_file(&unfinished)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    result?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_key_is_made_once_closed_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let (path, store) = (folder.path().join("key"), folder.path().join("db"));
        let made = MasterKey::read_or_make_file(&path, &store).unwrap();
        let again = MasterKey::read_or_make_file(&path, &store).unwrap();
        assert_eq!(*made.expose_base64(), *again.expose_base64());
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_lost_key_is_not_replaced_while_its_store_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let (path, store) = (folder.path().join("key"), folder.path().join("db"));
        fs::write(&store, "").unwrap();
        let error = MasterKey::read_or_make_file(&path, &store).unwrap_err();
        assert!(matches!(error, KeyFileError::Lost { .. }));
        assert!(!path.exists());
    }

    #[test]
    fn making_never_replaces_a_key_that_appeared_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let (first, second) = (
            MasterKey::generate().unwrap(),
            MasterKey::generate().unwrap(),
        );
        make(&path, &first).unwrap();
        make(&path, &second).unwrap();
        let held = MasterKey::read_file(&path).unwrap();
        assert_eq!(*held.expose_base64(), *first.expose_base64());
    }

    #[test]
    fn a_key_open_to_others_is_refused_with_a_cure() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        make(&path, &MasterKey::generate().unwrap()).unwrap();
        let root = rustix::process::geteuid().is_root();
        for (bits, fine) in [(0o400, true), (0o440, root), (0o460, false), (0o604, false)] {
            mode(&path, bits);
            let read = MasterKey::read_file(&path);
            assert_eq!(read.is_ok(), fine, "{bits:o}: {read:?}");
            if let Err(error) = read {
                assert!(error.to_string().contains("chmod 0"), "{error}");
            }
        }
    }

    #[test]
    fn the_cure_fits_whoever_runs_it() {
        let said = |owner, mode, ours| match judge(Path::new("key"), owner, mode, ours) {
            Ok(()) => "fine".to_owned(),
            Err(error) => error.to_string(),
        };
        for (owner, mode, ours) in [
            (0, 0o600, 0),
            (0, 0o440, 0),
            (0, 0o440, 998),
            (998, 0o600, 998),
        ] {
            assert_eq!(said(owner, mode, ours), "fine");
        }
        assert!(said(998, 0o600, 0).contains("sudo -u '#998' wxtoken"));
        assert!(said(5, 0o600, 998).ends_with("chown it to the user wxtoken runs as, or to root"));
        assert!(said(0, 0o644, 0).contains(": chmod 0600 it"));
        assert!(said(0, 0o644, 998).contains(": as root chmod 0440 it"));
        assert!(said(998, 0o640, 998).ends_with(": chmod 0600 it"));
    }

    #[test]
    fn folders_pipes_and_rubbish_are_named_as_such() {
        let folder = tempfile::tempdir().unwrap();
        let read = |name: &str| MasterKey::read_file(&folder.path().join(name)).unwrap_err();
        assert!(matches!(read("none"), KeyFileError::Missing(_)));
        assert!(matches!(read(""), KeyFileError::NotAFile(_)));
        for (name, content) in [("short", &b"abc"[..]), ("binary", &[0xff; 44])] {
            let path = folder.path().join(name);
            fs::write(&path, content).unwrap();
            mode(&path, 0o600);
        }
        assert!(matches!(read("short"), KeyFileError::Content { .. }));
        assert!(matches!(read("binary"), KeyFileError::Io { .. }));
    }
}
