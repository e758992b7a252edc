//! A real redis-server for one test: started, killed, stopped for a while, asked.
//!
//! Must not know: who uses it.

use std::fs;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::place::free_port;
use crate::server::{PATIENCE, now};

/// A sentinel's configuration, which it rewrites.
const SENTINEL: &str = "sentinel.conf";

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
        Self::start_in(folder, all).await
    }

    /// A sentinel with these lines of configuration.
    pub(crate) async fn sentinel(lines: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(SENTINEL), lines).unwrap();
        Self::start_in(folder, vec!["--sentinel".to_owned()]).await
    }

    async fn start_in(folder: TempDir, all: Vec<String>) -> Self {
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
    let config = folder.path().join(SENTINEL);
    let spawned = Command::new("redis-server")
        .args(config.exists().then_some(config))
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
