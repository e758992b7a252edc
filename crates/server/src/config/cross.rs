//! What must differ or agree between tables: AppIDs, sinks, callers' keys and names, the apps callers name.
//!
//! Must not know: how a table is read.

use std::collections::{HashMap, HashSet};
use std::path::{Component, Path, PathBuf};

use super::app_read::AppRow;
use super::caller_read::CallerRow;
use super::flaw::Flaw;
use super::mistake::{Finding, Spot};
use super::secret::KeyHash;
use super::{App, Config};

/// Compares everything with everything.
pub(super) struct Cross<'n> {
    /// The files' names, by their numbers.
    pub(super) names: &'n [std::sync::Arc<str>],
    pub(super) findings: Vec<Finding>,
}

impl Cross<'_> {
    pub(super) fn wrong(&mut self, spot: Spot, key: &str, flaw: Flaw) {
        let key = key.to_owned();
        self.findings.push(Finding { spot, key, flaw });
    }

    pub(super) fn place(&self, spot: Spot) -> String {
        let file = self.names.get(spot.file as usize).map_or("", |name| name);
        format!("{file}:{}", spot.line)
    }

    /// Sorts the apps and refuses a second one with an AppID.
    pub(super) fn apps(&mut self, mut rows: Vec<AppRow>) -> Vec<App> {
        rows.sort_unstable_by_key(|row| (row.app.appid, row.spot));
        for pair in rows.windows(2) {
            if let [first, second] = pair
                && first.app.appid == second.app.appid
            {
                let at = self.place(first.spot);
                self.wrong(
                    second.spot,
                    "app.appid",
                    Flaw::AppTwice {
                        app: second.app.appid,
                        at,
                    },
                );
            }
        }
        // Collected in the room of the rows, which is larger.
        let mut apps: Vec<App> = rows.into_iter().map(|row| row.app).collect();
        apps.shrink_to_fit();
        apps
    }

    /// Refuses two sinks in one place, however the path is spelled, and sinks where our own files are.
    pub(super) fn sinks(&mut self, rows: &[AppRow], ours: &[PathBuf], store: &Path) {
        let mut folders = Folders::default();
        let mut taken: HashMap<PathBuf, Spot> = HashMap::new();
        let all = rows
            .iter()
            .flat_map(|row| row.app.files().iter().zip(&row.files));
        let mut all: Vec<(&Path, Spot)> = all.map(|(sink, spot)| (&*sink.path, *spot)).collect();
        if all.is_empty() {
            return;
        }
        all.sort_unstable_by_key(|(_, spot)| *spot);
        let ours: HashSet<PathBuf> = ours.iter().map(|path| folders.real(path)).collect();
        let store = folders.real(&store.join("x"));
        let store = store.parent().unwrap_or(&store);
        for (path, spot) in all {
            let path = folders.real(path);
            if ours.contains(&path) {
                self.wrong(spot, "app.file.path", Flaw::SinkOurs);
            } else if path.starts_with(store) {
                self.wrong(spot, "app.file.path", Flaw::SinkInStore);
            }
            if let Some(first) = taken.get(&path) {
                let at = self.place(*first);
                self.wrong(spot, "app.file.path", Flaw::SinkTwice { at });
            } else {
                taken.insert(path, spot);
            }
        }
    }

    /// Refuses callers that could be taken for another, and, when all apps are known, those nobody configured.
    pub(super) fn callers(&mut self, rows: &[CallerRow], config: &Config, all_known: bool) {
        let mut names: HashMap<&str, Spot> = HashMap::new();
        let mut keys: HashMap<KeyHash, Spot> = HashMap::new();
        let mut certificates: HashMap<&str, Spot> = HashMap::new();
        let asked_for = config.server.tls.as_ref();
        let asked_for = asked_for.is_some_and(|tls| tls.client_ca.is_some());
        self.return_to(rows);
        for row in rows {
            let name = &*row.caller.name;
            if let Some(first) = names.insert(name, row.spot).filter(|_| !name.is_empty()) {
                let at = self.place(first);
                self.wrong(row.spot, "caller.name", Flaw::CallerTwice { at });
            }
            if let Some(key) = row.caller.key {
                if let Some(first) = keys.insert(key, row.key_spot) {
                    let at = self.place(first);
                    self.wrong(row.key_spot, "caller.key", Flaw::CallerKeyTwice { at });
                }
                if config.admin.key == Some(key) {
                    self.wrong(row.key_spot, "caller.key", Flaw::CallerKeyIsAdmin);
                }
            }
            if let Some(name) = &row.caller.certificate {
                let spot = row.certificate_spot;
                if let Some(first) = certificates.insert(name, spot) {
                    let at = self.place(first);
                    self.wrong(spot, "caller.certificate", Flaw::CertificateTwice { at });
                }
                if !asked_for {
                    self.wrong(spot, "caller.certificate", Flaw::CertificateUnasked);
                }
            }
            for (app, spot) in &row.apps {
                if all_known && config.app(app).is_none() {
                    self.wrong(*spot, "caller.apps", Flaw::NoSuchApp { app: *app });
                }
            }
        }
    }
}

impl Cross<'_> {
    /// Refuses a page that two callers of one app could redeem from.
    fn return_to(&mut self, rows: &[CallerRow]) {
        let mut known: HashMap<&str, Vec<&CallerRow>> = HashMap::new();
        for row in rows {
            for url in &row.caller.return_to {
                let others = known.entry(url).or_default();
                let meets = |other: &&&CallerRow| other.caller.apps.meets(&row.caller.apps);
                if let Some(first) = others.iter().find(meets) {
                    let (url, at) = (url.to_string(), self.place(first.return_to_spot));
                    let flaw = Flaw::ReturnToTwice { url, at };
                    self.wrong(row.return_to_spot, "caller.return_to", flaw);
                }
                others.push(row);
            }
        }
    }
}

/// Folders as they really are, links followed, each asked for once.
#[derive(Default)]
struct Folders {
    known: HashMap<PathBuf, PathBuf>,
}

impl Folders {
    /// The one spelling of a file's path: its folder as it really is, and its name.
    fn real(&mut self, path: &Path) -> PathBuf {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return plain(path);
        };
        if let Some(real) = self.known.get(folder) {
            return real.join(name);
        }
        let real = existing(folder);
        let joined = real.join(name);
        self.known.insert(folder.to_owned(), real);
        joined
    }
}

/// A folder with links followed as far as it exists, the rest by its words.
fn existing(folder: &Path) -> PathBuf {
    let words = plain(folder);
    for above in words.ancestors() {
        // The folder itself first: `..` after a link means the folder above where the link leads.
        let real = if above == words {
            folder.canonicalize()
        } else {
            above.canonicalize()
        };
        if let (Ok(real), Ok(rest)) = (real, words.strip_prefix(above)) {
            return real.join(rest);
        }
    }
    words
}

/// A path without `.` and `..`, by its words alone.
fn plain(path: &Path) -> PathBuf {
    let mut done = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                done.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => done.push(part),
        }
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_one_name_however_its_path_is_spelled() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("real")).unwrap();
        std::os::unix::fs::symlink(root.join("real"), root.join("link")).unwrap();
        let mut folders = Folders::default();
        let wanted = root.join("real/token");
        for spelling in [
            "real/token",
            "link/token",
            "./real//token",
            "real/../link/token",
        ] {
            assert_eq!(folders.real(&root.join(spelling)), wanted, "{spelling}");
        }
        assert_eq!(
            folders.real(&root.join("new/../x/./token")),
            root.join("x/token")
        );
        assert_ne!(folders.real(&root.join("real/other")), wanted);
    }
}
