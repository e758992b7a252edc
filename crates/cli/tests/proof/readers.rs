//! Readers that ask every replica for every app without a pause, and judge each answer by what WeChat knows.
//!
//! Must not know: what is done to the replicas meanwhile but that one is away, or how much of what was seen is right.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use wxtoken_simulator::{Lane, SimTime, World};

use crate::deaths::death;
use crate::http::{Reply, ask};
use crate::place::KEY;
use crate::presence::Presence;
use crate::replicas::{Replicas, Shared};
use crate::server::now;

/// Between two rounds at one replica.
const PAUSE: Duration = Duration::from_millis(15);

/// An answer from memory that takes longer tells of a machine that had no time for the replica.
const STANDSTILL: Duration = Duration::from_secs(1);

/// What the readers of one replica saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Tokens that were handed out.
    pub(crate) reads: usize,
    /// Answers that held no token.
    pub(crate) absent: usize,
    /// Times in which an app's token was not to be had, from one answer without it to the last in a row.
    pub(crate) gaps: Vec<Gap>,
    /// Questions that got no answer.
    pub(crate) errors: Vec<String>,
    /// The same at a replica that was away meanwhile.
    pub(crate) excused: usize,
    /// Tokens that had been dead when they were asked for.
    pub(crate) dead: Vec<Dead>,
    /// Answers that took so long that the replica must have stood still.
    pub(crate) standstills: usize,
    /// The slowest answer of a replica that was there all the time.
    pub(crate) slowest: Duration,
}

/// A dead token that was handed out.
#[derive(Debug, Clone)]
pub(crate) struct Dead {
    pub(crate) app: String,
    pub(crate) token: String,
    pub(crate) asked: SimTime,
    /// How long it had been dead then.
    pub(crate) since: Duration,
}

/// For so long an app had no token; the replica was there all the time.
#[derive(Debug, Clone)]
pub(crate) struct Gap {
    pub(crate) app: String,
    pub(crate) from: SimTime,
    pub(crate) to: SimTime,
}

/// Readers at work.
pub(crate) struct Readers {
    work: Arc<Work>,
    tasks: Vec<JoinHandle<Seen>>,
}

struct Work {
    world: World,
    apps: Vec<(String, Lane)>,
    presence: Arc<Presence>,
    rounds: Vec<AtomicUsize>,
    is_over: AtomicBool,
}

/// What a reader remembers from round to round.
#[derive(Default)]
struct Memory {
    /// Generation and value of each app.
    values: HashMap<String, (u64, String)>,
    /// Apps that had no token when last asked for, and where their gap stands.
    without: HashMap<String, usize>,
}

impl Readers {
    /// At every replica, which are all there.
    pub(crate) fn start<R: Shared>(replicas: &Replicas<R>, apps: &[(String, Lane)]) -> Self {
        let places = &replicas.places;
        let work = Arc::new(Work {
            world: replicas.world().clone(),
            apps: apps.to_vec(),
            presence: Arc::new(Presence::of(places.len(), replicas.world())),
            rounds: places.iter().map(|_| AtomicUsize::new(0)).collect(),
            is_over: AtomicBool::new(false),
        });
        let reader = |(at, place): (usize, &crate::place::Place)| {
            let (work, api) = (Arc::clone(&work), place.api.clone());
            tokio::spawn(async move { work.read_on(at, &api).await })
        };
        let tasks = places.iter().enumerate().map(reader).collect();
        Self { work, tasks }
    }

    /// Where is told which replica is away: what fails there meanwhile is no error.
    pub(crate) fn presence(&self) -> Arc<Presence> {
        Arc::clone(&self.work.presence)
    }

    /// How often each replica was asked so far.
    pub(crate) fn rounds(&self) -> Vec<usize> {
        let rounds = self.work.rounds.iter();
        rounds.map(|round| round.load(Ordering::SeqCst)).collect()
    }

    /// What was seen at each.
    pub(crate) async fn stop(self) -> Vec<Seen> {
        self.work.is_over.store(true, Ordering::SeqCst);
        let seen = futures_util::future::join_all(self.tasks).await;
        seen.into_iter().map(|seen| seen.unwrap()).collect()
    }
}

impl Work {
    async fn read_on(&self, at: usize, api: &str) -> Seen {
        let mut seen = Seen::default();
        let mut memory = Memory::default();
        let want: Vec<_> = self
            .apps
            .iter()
            .map(|(app, _)| serde_json::json!({"appid": app, "kind": "access_token"}))
            .collect();
        let body = serde_json::json!({ "want": want }).to_string();
        let key = format!("Bearer {KEY}");
        while !self.is_over.load(Ordering::SeqCst) {
            let (asked, begun) = (self.world.now(), now());
            let reply = ask(api, "POST /v1/read", &[("Authorization", &key)], &body).await;
            let answered = self.world.now();
            let away = self.presence.away(at, asked, answered).is_some();
            if away {
                memory.without.clear();
            } else {
                seen.slowest = seen.slowest.max(begun.elapsed());
                if reply.is_ok() && begun.elapsed() > STANDSTILL {
                    seen.standstills += 1;
                    self.presence.stood_still(at, asked, answered);
                }
            }
            let good = |reply: &Reply| reply.status == 200;
            match reply.map_err(|why| why.to_string()) {
                Ok(reply) if good(&reply) => {
                    self.judge(&reply.json(), asked, away, &mut memory, &mut seen);
                }
                Ok(_) | Err(_) if away => seen.excused += 1,
                Ok(reply) => seen.errors.push(format!("{reply:?}")),
                Err(why) => seen.errors.push(why),
            }
            self.rounds[at].fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(PAUSE).await;
        }
        seen
    }

    fn judge(
        &self,
        json: &serde_json::Value,
        asked: SimTime,
        away: bool,
        memory: &mut Memory,
        seen: &mut Seen,
    ) {
        let answers = json["answers"].as_array().unwrap();
        for ((app, lane), answer) in self.apps.iter().zip(answers) {
            let Some(token) = answer["access_token"].as_str() else {
                seen.absent += 1;
                if !away {
                    missed(app, asked, memory, seen);
                }
                continue;
            };
            memory.without.remove(app);
            seen.reads += 1;
            let generation = answer["generation"].as_u64().unwrap();
            if let Some((older, value)) = memory.values.get(app) {
                assert!(generation >= *older, "{app}: {generation} after {older}");
                let same = generation == *older;
                assert!(!same || value == token, "{app}: two values of {older}");
            }
            let value = (generation, token.to_owned());
            memory.values.insert(app.clone(), value);
            if self.world.is_live(app, token) {
                continue;
            }
            let (dies, _) = death(&self.world, app, *lane, token);
            if dies <= asked {
                seen.dead.push(Dead {
                    app: app.clone(),
                    token: token.to_owned(),
                    asked,
                    since: asked.since(dies),
                });
            }
        }
    }
}

/// An answer without a token: the gap grows.
fn missed(app: &str, asked: SimTime, memory: &mut Memory, seen: &mut Seen) {
    match memory.without.get(app) {
        Some(at) => seen.gaps[*at].to = asked,
        None => {
            memory.without.insert(app.to_owned(), seen.gaps.len());
            seen.gaps.push(Gap {
                app: app.to_owned(),
                from: asked,
                to: asked,
            });
        }
    }
}

impl Seen {
    /// Every read gave a live token, at once.
    pub(crate) fn flawless(&self) {
        assert!(self.reads > 0, "somebody read");
        assert!(self.errors.is_empty(), "{:?}", self.errors);
        assert_eq!(self.absent, 0, "answers without a token");
        assert!(self.dead.is_empty(), "{:?}", self.dead);
    }
}

/// How much was read, at all of them.
pub(crate) fn told(seen: &[Seen]) -> String {
    let reads: usize = seen.iter().map(|seen| seen.reads).sum();
    let absent: usize = seen.iter().map(|seen| seen.absent).sum();
    let errors: usize = seen.iter().map(|seen| seen.errors.len()).sum();
    let dead: usize = seen.iter().map(|seen| seen.dead.len()).sum();
    let slowest = seen.iter().map(|seen| seen.slowest).max();
    format!(
        "{reads} reads, {absent} without a token, {errors} errors, {dead} dead, slowest {:.0?}",
        slowest.unwrap_or_default()
    )
}
