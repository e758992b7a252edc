//! From a file's name to a checked configuration: which files there are, reading them side by side, gathering what is wrong.
//!
//! Must not know: what a key means.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use zeroize::Zeroizing;

use super::admin::Admin;
use super::app_read::AppRow;
use super::caller_read::CallerRow;
use super::cross::Cross;
use super::doc::World;
use super::flaw::Remark;
use super::mistake::{ConfigErrors, Finding, Mistake};
use super::part::{Part, Source, included, read, with_table};
use super::store::{Store, from_environment};
use super::substitute::Env;
use super::{Config, include, sections};

/// The variable that names the file.
const FILE_VARIABLE: &str = "WXTOKEN_CONFIG";
/// Where a file is looked for when none is named.
const USUAL: [&str; 2] = ["wxtoken.toml", "/etc/wxtoken/wxtoken.toml"];

/// Finds the configuration file: the one named, else `$WXTOKEN_CONFIG`, else `./wxtoken.toml`, else
/// `/etc/wxtoken/wxtoken.toml`. `None` when nothing was named and neither is there.
#[must_use]
pub fn find(named: Option<&Path>, env: Env<'_>) -> Option<PathBuf> {
    if let Some(path) = named {
        return Some(path.to_owned());
    }
    if let Some(path) = env(FILE_VARIABLE).filter(|path| !path.is_empty()) {
        return Some(path.into());
    }
    let usual = USUAL.iter().map(PathBuf::from);
    // What exists but cannot be read shall say so, not be passed over.
    usual
        .into_iter()
        .find(|path| path.symlink_metadata().is_ok())
}

/// Finds the file and loads it, or starts empty when there is none.
///
/// # Errors
/// Every mistake found.
pub fn open(named: Option<&Path>, env: Env<'_>) -> Result<Config, ConfigErrors> {
    if let Some(path) = find(named, env) {
        return load(&path, env);
    }
    let wrong = |flaw| ConfigErrors::about_file("", flaw);
    Ok(Config {
        admin: Admin::without_file(env).map_err(wrong)?,
        store: Store {
            master_key: from_environment(env).map_err(wrong)?,
            ..Store::default()
        },
        ..Config::default()
    })
}

/// Loads a file and what it includes.
///
/// # Errors
/// Every mistake found.
pub fn load(path: &Path, env: Env<'_>) -> Result<Config, ConfigErrors> {
    let name = path.display().to_string();
    let (text, open) = read(path).map_err(|why| ConfigErrors::about_file(&name, why))?;
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let main = Source {
        path: absolute,
        name: name.into(),
        text,
        open,
    };
    Loader::new(&World::new(env)).load(main)
}

/// Checks a configuration given as text; its relative paths are relative to `folder`.
///
/// # Errors
/// Every mistake found.
pub fn parse(text: &str, folder: &Path, env: Env<'_>) -> Result<Config, ConfigErrors> {
    let main = Source {
        path: folder.join("wxtoken.toml"),
        name: "wxtoken.toml".into(),
        text: Zeroizing::new(text.to_owned()),
        open: false,
    };
    let config = Loader::new(&World::new(env)).load(main)?;
    Ok(Config {
        file: None,
        ..config
    })
}

struct Loader<'a> {
    world: &'a World<'a>,
    names: Vec<Arc<str>>,
    findings: Vec<Finding>,
    warnings: Vec<Remark>,
    /// Every file that was read, so that no sink overwrites one.
    reads: Vec<PathBuf>,
    apps: Vec<AppRow>,
    callers: Vec<CallerRow>,
    /// A file could not be read, so some apps may be unknown.
    unread: bool,
}

impl<'a> Loader<'a> {
    const fn new(world: &'a World<'a>) -> Self {
        Self {
            world,
            names: Vec::new(),
            findings: Vec::new(),
            warnings: Vec::new(),
            reads: Vec::new(),
            apps: Vec::new(),
            callers: Vec::new(),
            unread: false,
        }
    }

    fn load(mut self, main: Source) -> Result<Config, ConfigErrors> {
        let path = main.path.clone();
        self.names.push(Arc::clone(&main.name));
        self.reads.push(path.clone());
        let mut config = Config::default();
        let mut included = Vec::new();
        let world = self.world;
        let part = with_table(&main, 0, world, &sections::KEYS, |top| {
            config = sections::read(top);
            if let Some(field) = top.get("include") {
                included = include::files(&field, &main.path);
            }
        });
        self.take(part, &main.path, main.open);
        drop(main);
        self.include(included);
        self.finish(config, path)
    }

    fn take(&mut self, part: Part, path: &Path, open: bool) {
        if open && part.remarks.holds_secret {
            self.warnings.push(Remark::OpenFile {
                path: path.to_owned(),
            });
        }
        self.unread |= part.unread;
        self.apps.extend(part.apps);
        self.callers.extend(part.callers);
        self.findings.extend(part.remarks.findings);
        self.warnings.extend(part.remarks.warnings);
        self.reads.extend(part.remarks.reads);
    }

    /// Reads the included files, two at a time where there are two processors.
    fn include(&mut self, paths: Vec<PathBuf>) {
        let first = self.names.len();
        let names = paths.iter().map(|path| path.display().to_string().into());
        self.names.extend(names);
        self.reads.extend(paths.iter().cloned());
        let next = AtomicUsize::new(0);
        let (world, shared_names) = (self.world, &self.names);
        let work = || {
            let mut done = Vec::new();
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(path) = paths.get(at) else {
                    return done;
                };
                let name = shared_names
                    .get(first + at)
                    .map_or_else(|| "".into(), Arc::clone);
                done.push((at, included(path, name, first + at, world)));
            }
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let mut parts = std::thread::scope(|scope| {
            let others = (1..threads.min(2).min(paths.len())).map(|_| scope.spawn(work));
            let others: Vec<_> = others.collect();
            let mut parts = work();
            for other in others {
                match other.join() {
                    Ok(more) => parts.extend(more),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            parts
        });
        parts.sort_unstable_by_key(|(at, _)| *at);
        self.apps
            .reserve_exact(parts.iter().map(|(_, (part, _))| part.apps.len()).sum());
        for (at, (part, open)) in parts {
            self.take(part, &paths[at], open);
        }
    }

    fn finish(mut self, mut config: Config, path: PathBuf) -> Result<Config, ConfigErrors> {
        let mut cross = Cross {
            names: &self.names,
            findings: self.findings,
        };
        cross.sinks(&self.apps, &self.reads, &config.store.path);
        let shared = config.store.redis.as_ref();
        let shared = shared.map(|redis| (&redis.address, redis.prefix.to_string()));
        let store = shared.as_ref().map(|(at, prefix)| (*at, &**prefix));
        cross.redis(&mut self.apps, &self.callers, store, !self.unread);
        config.apps = cross.apps(self.apps);
        cross.callers(&self.callers, &config, !self.unread);
        let mut findings = cross.findings;
        if !findings.is_empty() {
            findings.sort_by_key(|finding| finding.spot);
            return Err(ConfigErrors::new(
                findings
                    .into_iter()
                    .map(|f| named(f, &self.names))
                    .collect(),
            ));
        }
        config.callers = self.callers.into_iter().map(|row| row.caller).collect();
        config.warnings = self.warnings.into_iter().map(Into::into).collect();
        config.file = Some(path);
        Ok(config)
    }
}

fn named(finding: Finding, names: &[Arc<str>]) -> Mistake {
    let Finding { spot, key, flaw } = finding;
    Mistake {
        file: names
            .get(spot.file as usize)
            .map_or_else(|| "".into(), Arc::clone),
        place: (spot.line > 0).then_some((spot.line, spot.column)),
        key,
        text: flaw.into(),
    }
}
