//! A page that turns out to be damaged while the server runs: that is noted beside the file, and the next start puts the file
//! aside and begins a new one.
//!
//! Must not know: what is read or written.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::super::super::embedded::Trouble;
use crate::words::Sentence;

/// What a trouble is, and its cure. Damage is noted.
pub(super) fn told(connection: &Connection, trouble: &Trouble) -> Sentence {
    if !trouble.is_damage() {
        return trouble.in_words();
    }
    let Some(path) = connection.path().map(Path::new) else {
        return trouble.in_words();
    };
    match note(path) {
        Ok(()) => tracing::error!(
            "the users' file {} is damaged inside; restart wxtoken, which then puts it aside and begins a new one: users are asked \
             again when they come, credentials are not affected",
            path.display()
        ),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => tracing::error!(
            "the users' file {} is damaged inside, and that cannot be noted beside it ({error}); stop wxtoken, move the file away, \
             and start again",
            path.display()
        ),
    }
    Sentence::new(
        "用户文件有损坏；重新启动 wxtoken，它会把文件放到一边并新建一个，用户下次来时重新授权，凭据不受影响",
        "the users' file is damaged; restart wxtoken, which puts it aside and begins a new one: users are asked again when they \
         come, credentials are not affected",
    )
}

/// Whether damage was noted.
pub(super) fn is_noted(path: &Path) -> bool {
    beside(path).exists()
}

/// The file was put aside.
pub(super) fn is_over(path: &Path) -> io::Result<()> {
    fs::remove_file(beside(path))
}

fn note(path: &Path) -> io::Result<()> {
    let note = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(beside(path))?;
    note.sync_all()
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".is-damaged");
    PathBuf::from(name)
}
