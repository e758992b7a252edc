//! Entries in Redis that an SDK reads by itself: written when a value changes, watched, and put right.
//!
//! All sinks at one database, of one user, share one connection and one loop ([`keeping`]). When what is written is the
//! rule of [`room`]; what others write while an app is in shadow mode is seen by [`shadow`]; whether a value lives is the
//! keeper's to say: a changed entry is reported to it as evidence.
//! Must not know: the SDKs' keys and bytes (see [`crate::sdk`]).

mod desk;
mod judge;
mod keeping;
mod kept;
mod known;
mod listen;
mod look;
mod pace;
mod room;
mod shadow;
mod tell;
mod tell_shadow;
#[cfg(test)]
mod tests;
mod worker;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Wall;
use wxtoken_core::credential::{CredentialKey, Kind};

use crate::config::{App, Config, RedisServer, RedisSinkConfig};
use crate::keeper::Copies;
use crate::telemetry::Metrics;
use crate::words::Sentence;
use keeping::Message;
use kept::Sink;
use tell::Standing;

pub use listen::{Events, SWITCH_ON, events_at};
pub use worker::RedisWorker;

/// Lets the keeper hear what the store knows of an app, where replicas share one: a value that is not known here may be theirs.
pub type AskAbout = Arc<dyn Fn(AppId) + Send + Sync>;

/// How long a connection, and an answer, may take.
const TIMES: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(1));

/// How the sinks at one Redis fare, for people.
#[derive(Debug, Clone)]
pub struct RedisStatus {
    /// Which Redis: without user and password.
    pub at: String,
    /// How many sinks are there.
    pub sinks: usize,
    /// What is wrong there, and since when.
    pub trouble: Option<(Sentence, Wall)>,
    /// Whether it tells what happens to keys.
    pub events: Events,
}

/// The handle: tells the loops what changed. Cheap to clone.
#[derive(Clone)]
pub struct RedisSinks {
    shared: Arc<Shared>,
}

struct Shared {
    places: Mutex<Places>,
    starts: mpsc::UnboundedSender<Start>,
}

#[derive(Default)]
struct Places {
    all: Vec<Arc<At>>,
    of: HashMap<AppId, Vec<Arc<At>>>,
}

/// One Redis, as seen from outside its loop.
struct At {
    server: RedisServer,
    sinks: usize,
    line: Line,
}

#[derive(Clone)]
struct Line {
    messages: mpsc::UnboundedSender<Message>,
    standing: Standing,
    events: Arc<Mutex<Events>>,
}

/// What a new loop begins with.
struct Start {
    server: RedisServer,
    messages: mpsc::UnboundedReceiver<Message>,
    standing: Standing,
    events: Arc<Mutex<Events>>,
}

impl Copies for RedisSinks {
    fn changed(&self, app: &AppId, kind: Kind) {
        self.tell(app, || Message::Changed(*app, kind));
    }

    fn put_back(&self, app: &AppId, kind: Kind) {
        self.tell(app, || Message::PutBack(*app, kind));
    }
}

impl RedisSinks {
    /// The handle, and what is to be run once the keeper is there.
    #[must_use]
    pub fn new(config: &Config, metrics: Arc<Metrics>) -> (Self, RedisWorker) {
        let (starts, started) = mpsc::unbounded_channel();
        let shared = Shared {
            places: Mutex::default(),
            starts,
        };
        let sinks = Self {
            shared: Arc::new(shared),
        };
        sinks.configure(config);
        (sinks, RedisWorker { started, metrics })
    }

    /// Which sinks there are now. Entries of those that are gone stay where they are.
    pub fn configure(&self, config: &Config) {
        let of_app = |app: &App| {
            let id = app.appid;
            let all: Vec<_> = app.redis().iter().map(|sink| (id, sink.clone())).collect();
            all
        };
        let shadows = config.apps.iter().filter(|app| app.shadow);
        let shadows = shadows.map(|app| app.appid).collect();
        self.keep(config.apps.iter().flat_map(of_app), &shadows);
    }

    fn keep(&self, all: impl Iterator<Item = (AppId, RedisSinkConfig)>, shadows: &HashSet<AppId>) {
        let mut groups: Vec<(RedisServer, Vec<Sink>)> = Vec::new();
        for (
            app,
            RedisSinkConfig {
                server,
                kind,
                place,
            },
        ) in all
        {
            let key = CredentialKey { app, kind };
            let sink = Sink { key, place };
            match groups.iter_mut().find(|(one, _)| *one == server) {
                Some((_, sinks)) => sinks.push(sink),
                None => groups.push((server, vec![sink])),
            }
        }
        let mut places = self.lock();
        let before = std::mem::take(&mut *places);
        for (server, sinks) in groups {
            let mut apps: Vec<AppId> = sinks.iter().map(|sink| sink.key.app).collect();
            apps.sort_unstable();
            apps.dedup();
            let old = before.all.iter().find(|at| at.server == server);
            let line = old.map_or_else(|| self.start(&server), |at| at.line.clone());
            let at = Arc::new(At {
                server,
                sinks: sinks.len(),
                line,
            });
            let is_watched = |sink: &Sink| shadows.contains(&sink.key.app);
            let (watched, kept) = sinks.into_iter().partition(is_watched);
            let _ = at.line.messages.send(Message::Sinks { kept, watched });
            for app in apps {
                places.of.entry(app).or_default().push(Arc::clone(&at));
            }
            places.all.push(at);
        }
    }

    /// How every Redis fares.
    #[must_use]
    pub fn status(&self) -> Vec<RedisStatus> {
        let status = |at: &Arc<At>| RedisStatus {
            at: at.server.address.shown(),
            sinks: at.sinks,
            trouble: tell::told(&at.line.standing),
            events: *at
                .line
                .events
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        };
        self.lock().all.iter().map(status).collect()
    }

    fn start(&self, server: &RedisServer) -> Line {
        let (sender, messages) = mpsc::unbounded_channel();
        let line = Line {
            messages: sender,
            standing: Standing::default(),
            events: Arc::default(),
        };
        let _ = self.shared.starts.send(Start {
            server: server.clone(),
            messages,
            standing: Arc::clone(&line.standing),
            events: Arc::clone(&line.events),
        });
        line
    }

    fn tell(&self, app: &AppId, message: impl Fn() -> Message) {
        for at in self.lock().of.get(app).into_iter().flatten() {
            let _ = at.line.messages.send(message());
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Places> {
        let places = self.shared.places.lock();
        places.unwrap_or_else(PoisonError::into_inner)
    }
}
