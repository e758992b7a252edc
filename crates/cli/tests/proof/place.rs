//! Where a server lives in a test: a folder, two free ports, a configuration that names the simulated WeChat.

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use tempfile::TempDir;
use wxtoken_simulator::{AppKind, AppSpec, Options, Rules, Upstream};

/// The app most stories have.
pub(crate) const APP: &str = "wx0123456789abcdef";
/// Its AppSecret.
pub(crate) const SECRET: &str = "5ec0e7a9b1c2d3f4857696a7b8c9dae1";
/// A caller that may do everything.
pub(crate) const KEY: &str = "ca11e7000102030405060708090a0b0c";
/// The admin key.
pub(crate) const ADMIN_KEY: &str = "ad319000f1e2d3c4b5a6978879605142";

/// What every configuration begins with.
const BASE: &str = r#"
[server]
listen = "API"
SERVER
[admin]
listen = "ADMIN"
key = "ADMIN_KEY"
[store]
path = "FOLDER/data"
STORE
[upstream]
base_url = "URL"
"#;

/// The caller of most stories.
pub(crate) const CALLER: &str = r#"
[[caller]]
name = "reader"
key = "ca11e7000102030405060708090a0b0c"
apps = ["*"]
allow = ["read", "report"]
"#;

/// A place.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
    pub(crate) api: String,
    pub(crate) admin: String,
    /// Lines for `[server]` and `[store]`.
    pub(crate) server: &'static str,
    pub(crate) store: String,
    /// Where WeChat is for it.
    pub(crate) url: String,
    runs: AtomicUsize,
}

impl Place {
    pub(crate) fn new(wechat: &Upstream) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            api: format!("127.0.0.1:{}", free_port()),
            admin: format!("127.0.0.1:{}", free_port()),
            server: "",
            store: String::new(),
            url: wechat.base_url(),
            runs: AtomicUsize::new(0),
        }
    }

    /// Writes the configuration: the base and these lines, in which `FOLDER` is this folder.
    pub(crate) fn configure(&self, lines: &str) {
        let folder = self.folder.path().to_str().unwrap();
        let base = BASE
            .replace("ADMIN_KEY", ADMIN_KEY)
            .replace("ADMIN", &self.admin)
            .replace("API", &self.api)
            .replace("SERVER", self.server)
            .replace("STORE", &self.store)
            .replace("URL", &self.url);
        let text = format!("{base}{lines}").replace("FOLDER", folder);
        std::fs::write(self.config(), text).unwrap();
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("wxtoken.toml")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Where the next run's output goes.
    pub(crate) fn next_log(&self) -> PathBuf {
        let run = self.runs.fetch_add(1, Ordering::Relaxed);
        self.folder.path().join(format!("log-{run}"))
    }

    /// What all runs have said.
    pub(crate) fn logs(&self) -> String {
        let runs = 0..self.runs.load(Ordering::Relaxed);
        let texts = runs
            .flat_map(|run| ["", ".out"].map(|end| format!("log-{run}{end}")))
            .map(|name| {
                let text = std::fs::read(self.folder.path().join(name));
                String::from_utf8_lossy(&text.unwrap_or_default()).into_owned()
            });
        texts.collect()
    }
}

/// An `[[app]]` table for [`APP`] with these lines.
pub(crate) fn app(lines: &str) -> String {
    format!("[[app]]\nappid = \"{APP}\"\nsecret = \"{SECRET}\"\n{lines}\n")
}

/// A WeChat by these rules that knows [`APP`] and so many generated apps.
pub(crate) async fn wechat(rules: Rules, generated_apps: usize) -> Upstream {
    let options = Options {
        rules,
        apps: vec![AppSpec::new(APP, SECRET, AppKind::Official)],
        generated_apps,
        ..Options::default()
    };
    Upstream::start(options).await.unwrap()
}

/// A port nobody listens on, outside the range the system gives to outgoing connections, so that it is still free when a
/// killed server comes back. Processes that were started one after the other are far from each other.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(97);
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 11_000 + u16::try_from(start.wrapping_add(step) % 20_000).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
