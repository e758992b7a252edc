//! Outbound proxies: CONNECT and SOCKS5, with and without a login.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use super::peer::{Act, Peer, base, ok};
use super::tls::Authority;
use super::*;
use crate::config::{Proxy, ProxyKind};

const GOOD: &str = r#"{"access_token":"68_new","expires_in":7200}"#;
/// `Basic me:p@ss word`.
const BASIC: &str = "Basic bWU6cEBzcyB3b3Jk";

/// What a proxy does when it is asked to connect.
#[derive(Clone, Copy)]
enum Manners {
    /// Connects, whatever the name, to this address.
    Leads(SocketAddr),
    /// Wants `me` and `p@ss word` first.
    WantsLogin(SocketAddr),
    /// Refuses.
    Refuses,
    /// Says nothing.
    IsMute,
}

struct TestProxy {
    address: SocketAddr,
    /// Where it was asked to connect to.
    asked_for: Arc<Mutex<Vec<String>>>,
}

impl TestProxy {
    async fn start(kind: ProxyKind, manners: Manners) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked_for = Arc::new(Mutex::new(Vec::new()));
        let asked = asked_for.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let asked = asked.clone();
                tokio::spawn(async move {
                    match kind {
                        ProxyKind::Http => connect(socket, manners, &asked).await,
                        ProxyKind::Socks5 => socks(socket, manners, &asked).await,
                    }
                });
            }
        });
        Self { address, asked_for }
    }

    fn settings(&self, kind: ProxyKind, login: bool) -> Proxy {
        Proxy {
            kind,
            uri: format!("http://{}", self.address).parse().unwrap(),
            login: login.then(|| (Secret::new("me"), Secret::new("p@ss word"))),
        }
    }

    fn asked_for(&self) -> Vec<String> {
        self.asked_for.lock().unwrap().clone()
    }
}

async fn connect(mut client: TcpStream, manners: Manners, asked: &Mutex<Vec<String>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let target = head.split(' ').nth(1).unwrap().to_owned();
    assert!(head.starts_with("CONNECT "), "{head}");
    asked.lock().unwrap().push(target);
    let has_login = head
        .lines()
        .any(|line| line.eq_ignore_ascii_case(&format!("proxy-authorization: {BASIC}")));
    let to = match manners {
        Manners::Leads(to) => to,
        Manners::WantsLogin(to) if has_login => to,
        Manners::WantsLogin(_) => return say(client, "407 Proxy Authentication Required").await,
        Manners::Refuses => return say(client, "403 Forbidden").await,
        Manners::IsMute => return std::future::pending().await,
    };
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    lead(client, to).await;
}

async fn say(mut client: TcpStream, status: &str) {
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
    client.write_all(answer.as_bytes()).await.unwrap();
}

/// RFC 1928 and RFC 1929, as little as it takes.
async fn socks(mut client: TcpStream, manners: Manners, asked: &Mutex<Vec<String>>) {
    assert_eq!(client.read_u8().await.unwrap(), 5);
    let methods = text(&mut client).await;
    let wants_login = matches!(manners, Manners::WantsLogin(_));
    let method = if wants_login { 2 } else { 0 };
    if !methods.contains(&method) {
        return client.write_all(&[5, 0xff]).await.unwrap();
    }
    client.write_all(&[5, method]).await.unwrap();
    if wants_login {
        assert_eq!(client.read_u8().await.unwrap(), 1);
        let login = (text(&mut client).await, text(&mut client).await);
        let is_right = login == (b"me".to_vec(), b"p@ss word".to_vec());
        client.write_all(&[1, u8::from(!is_right)]).await.unwrap();
    }
    let mut request = [0; 4];
    client.read_exact(&mut request).await.unwrap();
    assert_eq!(request[..3], [5, 1, 0], "CONNECT");
    let host = match request[3] {
        1 => {
            let mut ip = [0; 4];
            client.read_exact(&mut ip).await.unwrap();
            std::net::Ipv4Addr::from(ip).to_string()
        }
        3 => String::from_utf8(text(&mut client).await).unwrap(),
        other => panic!("address type {other}"),
    };
    let port = client.read_u16().await.unwrap();
    asked.lock().unwrap().push(format!("{host}:{port}"));
    let (code, to) = match manners {
        Manners::Leads(to) | Manners::WantsLogin(to) => (0, Some(to)),
        Manners::Refuses => (2, None),
        Manners::IsMute => return std::future::pending().await,
    };
    client
        .write_all(&[5, code, 0, 1, 0, 0, 0, 0, 0, 0])
        .await
        .unwrap();
    if let Some(to) = to {
        lead(client, to).await;
    }
}

/// A length and so many bytes.
async fn text(client: &mut TcpStream) -> Vec<u8> {
    let length = client.read_u8().await.unwrap();
    let mut text = vec![0; usize::from(length)];
    client.read_exact(&mut text).await.unwrap();
    text
}

async fn lead(mut client: TcpStream, to: SocketAddr) {
    let mut upstream = TcpStream::connect(to).await.unwrap();
    // Ends with either side; how is seen by those who talk through it.
    let _ = copy_bidirectional(&mut client, &mut upstream).await;
}

const KINDS: [ProxyKind; 2] = [ProxyKind::Http, ProxyKind::Socks5];

/// A name that only the proxy can know.
const NAME: &str = "wechat.invalid";

fn through(proxy: Proxy, roots: Roots) -> Options {
    Options {
        proxy: Some(proxy),
        roots,
        ..options(base(&format!("https://{NAME}")))
    }
}

#[tokio::test]
async fn calls_go_through_the_proxy_which_looks_the_name_up() {
    for kind in KINDS {
        let authority = Authority::new();
        let peer = Peer::start_tls([ok(GOOD), ok(GOOD)], authority.server(NAME)).await;
        let proxy = TestProxy::start(kind, Manners::Leads(peer.address)).await;
        let client = client(
            through(proxy.settings(kind, false), authority.roots()),
            just_secret(),
        );
        value(&ask(&client, Ask::Classic).await);
        value(&ask(&client, Ask::Stable).await);
        assert_eq!(proxy.asked_for(), [format!("{NAME}:443")]);
        let requests = peer.seen(|seen| seen.requests.clone());
        assert!(requests[0].starts_with("GET /cgi-bin/token?"));
        assert!(requests[0].contains(&format!("host: {NAME}\r\n")));
    }
}

#[tokio::test]
async fn plain_http_to_this_machine_goes_through_the_proxy_too() {
    for kind in KINDS {
        let peer = Peer::start([ok(GOOD)]).await;
        let proxy = TestProxy::start(kind, Manners::Leads(peer.address)).await;
        let mut options = options(base(&format!("http://127.0.0.1:{}", peer.address.port())));
        options.proxy = Some(proxy.settings(kind, false));
        value(&ask(&client(options, just_secret()), Ask::Classic).await);
        assert_eq!(proxy.asked_for(), [peer.address.to_string()]);
    }
}

#[tokio::test]
async fn the_proxy_is_given_its_login() {
    for kind in KINDS {
        let authority = Authority::new();
        let peer = Peer::start_tls([ok(GOOD)], authority.server(NAME)).await;
        let proxy = TestProxy::start(kind, Manners::WantsLogin(peer.address)).await;
        let settings = proxy.settings(kind, true);
        assert!(!format!("{settings:?}").contains("p@ss"));
        let client = client(through(settings, authority.roots()), just_secret());
        value(&ask(&client, Ask::Classic).await);
    }
}

#[tokio::test]
async fn a_proxy_that_refuses_means_unreachable_and_nothing_was_sent() {
    let nowhere: SocketAddr = "127.0.0.1:1".parse().unwrap();
    for kind in KINDS {
        for manners in [Manners::Refuses, Manners::WantsLogin(nowhere)] {
            let proxy = TestProxy::start(kind, manners).await;
            let options = through(proxy.settings(kind, false), Roots::Only(vec![]));
            let told = ask(&client(options, just_secret()), Ask::Classic).await;
            assert_eq!(passing(&told), (Passing::Unreachable, false));
            assert!(told.notes.unreachable.is_some());
        }
    }
}

#[tokio::test]
async fn a_proxy_that_is_not_there_or_mute_means_unreachable_and_nothing_was_sent() {
    for kind in KINDS {
        let proxy = TestProxy::start(kind, Manners::IsMute).await;
        let mut options = through(proxy.settings(kind, false), Roots::Only(vec![]));
        options.connect_timeout = SHORT;
        let told = ask(&client(options.clone(), just_secret()), Ask::Classic).await;
        assert_eq!(passing(&told), (Passing::Unreachable, false));

        let absent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = absent.local_addr().unwrap();
        drop(absent);
        options.proxy = Some(Proxy {
            kind,
            uri: format!("http://{address}").parse().unwrap(),
            login: None,
        });
        let told = ask(&client(options, just_secret()), Ask::Classic).await;
        assert_eq!(passing(&told), (Passing::Unreachable, false));
    }
}

#[tokio::test]
async fn a_connection_that_breaks_behind_the_proxy_counts_as_sent() {
    for kind in KINDS {
        let authority = Authority::new();
        let torn = Act::AnswerAndHangUp(b"HTTP/1.1 200 OK\r\n".to_vec());
        let peer = Peer::start_tls([torn], authority.server(NAME)).await;
        let proxy = TestProxy::start(kind, Manners::Leads(peer.address)).await;
        let options = through(proxy.settings(kind, false), authority.roots());
        let told = ask(&client(options, just_secret()), Ask::Classic).await;
        assert_eq!(passing(&told), (Passing::Cut, true));
    }
}
