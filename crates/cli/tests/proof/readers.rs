//! Readers that ask every replica for every app without a pause, and judge each answer by what WeChat knows.
//!
//! Must not know: what is done to the replicas meanwhile, or how much of what was seen is right.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use wxtoken_simulator::{Lane, SimTime, World};

use crate::deaths::death;
use crate::http::ask;
use crate::place::KEY;
use crate::replicas::{Replicas, Shared};
use crate::server::now;

/// Between two rounds at one replica.
const PAUSE: Duration = Duration::from_millis(15);

/// What the readers of one replica saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Tokens that were handed out.
    pub(crate) reads: usize,
    /// Answers that held no token.
    pub(crate) absent: usize,
    /// Questions that got no answer.
    pub(crate) errors: Vec<String>,
    /// Tokens that had been dead when they were asked for: of which app, and for how long.
    pub(crate) dead: Vec<(String, Duration)>,
    /// The slowest answer.
    pub(crate) slowest: Duration,
}

/// Readers at work.
pub(crate) struct Readers {
    work: Arc<Work>,
    tasks: Vec<JoinHandle<Seen>>,
}

struct Work {
    world: World,
    apps: Vec<(String, Lane)>,
    is_over: AtomicBool,
}

impl Readers {
    /// At every replica, which are all there.
    pub(crate) fn start<R: Shared>(replicas: &Replicas<R>, apps: &[(String, Lane)]) -> Self {
        let places = &replicas.places;
        let work = Arc::new(Work {
            world: replicas.world().clone(),
            apps: apps.to_vec(),
            is_over: AtomicBool::new(false),
        });
        let reader = |place: &crate::place::Place| {
            let (work, api) = (Arc::clone(&work), place.api.clone());
            tokio::spawn(async move { work.read_on(&api).await })
        };
        let tasks = places.iter().map(reader).collect();
        Self { work, tasks }
    }

    /// What was seen at each.
    pub(crate) async fn stop(self) -> Vec<Seen> {
        self.work.is_over.store(true, Ordering::SeqCst);
        let seen = futures_util::future::join_all(self.tasks).await;
        seen.into_iter().map(|seen| seen.unwrap()).collect()
    }
}

impl Work {
    async fn read_on(&self, api: &str) -> Seen {
        let mut seen = Seen::default();
        let mut before = HashMap::new();
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
            match reply {
                Ok(reply) if reply.status == 200 => {
                    self.judge(&reply.json(), asked, &mut before, &mut seen);
                    seen.slowest = seen.slowest.max(begun.elapsed());
                }
                Ok(reply) => seen.errors.push(format!("{reply:?}")),
                Err(why) => seen.errors.push(why.to_string()),
            }
            tokio::time::sleep(PAUSE).await;
        }
        seen
    }

    fn judge(
        &self,
        json: &serde_json::Value,
        asked: SimTime,
        before: &mut HashMap<String, (u64, String)>,
        seen: &mut Seen,
    ) {
        let answers = json["answers"].as_array().unwrap();
        for ((app, lane), answer) in self.apps.iter().zip(answers) {
            let Some(token) = answer["access_token"].as_str() else {
                seen.absent += 1;
                continue;
            };
            seen.reads += 1;
            let generation = answer["generation"].as_u64().unwrap();
            if let Some((older, value)) = before.get(app) {
                assert!(generation >= *older, "{app}: {generation} after {older}");
                let same = generation == *older;
                assert!(!same || value == token, "{app}: two values of {older}");
            }
            before.insert(app.clone(), (generation, token.to_owned()));
            if self.world.is_live(app, token) {
                continue;
            }
            let (dies, _) = death(&self.world, app, *lane, token);
            if dies <= asked {
                seen.dead.push((app.clone(), asked.since(dies)));
            }
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
