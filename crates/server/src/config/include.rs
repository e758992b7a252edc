//! `include`: further files by pattern. `*` and `?` stand for any characters of one name, never for a leading dot.
//!
//! Must not know: what the files hold.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::field::Field;
use super::flaw::Flaw;

/// The files all patterns name, sorted, each once, without the file that includes them.
pub(super) fn files(field: &Field<'_>, main: &Path) -> Vec<PathBuf> {
    let mut found = BTreeSet::new();
    for item in field.items() {
        let Some(pattern) = item.path() else {
            continue;
        };
        let pattern: PathBuf = std::path::absolute(&pattern).unwrap_or(pattern);
        let matches = matching(&pattern);
        if matches.is_empty() && !has_wildcard(&pattern) {
            item.wrong(Flaw::NoFile {
                path: pattern.clone(),
            });
        }
        found.extend(matches);
    }
    found.remove(main);
    found.into_iter().collect()
}

fn has_wildcard(path: &Path) -> bool {
    path.as_os_str()
        .as_encoded_bytes()
        .iter()
        .any(|b| b"*?".contains(b))
}

/// The files a pattern names.
fn matching(pattern: &Path) -> Vec<PathBuf> {
    let mut so_far = vec![PathBuf::new()];
    for part in pattern.components() {
        let wild = match part {
            Component::Normal(name) if has_wildcard(Path::new(name)) => name.to_str(),
            _ => None,
        };
        so_far = match wild {
            None => so_far.into_iter().map(|path| path.join(part)).collect(),
            Some(wild) => so_far
                .iter()
                .flat_map(|path| in_folder(path, wild))
                .collect(),
        };
    }
    so_far.retain(|path| path.is_file());
    so_far
}

/// What a folder holds under names that fit. A folder that cannot be listed holds nothing.
fn in_folder(folder: &Path, wild: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let fitting = entries.flatten().filter(|entry| {
        let name = entry.file_name();
        let name = name.to_str().unwrap_or_default();
        (!name.starts_with('.') || wild.starts_with('.')) && fits(wild.as_bytes(), name.as_bytes())
    });
    fitting.map(|entry| entry.path()).collect()
}

/// Whether a name fits a pattern; linear but for the last star, which is tried again further on.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match (pattern.get(p), star) {
            (Some(b'*'), _) => {
                star = Some((p, n));
                p += 1;
            }
            (Some(c), _) if *c == b'?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            (_, Some((at, from))) => {
                star = Some((at, from + 1));
                p = at + 1;
                n = from + 1;
            }
            (_, None) => return false,
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_fit_names() {
        for (pattern, name, wanted) in [
            ("*.toml", "a.toml", true),
            ("*.toml", "a.toml.bak", false),
            ("*", "", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*a*b", "xaxbxb", true),
            ("*a*b", "xbxa", false),
            ("abc", "abc", true),
            ("", "a", false),
        ] {
            assert_eq!(
                fits(pattern.as_bytes(), name.as_bytes()),
                wanted,
                "{pattern} {name}"
            );
        }
    }

    #[test]
    fn a_pattern_names_files_in_several_folders_but_no_hidden_ones() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for name in [
            "a/x.toml",
            "b/x.toml",
            "b/.hidden.toml",
            "b/y.txt",
            "b/folder.toml/z",
        ] {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let mut found = matching(&root.join("*/*.toml"));
        found.sort();
        assert_eq!(found, [root.join("a/x.toml"), root.join("b/x.toml")]);
        assert!(matching(&root.join("nowhere/*.toml")).is_empty());
    }
}
