//! One world per test: a simulator and a whole server in front of it, and a client that sends calls.

use std::sync::Arc;
use std::time::Duration;

use crate::scripted::Scripted;
use crate::wire::{Head, Wire};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tempfile::TempDir;
use wxtoken_core::credential::{CredentialKey, Kind};
use wxtoken_server::config::{self, Config};
use wxtoken_server::services::Running;
use wxtoken_simulator::{AppKind, AppSpec, Options, Upstream};

pub(crate) const APP: &str = "wx0123456789abcdef";
pub(crate) const SECRET: &str = "5ec0e7a1b2c3d4e5f60718293a4b5c6d";
/// Of a caller with `call` and everything else that the gateway looks at.
pub(crate) const KEY: &str = "00112233445566778899aabbccddeeff";
/// Of a caller that is handed virtual tokens.
pub(crate) const VIRTUAL_KEY: &str = "ffeeddccbbaa99887766554433221100";
const ADMIN_KEY: &str = "admin-key-of-the-gateway-tests-0123456789";
/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct World {
    pub(crate) wechat: Upstream,
    pub(crate) server: Running,
    pub(crate) url: String,
    client: Client<HttpConnector, Full<Bytes>>,
    _folder: TempDir,
}

/// An answer, whole.
pub(crate) struct Told {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Told {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("no JSON: {}", String::from_utf8_lossy(&self.body)))
    }

    /// WeChat's errcode; 0 if there is none.
    pub(crate) fn errcode(&self) -> i64 {
        self.json()["errcode"].as_i64().unwrap_or(0)
    }

    pub(crate) fn errmsg(&self) -> String {
        self.json()["errmsg"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

/// The callers of most tests.
pub(crate) fn callers() -> String {
    format!(
        "[[caller]]\nname = \"shop\"\nkey = \"{KEY}\"\napps = [\"{APP}\"]\nallow = [\"read\", \"call\", \"report\"]\n\
         path_key = true\n\
         [[caller]]\nname = \"kiosk\"\nkey = \"{VIRTUAL_KEY}\"\napps = [\"{APP}\"]\nallow = [\"read\", \"call\"]\n\
         hands_out = \"virtual\"\n"
    )
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with("", &callers()).await
    }

    /// A world whose app has these lines, and these callers.
    pub(crate) async fn with(app: &str, callers: &str) -> Self {
        let (world, ()) = Self::behind(app, callers, async |url| (url, ())).await;
        world
    }

    /// A world in which calls go to a scripted WeChat; only tokens come from the simulator.
    pub(crate) async fn scripted<F, T>(callers: &str, script: F) -> (Self, Scripted)
    where
        F: Fn(Wire, Head) -> T + Send + Sync + 'static,
        T: Future<Output = Option<Wire>> + Send + 'static,
    {
        Self::behind("", callers, async |url| {
            let scripted = Scripted::start(&url, script).await;
            (scripted.url.clone(), scripted)
        })
        .await
    }

    /// A world whose server has these lines as well.
    pub(crate) async fn secure(server: &str, callers: &str) -> Self {
        let (world, ()) = Self::built(server, "", callers, async |url| (url, ())).await;
        world
    }

    /// A world with something between server and simulator: `between` is given the simulator's URL and gives its own.
    pub(crate) async fn behind<B>(
        app: &str,
        rest: &str,
        between: impl AsyncFnOnce(String) -> (String, B),
    ) -> (Self, B) {
        Self::built("", app, rest, between).await
    }

    async fn built<B>(
        server: &str,
        app: &str,
        rest: &str,
        between: impl AsyncFnOnce(String) -> (String, B),
    ) -> (Self, B) {
        let wechat = Upstream::start(Options {
            apps: vec![AppSpec::new(APP, SECRET, AppKind::Official)],
            ..Options::default()
        });
        let wechat = wechat.await.unwrap();
        let (upstream, between) = between(wechat.base_url()).await;
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n{server}[admin]\nlisten = \"127.0.0.1:0\"\nkey = \"{ADMIN_KEY}\"\n\
             [store]\npath = \"{}/data\"\n[upstream]\nbase_url = \"{}\"\n\
             [[app]]\nappid = \"{APP}\"\nsecret = \"{SECRET}\"\n{app}\n{rest}",
            folder.path().display(),
            upstream,
        );
        let config = config::parse(&text, folder.path(), &|_| None);
        let config = config.unwrap_or_else(|errors| panic!("{errors}"));
        let running = Running::start(config).await.unwrap();
        let url = running.doors().api[0].clone();
        let world = Self {
            wechat,
            server: running,
            url,
            client: Client::builder(TokioExecutor::new()).build_http(),
            _folder: folder,
        };
        world.token().await;
        (world, between)
    }

    /// The token handed out.
    pub(crate) async fn token(&self) -> String {
        let key = CredentialKey {
            app: APP.parse().unwrap(),
            kind: Kind::AccessToken,
        };
        let found = self.server.keeper().get(&key, PATIENCE).await.unwrap();
        found.token.expose().to_owned()
    }

    pub(crate) async fn send(
        &self,
        request: http::request::Builder,
        body: impl Into<Bytes>,
    ) -> Told {
        let request = request.body(Full::new(body.into())).unwrap();
        let answer = tokio::time::timeout(PATIENCE, self.client.request(request));
        let (parts, body) = answer.await.unwrap().unwrap().into_parts();
        let body = tokio::time::timeout(PATIENCE, body.collect())
            .await
            .unwrap();
        Told {
            status: parts.status,
            headers: parts.headers,
            body: body.unwrap().to_bytes(),
        }
    }

    pub(crate) fn request(&self, method: Method, target: &str) -> http::request::Builder {
        Request::builder()
            .method(method)
            .uri(format!("{}{target}", self.url))
    }

    /// A GET with a Bearer key.
    pub(crate) async fn get(&self, target: &str) -> Told {
        let request = self
            .request(Method::GET, target)
            .header("authorization", format!("Bearer {KEY}"));
        self.send(request, "").await
    }

    pub(crate) async fn post(&self, target: &str, body: impl Into<Bytes>) -> Told {
        let request = self
            .request(Method::POST, target)
            .header("authorization", format!("Bearer {KEY}"));
        self.send(request, body).await
    }

    /// Another program made the token dead.
    pub(crate) async fn kill(&self) {
        let told = self
            .control("apps/wx0123456789abcdef/kill", "{\"lane\":\"both\"}")
            .await;
        assert_eq!(told.status, 200, "{}", String::from_utf8_lossy(&told.body));
    }

    pub(crate) async fn control(&self, path: &str, body: &str) -> Told {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}/_sim/{path}", self.wechat.base_url()));
        self.send(request, body.to_owned()).await
    }

    /// The server takes another configuration over.
    pub(crate) async fn reload(&self, change: impl FnOnce(&mut Config)) {
        let mut config = (*self.server.config()).clone();
        change(&mut config);
        let reloaded = self.server.reload(config).await;
        assert!(reloaded.troubles.is_empty(), "{:?}", reloaded.troubles);
    }

    /// The server stops and starts again over the same store.
    pub(crate) async fn restarted(self, change: impl FnOnce(&mut Config)) -> Self {
        let Self {
            wechat,
            server,
            client,
            _folder,
            ..
        } = self;
        let mut config = (*server.config()).clone();
        change(&mut config);
        server.stop().await;
        let server = Running::start(config).await.unwrap();
        Self {
            url: server.doors().api[0].clone(),
            wechat,
            server,
            client,
            _folder,
        }
    }

    /// The server stops; what it was started with, and what another needs of this world.
    pub(crate) async fn stopped(self) -> (Config, Upstream, TempDir) {
        let config = (*self.server.config()).clone();
        self.server.stop().await;
        (config, self.wechat, self._folder)
    }

    /// A POST to the admin listener, with its key.
    pub(crate) async fn admin(&self, path: &str) -> Told {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}{path}", self.server.doors().admin[0]))
            .header("authorization", format!("Bearer {ADMIN_KEY}"));
        self.send(request, "").await
    }

    /// A GET with nothing but what is in its target.
    pub(crate) async fn plain(&self, target: &str) -> Told {
        self.send(self.request(Method::GET, target), "").await
    }

    /// What WeChat saw of a path, secrets and all.
    pub(crate) async fn seen(&self, path: &str) -> String {
        let uri = format!("{}/_sim/log?raw=1&path={path}", self.wechat.base_url());
        let told = self.send(Request::builder().uri(uri), "").await;
        String::from_utf8(told.body.to_vec()).unwrap()
    }

    /// Where the server keeps what is its own.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self._folder.path()
    }

    /// The metrics page.
    pub(crate) async fn metrics(&self) -> String {
        let url = format!("{}/metrics", self.server.doors().admin[0]);
        let request = Request::builder()
            .uri(url)
            .header("authorization", format!("Bearer {ADMIN_KEY}"));
        String::from_utf8(self.send(request, "").await.body.to_vec()).unwrap()
    }

    /// How many bytes of bodies went on inside the kernel, once they are so many: calls are told of behind their answers.
    pub(crate) async fn unread(&self, least: usize) -> usize {
        let began = tokio::time::Instant::now();
        loop {
            let metrics = self.metrics().await;
            let mut lines = metrics.lines();
            let line = lines.find_map(|line| line.strip_prefix("wxtoken_call_unread_bytes_total "));
            let unread = line.unwrap().parse().unwrap();
            if unread >= least {
                return unread;
            }
            assert!(began.elapsed() < PATIENCE, "{unread} of {least} bytes");
        }
    }

    /// Calls of a path that WeChat saw for the app.
    pub(crate) fn calls(&self, path: &str) -> u64 {
        self.wechat.world().calls(APP, path)
    }
}

pub(crate) type Shared = Arc<World>;
