//! A browser, a site and a whole server between them and the simulated WeChat.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wxtoken_core::clock::{Boot, Clock, Now, Wall};
use wxtoken_server::clock::ManualClock;
use wxtoken_server::config;
use wxtoken_server::services::Running;
use wxtoken_simulator::{AppKind, AppSpec, Options, SimClock, Upstream};

use crate::harness::{APP, SECRET};

pub(crate) const SITE: &str = "wxsite0123456789ab";
pub(crate) const MINI: &str = "wxmini0123456789ab";
pub(crate) const SHOP_KEY: &str = "0000000000000000000000000000000a";
pub(crate) const BLOG_KEY: &str = "0000000000000000000000000000000b";
pub(crate) const BACK: &str = "https://shop.example.com/back";
const BASE: &str = "https://wx.example.com";
const START: u64 = 1_795_000_000;

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let of_name = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        of_name.map(|(_, value)| value).collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    pub(crate) fn location(&self) -> &str {
        assert_eq!(self.status, 302, "{}", self.body);
        self.header("location").unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// `name=value` of what the browser is told to keep.
    pub(crate) fn cookie(&self) -> String {
        let set = self.all("set-cookie");
        set[0].split(';').next().unwrap().to_owned()
    }

    /// Where the big button leads, without our own host.
    pub(crate) fn button(&self) -> String {
        let (_, link) = self.body.split_once("<a href=\"").unwrap();
        let link = link.split('"').next().unwrap().replace("&amp;", "&");
        link.strip_prefix(BASE).unwrap().to_owned()
    }

    /// Nobody is sent anywhere.
    pub(crate) fn is_page(&self, status: u16, says: &str) {
        assert_eq!(self.status, status, "{says}: {}", self.body);
        assert_eq!(self.header("location"), None, "{says}");
        assert!(self.body.contains(says), "{says}: {}", self.body);
    }
}

pub(crate) async fn ask(at: SocketAddr, line: &str, headers: &str, body: &str) -> Answer {
    ask_for("evil.example", at, line, headers, body).await
}

async fn ask_for(host: &str, at: SocketAddr, line: &str, headers: &str, body: &str) -> Answer {
    let mut stream = TcpStream::connect(at).await.unwrap();
    let length = body.len();
    let request = format!(
        "{line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

/// Server, WeChat, and what both stand on.
pub(crate) struct Relay {
    pub(crate) wechat: Upstream,
    pub(crate) server: Running,
    pub(crate) clock: Arc<ManualClock>,
    folder: TempDir,
}

/// A user on the way, as their browser knows it.
pub(crate) struct Tab {
    pub(crate) cookie: String,
    /// Path and query of the callback.
    pub(crate) callback: String,
}

impl Relay {
    pub(crate) async fn start() -> Self {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(START);
        let apps = [
            (APP, AppKind::Official),
            (SITE, AppKind::Website),
            (MINI, AppKind::Mini),
        ];
        let wechat = Upstream::start(Options {
            clock: SimClock::manual(start),
            apps: apps
                .into_iter()
                .map(|(app, kind)| AppSpec::new(app, SECRET, kind))
                .collect(),
            ..Options::default()
        });
        let wechat = wechat.await.unwrap();
        let clock = Arc::new(ManualClock::new(Now {
            wall: Wall(START * 1000),
            boot: Boot(5_000_000),
        }));
        let folder = tempfile::tempdir().unwrap();
        let config = parsed(&text(&wechat, &folder), &folder);
        let server = Running::start_with(config, Arc::clone(&clock) as Arc<dyn Clock>);
        Self {
            server: server.await.unwrap(),
            wechat,
            clock,
            folder,
        }
    }

    /// The shop is taken out of the configuration.
    pub(crate) async fn remove_shop(&self) {
        self.reload(|text| text.replace(&shop(), "")).await;
    }

    /// The configuration is loaded again with something changed in it.
    pub(crate) async fn reload(&self, change: impl FnOnce(String) -> String) {
        let text = change(text(&self.wechat, &self.folder));
        let done = self.server.reload(parsed(&text, &self.folder)).await;
        assert!(done.troubles.is_empty(), "{:?}", done.troubles);
    }

    /// Codes that were shown to WeChat.
    pub(crate) fn exchanges(&self) -> u64 {
        let world = self.wechat.world();
        world.calls(APP, "/sns/oauth2/access_token")
    }

    pub(crate) fn pass(&self, by: Duration) {
        self.wechat.world().clock().advance(by);
        self.clock.advance(by);
    }

    /// A browser opens a page of the public listener.
    pub(crate) async fn open(&self, target: &str, cookies: &str) -> Answer {
        self.public("GET", target, cookies).await
    }

    pub(crate) async fn public(&self, method: &str, target: &str, cookies: &str) -> Answer {
        let at = address(&self.server.doors().public[0]);
        let headers = format!("Cookie: {cookies}\r\n");
        ask(at, &format!("{method} {target}"), &headers, "").await
    }

    pub(crate) async fn redeem(&self, key: &str, code: &str) -> Answer {
        let body = format!("{{\"code\":\"{code}\"}}");
        self.call(key, "POST /v1/oauth/redeem", &body).await
    }

    /// What is counted.
    pub(crate) async fn metrics(&self) -> String {
        let at = address(&self.server.doors().admin[0]);
        let headers = format!("Authorization: Bearer {SECRET}\r\n");
        let answer = ask_for(&at.to_string(), at, "GET /metrics", &headers, "").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
    }

    /// One request of a caller to the API and the gateway.
    pub(crate) async fn call(&self, key: &str, line: &str, body: &str) -> Answer {
        let at = address(&self.server.doors().api[0]);
        let headers = format!("Authorization: Bearer {key}\r\nWxtoken-App: {APP}\r\n");
        ask(at, line, &headers, body).await
    }

    /// From the site's link through WeChat's page, to where the browser comes back.
    pub(crate) async fn through_wechat(&self, query: &str, wish: &str) -> Tab {
        let target = format!("/oauth/{APP}/authorize?{query}");
        let sent = self.open(&target, "").await;
        let page = sent.location().strip_suffix("#wechat_redirect").unwrap();
        let page = page.strip_prefix(&self.wechat.base_url()).unwrap();
        let line = format!("GET {page}{wish}");
        let answer = ask(self.wechat.address(), &line, "", "").await;
        let back = answer.location();
        Tab {
            cookie: sent.cookie(),
            callback: back.strip_prefix(BASE).unwrap().to_owned(),
        }
    }

    /// A whole sign-in; gives the code that the site is told.
    pub(crate) async fn sign_in(&self) -> String {
        let tab = self.through_wechat(&to(BACK), "").await;
        let answer = self.open(&tab.callback, &tab.cookie).await;
        code_of(answer.location())
    }
}

/// The parameter that names a page.
pub(crate) fn to(page: &str) -> String {
    let escaped: String = page.bytes().map(|byte| format!("%{byte:02X}")).collect();
    format!("return_to={escaped}")
}

/// The code in an address of the site.
pub(crate) fn code_of(location: &str) -> String {
    let (_, code) = location.split_once("code=").unwrap();
    code.split('&').next().unwrap().to_owned()
}

fn address(place: &str) -> SocketAddr {
    place.strip_prefix("http://").unwrap().parse().unwrap()
}

fn caller(name: &str, key: &str, page: &str) -> String {
    format!(
        "[[caller]]\nname = \"{name}\"\nkey = \"{key}\"\napps = [\"*\"]\nallow = [\"read\", \"report\", \"call\", \"users\", \"login\"]\nreturn_to = [\"{page}\"]\n"
    )
}

fn shop() -> String {
    caller("shop", SHOP_KEY, BACK)
}

fn text(wechat: &Upstream, folder: &TempDir) -> String {
    let app = |id: &str, kind: &str| {
        format!(
            "[[app]]\nappid = \"{id}\"\nsecret = \"{SECRET}\"\ntype = \"{kind}\"\n{}",
            match kind {
                "website" => "",
                "mini" => "lanes = [\"stable\"]\n",
                _ => "lanes = [\"stable\"]\nkinds = [\"access_token\", \"jsapi_ticket\"]\n",
            }
        )
    };
    let (url, place) = (wechat.base_url(), folder.path().display());
    format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[store]\npath = \"{place}/data\"\n[admin]\nlisten = \"127.0.0.1:0\"\nkey = \"{SECRET}\"\n\
         [upstream]\nbase_url = \"{url}\"\nopen_url = \"{url}\"\n\
         [public]\nlisten = \"127.0.0.1:0\"\nbase_url = \"{BASE}\"\nrate = \"1000/s\"\n{}{}{}{}{}",
        app(APP, "official"),
        app(SITE, "website"),
        app(MINI, "mini"),
        shop(),
        caller(
            "blog",
            BLOG_KEY,
            "https://blog.example.com/back?from=wechat"
        ),
    )
}

fn parsed(text: &str, folder: &TempDir) -> config::Config {
    config::parse(text, folder.path(), &|_| None).unwrap_or_else(|errors| panic!("{errors}"))
}
