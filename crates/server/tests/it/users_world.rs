//! A whole server and the simulated WeChat behind it, with an official account, a mini program and a website of users.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use wxtoken_core::clock::{Boot, Clock, Now, Wall};
use wxtoken_server::clock::ManualClock;
use wxtoken_server::config;
use wxtoken_server::services::Running;
use wxtoken_simulator::{AppKind, AppSpec, Options, SimClock, Upstream, UserCode};

use crate::harness::{APP, PATIENCE, SECRET};

pub(crate) const MINI: &str = "wx00000000000000cc";
pub(crate) const SITE: &str = "wx00000000000000dd";
/// Of a caller that may all about users but have session keys.
pub(crate) const KEY: &str = "00112233445566778899aabbccddeeff";
/// Of a caller that may have them.
pub(crate) const TRUSTED: &str = "aabbccddeeff00112233445566778899";
/// Of a caller that may read tokens alone.
pub(crate) const READER: &str = "ffeeddccbbaa99887766554433221100";
/// Of a caller that has another app alone.
pub(crate) const STRANGER: &str = "5566778899aabbccddeeff0011223344";
pub(crate) const SECONDS: u64 = 1_795_000_000;
pub(crate) const RENEW: &str = "/sns/oauth2/refresh_token";
pub(crate) const USERINFO: &str = "/sns/userinfo";

/// A whole server with a WeChat of its own.
pub(crate) struct Place {
    pub(crate) wechat: Upstream,
    pub(crate) server: Running,
    pub(crate) clock: Arc<ManualClock>,
    _folder: tempfile::TempDir,
}

/// Status, name of the problem, and the whole answer.
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) name: String,
    pub(crate) body: Value,
    pub(crate) headers: http::HeaderMap,
}

impl Place {
    pub(crate) async fn open() -> Self {
        Self::open_with("").await
    }

    /// The same, with these lines in `[server]`.
    pub(crate) async fn open_with(lines: &str) -> Self {
        let start = std::time::UNIX_EPOCH + Duration::from_secs(SECONDS);
        let app = |id: &str, kind| AppSpec::new(id, SECRET, kind);
        let wechat = Upstream::start(Options {
            clock: SimClock::manual(start),
            apps: vec![
                app(APP, AppKind::Official),
                app(MINI, AppKind::Mini),
                app(SITE, AppKind::Website),
            ],
            ..Options::default()
        });
        let wechat = wechat.await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let listed = |id: &str, kind: &str| {
            format!("[[app]]\nappid = \"{id}\"\nsecret = \"{SECRET}\"\ntype = \"{kind}\"\n")
        };
        let caller = |name: &str, key: &str, allow: &str| {
            format!(
                "[[caller]]\nname = \"{name}\"\nkey = \"{key}\"\napps = [\"*\"]\nallow = [{allow}]\n"
            )
        };
        let text = [
            format!(
                "[server]\nlisten = \"127.0.0.1:0\"\nfirst_token_wait = \"2s\"\n{lines}\n[admin]\nlisten = \"127.0.0.1:0\"\nkey = \"{SECRET}\"\n\
                 [store]\npath = \"{}/data\"\n[upstream]\nbase_url = \"{}\"\n",
                folder.path().display(),
                wechat.base_url()
            ),
            listed(APP, "official"),
            listed(MINI, "mini"),
            listed(SITE, "website"),
            caller(
                "users",
                KEY,
                "\"users\", \"login\", \"read\", \"report\", \"call\"",
            ),
            caller("trusted", TRUSTED, "\"login\", \"session_key\""),
            caller("reader", READER, "\"read\""),
            format!(
                "[[caller]]\nname = \"of another app\"\nkey = \"{STRANGER}\"\napps = [\"{SITE}\"]\nallow = [\"users\", \"login\"]\n"
            ),
        ];
        let config = config::parse(&text.concat(), folder.path(), &|_| None);
        let config = config.unwrap_or_else(|errors| panic!("{errors}"));
        let clock = Arc::new(ManualClock::new(Now {
            wall: Wall(SECONDS * 1000),
            boot: Boot(5_000_000),
        }));
        let server = Running::start_with(config, Arc::clone(&clock) as Arc<dyn Clock>).await;
        Self {
            wechat,
            server: server.unwrap(),
            clock,
            _folder: folder,
        }
    }

    pub(crate) fn pass(&self, by: Duration) {
        self.wechat.world().clock().advance(by);
        self.clock.advance(by);
    }

    pub(crate) async fn send(&self, method: Method, path: &str, key: &str, body: &str) -> Told {
        let address = &self.server.doors().api[0];
        sent(method, &format!("{address}{path}"), Some(key), body).await
    }

    pub(crate) async fn get(&self, app: &str, rest: &str) -> Told {
        self.send(Method::GET, &format!("/v1/apps/{app}/{rest}"), KEY, "")
            .await
    }

    pub(crate) async fn post(&self, app: &str, rest: &str, body: Value) -> Told {
        let path = format!("/v1/apps/{app}/{rest}");
        self.send(Method::POST, &path, KEY, &body.to_string()).await
    }

    pub(crate) fn code(&self, app: &str, user: &str, code: UserCode) -> String {
        self.wechat.world().user_code(app, user, code).unwrap()
    }

    pub(crate) fn openid(&self, app: &str, user: &str) -> String {
        self.wechat.world().openid(app, user).unwrap()
    }

    /// The user consents on a page; gives their openid.
    pub(crate) async fn consent(&self, app: &str, user: &str, code: UserCode) -> String {
        let code = self.code(app, user, code).parse().unwrap();
        let users = self.server.users();
        let granted = users.exchange(&app.parse().unwrap(), &code).await.unwrap();
        granted.openid.as_str().to_owned()
    }

    /// The user signs in to the mini program; gives their openid.
    pub(crate) async fn login(&self, user: &str) -> String {
        let code = self.code(MINI, user, UserCode::Login);
        let told = self.post(MINI, "login", json!({ "code": code })).await;
        assert_eq!(told.status, 200, "{}", told.body);
        told.body["openid"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn profile(&self, openid: &str) -> Told {
        self.get(APP, &format!("users/{openid}/profile")).await
    }

    pub(crate) fn calls(&self, app: &str, path: &str) -> u64 {
        self.wechat.world().calls(app, path)
    }
}

/// Sends a request, with a key or without.
pub(crate) async fn sent(method: Method, url: &str, key: Option<&str>, body: &str) -> Told {
    let mut request = Request::builder()
        .method(method)
        .uri(url)
        .header("origin", "https://shop.example.com");
    if let Some(key) = key {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    let request = request
        .body(Full::new(Bytes::from(body.to_owned())))
        .unwrap();
    let client = Client::builder(TokioExecutor::new()).build_http();
    let answer = tokio::time::timeout(PATIENCE, client.request(request));
    let (parts, body) = answer.await.unwrap().unwrap().into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let name = body["type"].as_str().unwrap_or_default();
    Told {
        status: parts.status.as_u16(),
        name: name.replace("urn:wxtoken:problem:", ""),
        headers: parts.headers,
        body,
    }
}
