//! Looks at the files and folders the configuration names, without changing any.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use wxtoken_server::config::Config;
use wxtoken_server::words::Sentence;

use super::finding::Setup;

/// Everything about the configuration itself and its files.
pub(super) fn look(config: &Config) -> Vec<Setup> {
    let mut found = vec![match &config.file {
        Some(file) => Setup::Read {
            file: file.display().to_string(),
            apps: config.apps.len(),
            callers: config.callers.len(),
        },
        None => Setup::NoFile,
    }];
    found.extend(config.warnings.iter().cloned().map(Setup::Remark));
    if config.apps.is_empty() {
        found.push(Setup::NoApps);
    }
    if config.callers.is_empty() {
        found.push(Setup::NoCallers);
    }
    found.push(store_folder(&config.store.path));
    found.extend(sink_folders(config));
    found
}

fn store_folder(path: &Path) -> Setup {
    let path = path.to_owned();
    match path.metadata() {
        Ok(data) if !data.is_dir() => Setup::NotWritable {
            path,
            why: Sentence::of(&io::Error::from(io::ErrorKind::NotADirectory)),
        },
        Ok(data) => {
            let mode = data.permissions().mode() & 0o7777;
            if mode & 0o077 != 0 {
                return Setup::FolderOpen { path, mode };
            }
            match writable(&path) {
                Ok(()) => Setup::FolderFine(path),
                Err(why) => Setup::NotWritable { path, why },
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => match writable(parent(&path)) {
            Ok(()) => Setup::FolderToBeMade(path),
            Err(why) => Setup::NotWritable {
                path: parent(&path).to_owned(),
                why,
            },
        },
        Err(error) => Setup::NotWritable {
            path,
            why: Sentence::of(&error),
        },
    }
}

/// Each folder once, however many files are kept in it.
fn sink_folders(config: &Config) -> Vec<Setup> {
    let folders: BTreeSet<&Path> = config
        .apps
        .iter()
        .flat_map(|app| app.files())
        .map(|file| parent(&file.path))
        .collect();
    folders
        .into_iter()
        .filter_map(|folder| {
            let why = writable(folder).err()?;
            Some(Setup::NotWritable {
                path: folder.to_owned(),
                why,
            })
        })
        .collect()
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

/// Whether a file could be made there: asked of the system, by making an unnamed one.
fn writable(folder: &Path) -> Result<(), Sentence> {
    tempfile::tempfile_in(folder)
        .map(drop)
        .map_err(|error| Sentence::of(&io::Error::from(error.kind())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(mode: u32) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(mode)).unwrap();
        folder
    }

    #[test]
    fn a_store_folder_that_others_may_enter_is_found_with_its_mode() {
        let folder = made(0o750);
        let path = folder.path().to_owned();
        assert_eq!(store_folder(&path), Setup::FolderOpen { path, mode: 0o750 });
        let folder = made(0o700);
        let path = folder.path().to_owned();
        assert_eq!(store_folder(&path), Setup::FolderFine(path));
    }

    #[test]
    fn a_store_folder_is_not_made_by_looking_at_it() {
        let folder = made(0o700);
        let path = folder.path().join("data");
        assert_eq!(store_folder(&path), Setup::FolderToBeMade(path.clone()));
        assert!(!path.exists());
        let missing = folder.path().join("no/such");
        let found = store_folder(&missing);
        assert!(matches!(found, Setup::NotWritable { .. }), "{found:?}");
    }

    #[test]
    fn nothing_is_left_behind_where_writing_was_tried() {
        let folder = made(0o700);
        writable(folder.path()).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
