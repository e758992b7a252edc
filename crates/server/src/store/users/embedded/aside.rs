//! Files that were put aside as damaged: they hold what was kept of users, and so do not stay longer than users do.
//!
//! Must not know: why they were put aside.

use std::fs;
use std::io;
use std::path::Path;

use wxtoken_core::clock::Wall;

use super::open::FILE;

/// As long as users are kept unless a configuration says otherwise.
const KEPT: u64 = 30 * 24 * 3_600_000;

/// Removes those that are older. Trouble here stops nobody.
pub(super) fn remove_old(folder: &Path, now: Wall) {
    let removed = old(folder, now).and_then(|old| {
        for name in &old {
            fs::remove_file(folder.join(name))?;
        }
        Ok(old)
    });
    match removed {
        Ok(old) => {
            for name in old {
                tracing::info!("{name}, which was put aside 30 days ago, was removed");
            }
        }
        Err(error) => tracing::warn!(
            "damaged files of users that were put aside 30 days ago cannot be removed from {}: {error}; remove them",
            folder.display()
        ),
    }
}

fn old(folder: &Path, now: Wall) -> io::Result<Vec<String>> {
    let mut old = Vec::new();
    for entry in fs::read_dir(folder)? {
        let Ok(name) = entry?.file_name().into_string() else {
            continue;
        };
        if put_aside(&name).is_some_and(|then| now.since(then) >= KEPT) {
            old.push(name);
        }
    }
    Ok(old)
}

/// When a file of this name was put aside, if it was.
fn put_aside(name: &str) -> Option<Wall> {
    let rest = name.strip_prefix(FILE)?.strip_prefix(".damaged-")?;
    let then = rest
        .strip_suffix("-wal")
        .or_else(|| rest.strip_suffix("-shm"))
        .unwrap_or(rest);
    then.parse().ok().map(Wall)
}
