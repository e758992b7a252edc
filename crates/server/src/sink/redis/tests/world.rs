//! A keeper that says what the test says, and sinks at a real Redis.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinSet;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::{Clock, millis};
use wxtoken_core::credential::{Credential, Generation, Kind, Lane, Token, ValueId};
use wxtoken_core::refresh::verdict::{Evidence, Verdict};

use super::super::{RedisSinks, RedisStatus};
use crate::clock::SystemClock;
use crate::config::{Config, RedisServer, RedisSinkConfig};
use crate::keeper::{Command, Copies, Keeper, Notice, Report, Shelf};
use crate::redis::testing::Server;
use crate::sdk::{Format, Module, Place, Spec};
use crate::telemetry::Metrics;

const LONG: Duration = Duration::from_secs(20);

pub(super) struct World {
    pub(super) sinks: RedisSinks,
    pub(super) alive: Arc<AtomicBool>,
    pub(super) reports: Arc<AtomicUsize>,
    pub(super) notices: Mutex<broadcast::Receiver<Notice>>,
    keeper: Keeper,
    _tasks: JoinSet<()>,
}

pub(super) fn app(number: usize) -> AppId {
    format!("wx{number:016}").parse().unwrap()
}

/// A sink and whose it is.
pub(super) type Wanted = (AppId, RedisSinkConfig);

pub(super) fn wanted(url: &str, format: Format, number: usize) -> Wanted {
    let kind = Kind::AccessToken;
    let spec = Spec::new(format, app(number), Module::Official, kind);
    let server = RedisServer {
        address: url.parse().unwrap(),
        ca: None,
        sentinel_password: None,
    };
    let place = Place::new(&spec).unwrap();
    (
        app(number),
        RedisSinkConfig {
            server,
            kind,
            place,
        },
    )
}

fn id_of(value: &str) -> ValueId {
    ValueId(value.bytes().fold(7, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u64::from(byte))
    }))
}

impl World {
    /// Sinks in WxJava's format for so many apps.
    pub(super) fn with(server: &Server, apps: usize) -> Self {
        let url = server.url();
        Self::of(
            (1..=apps)
                .map(|n| wanted(&url, Format::WxjavaMp, n))
                .collect(),
            apps,
        )
    }

    pub(super) fn of(wanted: Vec<Wanted>, apps: usize) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let shelf = Arc::new(Shelf::new(clock.now()));
        for number in 1..=apps {
            shelf.place(
                app(number),
                &[Kind::AccessToken],
                u32::try_from(number).unwrap(),
            );
        }
        let (commands, mut asked) = mpsc::channel(64);
        let (told, notices) = broadcast::channel(4096);
        let keeper = Keeper::new(shelf, Arc::clone(&clock), Arc::new(id_of), commands, told);
        let metrics = Arc::new(Metrics::new(Arc::clone(&clock)));
        let (sinks, worker) = RedisSinks::new(&Config::default(), metrics);
        sinks.keep(wanted.into_iter(), &HashSet::new());
        let (alive, reports) = (
            Arc::new(AtomicBool::new(true)),
            Arc::new(AtomicUsize::new(0)),
        );
        let mut tasks = JoinSet::new();
        tasks.spawn(worker.run(keeper.clone(), clock, Arc::new(|_| ())));
        let (lives, counted, copies) = (Arc::clone(&alive), Arc::clone(&reports), sinks.clone());
        tasks.spawn(async move {
            while let Some(command) = asked.recv().await {
                let Command::Report {
                    key,
                    evidence,
                    answer,
                    ..
                } = command
                else {
                    panic!("reports alone");
                };
                assert_eq!(evidence, Evidence::Sink);
                counted.fetch_add(1, Ordering::SeqCst);
                let lives = lives.load(Ordering::SeqCst);
                let verdict = if lives {
                    Verdict::Alive
                } else {
                    Verdict::Pending
                };
                let report = Report {
                    verdict,
                    current: None,
                    next_try: None,
                };
                let _ = answer.send(Ok(report));
                if lives {
                    copies.put_back(&key.app, key.kind);
                }
            }
        });
        Self {
            sinks,
            alive,
            reports,
            notices: Mutex::new(notices),
            keeper,
            _tasks: tasks,
        }
    }

    /// The keeper hands out a new value, as of now.
    pub(super) fn publish(&self, number: usize, token: &str) {
        self.publish_for(number, token, Duration::from_secs(7200));
    }

    pub(super) fn publish_for(&self, number: usize, token: &str, life: Duration) {
        let now = self.keeper.now();
        let value = Credential {
            kind: Kind::AccessToken,
            lane: Some(Lane::Stable),
            token: Token::new(token).unwrap(),
            id: id_of(token),
            generation: Generation(now.wall.0),
            sent: now.boot,
            expires: now.boot.plus(millis(life)),
            adopted: false,
        };
        let shelf = self.keeper.shelf();
        shelf.put(&app(number), Kind::AccessToken, Some(Arc::new(value)));
        self.sinks.changed(&app(number), Kind::AccessToken);
    }

    pub(super) fn reported(&self) -> usize {
        self.reports.load(Ordering::SeqCst)
    }

    pub(super) fn status(&self) -> RedisStatus {
        self.sinks.status().pop().expect("one Redis")
    }

    /// Everything told so far: names and texts.
    pub(super) fn told(&self) -> Vec<(&'static str, String)> {
        let mut told = Vec::new();
        while let Ok(notice) = self.notices.lock().unwrap().try_recv() {
            if let Notice::Trouble { name, detail, .. } = notice {
                told.push((name, detail));
            }
        }
        told
    }
}

pub(super) async fn value(server: &Server, number: usize) -> Option<String> {
    let key = format!("wx:access_token:{}", app(number));
    server.try_ask(&["GET", &key]).await.unwrap_or_default()
}

pub(super) async fn holds(server: &Server, number: usize, token: &str) {
    until(token, async || {
        value(server, number).await.as_deref() == Some(token)
    })
    .await;
}

/// Waits for what takes a moment.
pub(super) async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LONG, waiting).await.expect(what);
}

/// Time that passed since.
pub(super) struct Watch(wxtoken_core::clock::Boot);

impl Watch {
    pub(super) fn start() -> Self {
        Self(SystemClock.now().boot)
    }

    pub(super) fn millis(&self) -> u64 {
        SystemClock.now().boot.since(self.0)
    }
}

/// How often a command was carried out.
pub(super) async fn calls(server: &Server, command: &str) -> u64 {
    let stats: String = server.ask(&["INFO", "commandstats"]).await;
    let start = format!("cmdstat_{command}:calls=");
    let line = stats.lines().find_map(|line| line.strip_prefix(&start));
    let number = line.and_then(|rest| rest.split(',').next()?.parse().ok());
    number.unwrap_or_default()
}
