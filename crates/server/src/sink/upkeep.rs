//! Keeps every file sink true: written when a value changes, looked at regularly, written again when a write failed or when
//! someone changed or removed it and WeChat has said that our value lives.
//!
//! Owns: when which file is written. Must not know: how (see [`super::FileSink`]), and whether a value lives: a changed file
//! is reported to the keeper as evidence, and put back when the keeper says so.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::{Boot, Clock, millis};
use wxtoken_core::credential::{Credential, CredentialKey, Kind};
use wxtoken_core::refresh::verdict::Evidence;

use super::{FileSink, FileSinkError, FileState};
use crate::config::Config;
use crate::keeper::{Copies, Keeper};

/// How often files are looked at: whoever reads one whose token died has a live one within this and a probe.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long a report of a changed file waits for its answer; the loop does not wait for it.
const REPORT_WAIT: Duration = Duration::from_secs(10);

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
    /// It has to be written, not before this.
    due: Option<Boot>,
    failures: u32,
    /// It was found changed, and that was reported.
    reported: bool,
}

/// How sinks fare, for metrics and for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SinkCounts {
    /// Writes that succeeded.
    pub written: u64,
    /// Writes that failed.
    pub failed: u64,
    /// Files found changed or removed by others.
    pub foreign: u64,
    /// Files that are not as they should be now.
    pub unhappy: u64,
}

/// The handle: tells the worker what changed. Cheap to clone.
#[derive(Clone)]
pub struct Upkeep {
    nudges: mpsc::UnboundedSender<Nudge>,
    shared: Arc<Shared>,
}

struct Shared {
    sinks: Mutex<HashMap<AppId, Vec<Upkept>>>,
    counts: Mutex<SinkCounts>,
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

    fn count(&self, change: impl FnOnce(&mut SinkCounts)) {
        change(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// The worker's end, to be run once the keeper is there.
pub struct Worker {
    nudged: mpsc::UnboundedReceiver<Nudge>,
    shared: Arc<Shared>,
}

impl Upkeep {
    /// The handle, and the worker to run.
    #[must_use]
    pub fn new(config: &Config) -> (Self, Worker) {
        let (nudges, nudged) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            sinks: Mutex::default(),
            counts: Mutex::default(),
        });
        let upkeep = Self {
            nudges,
            shared: Arc::clone(&shared),
        };
        upkeep.configure(config);
        (upkeep, Worker { nudged, shared })
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
                        due: Some(Boot::default()),
                        failures: 0,
                        reported: false,
                    })
            });
            sinks.insert(app.appid, kept.collect());
        }
        drop(sinks);
        let _ = self.nudges.send(Nudge::Configured);
    }

    /// How sinks fare.
    #[must_use]
    pub fn counts(&self) -> SinkCounts {
        let unhappy = self
            .shared
            .lock()
            .values()
            .flatten()
            .filter(|upkept| upkept.failures > 0)
            .count();
        let counts = *self
            .shared
            .counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        SinkCounts {
            unhappy: u64::try_from(unhappy).unwrap_or(u64::MAX),
            ..counts
        }
    }
}

impl Worker {
    /// Runs until every handle is gone.
    pub async fn run(mut self, keeper: Keeper, clock: Arc<dyn Clock>) {
        let mut look = clock.now().boot;
        loop {
            let due = self.next_due().min(look);
            tokio::select! {
                nudge = self.nudged.recv() => match nudge {
                    Some(Nudge::Write(app, kind)) => self.want(&app, kind, clock.now().boot),
                    Some(Nudge::Configured) => {}
                    None => return,
                },
                () = clock.sleep_until(due) => {}
            }
            while let Ok(nudge) = self.nudged.try_recv() {
                if let Nudge::Write(app, kind) = nudge {
                    self.want(&app, kind, clock.now().boot);
                }
            }
            self.write_due(&keeper, clock.as_ref()).await;
            if clock.now().boot >= look {
                self.look_at_all(&keeper).await;
                look = clock.now().boot.plus(millis(LOOK_EVERY));
            }
        }
    }

    fn want(&self, app: &AppId, kind: Kind, now: Boot) {
        for upkept in self.shared.lock().get_mut(app).into_iter().flatten() {
            if upkept.key.kind == kind {
                upkept.due = Some(now);
                upkept.reported = false;
            }
        }
    }

    fn next_due(&self) -> Boot {
        let sinks = self.shared.lock();
        sinks
            .values()
            .flatten()
            .filter_map(|upkept| upkept.due)
            .min()
            .unwrap_or(Boot::NEVER)
    }

    async fn write_due(&self, keeper: &Keeper, clock: &dyn Clock) {
        let now = clock.now();
        let mut due: Vec<(Arc<FileSink>, CredentialKey)> = Vec::new();
        for upkept in self.shared.lock().values_mut().flatten() {
            if upkept.due.is_some_and(|at| at <= now.boot) {
                upkept.due = None;
                due.push((Arc::clone(&upkept.sink), upkept.key));
            }
        }
        let mut writes = tokio::task::JoinSet::new();
        for (sink, key) in due {
            let Ok(value) = keeper.peek(&key) else {
                continue;
            }; // written when there is one
            writes.spawn_blocking(move || {
                let outcome = sink.write(&value, now);
                (sink, outcome)
            });
        }
        while let Some(done) = writes.join_next().await {
            if let Ok((sink, outcome)) = done {
                self.written(&sink, outcome, clock);
            }
        }
    }

    fn written(&self, sink: &Arc<FileSink>, outcome: Result<(), FileSinkError>, clock: &dyn Clock) {
        let mut sinks = self.shared.lock();
        let Some(upkept) = sinks
            .values_mut()
            .flatten()
            .find(|upkept| Arc::ptr_eq(&upkept.sink, sink))
        else {
            return;
        };
        let path = sink.config().path.display();
        match outcome {
            Ok(()) => {
                if upkept.failures > 0 {
                    tracing::info!(app.id = %upkept.key.app, "the file {path} is written again");
                }
                upkept.failures = 0;
                self.shared.count(|counts| counts.written += 1);
            }
            Err(error) => {
                if upkept.failures == 0 {
                    let kind = upkept.key.kind.name();
                    tracing::error!(app.id = %upkept.key.app, credential.kind = kind, alarm = "sink-failed", "{error}");
                }
                upkept.failures = upkept.failures.saturating_add(1);
                let wait = 1000_u64 << upkept.failures.min(6);
                upkept.due = Some(clock.now().boot.plus(wait.min(60_000)));
                self.shared.count(|counts| counts.failed += 1);
            }
        }
    }

    /// Somebody may have changed or removed a file: that is evidence about the token, and the file is put back when the
    /// token was found alive.
    async fn look_at_all(&self, keeper: &Keeper) {
        let sinks: Vec<(Arc<FileSink>, CredentialKey)> = {
            let sinks = self.shared.lock();
            let waiting = sinks
                .values()
                .flatten()
                .filter(|upkept| upkept.due.is_none());
            waiting
                .map(|upkept| (Arc::clone(&upkept.sink), upkept.key))
                .collect()
        };
        let now = keeper.now();
        let mut looks = tokio::task::JoinSet::new();
        for (sink, key) in sinks {
            let Ok(value) = keeper.peek(&key) else {
                continue;
            };
            looks.spawn_blocking(move || {
                let state = sink.check(&value, now);
                (sink, key, value, state)
            });
        }
        while let Some(done) = looks.join_next().await {
            let Ok((sink, key, value, Ok(state))) = done else {
                continue;
            };
            if state != FileState::Intact && self.first_notice(&sink) {
                self.report(keeper, &sink, key, &value, state);
            }
        }
    }

    fn first_notice(&self, sink: &Arc<FileSink>) -> bool {
        let mut sinks = self.shared.lock();
        let upkept = sinks
            .values_mut()
            .flatten()
            .find(|upkept| Arc::ptr_eq(&upkept.sink, sink));
        upkept.is_some_and(|upkept| !std::mem::replace(&mut upkept.reported, true))
    }

    fn report(
        &self,
        keeper: &Keeper,
        sink: &FileSink,
        key: CredentialKey,
        value: &Arc<Credential>,
        state: FileState,
    ) {
        let what = if state == FileState::Missing {
            "removed"
        } else {
            "changed"
        };
        let path = sink.config().path.display();
        tracing::warn!(
            app.id = %key.app,
            credential.kind = %key.kind,
            "the file {path} was {what} by someone else; it is put back once WeChat says that our value lives",
        );
        self.shared.count(|counts| counts.foreign += 1);
        let (keeper, value) = (keeper.clone(), Arc::clone(value));
        let shared = Arc::clone(&self.shared);
        let sink = sink.config().path.clone();
        tokio::spawn(async move {
            let told = keeper
                .report_dead(key, value.token.expose(), Evidence::Sink, REPORT_WAIT)
                .await;
            // Without a clear answer it is looked at, and reported, again.
            if !matches!(told, Ok(Ok(_))) {
                return;
            }
            for upkept in shared.lock().values_mut().flatten() {
                if upkept.sink.config().path == sink {
                    upkept.reported = false;
                }
            }
        });
    }
}
