//! Keeps every file sink true: written when a value changes, looked at regularly, written again when a write failed or when
//! someone changed or removed it and WeChat has said that our value lives.
//!
//! Owns: when which file is written. Must not know: how (see [`super::FileSink`]), and whether a value lives: a changed file
//! is reported to the keeper as evidence, and put back when the keeper says so.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Boot;
use wxtoken_core::credential::{CredentialKey, Kind};

use super::fare::Fare;
use super::{FileSink, FileState};
use crate::config::Config;
use crate::keeper::Copies;
use crate::telemetry::Metrics;

mod worker;

pub use worker::Worker;

/// A nudge to the worker.
#[derive(Debug, Clone, Copy)]
enum Nudge {
    Write(AppId, Kind),
    Configured,
}

/// One file, and how it fares.
struct Upkept {
    sink: Arc<FileSink>,
    key: CredentialKey,
    fare: Fare<FileState>,
    /// It is being written or looked at.
    at_work: bool,
}

/// The handle: tells the worker what changed. Cheap to clone.
#[derive(Clone)]
pub struct Upkeep {
    nudges: mpsc::UnboundedSender<Nudge>,
    shared: Arc<Shared>,
}

struct Shared {
    sinks: Mutex<HashMap<AppId, Vec<Upkept>>>,
    metrics: Arc<Metrics>,
}

impl Copies for Upkeep {
    fn changed(&self, app: &AppId, kind: Kind) {
        if self.shared.has(app) {
            let _ = self.nudges.send(Nudge::Write(*app, kind));
        }
    }

    fn put_back(&self, app: &AppId, kind: Kind) {
        self.changed(app, kind);
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<AppId, Vec<Upkept>>> {
        self.sinks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has(&self, app: &AppId) -> bool {
        self.lock().contains_key(app)
    }
}

impl Upkeep {
    /// The handle, and the worker to run.
    #[must_use]
    pub fn new(config: &Config, metrics: Arc<Metrics>) -> (Self, Worker) {
        let (nudges, nudged) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            sinks: Mutex::default(),
            metrics,
        });
        let upkeep = Self {
            nudges,
            shared: Arc::clone(&shared),
        };
        upkeep.configure(config);
        (upkeep, Worker::new(nudged, shared))
    }

    /// Which files there are now. Files that stay go on; new ones are written; the others are left as they are.
    pub fn configure(&self, config: &Config) {
        let mut sinks = self.shared.lock();
        let mut before = std::mem::take(&mut *sinks);
        for app in config.apps.iter().filter(|app| !app.files().is_empty()) {
            let mut old = before.remove(&app.appid).unwrap_or_default();
            let kept = app.files().iter().map(|file| {
                let same = old.iter().position(|upkept| upkept.sink.config() == file);
                same.map(|at| old.swap_remove(at))
                    .unwrap_or_else(|| Upkept {
                        sink: Arc::new(FileSink::new(app.appid, file.clone())),
                        key: CredentialKey {
                            app: app.appid,
                            kind: file.kind,
                        },
                        fare: Fare::new(Some(Boot::default())),
                        at_work: false,
                    })
            });
            sinks.insert(app.appid, kept.collect());
        }
        drop(sinks);
        let _ = self.nudges.send(Nudge::Configured);
    }
}
