//! What a file sink does to a folder, and what may be done to it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::sync::Arc;

use tempfile::TempDir;
use wxtoken_core::credential::Kind;

use super::super::content::tests::{NOW, app, credential};
use super::*;
use crate::config::FileFormat;

fn is_foreign(state: FileState) -> bool {
    matches!(state, FileState::Foreign(_))
}

struct Place {
    folder: TempDir,
    sink: FileSink,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sink = sink_at(&folder.path().join("token.properties"));
        Self { folder, sink }
    }
    fn path(&self) -> PathBuf {
        self.sink.path()
    }
    fn write(&self, value: &str) -> Result<(), FileSinkError> {
        self.sink.write(&credential(value, Kind::AccessToken), NOW)
    }
    fn check(&self, value: &str) -> FileState {
        let credential = credential(value, Kind::AccessToken);
        self.sink.check(&credential, NOW).unwrap()
    }
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn sink_at(path: &Path) -> FileSink {
    let config = FileSinkConfig {
        path: path.into(),
        format: FileFormat::Properties,
        kind: Kind::AccessToken,
        mode: Some(0o640),
        owner: None,
        group: None,
    };
    FileSink::new(app(), config)
}

fn is_root() -> bool {
    geteuid().is_root()
}

#[test]
fn a_file_is_written_whole_with_its_mode_and_found_intact() {
    let place = Place::new();
    assert_eq!(place.check("68_one"), FileState::Missing);
    place.write("68_one").unwrap();
    assert_eq!(place.check("68_one"), FileState::Intact);
    assert!(is_foreign(place.check("68_two")));
    assert_eq!(fs::metadata(place.path()).unwrap().mode() & 0o7777, 0o640);
    place.write("68_two").unwrap();
    assert_eq!(place.check("68_two"), FileState::Intact);
    assert_eq!(place.names(), ["token.properties"]);
}

#[test]
fn the_mode_is_kept_where_none_is_configured() {
    let place = Place::new();
    let mut config = place.sink.config().clone();
    config.mode = None;
    let sink = FileSink::new(app(), config);
    let write = |value| {
        sink.write(&credential(value, Kind::AccessToken), NOW)
            .unwrap()
    };
    let mode = || fs::metadata(place.path()).unwrap().mode() & 0o7777;
    write("68_one");
    assert_eq!(mode(), 0o600, "a new file is its owner's alone");
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o640)).unwrap();
    write("68_two");
    assert_eq!(mode(), 0o640, "kept");
}

#[test]
fn what_others_do_to_the_file_is_seen() {
    let place = Place::new();
    place.write("68_one").unwrap();
    let written = fs::read(place.path()).unwrap();
    for found in [
        &b""[..],
        &written[1..],
        b"access_token=theirs\n",
        &[0xff; 9],
    ] {
        fs::write(place.path(), found).unwrap();
        assert!(is_foreign(place.check("68_one")));
    }
    fs::remove_file(place.path()).unwrap();
    assert_eq!(place.check("68_one"), FileState::Missing);
    fs::create_dir(place.path()).unwrap();
    assert!(is_foreign(place.check("68_one")));
    let error = place.write("68_one").unwrap_err();
    assert!(matches!(error, FileSinkError::NotAFile(_)), "{error}");
    drop(place.folder);
    let state = place.sink.check(&credential("x", Kind::AccessToken), NOW);
    assert_eq!(state.unwrap(), FileState::Missing);
}

#[test]
fn a_symbolic_link_is_neither_followed_nor_replaced() {
    let place = Place::new();
    let elsewhere = place.folder.path().join("elsewhere");
    fs::write(&elsewhere, "precious").unwrap();
    symlink(&elsewhere, place.path()).unwrap();
    let error = place.write("68_one").unwrap_err();
    assert!(matches!(error, FileSinkError::Symlink(_)), "{error}");
    assert!(is_foreign(place.check("68_one")));
    assert_eq!(fs::read(&elsewhere).unwrap(), b"precious");
    assert_eq!(place.names().len(), 2);
}

#[test]
fn a_folder_everyone_may_write_to_is_refused_unless_it_is_sticky_and_ours() {
    let place = Place::new();
    let set = |mode| {
        fs::set_permissions(place.folder.path(), fs::Permissions::from_mode(mode)).unwrap();
    };
    set(0o777);
    let error = place.write("68_one").unwrap_err();
    assert!(matches!(error, FileSinkError::FolderOpen { .. }), "{error}");
    assert!(error.to_string().contains("0777") && error.to_string().contains("chmod o-w"));
    assert_eq!(place.names(), [""; 0]);
    set(0o1777);
    place.write("68_one").unwrap();
    set(0o775);
    place.write("68_two").unwrap();
}

#[test]
fn what_a_crash_left_behind_is_removed_and_nothing_else_is() {
    let place = Place::new();
    let left = [
        ".token.properties.wxtoken-0123456789abcdef",
        ".token.properties.wxtoken-0123456789abcde",
        ".token.properties.wxtoken-0123456789abcdex",
        ".other.properties.wxtoken-0123456789abcdef",
    ];
    for name in left {
        fs::write(place.folder.path().join(name), "half").unwrap();
    }
    assert_eq!(place.check("68_one"), FileState::Missing);
    assert_eq!(place.names(), [left[3], left[1], left[2]]);
}

#[test]
fn a_missing_folder_is_named_and_so_is_a_path_without_a_file() {
    let place = Place::new();
    let lost = sink_at(&place.folder.path().join("gone/token.properties"));
    let credential = credential("68_one", Kind::AccessToken);
    let error = lost.write(&credential, NOW).unwrap_err();
    assert!(matches!(error, FileSinkError::NoFolder(_)), "{error}");
    let error = sink_at(Path::new("/")).write(&credential, NOW).unwrap_err();
    assert!(matches!(error, FileSinkError::NoName(_)), "{error}");
}

#[test]
fn readers_see_a_whole_file_at_every_moment() {
    let place = Arc::new(Place::new());
    place.write("68_0").unwrap();
    let reader = {
        let path = place.path();
        let stop = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut looks = 0;
            while !until.load(Ordering::Relaxed) || looks == 0 {
                let text = fs::read_to_string(&path).unwrap();
                assert!(text.starts_with("access_token=68_") && text.ends_with('\n'));
                assert_eq!(text.lines().count(), 3, "{text}");
                looks += 1;
            }
        });
        (thread, stop)
    };
    for number in 1..100 {
        place.write(&format!("68_{number}")).unwrap();
    }
    reader.1.store(true, Ordering::Relaxed);
    reader.0.join().unwrap();
}

#[test]
fn the_owner_is_kept_or_set_as_configured() {
    if !is_root() {
        // Someone who is not root may not give a file away, and is told so.
        let place = Place::new();
        let mut config = place.sink.config().clone();
        config.owner = Some(0);
        let sink = FileSink::new(app(), config);
        let error = sink.write(&credential("x", Kind::AccessToken), NOW);
        assert!(matches!(error, Err(FileSinkError::Owner { .. })));
        return;
    }
    let place = Place::new();
    place.write("68_one").unwrap();
    std::os::unix::fs::chown(place.path(), Some(1234), Some(2345)).unwrap();
    place.write("68_two").unwrap();
    let owned = |path: &Path| {
        let found = fs::metadata(path).unwrap();
        (found.uid(), found.gid())
    };
    assert_eq!(owned(&place.path()), (1234, 2345), "kept");
    let mut config = place.sink.config().clone();
    (config.owner, config.group) = (Some(11), Some(22));
    let sink = FileSink::new(app(), config);
    sink.write(&credential("68_3", Kind::AccessToken), NOW)
        .unwrap();
    assert_eq!(owned(&place.path()), (11, 22), "set");
}

#[test]
fn every_trouble_of_the_system_has_its_cure() {
    let told = |errno| FileSinkError::from_errno("/srv/f".into(), errno).to_string();
    for (errno, cure) in [
        (Errno::BUSY, "mount its folder instead"),
        (Errno::NOSPC, "free some space"),
        (Errno::ROFS, "mount it writable"),
        (Errno::ACCESS, "let the user"),
        (Errno::IO, "nput/output error"),
    ] {
        assert!(told(errno).contains(cure), "{}", told(errno));
        assert!(told(errno).starts_with("/srv/f"));
    }
}
