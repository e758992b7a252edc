//! A real redis-server for one test: on a loopback port of its own, in a temporary folder, gone with the test.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use redis::{Client, FromRedisValue};
use tempfile::TempDir;

/// A running server; dropping it kills it.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    pub(crate) folder: TempDir,
    options: Vec<String>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// With options as on its command line.
    pub(crate) async fn start_with(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut all = vec!["--save".to_owned(), String::new()];
        all.extend(options.iter().map(|option| (*option).to_owned()));
        // Between asking for a free port and using it somebody else may: then another one is tried.
        for _ in 0..5 {
            let port = free_port();
            let child = spawn(port, folder.path(), &all);
            let mut server = Self {
                child,
                port,
                folder: tempfile::tempdir_in(folder.path()).unwrap(),
                options: all.clone(),
            };
            if server.is_up().await {
                server.folder = folder;
                return server;
            }
        }
        panic!("redis-server does not start: {}", log_of(folder.path()));
    }

    /// The same server again, after it was killed: with what it had saved, or with nothing.
    pub(crate) async fn restart(&mut self) {
        self.begin_again(&[]);
        assert!(self.is_up().await, "{}", log_of(self.folder.path()));
    }

    /// As [`Self::restart`], with more options, and without waiting.
    pub(crate) fn begin_again(&mut self, options: &[&str]) {
        self.kill();
        self.options
            .extend(options.iter().map(|option| (*option).to_owned()));
        self.child = spawn(self.port, self.folder.path(), &self.options);
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Asks it as a person with `redis-cli` would.
    pub(crate) async fn ask<T: FromRedisValue>(&self, words: &[&str]) -> T {
        self.try_ask(words).await.unwrap()
    }

    pub(crate) async fn try_ask<T: FromRedisValue>(&self, words: &[&str]) -> redis::RedisResult<T> {
        let client = Client::open(self.url())?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]).query_async(&mut connection).await
    }

    /// Waits until it answers and is done with loading; false if it has ended, or if another answers in its place.
    async fn is_up(&mut self) -> bool {
        for _ in 0..400 {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            if self.try_ask::<String>(&["PING"]).await.is_ok() {
                let about: String = self.ask(&["INFO", "server"]).await;
                return about.contains(&format!("process_id:{}\r", self.pid()));
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        false
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Three nodes that share all slots.
pub(crate) struct Cluster {
    pub(crate) nodes: [Server; 3],
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        let options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"];
        let nodes = [
            Server::start_with(&options).await,
            Server::start_with(&options).await,
            Server::start_with(&options).await,
        ];
        for (node, (first, last)) in
            nodes
                .iter()
                .zip([("0", "5460"), ("5461", "10922"), ("10923", "16383")])
        {
            let _: String = node.ask(&["CLUSTER", "ADDSLOTSRANGE", first, last]).await;
        }
        for (node, epoch) in nodes.iter().zip(["1", "2", "3"]) {
            let _: String = node.ask(&["CLUSTER", "SET-CONFIG-EPOCH", epoch]).await;
        }
        for node in &nodes[1..] {
            let _: String = nodes[0]
                .ask(&["CLUSTER", "MEET", "127.0.0.1", &node.port.to_string()])
                .await;
        }
        let cluster = Self { nodes };
        for _ in 0..800 {
            if cluster.is_whole().await {
                return cluster;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("the cluster does not come together");
    }

    async fn is_whole(&self) -> bool {
        let mut whole = true;
        for node in &self.nodes {
            let info: String = node.ask(&["CLUSTER", "INFO"]).await;
            whole &= info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3");
        }
        whole
    }

    pub(crate) fn url(&self) -> String {
        format!(
            "redis-cluster://127.0.0.1:{},127.0.0.1:{}",
            self.nodes[0].port, self.nodes[1].port
        )
    }

    /// Asks the one node that has the key.
    pub(crate) async fn ask<T: FromRedisValue + Default>(&self, words: &[&str]) -> T {
        for node in &self.nodes {
            if let Ok(answer) = node.try_ask(words).await {
                return answer;
            }
        }
        T::default()
    }
}

/// A port for a server that cannot choose one itself and say which. Not one of those that the system gives to connections, so
/// that it is still free when the server is started again; no two of one process the same, and seldom two of different ones.
/// A cluster node listens on a second one, 10000 above.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = std::process::id()
            .wrapping_mul(41)
            .wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = 12_000 + u16::try_from(number % 10_000).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn spawn(port: u16, folder: &Path, options: &[String]) -> Child {
    let log = fs::File::create(folder.join("log")).unwrap();
    let mut command = Command::new("redis-server");
    // A file that is named first makes it a sentinel where that is asked for.
    let (named, rest) = match options
        .iter()
        .position(|option| option.ends_with("/sentinel.conf"))
    {
        Some(at) => (
            Some(&options[at]),
            [&options[..at], &options[at + 1..]].concat(),
        ),
        None => (None, options.to_vec()),
    };
    command
        .args(named)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .arg("--dir")
        .arg(folder)
        .args(rest)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log);
    command.spawn().unwrap_or_else(|error| {
        panic!("redis-server cannot be started ({error}): scripts/install-tools stores installs it")
    })
}

fn log_of(folder: &Path) -> String {
    fs::read_to_string(folder.join("log")).unwrap_or_default()
}
