//! Three replicas whose tokens live on for hours, with readers at each, while something happens to what they share: nobody
//! reads anything else than before, nothing is fetched for it, and afterwards life goes on.
//!
//! Must not know: what happens.

use std::time::Duration;

use futures_util::future::join_all;
use wxtoken_simulator::{Lane, Rules, Upstream, World, generated_app};

use crate::http::ask;
use crate::place::{APP, CALLER, KEY, Place, app, wechat};
use crate::readers::{Readers, told};
use crate::replicas::{Replicas, Shared, admin, generated};
use crate::server::{PATIENCE, now, until_asked};

pub(crate) const REPLICAS: usize = 3;
/// Beside [`APP`], which is on the classic lane.
const STABLE_APPS: usize = 5;

/// The scene.
pub(crate) struct Scene<R> {
    pub(crate) replicas: Replicas<R>,
    apps: Vec<(String, Lane)>,
    tokens: Vec<String>,
    fetches: u64,
    readers: Readers,
}

impl<R: Shared> Scene<R> {
    /// All replicas agree about all apps, nobody holds a lease, and readers read.
    pub(crate) async fn begin(redis: R) -> Self {
        Self::between(redis, ordinary().await).await
    }

    /// The same with this WeChat, which is an ordinary one.
    pub(crate) async fn between(redis: R, wechat: Upstream) -> Self {
        let classic = app("lanes = [\"classic\"]\ntake_over = true");
        let lines = format!("{classic}{}{CALLER}", generated(STABLE_APPS, ""));
        let mut replicas = Replicas::over(redis, wechat, REPLICAS, &lines);
        replicas.start_all().await;
        let stable = (0..STABLE_APPS).map(|at| (generated_app(at).appid, Lane::Stable));
        let apps: Vec<_> = [(APP.to_owned(), Lane::Classic)]
            .into_iter()
            .chain(stable)
            .collect();
        let tokens = agreed(&replicas, &apps).await;
        let readers = Readers::start(&replicas, &apps);
        Self {
            fetches: fetches(replicas.world()),
            readers,
            replicas,
            apps,
            tokens,
        }
    }

    /// Has the classic token replaced: what is written for it is newer than before, and the old one lives on for a while.
    pub(crate) async fn renew(&mut self) {
        let line = format!("POST /admin/apps/{APP}/access_token/refresh");
        let told = admin(&self.replicas.places[0], &line).await;
        assert_eq!(told.json()["outcome"], "refreshed", "{told:?}");
        let new = self.replicas.token(0, APP).await;
        assert_ne!(new.as_ref(), Some(&self.tokens[0]));
        until_asked("all have the new one", PATIENCE, async || {
            self.replicas.agree(APP).await;
            self.replicas.token(1, APP).await == new
        })
        .await;
        self.tokens = agreed(&self.replicas, &self.apps).await;
        self.fetches = fetches(self.replicas.world());
    }

    /// Has every replica look at every token, for which it needs a lease.
    pub(crate) fn stir(&self) {
        for place in &self.replicas.places {
            for ((app, _), token) in self.apps.iter().zip(&self.tokens) {
                let (api, key) = (place.api.clone(), format!("Bearer {KEY}"));
                let line = format!("POST /v1/apps/{app}/access_token/dead");
                let body = serde_json::json!({ "token": token }).to_string();
                tokio::spawn(async move {
                    // What it answers is not what this is about.
                    let _told = ask(&api, &line, &[("Authorization", &key)], &body).await;
                });
            }
        }
    }

    /// Waits until every replica tells of some trouble, in its metrics and its log; ready they are all the same.
    pub(crate) async fn all_troubled(&self) -> Vec<String> {
        self.troubled(&[0, 1, 2]).await
    }

    /// Waits until these do.
    pub(crate) async fn troubled(&self, those: &[usize]) -> Vec<String> {
        let troubled = join_all(those.iter().map(|at| self.some_trouble(*at))).await;
        for (&at, name) in those.iter().zip(&troubled) {
            let named = format!("\"store.trouble\":\"{name}\"");
            self.replicas.at(at).says(&named).await;
            self.ready(at).await;
        }
        troubled
    }

    async fn some_trouble(&self, at: usize) -> String {
        let mut seen = None;
        until_asked("there is trouble", PATIENCE, async || {
            seen = self.replicas.store_trouble(at).await;
            seen.is_some()
        })
        .await;
        seen.expect("there is some")
    }

    /// Waits until no replica tells of trouble; gives how long that took.
    pub(crate) async fn all_well(&self) -> Duration {
        let begun = now();
        join_all((0..REPLICAS).map(|at| self.replicas.troubled(at, None))).await;
        begun.elapsed()
    }

    pub(crate) async fn ready(&self, at: usize) {
        let ready = self.replicas.at(at).ask("GET /readyz", "").await;
        assert_eq!(ready.status, 200, "{ready:?}");
    }

    /// For so long it goes on as it is.
    pub(crate) async fn lasts(&self, time: Duration) {
        tokio::time::sleep(time).await;
        for at in 0..REPLICAS {
            self.ready(at).await;
        }
    }

    /// Nobody noticed, nothing was fetched; and a token that dies is replaced, once, everywhere.
    pub(crate) async fn end(self, what: &str) -> Replicas<R> {
        let Self {
            replicas,
            apps,
            tokens,
            fetches: before,
            readers,
        } = self;
        assert_eq!(agreed(&replicas, &apps).await, tokens, "{what}");
        let seen = readers.stop().await;
        println!("{what}: {}", told(&seen));
        seen.iter().for_each(super::readers::Seen::flawless);
        let world = replicas.world();
        let logs = || replicas.places.iter().map(Place::logs).collect::<String>();
        assert_eq!(fetches(world), before, "{what} costs no fetch\n{}", logs());
        // As long as a replica takes Redis for away, it may ask for stable tokens without a lease.
        until_asked("what was not saved is saved", PATIENCE, async || {
            let logs = logs();
            let times = |what: &str| logs.matches(what).count();
            times("what is handed out could not be saved") == times("\"over: unsaved of ")
        })
        .await;
        let begun = now();
        let dead = apps.iter().zip(&tokens).enumerate();
        join_all(dead.map(async |(at, ((app, lane), token))| {
            world.void(app, *lane).unwrap();
            let line = format!("POST /v1/apps/{app}/access_token/dead");
            let body = serde_json::json!({ "token": token }).to_string();
            until_asked("it is replaced", PATIENCE, async || {
                let told = replicas.at(at % REPLICAS).ask(&line, &body).await.json();
                ["refreshed", "replaced"].contains(&told["verdict"].as_str().unwrap_or_default())
            })
            .await;
        }))
        .await;
        let new = agreed(&replicas, &apps).await;
        println!(
            "{what}: afterwards {} dead tokens were replaced in {:.1?}",
            new.len(),
            begun.elapsed()
        );
        for ((app, _), token) in apps.iter().zip(&new) {
            assert!(world.is_live(app, token), "{app}");
        }
        assert_eq!(
            fetches(world),
            before + apps.len() as u64,
            "{what}\n{}",
            logs()
        );
        replicas
    }
}

/// The WeChat of a scene.
pub(crate) async fn ordinary() -> Upstream {
    wechat(Rules::default(), STABLE_APPS).await
}

/// What every replica hands out.
async fn agreed<R: Shared>(replicas: &Replicas<R>, apps: &[(String, Lane)]) -> Vec<String> {
    join_all(apps.iter().map(|(app, _)| replicas.agree(app))).await
}

fn fetches(world: &World) -> u64 {
    world.calls_total("/cgi-bin/token") + world.calls_total("/cgi-bin/stable_token")
}
