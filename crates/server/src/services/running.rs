//! The whole server at work: started, reloaded, stopped.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::join;
use tokio::task::JoinSet;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Clock;
use wxtoken_core::source::CredentialSource;

use super::StartError;
use super::backbone::{Backbone, Footing};
use super::census;
use super::doors::{Bound, Doors};
use super::{condition, standing};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::gateway::{MixUp, Tell, Told};
use crate::http::stop::Stop;
use crate::keeper::Keeper;
use crate::sink::Sinks;
use crate::store::users::upkeep;
use crate::telemetry::{Forwarded, MeteredSource, MeteredStore, Metrics};
use crate::users::{Happening, Users};

/// Ready at the latest this long after the start: one app's trouble makes no server unready.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// The server at work.
pub struct Running {
    config: Arc<ArcSwap<Config>>,
    /// What cannot change before the next start, as it was at this one.
    at_start: Config,
    backbone: Backbone,
    doors: Doors,
    sinks: Sinks,
    stop: Stop,
    tasks: JoinSet<()>,
}

/// What a reload did, for the log and for people.
#[derive(Debug, Default)]
pub struct Reloaded {
    /// Sections that changed but count only after a restart.
    pub needs_restart: Vec<&'static str>,
    /// What could not be taken over; the old stays.
    pub troubles: Vec<String>,
}

impl Running {
    /// Starts everything. When this returns, the listeners are open and what the store holds is handed out.
    ///
    /// # Errors
    /// [`StartError`] says what stands in the way, and the cure.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        Self::start_with(config, Arc::new(SystemClock)).await
    }

    /// The same with another clock, for tests.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_with(config: Config, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let stop = Stop::new();
        // A start that fails or is given up closes what it has opened.
        let begun = stop.unless_done();
        // Sockets first: a port that is taken should not cost a start of everything else.
        let bound = Bound::bind(&config, &stop).await?;
        let metrics = Arc::new(Metrics::new(Arc::clone(&clock)));
        let (sinks, workers) = Sinks::new(&config, &metrics);
        let at_start = config.without_apps();
        let config = Arc::new(ArcSwap::from_pointee(config));
        let footing = footing(&metrics, &sinks, &clock);
        let counted = Arc::clone(&metrics);
        let tell: Tell = Arc::new(move |told| count_call(&counted, told));
        let groundwork = Backbone::lay(&config, footing, tell).await?;
        let keeper = groundwork.keeper().clone();
        let ready = Arc::new(AtomicBool::new(false));
        let users = Arc::clone(&groundwork.store.users);
        census::take(&metrics, &keeper);
        let callers = &config.load().callers.clone();
        let revoked =
            standing::at_start(groundwork.store.ledger.as_ref(), callers, clock.now().wall).await;
        // Opened before the records are read: what has been read is handed out while the rest follows.
        let shared = groundwork.store.shared.as_ref();
        let condition = condition::of(Arc::clone(&ready), shared, sinks.clone());
        let mut doors = bound.open(&config, &groundwork, revoked, &metrics, condition, &stop);
        let backbone = match groundwork.take_over().await {
            Ok(backbone) => backbone,
            Err(error) => {
                // Who came in meanwhile hears that it ends.
                stop.tell();
                doors.closed().await;
                return Err(error);
            }
        };
        let mut tasks = JoinSet::new();
        let asking = backbone.asking();
        tasks.spawn(workers.run(keeper.clone(), Arc::clone(&clock), asking));
        let counted = Arc::clone(&metrics);
        let count = Arc::new(move |name| counted.alarm(name));
        if let Some(following) = backbone.follow(&doors.services, count) {
            tasks.spawn(following);
        }
        tasks.spawn(upkeep::look_after(users, clock, seed()));
        tasks.spawn(become_ready(backbone.first_round(), ready));
        begun.done();
        Ok(Self {
            config,
            at_start,
            backbone,
            doors,
            sinks,
            stop,
            tasks,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn doors(&self) -> &Doors {
        &self.doors
    }

    /// Looks after apps' users.
    #[must_use]
    pub fn users(&self) -> &Arc<Users> {
        self.backbone.users()
    }

    /// Answers for every credential.
    #[must_use]
    pub fn keeper(&self) -> &Keeper {
        self.backbone.keeper()
    }

    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        self.config.load_full()
    }

    /// Takes a new configuration over: apps, callers, sinks and certificates change without a dropped request.
    pub async fn reload(&self, new: Config) -> Reloaded {
        let old = self.config.load_full();
        let differs = self.at_start.diff(&new.without_apps());
        let mut reloaded = Reloaded {
            needs_restart: differs.needs_restart,
            ..Reloaded::default()
        };
        self.config.store(Arc::new(new));
        let new = self.config.load_full();
        let kept = self.doors.reload(&new, &mut reloaded.troubles);
        // What copies find is told to a keeper that knows the app as it is now.
        let taken_over = async {
            self.backbone.reload(&old, &new).await;
            self.sinks.configure(&new);
        };
        // A store that hangs keeps back nothing but the word that all is over.
        let (unkept, ()) = join!(kept, taken_over);
        reloaded.troubles.extend(unkept);
        reloaded
    }

    /// Stops in good order: nothing new is taken, requests in flight are answered, calls under way end and are saved.
    pub async fn stop(mut self) {
        self.stop.tell();
        self.doors.closed().await;
        self.backbone.stop().await;
        drop(self.sinks);
        self.tasks.shutdown().await;
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").finish_non_exhaustive()
    }
}

/// What everything stands on, with everything counted.
fn footing(metrics: &Arc<Metrics>, sinks: &Sinks, clock: &Arc<dyn Clock>) -> Footing {
    let (calls, writes) = (Arc::clone(metrics), Arc::clone(metrics));
    let (alarms, users) = (Arc::clone(metrics), Arc::clone(metrics));
    Footing {
        clock: Arc::clone(clock),
        copies: Arc::new(sinks.clone()),
        tell_of_users: Arc::new(move |app, happening| count_user_call(&users, app, happening)),
        seed: seed(),
        count_alarm: Arc::new(move |name| alarms.alarm(name)),
        wrap_store: Box::new(move |store| Arc::new(MeteredStore::new(store, writes))),
        wrap: Box::new(move |client| {
            Arc::new(MeteredSource::new(client, calls)) as Arc<dyn CredentialSource>
        }),
    }
}

/// Where this process's chance starts from. Without randomness waits are merely easier to tell in advance.
fn seed() -> u64 {
    let mut bytes = [0; 8];
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    u64::from_ne_bytes(bytes)
}

async fn become_ready(mut first_round: tokio::sync::watch::Receiver<bool>, ready: Arc<AtomicBool>) {
    let _ = tokio::time::timeout(READY_WITHIN, first_round.wait_for(|over| *over)).await;
    ready.store(true, Ordering::Release);
}

/// A forwarded call, as the metrics have it.
fn count_call(metrics: &Metrics, told: &Told<'_>) {
    metrics.forwarded(&Forwarded {
        app: told.app,
        caller: told.caller,
        family: told.family,
        outcome: told.outcome,
        replayed: told.replayed,
        added: told.added,
        mix_up: told.mix_up.map(MixUp::name),
        unread: told.unread,
    });
}

/// What happened around a user, as the metrics have it.
fn count_user_call(metrics: &Metrics, app: &AppId, happening: Happening) {
    match happening {
        Happening::Asked { call, outcome } => metrics.user_call(app.as_str(), call, outcome),
        Happening::Renewed => metrics.grant("renewed"),
        Happening::Refused => metrics.grant("refused"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_stopped_server_frees_everything_its_doors_worked_with() {
        let folder = tempfile::tempdir().unwrap();
        let key = "0123456789abcdef0123456789abcdef";
        let text = format!(
            "server.listen = \"127.0.0.1:0\"\nadmin = {{ listen = \"127.0.0.1:0\", key = \"{key}\" }}"
        );
        let config = config::parse(&text, folder.path(), &|_| None).unwrap();
        let running = Running::start(config).await.unwrap();
        let services = Arc::downgrade(&running.doors.services);
        assert!(services.upgrade().is_some());
        running.stop().await;
        // The threads that answer reads have been told, and nobody waits for their last breath.
        let freed = async {
            while services.upgrade().is_some() {
                tokio::task::yield_now().await;
            }
        };
        let freed = tokio::time::timeout(Duration::from_secs(20), freed).await;
        freed.expect("nobody holds them any more");
    }
}
