//! Our own server with the simulator behind it, set up for a run: apps, callers, configuration files, start and stop.

mod config;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::bail;
use serde_json::{Value, json};
use wxtoken_simulator::generated_app;

use crate::ask::Peer;
use crate::engine;
use crate::host;
use crate::process::{self, Server};
use crate::tls::{self, Certificate};

/// Most apps that `POST /v1/read` takes at once.
const BATCH: usize = 1_000;

/// What is the same for every server of a run.
#[derive(Debug, Clone)]
pub struct World {
    /// The binary that is measured.
    pub binary: PathBuf,
    /// Scratch.
    pub folder: PathBuf,
    /// (AppID, AppSecret) of each app.
    pub apps: Vec<(String, String)>,
    /// Caller keys; all may read everything.
    pub keys: Vec<String>,
}

impl World {
    /// `apps` generated apps and `callers` callers.
    #[must_use]
    pub fn new(binary: PathBuf, folder: &Path, apps: usize, callers: usize) -> Self {
        let app = |index| {
            let spec = generated_app(index);
            (spec.appid, spec.secret)
        };
        Self {
            binary,
            folder: folder.to_owned(),
            apps: (0..apps).map(app).collect(),
            keys: (0..callers as u64).map(key).collect(),
        }
    }

    /// Starts `wxtoken simulate` with these apps, on `core`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn simulator(
        &self,
        core: usize,
        lifetime: Option<Duration>,
    ) -> anyhow::Result<(Server, SocketAddr)> {
        let address = process::free_address()?;
        let mut command = Command::new(&self.binary);
        command.args([
            "simulate",
            "--quiet",
            "--listen",
            &address.to_string(),
            "--apps",
            &self.apps.len().to_string(),
        ]);
        if let Some(lifetime) = lifetime {
            command.args(["--lifetime", &format!("{}s", lifetime.as_secs())]);
        }
        let mut server = Server::start("simulate", &command, core, &self.folder)?;
        server.wait_for_port(address)?;
        Ok((server, address))
    }
}

/// A caller key: 32 lower-case hex digits, the same in every run.
fn key(index: u64) -> String {
    format!(
        "{:016x}{:016x}",
        engine::mix(2 * index + 1),
        engine::mix(2 * index + 2)
    )
}

/// How one server is set up.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Names its folder, so that a second start finds the first one's store.
    pub name: &'static str,
    /// The simulator.
    pub upstream: SocketAddr,
    /// How many of the world's apps it has.
    pub apps: usize,
    /// HTTPS.
    pub tls: Option<Certificate>,
    /// The certificate upstream has, if it speaks HTTPS.
    pub upstream_tls: Option<Certificate>,
    /// `log.level`.
    pub log: &'static str,
    /// `refresh.max_in_flight`.
    pub max_in_flight: usize,
    /// `refresh.stable_before`, where tokens live shorter than WeChat's.
    pub stable_before: Option<Duration>,
    /// What else stands in each app's table, its subtables last.
    pub app_lines: String,
}

impl Settings {
    /// With all apps, in the clear.
    #[must_use]
    pub fn new(name: &'static str, upstream: SocketAddr, apps: usize) -> Self {
        Self {
            name,
            upstream,
            apps,
            tls: None,
            upstream_tls: None,
            log: "info",
            max_in_flight: 64,
            stable_before: None,
            app_lines: String::new(),
        }
    }
}

/// A running wxtoken server.
#[derive(Debug)]
pub struct Hub {
    /// The process.
    pub server: Server,
    /// Its API, with the first caller's key.
    pub api: Peer,
    /// Its admin listener, with the admin key.
    pub admin: Peer,
}

impl Hub {
    /// Writes the configuration and starts the server on `core`; it listens, but may not have tokens yet.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(world: &World, settings: &Settings, core: usize) -> anyhow::Result<Self> {
        let (command, api, admin) = Self::prepare(world, settings)?;
        let mut server = Server::start(settings.name, &command, core, &world.folder)?;
        server.wait_for_port(api.address)?;
        server.wait_for_port(admin.address)?;
        Ok(Self { server, api, admin })
    }

    /// Writes the configuration; the command starts the server, which will answer these two peers.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn prepare(world: &World, settings: &Settings) -> anyhow::Result<(Command, Peer, Peer)> {
        let home = world.folder.join(settings.name);
        let (api, admin) = (process::free_address()?, process::free_address()?);
        let admin_key = key(u64::MAX / 4);
        let file = config::write(world, settings, &home, api, admin, &admin_key)?;
        let mut command = Command::new(&world.binary);
        command
            .args(["serve", "--config"])
            .arg(&file)
            .current_dir(&home);
        if let Some(files) = &settings.upstream_tls {
            command.env("SSL_CERT_FILE", &files.cert);
        }
        let tls = settings
            .tls
            .as_ref()
            .map(|files| tls::client_trusting(&files.cert))
            .transpose()?;
        let api = Peer {
            address: api,
            tls,
            key: world.keys.first().cloned(),
        };
        Ok((command, api, Peer::plain(admin, Some(&admin_key))))
    }

    /// Waits until every app in `apps` has a token, and returns them by AppID.
    ///
    /// # Errors
    /// When that takes longer than `limit`.
    pub fn tokens(
        &mut self,
        apps: &[(String, String)],
        limit: Duration,
    ) -> anyhow::Result<HashMap<String, String>> {
        let mut known = HashMap::with_capacity(apps.len());
        let (api, mut trouble) = (&self.api, None);
        let done = self.server.wait_until(limit, || {
            let missing: Vec<&str> = apps
                .iter()
                .map(|(appid, _)| appid.as_str())
                .filter(|appid| !known.contains_key(*appid))
                .take(BATCH)
                .collect();
            match read_batch(api, &missing) {
                Ok(tokens) => known.extend(tokens),
                Err(error) => trouble = Some(error),
            }
            known.len() == apps.len()
        });
        match (done, trouble) {
            (Ok(()), _) => Ok(known),
            (Err(error), Some(trouble)) => {
                Err(error.context(format!("the last batch read failed: {trouble:#}")))
            }
            (Err(error), None) => bail!(
                "{} of {} apps have a token; {error:#}",
                known.len(),
                apps.len()
            ),
        }
    }
}

/// The body of a batch read of access tokens.
#[must_use]
pub fn want(appids: &[&str]) -> String {
    let want: Vec<Value> = appids
        .iter()
        .map(|appid| json!({"appid": appid, "kind": "access_token"}))
        .collect();
    json!({ "want": want }).to_string()
}

fn read_batch(api: &Peer, appids: &[&str]) -> anyhow::Result<HashMap<String, String>> {
    let mut tokens = HashMap::new();
    collect(&api.json("/v1/read", Some(&want(appids)))?, &mut tokens);
    // What has no token yet is asked for again, but not in a busy loop.
    if tokens.len() < appids.len() {
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(tokens)
}

/// Every object with an AppID and a token, however the answer is nested.
fn collect(value: &Value, into: &mut HashMap<String, String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
        Value::Object(fields) => {
            if let (Some(Value::String(appid)), Some(Value::String(token))) =
                (fields.get("appid"), fields.get("access_token"))
            {
                into.insert(appid.clone(), token.clone());
            }
            fields.values().for_each(|item| collect(item, into));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => (),
    }
}

/// Whether the run is worth figures; told once, at the top of a report.
#[must_use]
pub fn caveats(cores: host::Cores) -> Option<&'static str> {
    (!cores.apart())
        .then_some("only one core: server and load share it, so no figure below means much")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_32_hex_digits_and_differ() {
        let keys: std::collections::HashSet<String> = (0..1_000).map(key).collect();
        assert_eq!(keys.len(), 1_000);
        assert!(keys.iter().all(|key| {
            key.len() == 32
                && key
                    .bytes()
                    .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        }));
    }

    #[test]
    fn tokens_are_found_however_a_batch_answer_is_nested() {
        let answer = json!({"results": [{"appid": "wx1", "access_token": "T1"}, {"problem": {"status": 503}}, {"ok": {"appid": "wx2", "access_token": "T2"}}]});
        let mut tokens = HashMap::new();
        collect(&answer, &mut tokens);
        assert_eq!(tokens.len(), 2);
        assert_eq!(tokens["wx2"], "T2");
    }
}
