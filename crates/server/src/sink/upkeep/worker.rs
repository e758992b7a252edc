//! The worker: writes what is due, looks at every file now and then, reports what others changed.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::{Boot, Clock, millis};
use wxtoken_core::credential::{Credential, CredentialKey, Kind};
use wxtoken_core::refresh::verdict::Evidence;

use super::{Nudge, Shared, Upkept};
use crate::keeper::Keeper;
use crate::sink::{FileSink, FileSinkError, FileState};

/// How often files are looked at: whoever reads one whose token died has a live one within this and a probe.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long a report of a changed file waits for its answer; the loop does not wait for it.
const REPORT_WAIT: Duration = Duration::from_secs(10);

/// What came of a look at a file, or of writing it.
enum Done {
    Written(Result<(), FileSinkError>),
    Looked(
        CredentialKey,
        Arc<Credential>,
        Result<FileState, FileSinkError>,
    ),
}

/// The worker's end, to be run once the keeper is there.
pub struct Worker {
    nudged: mpsc::UnboundedReceiver<Nudge>,
    shared: Arc<Shared>,
    /// At most one for each file: one that hangs, on a mount that is gone, say, holds up no other.
    at_work: JoinSet<(Arc<FileSink>, Done)>,
}

impl Worker {
    pub(super) fn new(nudged: mpsc::UnboundedReceiver<Nudge>, shared: Arc<Shared>) -> Self {
        Self {
            nudged,
            shared,
            at_work: JoinSet::new(),
        }
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
                Some(done) = self.at_work.join_next(), if !self.at_work.is_empty() => {
                    if let Ok((sink, done)) = done {
                        self.done(&keeper, &sink, done, clock.now().boot);
                    }
                }
                () = clock.sleep_until(due) => {}
            }
            while let Ok(nudge) = self.nudged.try_recv() {
                if let Nudge::Write(app, kind) = nudge {
                    self.want(&app, kind, clock.now().boot);
                }
            }
            self.write_due(&keeper);
            if clock.now().boot >= look {
                self.look_at_all(&keeper);
                look = clock.now().boot.plus(millis(LOOK_EVERY));
            }
        }
    }

    fn want(&self, app: &AppId, kind: Kind, now: Boot) {
        for upkept in self.shared.lock().get_mut(app).into_iter().flatten() {
            if upkept.key.kind == kind {
                upkept.fare.want(now);
            }
        }
    }

    fn next_due(&self) -> Boot {
        let sinks = self.shared.lock();
        let idle = sinks.values().flatten().filter(|upkept| !upkept.at_work);
        idle.filter_map(|upkept| upkept.fare.due())
            .min()
            .unwrap_or(Boot::NEVER)
    }

    fn write_due(&mut self, keeper: &Keeper) {
        let now = keeper.now();
        for upkept in self.shared.lock().values_mut().flatten() {
            if upkept.at_work || !upkept.fare.take(now.boot) {
                continue;
            }
            let Ok(value) = keeper.peek(&upkept.key) else {
                continue; // written when there is one
            };
            upkept.at_work = true;
            let sink = Arc::clone(&upkept.sink);
            self.at_work.spawn_blocking(move || {
                let outcome = sink.write(&value, now);
                (sink, Done::Written(outcome))
            });
        }
    }

    fn done(&self, keeper: &Keeper, sink: &Arc<FileSink>, done: Done, now: Boot) {
        self.with(sink, |upkept| upkept.at_work = false);
        match done {
            Done::Written(outcome) => self.written(sink, outcome, now),
            Done::Looked(_, _, Ok(FileState::Intact)) => {
                self.with(sink, |upkept| upkept.fare.intact());
            }
            Done::Looked(key, value, Ok(state)) => {
                let mut news = None;
                self.with(sink, |upkept| news = Some(upkept.fare.found(state)));
                if news.is_some_and(|news| news.to_tell) {
                    self.tell(sink, key, state);
                }
                if news.is_some_and(|news| news.to_report) {
                    self.report(keeper, sink, key, &value);
                }
            }
            // It cannot even be looked at: writing it tells why, and the cure.
            Done::Looked(_, _, Err(_)) => self.with(sink, |upkept| {
                if upkept.fare.due().is_none() {
                    upkept.fare.want(now);
                }
            }),
        }
    }

    /// Does something with a file, if it is still configured.
    fn with(&self, sink: &Arc<FileSink>, change: impl FnOnce(&mut Upkept)) {
        let mut sinks = self.shared.lock();
        let mut all = sinks.values_mut().flatten();
        if let Some(upkept) = all.find(|upkept| Arc::ptr_eq(&upkept.sink, sink)) {
            change(upkept);
        }
    }

    fn written(&self, sink: &Arc<FileSink>, outcome: Result<(), FileSinkError>, now: Boot) {
        let path = sink.config().path.display();
        self.with(sink, |upkept| match outcome {
            Ok(()) => {
                if upkept.fare.written() {
                    tracing::info!(app.id = %upkept.key.app, "the file {path} is written again");
                }
                self.shared.metrics.sink_write("file", "ok");
            }
            Err(error) => {
                if upkept.fare.failed(now) {
                    let kind = upkept.key.kind.name();
                    tracing::error!(app.id = %upkept.key.app, credential.kind = kind, alarm = "sink-failed", "{error}");
                }
                self.shared.metrics.sink_write("file", "failed");
            }
        });
    }

    /// Somebody may have changed or removed a file: that is evidence about the token, and the file is put back when the
    /// token was found alive.
    fn look_at_all(&mut self, keeper: &Keeper) {
        let now = keeper.now();
        for upkept in self.shared.lock().values_mut().flatten() {
            if upkept.at_work || upkept.fare.due().is_some() {
                continue;
            }
            let Ok(value) = keeper.peek(&upkept.key) else {
                continue;
            };
            upkept.at_work = true;
            let (sink, key) = (Arc::clone(&upkept.sink), upkept.key);
            self.at_work.spawn_blocking(move || {
                let state = sink.check(&value, now);
                (sink, Done::Looked(key, value, state))
            });
        }
    }

    /// Tells people of a change, once.
    fn tell(&self, sink: &FileSink, key: CredentialKey, state: FileState) {
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
    }

    fn report(
        &self,
        keeper: &Keeper,
        sink: &FileSink,
        key: CredentialKey,
        value: &Arc<Credential>,
    ) {
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
                    upkept.fare.answered();
                }
            }
        });
    }
}
