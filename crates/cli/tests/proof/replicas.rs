//! Several replicas of the real program over one real Redis and one simulated WeChat: started, killed, stopped for a while.
//!
//! Must not know: what is proved with them.

use std::process::Command;

use rustix::process::Signal;
use wxtoken_simulator::{Rules, Upstream, World, generated_app};

use crate::place::{ADMIN_KEY, Place, wechat};
pub(crate) use crate::redis_server::Redis;
use crate::server::{PATIENCE, Server, until, until_asked};

/// Under which all replicas seal.
pub(crate) const MASTER: &str = "q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k=";

/// What the replicas share, and how each gets there.
pub(crate) trait Shared {
    /// The Redis of the replica at this place.
    fn url(&self, at: usize) -> String;
    /// Its WeChat.
    fn wechat(&self, _at: usize, wechat: &Upstream) -> String {
        wechat.base_url()
    }
    /// Its place is known, and who asks there has to reach it.
    fn placed(&self, _at: usize, _place: &Place) {}
    /// Its program.
    fn program(&self, _at: usize) -> Command {
        Server::program()
    }
}

impl Shared for Redis {
    fn url(&self, _at: usize) -> String {
        self.url()
    }
}

/// Replicas, what they share, and WeChat.
pub(crate) struct Replicas<R = Redis> {
    pub(crate) wechat: Upstream,
    pub(crate) redis: R,
    pub(crate) places: Vec<Place>,
    servers: Vec<Option<Server>>,
}

impl Replicas {
    /// So many places that are configured alike, with these lines; WeChat knows so many generated apps beside
    /// [`crate::place::APP`]. Nothing runs yet but Redis.
    pub(crate) async fn new(
        replicas: usize,
        rules: Rules,
        generated_apps: usize,
        lines: &str,
    ) -> Self {
        let redis = Redis::start(&[]).await;
        Self::over(redis, wechat(rules, generated_apps).await, replicas, lines)
    }

    /// Waits until an app's lease is nobody's.
    pub(crate) async fn nobody_holds(&self, app: &str) {
        let key = format!("wxtoken:{{{app}}}:lease");
        until("the lease is given back", || {
            self.redis.ask(&["EXISTS", &key]) == "0"
        })
        .await;
    }
}

impl<R: Shared> Replicas<R> {
    /// So many over this, with this WeChat.
    pub(crate) fn over(redis: R, wechat: Upstream, replicas: usize, lines: &str) -> Self {
        let place = |at| {
            let mut place = Place::new(&wechat);
            place.url = redis.wechat(at, &wechat);
            place.store = format!(
                "kind = \"redis\"\nurl = \"{}\"\nmaster_key = \"{MASTER}\"\n",
                redis.url(at)
            );
            place.configure(lines);
            redis.placed(at, &place);
            place
        };
        let places: Vec<Place> = (0..replicas).map(place).collect();
        Self {
            servers: places.iter().map(|_| None).collect(),
            wechat,
            redis,
            places,
        }
    }

    /// Starts all of them in one moment, and waits until each answers.
    pub(crate) async fn start_all(&mut self) {
        let starting = (0..self.places.len())
            .map(|at| Server::start_by(&self.places[at], self.redis.program(at)));
        let servers = futures_util::future::join_all(starting).await;
        self.servers = servers.into_iter().map(Some).collect();
    }

    pub(crate) async fn start(&mut self, at: usize) {
        let program = self.redis.program(at);
        self.servers[at] = Some(Server::start_by(&self.places[at], program).await);
    }

    /// SIGTERM, and its end awaited.
    pub(crate) async fn stop(&mut self, at: usize) {
        let server = self.servers[at].take().expect("it runs");
        let status = server.stop().await;
        assert!(status.success(), "{status}\n{}", self.places[at].logs());
    }

    /// SIGKILL, and its end awaited.
    pub(crate) fn kill(&mut self, at: usize) {
        self.servers[at].take().expect("it runs").kill();
    }

    /// SIGSTOP, SIGCONT, SIGHUP.
    pub(crate) fn signal(&self, at: usize, signal: Signal) {
        self.at(at).signal(signal);
    }

    pub(crate) fn at(&self, at: usize) -> &Server {
        self.servers[at].as_ref().expect("it runs")
    }

    /// Those that run.
    pub(crate) fn running(&self) -> impl Iterator<Item = &Server> {
        self.servers.iter().flatten()
    }

    pub(crate) fn world(&self) -> &World {
        self.wechat.world()
    }

    /// An app's token at one replica, if it has one.
    pub(crate) async fn token(&self, at: usize, app: &str) -> Option<String> {
        let line = format!("GET /v1/apps/{app}/access_token");
        self.at(at).ask(&line, "").await.token()
    }

    /// Waits until every replica that runs hands out the same token for an app, and gives it.
    pub(crate) async fn agree(&self, app: &str) -> String {
        let line = format!("GET /v1/apps/{app}/access_token");
        let mut agreed = None;
        until_asked("all hand out the same", PATIENCE, async || {
            let asked = self.running().map(|server| server.ask(&line, ""));
            let tokens: Vec<_> = futures_util::future::join_all(asked)
                .await
                .iter()
                .map(crate::http::Reply::token)
                .collect();
            agreed = tokens.first().cloned().flatten();
            agreed.is_some() && tokens.iter().all(|token| *token == agreed)
        })
        .await;
        agreed.expect("they agree")
    }

    /// What the metrics of one replica say of the store's trouble: its name, if there is one.
    pub(crate) async fn store_trouble(&self, at: usize) -> Option<String> {
        let page = self.at(at).admin("GET /metrics").await;
        let page = String::from_utf8_lossy(&page.body).into_owned();
        let line = page
            .lines()
            .find(|line| line.starts_with("wxtoken_store_trouble{") && line.ends_with(" 1"))?;
        Some(line.split('"').nth(1)?.to_owned())
    }

    /// The sum of the metrics of one replica that begin so.
    pub(crate) async fn metric(&self, at: usize, begin: &str) -> u64 {
        let page = self.at(at).admin("GET /metrics").await;
        let page = String::from_utf8_lossy(&page.body).into_owned();
        let lines = page.lines().filter(|line| line.starts_with(begin));
        let value = |line: &str| line.rsplit(' ').next()?.parse::<u64>().ok();
        lines.map(|line| value(line).expect("a whole number")).sum()
    }

    /// Waits until the one at this place tells of that trouble, or of none.
    pub(crate) async fn troubled(&self, at: usize, trouble: Option<&str>) {
        let what = format!("replica {at} tells of {trouble:?}");
        until_asked(&what, PATIENCE, async || {
            self.store_trouble(at).await.as_deref() == trouble
        })
        .await;
    }
}

/// Tables of so many generated apps, with these lines in each.
pub(crate) fn generated(apps: usize, lines: &str) -> String {
    let tables = (0..apps).map(generated_app).map(|app| {
        format!(
            "[[app]]\nappid = \"{}\"\nsecret = \"{}\"\n{lines}\n",
            app.appid, app.secret
        )
    });
    tables.collect()
}

/// One request to the admin listener of a place with a method that changes something.
pub(crate) async fn admin(place: &Place, line: &str) -> crate::http::Reply {
    let key = format!("Bearer {ADMIN_KEY}");
    let asked = crate::http::ask(&place.admin, line, &[("Authorization", &key)], "").await;
    asked.unwrap_or_else(|why| panic!("{line}: {why}\n{}", place.logs()))
}
