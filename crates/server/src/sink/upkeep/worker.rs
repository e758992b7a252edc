//! The worker: writes what is due, looks at every file now and then, reports what others changed.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::{Boot, Clock, millis};
use wxtoken_core::credential::{Credential, CredentialKey, Kind};
use wxtoken_core::refresh::verdict::Evidence;

use super::{Nudge, Shared};
use crate::keeper::Keeper;
use crate::sink::{FileSink, FileSinkError, FileState};

/// How often files are looked at: whoever reads one whose token died has a live one within this and a probe.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long a report of a changed file waits for its answer; the loop does not wait for it.
const REPORT_WAIT: Duration = Duration::from_secs(10);

/// The worker's end, to be run once the keeper is there.
pub struct Worker {
    nudged: mpsc::UnboundedReceiver<Nudge>,
    shared: Arc<Shared>,
}

impl Worker {
    pub(super) const fn new(nudged: mpsc::UnboundedReceiver<Nudge>, shared: Arc<Shared>) -> Self {
        Self { nudged, shared }
    }

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
                self.shared.metrics.sink_write("file", "ok");
            }
            Err(error) => {
                if upkept.failures == 0 {
                    let kind = upkept.key.kind.name();
                    tracing::error!(app.id = %upkept.key.app, credential.kind = kind, alarm = "sink-failed", "{error}");
                }
                upkept.failures = upkept.failures.saturating_add(1);
                let wait = 1000_u64 << upkept.failures.min(6);
                upkept.due = Some(clock.now().boot.plus(wait.min(60_000)));
                self.shared.metrics.sink_write("file", "failed");
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
        self.shared.metrics.sink_write("file", "changed_by_others");
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
