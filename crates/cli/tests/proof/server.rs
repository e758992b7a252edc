//! One run of the real program: started, asked, signalled, killed when the test forgets it.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::http::{Reply, ask};
use crate::place::{ADMIN_KEY, APP, KEY, Place};

/// How long anything may take that should take no time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running server.
pub(crate) struct Server {
    child: Child,
    hears: Vec<JoinHandle<()>>,
    api: String,
    admin: String,
    log: PathBuf,
}

impl Server {
    /// Starts the program and waits until it answers.
    pub(crate) async fn start(place: &Place) -> Self {
        Self::start_by(place, Self::program()).await
    }

    /// The program.
    pub(crate) fn program() -> Command {
        Command::new(env!("CARGO_BIN_EXE_wxtoken"))
    }

    /// The same through another command, which gets the program's words behind its own.
    pub(crate) async fn start_by(place: &Place, command: Command) -> Self {
        let mut server = Self::spawn(place, command);
        server.answers().await;
        server
    }

    /// Starts the program and waits for nothing.
    pub(crate) fn spawn(place: &Place, mut command: Command) -> Self {
        let log = place.next_log();
        let mut child = command
            .args(["serve", "--config"])
            .arg(place.config())
            .env_clear()
            .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
            .env("TMPDIR", place.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // By pipes and not straight into files: what limits the program's files must not swallow what it says.
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let hears = [copy(out, log.with_extension("out")), copy(err, log.clone())];
        Self {
            hears: hears.into(),
            child,
            api: place.api.clone(),
            admin: place.admin.clone(),
            log,
        }
    }

    async fn answers(&mut self) {
        let begun = now();
        while ask(&self.api, "GET /healthz", &[], "").await.is_err() {
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none(),
                "it ended at once: {ended:?}\n{}",
                self.log()
            );
            assert!(begun.elapsed() < PATIENCE, "no answer\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What this run has said.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Waits until the log holds this.
    pub(crate) async fn says(&self, what: &str) {
        until(&format!("the log says {what:?}"), || {
            self.log().contains(what)
        })
        .await;
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// SIGKILL, and its end awaited.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.hear_the_rest();
    }

    fn hear_the_rest(&mut self) {
        for hears in self.hears.drain(..) {
            hears.join().unwrap();
        }
    }

    /// SIGTERM, and its end awaited.
    pub(crate) async fn stop(self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.ended().await
    }

    /// Waits for its end.
    pub(crate) async fn ended(mut self) -> ExitStatus {
        let begun = now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                self.hear_the_rest();
                return status;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "it does not end\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    }

    /// One request to the API.
    pub(crate) async fn ask(&self, line: &str, body: &str) -> Reply {
        let key = format!("Bearer {KEY}");
        let asked = ask(&self.api, line, &[("Authorization", &key)], body).await;
        asked.unwrap_or_else(|why| panic!("{line}: {why}\n{}", self.log()))
    }

    /// One request to the admin listener.
    pub(crate) async fn admin(&self, line: &str) -> Reply {
        let key = format!("Bearer {ADMIN_KEY}");
        let asked = ask(&self.admin, line, &[("Authorization", &key)], "").await;
        asked.unwrap_or_else(|why| panic!("{line}: {why}\n{}", self.log()))
    }

    /// The app's token by the native API, which must be there.
    pub(crate) async fn token(&self) -> String {
        let reply = self
            .ask(&format!("GET /v1/apps/{APP}/access_token"), "")
            .await;
        reply
            .token()
            .unwrap_or_else(|| panic!("{reply:?}\n{}", self.log()))
    }

    /// The app's token as an SDK asks for it.
    pub(crate) async fn sdk_token(&self) -> Option<String> {
        let line =
            format!("GET /cgi-bin/token?grant_type=client_credential&appid={APP}&secret={KEY}");
        self.ask(&line, "").await.token()
    }

    /// Reports a token dead.
    pub(crate) async fn report(&self, token: &str) -> serde_json::Value {
        let body = serde_json::json!({ "token": token }).to_string();
        let line = format!("POST /v1/apps/{APP}/access_token/dead");
        self.ask(&line, &body).await.json()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to end and nobody to tell.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn copy(mut from: impl Read + Send + 'static, to: PathBuf) -> JoinHandle<()> {
    let mut file = File::create(to).unwrap();
    std::thread::spawn(move || {
        std::io::copy(&mut from, &mut file).unwrap();
    })
}

/// What cannot be awaited, because it happens in another process or in a file, is looked at again and again.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "in vain waited until {what}");
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

/// The same where looking is itself a question, within its own time. Gives how long it took.
pub(crate) async fn until_asked(
    what: &str,
    within: Duration,
    mut is_so: impl AsyncFnMut() -> bool,
) -> Duration {
    let begun = now();
    while !is_so().await {
        assert!(begun.elapsed() < within, "in vain waited until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    begun.elapsed()
}

/// The machine's time.
#[expect(
    clippy::disallowed_methods,
    reason = "black box: the program under test runs by the machine's clock, and so must its judge"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}
