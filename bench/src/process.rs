//! Servers started for one run: pinned, watched, and stopped by their own process id.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::host;

/// A running server; dropping it stops it.
#[derive(Debug)]
pub struct Server {
    name: String,
    child: Child,
    log: PathBuf,
    started: Instant,
}

impl Server {
    /// Starts `command` on `core`, what it says going to `<folder>/<name>.log`. Call it from the main thread: the
    /// server is told to stop when the thread that started it ends, even when that is killed.
    ///
    /// # Errors
    /// When the program is not there.
    pub fn start(
        name: &str,
        command: &Command,
        core: usize,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let mut guarded = Command::new("setpriv");
        guarded
            .args(["--pdeathsig", "TERM", "--"])
            .arg(command.get_program())
            .args(command.get_args());
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                guarded.env(name, value);
            }
        }
        if let Some(folder) = command.get_current_dir() {
            guarded.current_dir(folder);
        }
        Self::start_bare(name, guarded, core, folder)
    }

    /// As [`Self::start`] without the guard around it, which costs a start a millisecond.
    ///
    /// # Errors
    /// When the program is not there.
    pub fn start_bare(
        name: &str,
        mut command: Command,
        core: usize,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let output = File::create(&log)?;
        command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        // What this thread starts inherits its core.
        let (started, child) = host::pinned_to(core, || (Instant::now(), command.spawn()))?;
        let child = child.with_context(|| {
            format!(
                "cannot start {name}: is {} installed?",
                command.get_program().display()
            )
        })?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log,
            started,
        })
    }

    /// Its process id; the guard has replaced itself by the server.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// When it was started.
    #[must_use]
    pub const fn started(&self) -> Instant {
        self.started
    }

    /// CPU seconds it has used.
    ///
    /// # Errors
    /// When it is gone.
    pub fn cpu(&self) -> anyhow::Result<f64> {
        host::cpu_of(self.pid()).with_context(|| self.last_words())
    }

    /// Waits until `ready`, at most `limit`.
    ///
    /// # Errors
    /// When it ends before, or is not ready in time; with the end of what it said.
    pub fn wait_until(
        &mut self,
        limit: Duration,
        mut ready: impl FnMut() -> bool,
    ) -> anyhow::Result<()> {
        let mut ended = None;
        let in_time = host::wait_until(limit, || {
            ended = self.child.try_wait().ok().flatten();
            ended.is_some() || ready()
        });
        match ended {
            Some(status) => bail!("{} ended ({status}): {}", self.name, self.last_words()),
            None if !in_time => bail!(
                "{} is not ready after {limit:?}: {}",
                self.name,
                self.last_words()
            ),
            None => Ok(()),
        }
    }

    /// Waits until something accepts connections at `address`.
    ///
    /// # Errors
    /// As [`Self::wait_until`].
    pub fn wait_for_port(&mut self, address: SocketAddr) -> anyhow::Result<()> {
        self.wait_until(Duration::from_secs(30), || {
            TcpStream::connect(address).is_ok()
        })
    }

    /// Asks it to stop and waits; kills it when it takes longer than ten seconds. How long it took is returned.
    ///
    /// # Errors
    /// When the system does not let us.
    pub fn stop(mut self) -> anyhow::Result<Duration> {
        let begin = Instant::now();
        self.end()?;
        Ok(begin.elapsed())
    }

    fn end(&mut self) -> anyhow::Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        if let Some(pid) = Pid::from_raw(i32::try_from(self.pid())?) {
            kill_process(pid, Signal::TERM)?;
        }
        let child = &mut self.child;
        if !host::wait_until(Duration::from_secs(10), || {
            matches!(child.try_wait(), Ok(Some(_)))
        }) {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// The end of its log, for an error message.
    #[must_use]
    pub fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(12).collect();
        format!(
            "its last words were:\n{}",
            lines.into_iter().rev().collect::<Vec<_>>().join("\n")
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("could not stop {}: {error:#}", self.name);
        }
    }
}

/// A loopback address nobody listens on at the moment, and that this program was not given before.
///
/// # Errors
/// When the system has no port left.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    // Those refused stay bound meanwhile, so that the next try gets another.
    let mut refused = Vec::new();
    loop {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        if given.insert(address.port()) {
            return Ok(address);
        }
        refused.push(listener);
    }
}

/// Finds a program on `PATH` or among the system folders that a user's `PATH` often lacks.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "looking a program up means reading PATH"
)]
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':')
        .chain(["/usr/sbin", "/usr/local/sbin", "/sbin"])
        .map(|folder| Path::new(folder).join(name))
        .find(|file| file.is_file())
}

/// The binary to measure: `given`, or `wxtoken` beside this program.
///
/// # Errors
/// When it is not there, with the command that builds it.
pub fn wxtoken_binary(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    let path = match given {
        Some(path) => path.to_owned(),
        None => std::env::current_exe()?.with_file_name("wxtoken"),
    };
    if !path.is_file() {
        bail!(
            "{} is not there: build it with `cargo build --release -p wxtoken`, or name it with --wxtoken",
            path.display()
        );
    }
    // Servers are started in folders of their own, so a relative path would not hold.
    Ok(path.canonicalize()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_dies_at_once_is_reported_with_its_last_words() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo no such luck >&2; exit 3"]);
        let mut server = Server::start(
            "sad",
            &command,
            host::Cores::pick().unwrap().load,
            folder.path(),
        )
        .unwrap();
        let error = server
            .wait_until(Duration::from_secs(20), || false)
            .unwrap_err();
        assert!(error.to_string().contains("no such luck"), "{error}");
    }

    #[test]
    fn stopping_ends_the_process_that_was_started_and_takes_its_id_from_the_wrapper() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sleep");
        command.arg("600");
        let mut server = Server::start(
            "sleep",
            &command,
            host::Cores::pick().unwrap().server,
            folder.path(),
        )
        .unwrap();
        let name = PathBuf::from(format!("/proc/{}/comm", server.pid()));
        let is_sleep = || fs::read_to_string(&name).is_ok_and(|comm| comm.trim() == "sleep");
        server
            .wait_until(Duration::from_secs(20), is_sleep)
            .unwrap();
        server.stop().unwrap();
        assert!(!is_sleep());
    }
}
