//! One process at a time: a lock file that says who holds the store.
//!
//! Must not know: the database.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, OFlags, flock};
use wxtoken_core::clock::Wall;

use crate::words::Sentence;

const NAME: &str = "wxtoken.lock";

/// Held while the store is open; the system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Drop for Lock {
    /// Let go of by word: a child process that is just being started has a copy of the open file, and closing ours alone
    /// would leave the lock with it.
    fn drop(&mut self) {
        if let Err(error) = flock(&self.0, FlockOperation::Unlock) {
            tracing::warn!(error = %error, "the store's lock could not be let go of; it ends with this process");
        }
    }
}

/// Why there is no lock.
#[derive(Debug)]
pub(super) enum NoLock {
    /// Another process has it: what it wrote about itself.
    Held(Sentence),
    Io(io::Error),
}

pub(super) fn take(folder: &Path, now: Wall) -> Result<Lock, NoLock> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(folder.join(NAME))
        .map_err(NoLock::Io)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => return Err(NoLock::Held(holder(&mut file))),
        Err(error) => return Err(NoLock::Io(error.into())),
    }
    // Who holds it is for people. On a full disk the lock still holds.
    if let Err(error) = sign(&mut file, now) {
        tracing::warn!(error = %error, "the store's lock file cannot be signed; the lock holds nevertheless");
    }
    Ok(Lock(file))
}

fn sign(file: &mut File, now: Wall) -> io::Result<()> {
    let since = i64::try_from(now.0)
        .ok()
        .and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok())
        .map_or_else(String::new, |at| format!(" since {at:.0}"));
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim();
    let on = if host.is_empty() { "" } else { " on " };
    file.set_len(0)?;
    writeln!(file, "process {}{on}{host}{since}", std::process::id())
}

/// What [`sign`] wrote, in Chinese too.
fn in_words(signed: &str) -> Sentence {
    let words: Vec<&str> = signed.split(' ').collect();
    let zh = match *words {
        ["process", id] => format!("进程 {id}"),
        ["process", id, "on", host] => format!("{host} 上的进程 {id}"),
        ["process", id, "since", since] => format!("进程 {id}，始于 {since}"),
        ["process", id, "on", host, "since", since] => {
            format!("{host} 上的进程 {id}，始于 {since}")
        }
        _ => "另一个进程".to_owned(),
    };
    Sentence::new(zh, signed)
}

fn holder(file: &mut File) -> Sentence {
    let mut text = String::new();
    match file.take(300).read_to_string(&mut text) {
        Ok(_) if !text.trim().is_empty() => {
            let plain: String = text.trim().chars().filter(|c| !c.is_control()).collect();
            in_words(&plain)
        }
        _ => Sentence::new("另一个进程", "another process"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_store_is_named_in_both_languages() {
        let folder = tempfile::tempdir().unwrap();
        let _held = take(folder.path(), Wall(1_795_000_000_000)).unwrap();
        let Err(NoLock::Held(holder)) = take(folder.path(), Wall(0)) else {
            panic!("taken twice");
        };
        let id = std::process::id();
        assert!(
            holder.en.starts_with(&format!("process {id}")),
            "{holder:?}"
        );
        assert!(
            holder.zh.contains(&format!("进程 {id}，始于 2026-11-18T")),
            "{holder:?}"
        );
        for english in ["process", " on ", "since"] {
            assert!(!holder.zh.contains(english), "{holder:?}");
        }
        assert_eq!(in_words("process 7 since x").zh, "进程 7，始于 x");
        assert_eq!(in_words("process 7 on h").zh, "h 上的进程 7");
        assert_eq!(in_words("process 7").zh, "进程 7");
        assert_eq!(in_words("what a later version says").zh, "另一个进程");
    }

    #[test]
    fn a_lock_let_go_of_is_free_though_a_child_process_still_has_the_file_open() {
        let folder = tempfile::tempdir().unwrap();
        let lock = take(folder.path(), Wall(0)).unwrap();
        let copy = lock.0.try_clone().unwrap(); // what a child has between fork and exec
        assert!(matches!(take(folder.path(), Wall(0)), Err(NoLock::Held(_))));
        drop(lock);
        take(folder.path(), Wall(0)).unwrap();
        drop(copy);
    }
}
