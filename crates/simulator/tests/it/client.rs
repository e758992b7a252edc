//! A raw HTTP client for the tests: it shares no code with anything that is tested.

use std::time::Duration;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use wxtoken_simulator::{AppKind, AppSpec, Options, Rules, SimClock, Upstream};

pub(crate) const APPID: &str = "wx0123456789abcdef";
pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";
pub(crate) const MINI: &str = "wxmini000000000001";
/// 2026-11-22 08:00:00 UTC.
pub(crate) const START: u64 = 1_795_334_400;

/// A simulator under a manual clock, with one 公众号 and one mini program.
pub(crate) async fn upstream(rules: Rules) -> Upstream {
    let options = Options {
        clock: SimClock::manual(std::time::UNIX_EPOCH + Duration::from_secs(START)),
        rules,
        apps: vec![
            AppSpec::new(APPID, SECRET, AppKind::Official),
            AppSpec::new(MINI, SECRET, AppKind::Mini),
        ],
        seed: Some(1),
        ..Options::default()
    };
    Upstream::start(options).await.unwrap()
}

/// What came back, byte for byte.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (left, value) = line.split_once(": ")?;
            left.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub(crate) fn errcode(&self) -> i64 {
        self.json()["errcode"].as_i64().unwrap_or(0)
    }

    pub(crate) fn token(&self) -> String {
        self.json()["access_token"]
            .as_str()
            .unwrap_or_else(|| panic!("no token: {}", self.text()))
            .to_owned()
    }
}

/// Sends one request on a connection of its own and reads until the other side closes.
pub(crate) async fn raw(upstream: &Upstream, request: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(upstream.address()).await.unwrap();
    // The simulator may close before it has read everything: that is what some tests are about.
    let _ = socket.write_all(request).await;
    let mut all = Vec::new();
    let _ = socket.read_to_end(&mut all).await;
    all
}

pub(crate) async fn send(upstream: &Upstream, method: &str, target: &str, body: &[u8]) -> Reply {
    let head = format!(
        "{method} {target} HTTP/1.1\r\nhost: api.weixin.qq.com\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    parse(&raw(upstream, &[head.as_bytes(), body].concat()).await)
}

pub(crate) fn parse(all: &[u8]) -> Reply {
    let end = all
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap_or_else(|| panic!("no head: {all:?}"));
    let head = String::from_utf8(all[..end].to_vec()).unwrap();
    let status = head[9..12].parse().unwrap();
    let mut reply = Reply {
        status,
        head,
        body: all[end + 4..].to_vec(),
    };
    if reply.header("transfer-encoding") == Some("chunked") {
        reply.body = unchunk(&reply.body);
    }
    reply
}

fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        let chunk = &rest[end + 2..];
        body.extend_from_slice(&chunk[..size.min(chunk.len())]);
        rest = chunk.get(size + 2..).unwrap_or_default();
    }
    body
}

pub(crate) async fn get(upstream: &Upstream, target: &str) -> Reply {
    send(upstream, "GET", target, b"").await
}

pub(crate) async fn post(upstream: &Upstream, target: &str, body: &Value) -> Reply {
    send(upstream, "POST", target, body.to_string().as_bytes()).await
}

pub(crate) async fn classic(upstream: &Upstream) -> Reply {
    get(
        upstream,
        &format!("/cgi-bin/token?grant_type=client_credential&appid={APPID}&secret={SECRET}"),
    )
    .await
}

pub(crate) async fn stable(upstream: &Upstream, force: bool) -> Reply {
    let body = serde_json::json!({
        "grant_type": "client_credential", "appid": APPID, "secret": SECRET, "force_refresh": force,
    });
    post(upstream, "/cgi-bin/stable_token", &body).await
}

/// The `errcode` of the cheap probe with this token; 0 when it is accepted.
pub(crate) async fn probe(upstream: &Upstream, token: &str) -> i64 {
    get(
        upstream,
        &format!("/cgi-bin/get_api_domain_ip?access_token={token}"),
    )
    .await
    .errcode()
}

pub(crate) fn pass(upstream: &Upstream, seconds: u64) {
    upstream
        .world()
        .clock()
        .advance(Duration::from_secs(seconds));
}
