//! Blows at replicas: killed, stopped for a while, stopped in the middle of a fetch that WeChat does not decide until another has
//! made it.
//!
//! Must not know: what is proved under them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use wxtoken_simulator::{
    Call, CallMatch, Fault, FaultScope, Lane, Passage, Rules, World, generated_app,
};

use crate::accounts::{DEADLINE, path};
use crate::chance::Chance;
use crate::place::{CALLER, wechat};
use crate::presence::How;
use crate::readers::Readers;
use crate::replicas::{Redis, Replicas, admin};
use crate::server::{PATIENCE, until, until_asked};
use crate::wires::Wires;

pub(crate) const REPLICAS: usize = 3;
/// On each lane.
const APPS: usize = 5;
/// A token is renewed when two thirds of this have passed.
const LIFETIME: Duration = Duration::from_secs(30);
/// WeChat has minted, and answers so much later: many blows fall in between.
const ANSWER: Duration = Duration::from_millis(150);
/// For so long a blow waits for a fetch to fall into.
const AIM: Duration = Duration::from_secs(3);

/// What is done to a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Blow {
    Kill,
    /// For less than a lease lives.
    Pause,
    /// For longer.
    Stop,
    /// For as long as its fetch is under way; and that is so until another has fetched.
    Stall(Lane),
}

/// Whether it falls into a fetch, or whenever it comes.
pub(crate) type Aimed = bool;

/// Each at least once, in any order but for the one that lasts: it comes early, and the others go on meanwhile.
fn blows(chance: &mut Chance, count: usize) -> Vec<(Blow, Aimed)> {
    let mut all = vec![
        (Blow::Kill, true),
        (Blow::Kill, true),
        (Blow::Kill, true),
        (Blow::Kill, false),
        (Blow::Kill, false),
        (Blow::Pause, true),
        (Blow::Pause, false),
        (Blow::Stop, true),
        (Blow::Stop, true),
        (Blow::Stop, false),
        (Blow::Stall(Lane::Stable), true),
    ];
    for last in (1..all.len()).rev() {
        let other = usize::try_from(chance.below(last as u64 + 1)).unwrap();
        all.swap(last, other);
    }
    let early = usize::try_from(chance.below(3)).unwrap();
    all.insert(early, (Blow::Stall(Lane::Classic), true));
    (0..count).map(|at| all[at % all.len()]).collect()
}

fn configuration() -> String {
    let lane = |at: usize| {
        let app = generated_app(at);
        let lane = if at < APPS { "classic" } else { "stable" };
        format!(
            "[[app]]\nappid = \"{}\"\nsecret = \"{}\"\nlanes = [\"{lane}\"]\ntake_over = true\n",
            app.appid, app.secret
        )
    };
    format!("{}{CALLER}", (0..2 * APPS).map(lane).collect::<String>())
}

/// The apps, and on which lane each is.
pub(crate) fn apps() -> Vec<(String, Lane)> {
    let lane = |at| {
        if at < APPS {
            Lane::Classic
        } else {
            Lane::Stable
        }
    };
    let apps = (0..2 * APPS).map(|at| (generated_app(at).appid, lane(at)));
    apps.collect()
}

fn rules(lifetime: Duration) -> Rules {
    Rules {
        token_lifetime: lifetime,
        stable_renewal: LIFETIME / 3,
        ..Rules::default()
    }
}

/// A replica that is stopped in the middle of a fetch, which WeChat has not decided.
struct Stalled {
    at: usize,
    lane: Lane,
    fetch: Arc<Passage>,
}

impl Stalled {
    /// Whether another has fetched in its place.
    fn is_followed(&self, world: &World) -> bool {
        let follows = |call: &Arc<Call>| {
            *call.path == *self.fetch.path
                && call.passage.appid == self.fetch.appid
                && call.passage.began > self.fetch.began
        };
        world.log().iter().any(follows)
    }
}

/// Three replicas, readers at each, and what is done to them.
pub(crate) struct Story {
    pub(crate) replicas: Replicas<Wires>,
    pub(crate) readers: Readers,
    chance: Chance,
    stalled: Option<Stalled>,
    pub(crate) dealt: HashMap<Blow, usize>,
}

impl Story {
    /// All agree, their tokens end at different times, and readers read.
    pub(crate) async fn begin(seed: u64) -> Self {
        let wechat = wechat(rules(LIFETIME), 2 * APPS).await;
        let wires = Wires::new(Redis::start(&[]).await, &wechat, REPLICAS);
        let mut replicas = Replicas::over(wires, wechat, REPLICAS, "");
        for place in &mut replicas.places {
            place.server = "first_token_wait = \"100ms\"";
            place.configure(&configuration());
        }
        replicas.start_all().await;
        let mut chance = Chance(seed);
        let world = replicas.world().clone();
        for (app, _) in apps() {
            let old = replicas.agree(&app).await;
            let shorter = LIFETIME / 2 + Duration::from_millis(chance.below(15_000));
            world.set_rules(Rules {
                stable_renewal: LIFETIME,
                ..rules(shorter)
            });
            let line = format!("POST /admin/apps/{app}/access_token/refresh");
            let told = admin(&replicas.places[0], &line).await;
            assert_eq!(told.json()["outcome"], "refreshed", "{told:?}");
            until_asked("it is another", PATIENCE, async || {
                replicas.agree(&app).await != old
            })
            .await;
        }
        world.set_rules(rules(LIFETIME));
        let late = Fault::Delay {
            ms: u64::try_from(ANSWER.as_millis()).unwrap(),
            before: false,
        };
        for lane in [Lane::Classic, Lane::Stable] {
            world.set_fault(FaultScope::path(path(lane)), late.clone(), None);
        }
        let readers = Readers::start(&replicas, &apps());
        Self {
            replicas,
            readers,
            chance,
            stalled: None,
            dealt: HashMap::new(),
        }
    }

    pub(crate) fn world(&self) -> &World {
        self.replicas.world()
    }

    /// So many of them, by chance.
    pub(crate) fn blows(&mut self, count: usize) -> Vec<(Blow, Aimed)> {
        blows(&mut self.chance, count)
    }

    /// Lets the one that is stalled go on as soon as another has fetched in its place.
    pub(crate) async fn look_after_the_stalled(&mut self) {
        let world = self.world().clone();
        if self
            .stalled
            .as_ref()
            .is_some_and(|it| it.is_followed(&world))
        {
            self.followed().await;
        }
    }

    /// A time between these.
    pub(crate) fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.chance.below(to - from))
    }

    /// One that is there: who has just sent a fetch, if one is sent in time.
    async fn victim(&mut self, aimed: Aimed) -> usize {
        let here = self.readers.presence().here();
        let by_chance = self.chance.of(&here);
        if aimed {
            let fetches = [Lane::Classic, Lane::Stable].map(path);
            let fetch = CallMatch::that(move |call| fetches.contains(&&*call.path));
            let next = self.world().next_call(fetch);
            if let Ok(call) = tokio::time::timeout(AIM, next).await {
                return self.replicas.redis.caller(&call.passage.host);
            }
        }
        by_chance
    }

    /// Deals one; who is struck is back afterwards, but for the one that is stalled on the classic lane.
    pub(crate) async fn deal(&mut self, blow: Blow, aimed: Aimed) {
        *self.dealt.entry(blow).or_default() += 1;
        match blow {
            Blow::Kill => {
                let (at, down) = (self.victim(aimed).await, self.millis(200, 3000));
                self.readers.presence().leaves(at, How::Killed);
                self.replicas.kill(at);
                tokio::time::sleep(down).await;
                self.replicas.start(at).await;
                self.readers.presence().is_back(at);
            }
            Blow::Pause | Blow::Stop => {
                let long = blow == Blow::Stop;
                let at = self.victim(aimed).await;
                let stopped = if long {
                    self.millis(3000, 5500)
                } else {
                    self.millis(200, 1600)
                };
                self.stop(at);
                tokio::time::sleep(stopped).await;
                self.go_on(at);
            }
            Blow::Stall(lane) => {
                self.followed().await;
                self.stall(lane).await;
                if lane == Lane::Stable {
                    self.followed().await;
                }
            }
        }
    }

    fn stop(&self, at: usize) {
        self.readers.presence().leaves(at, How::Stopped);
        self.replicas.signal(at, Signal::STOP);
    }

    fn go_on(&self, at: usize) {
        self.replicas.signal(at, Signal::CONT);
        self.readers.presence().is_back(at);
    }

    /// Stops whoever fetches next, before WeChat decides what it was asked.
    async fn stall(&mut self, lane: Lane) {
        let world = self.world().clone();
        let hold = Fault::Hold { before: true };
        world.set_fault(FaultScope::path(path(lane)), hold, Some(1));
        tokio::time::timeout(LIFETIME, world.held_reach(1))
            .await
            .expect("somebody fetches");
        let (held, log) = (world.under_way(), world.log());
        let decided = |one: &Arc<Passage>| log.iter().any(|call| Arc::ptr_eq(&call.passage, one));
        let mut undecided = held
            .into_iter()
            .filter(|one| *one.path == *path(lane) && !decided(one));
        let fetch = undecided.next().expect("it is held");
        let at = self.replicas.redis.caller(&fetch.host);
        self.stop(at);
        self.stalled = Some(Stalled { at, lane, fetch });
    }

    /// Waits until another has fetched in the place of the one that is stalled; then its call is decided and it goes on.
    pub(crate) async fn followed(&mut self) {
        let Some(stalled) = self.stalled.take() else {
            return;
        };
        let world = self.world().clone();
        let what = format!("the {} fetch is made by another", stalled.lane.name());
        until_asked(&what, DEADLINE + PATIENCE, async || {
            stalled.is_followed(&world)
        })
        .await;
        world.release_held();
        until("it is decided", || stalled.fetch.ended().is_some()).await;
        self.go_on(stalled.at);
    }

    /// Waits until every app has one token everywhere, which lives.
    pub(crate) async fn all_live(&self) {
        for (app, _) in apps() {
            until_asked("it has a live token", DEADLINE + PATIENCE, async || {
                let token = self.replicas.token(0, &app).await;
                token.is_some_and(|token| self.world().is_live(&app, &token))
            })
            .await;
            self.replicas.agree(&app).await;
        }
    }
}
