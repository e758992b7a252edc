//! A server that is told to stop while readers wait for WeChat: they are answered, in time and in full.

use serde_json::Value;
use std::net::SocketAddr;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wxtoken_server::config;
use wxtoken_server::services::Running;
use wxtoken_simulator::{AppKind, AppSpec, Fault, FaultScope, Options, Upstream};

use crate::harness::{APP, PATIENCE, SECRET};

const KEY: &str = "abcdef0123456789abcdef0123456789";
const STABLE: &str = "/cgi-bin/stable_token";

/// A whole server whose WeChat takes its time.
struct Slow {
    wechat: Upstream,
    server: Running,
    address: SocketAddr,
    _folder: TempDir,
}

impl Slow {
    async fn start(delay_ms: u64, server: &str) -> Self {
        let wechat = Upstream::start(Options {
            apps: vec![AppSpec::new(APP, SECRET, AppKind::Official)],
            ..Options::default()
        });
        let wechat = wechat.await.unwrap();
        let delay = Fault::Delay {
            ms: delay_ms,
            before: true,
        };
        wechat
            .world()
            .set_fault(FaultScope::everywhere(), delay, None);
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n{server}\n[admin]\nlisten = \"127.0.0.1:0\"\nkey = \"{SECRET}\"\n\
             [upstream]\nbase_url = \"{}\"\n[[app]]\nappid = \"{APP}\"\nsecret = \"{SECRET}\"\n\
             [[caller]]\nname = \"orders\"\nkey = \"{KEY}\"\napps = [\"*\"]\nallow = [\"read\", \"report\"]\n",
            wechat.base_url()
        );
        let config = config::parse(&text, folder.path(), &|_| None);
        let config = config.unwrap_or_else(|errors| panic!("{errors}"));
        let server = Running::start(config).await.unwrap();
        let address = server.doors().api[0].strip_prefix("http://").unwrap();
        let address = address.parse().unwrap();
        Self {
            wechat,
            server,
            address,
            _folder: folder,
        }
    }

    async fn send(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    /// Asks in every way for a token that is not there yet.
    async fn readers(&self) -> [TcpStream; 3] {
        let want = format!("{{\"want\":[{{\"appid\":\"{APP}\",\"kind\":\"access_token\"}}]}}");
        let length = want.len();
        let auth = format!("Host: x\r\nAuthorization: Bearer {KEY}");
        [
            self.send(&format!(
                "GET /v1/apps/{APP}/access_token HTTP/1.1\r\n{auth}\r\n\r\n"
            ))
            .await,
            self.send(&format!(
                "GET /cgi-bin/token?grant_type=client_credential&appid={APP}&secret={KEY} HTTP/1.1\r\nHost: x\r\n\r\n"
            ))
            .await,
            self.send(&format!(
                "POST /v1/read HTTP/1.1\r\n{auth}\r\nContent-Length: {length}\r\n\r\n{want}"
            ))
            .await,
        ]
    }
}

/// An answer that came in full before the connection ended.
struct Answer {
    status: u16,
    head: String,
    json: Value,
}

async fn answer(mut stream: TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    read.expect("the connection ends").expect("without a reset");
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").expect("an answer");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Answer {
        status: status.unwrap(),
        head: head.to_lowercase(),
        json: serde_json::from_str(body).unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_who_wait_for_a_first_token_when_the_server_stops_get_it() {
    let slow = Slow::start(700, "").await;
    let [native, compat, batch] = slow.readers().await;
    slow.server.stop().await;
    let (native, compat, batch) = (
        answer(native).await,
        answer(compat).await,
        answer(batch).await,
    );
    let token = native.json["access_token"].as_str().expect("a token");
    assert!(slow.wechat.world().is_live(APP, token));
    assert_eq!(
        (native.status, compat.status, batch.status),
        (200, 200, 200)
    );
    assert_eq!(compat.json["access_token"], token);
    assert_eq!(batch.json["answers"][0]["access_token"], token);
    assert_eq!(slow.wechat.world().calls(APP, STABLE), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_whose_token_does_not_come_in_time_are_told_so_within_the_grace() {
    let slow = Slow::start(
        60_000,
        "first_token_wait = \"20s\"\nshutdown_grace = \"2s\"",
    )
    .await;
    let [native, compat, batch] = slow.readers().await;
    let stopping = tokio::spawn(slow.server.stop());
    let native = answer(native).await;
    assert_eq!(native.status, 503);
    assert_eq!(native.json["type"], "urn:wxtoken:problem:stopping");
    assert!(
        native.head.contains("\r\nretry-after: 1\r\n"),
        "{}",
        native.head
    );
    assert_eq!(answer(compat).await.json["errcode"], -1);
    assert_eq!(answer(batch).await.status, 200);
    stopping.abort();
}
