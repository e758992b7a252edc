//! Several replicas of the real program over one real Redis and one simulated WeChat: started, killed, stopped for a while.
//!
//! Must not know: what is proved with them.

use std::fs;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use wxtoken_simulator::{Rules, Upstream, World, generated_app};

use crate::place::{ADMIN_KEY, Place, free_port, wechat};
use crate::server::{PATIENCE, Server, now, until, until_asked};

/// Under which all replicas seal.
pub(crate) const MASTER: &str = "q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k=";

/// A redis-server of its own: on a loopback port, in a temporary folder, gone with the test.
pub(crate) struct Redis {
    child: Child,
    pub(crate) port: u16,
    pub(crate) folder: TempDir,
    options: Vec<String>,
}

impl Redis {
    /// With options as on its command line. It keeps nothing on disk but what a test tells it to.
    pub(crate) async fn start(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut all = vec!["--save".to_owned(), String::new()];
        all.extend(options.iter().map(|option| (*option).to_owned()));
        // Between asking for a free port and using it somebody else may: then another one is tried.
        for _ in 0..5 {
            let port = free_port();
            let mut child = spawn(port, &folder, &all);
            if is_up(&mut child, port).await {
                return Self {
                    child,
                    port,
                    folder,
                    options: all,
                };
            }
        }
        panic!("redis-server does not start: {}", log_of(&folder));
    }

    /// SIGKILL: what was not saved is lost.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Again on the same port, in the same folder.
    pub(crate) async fn restart(&mut self) {
        self.child = spawn(self.port, &self.folder, &self.options);
        let up = is_up(&mut self.child, self.port).await;
        assert!(up, "{}", log_of(&self.folder));
    }

    /// It goes on to exist, and answers nothing; until `Signal::CONT`.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Asks it as a person with `redis-cli` would.
    pub(crate) fn ask(&self, words: &[&str]) -> String {
        Self::ask_at(self.port, words)
    }

    /// The same of whichever Redis listens there.
    pub(crate) fn ask_at(port: u16, words: &[&str]) -> String {
        let port = port.to_string();
        let asked = Command::new("redis-cli")
            .args(["-p", &port])
            .args(words)
            .output();
        let asked = asked.unwrap_or_else(|why| {
            panic!("redis-cli cannot be started ({why}): scripts/install-tools stores installs it")
        });
        String::from_utf8_lossy(&asked.stdout).trim_end().to_owned()
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It may have ended already.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn spawn(port: u16, folder: &TempDir, options: &[String]) -> Child {
    let log = fs::File::create(folder.path().join("log")).unwrap();
    let spawned = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--dir"])
        .arg(folder.path())
        .args(options)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn();
    spawned.unwrap_or_else(|why| {
        panic!("redis-server cannot be started ({why}): scripts/install-tools stores installs it")
    })
}

/// Whether it listens, and has not ended because somebody else does.
async fn is_up(child: &mut Child, port: u16) -> bool {
    let begun = now();
    while begun.elapsed() < PATIENCE {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

fn log_of(folder: &TempDir) -> String {
    fs::read_to_string(folder.path().join("log")).unwrap_or_default()
}

/// Replicas, what they share, and WeChat.
pub(crate) struct Replicas {
    pub(crate) wechat: Upstream,
    pub(crate) redis: Redis,
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
        Self::over(
            Redis::start(&[]).await,
            replicas,
            rules,
            generated_apps,
            lines,
        )
        .await
    }

    /// The same over this Redis.
    pub(crate) async fn over(
        redis: Redis,
        replicas: usize,
        rules: Rules,
        generated_apps: usize,
        lines: &str,
    ) -> Self {
        let wechat = wechat(rules, generated_apps).await;
        let place = |_| {
            let mut place = Place::new(&wechat);
            place.store = format!(
                "kind = \"redis\"\nurl = \"{}\"\nmaster_key = \"{MASTER}\"\n",
                redis.url()
            );
            place.configure(lines);
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
        let starting = self.places.iter().map(Server::start);
        let servers = futures_util::future::join_all(starting).await;
        self.servers = servers.into_iter().map(Some).collect();
    }

    pub(crate) async fn start(&mut self, at: usize) {
        self.servers[at] = Some(Server::start(&self.places[at]).await);
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

    /// Waits until the one at this place tells of that trouble, or of none.
    pub(crate) async fn troubled(&self, at: usize, trouble: Option<&str>) {
        let what = format!("replica {at} tells of {trouble:?}");
        until_asked(&what, PATIENCE, async || {
            self.store_trouble(at).await.as_deref() == trouble
        })
        .await;
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
