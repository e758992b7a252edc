//! A hand-written peer for what no decent server does: torn answers, silence, resets. It plays one act per request.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::wechat::Base;

/// What the peer does with a request.
pub(super) enum Act {
    /// Reads it, answers these bytes, keeps the connection open.
    Answer(Vec<u8>),
    /// Reads it, answers these bytes and closes its side; then waits for the other side to close.
    AnswerAndClose(Vec<u8>),
    /// Reads it, answers these bytes and ends its side of the TCP connection without a word of TLS.
    AnswerAndHangUp(Vec<u8>),
    /// Reads one byte and resets the connection.
    Reset,
    /// Reads it and stays silent.
    Silence,
    /// Reads it, then sends this over and over, a byte at a time.
    Drip(u8),
}

/// What the peer has seen so far.
#[derive(Default, Debug)]
pub(super) struct Seen {
    pub(super) connections: usize,
    /// Connections the other side closed.
    pub(super) closed: usize,
    /// Heads and bodies of requests, as text.
    pub(super) requests: Vec<String>,
}

pub(super) struct Peer {
    pub(super) address: SocketAddr,
    seen: watch::Receiver<Seen>,
    acts: Arc<Mutex<VecDeque<Act>>>,
}

impl Peer {
    pub(super) async fn start(acts: impl IntoIterator<Item = Act>) -> Self {
        Self::listen(acts, None).await
    }

    pub(super) async fn start_tls(acts: impl IntoIterator<Item = Act>, tls: TlsAcceptor) -> Self {
        Self::listen(acts, Some(tls)).await
    }

    async fn listen(acts: impl IntoIterator<Item = Act>, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acts = Arc::new(Mutex::new(acts.into_iter().collect()));
        let (tell, seen) = watch::channel(Seen::default());
        tokio::spawn(accept(listener, tls, acts.clone(), tell));
        Self {
            address,
            seen,
            acts,
        }
    }

    /// Its address as an upstream over plain HTTP.
    pub(super) fn base(&self) -> Base {
        base(&format!("http://{}", self.address))
    }

    /// Adds an act.
    pub(super) fn then(&self, act: Act) {
        self.acts.lock().unwrap().push_back(act);
    }

    /// Waits until the peer has seen something.
    pub(super) async fn until(&self, what: impl FnMut(&Seen) -> bool) {
        self.seen.clone().wait_for(what).await.unwrap();
    }

    pub(super) fn seen<R>(&self, look: impl FnOnce(&Seen) -> R) -> R {
        look(&self.seen.borrow())
    }
}

pub(super) fn base(url: &str) -> Base {
    Base::of(&url.parse().unwrap()).unwrap()
}

/// An address on which nobody listens.
pub(super) async fn nobody() -> Base {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    base(&format!("http://{}", listener.local_addr().unwrap()))
}

/// A complete answer with status 200.
pub(super) fn ok(body: &str) -> Act {
    answer("200 OK", body)
}

/// A complete answer.
pub(super) fn answer(status: &str, body: &str) -> Act {
    Act::Answer(
        format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes(),
    )
}

async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    acts: Arc<Mutex<VecDeque<Act>>>,
    tell: watch::Sender<Seen>,
) {
    while let Ok((tcp, _)) = listener.accept().await {
        tell.send_modify(|seen| seen.connections += 1);
        let (acts, tell, tls) = (acts.clone(), tell.clone(), tls.clone());
        tokio::spawn(async move {
            let socket = socket_of(&tcp);
            match tls {
                None => serve(tcp, socket, &acts, &tell).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(tcp).await {
                        serve(stream, socket, &acts, &tell).await;
                    }
                }
            }
        });
    }
}

/// A second handle on the socket, to reset it.
fn socket_of(tcp: &TcpStream) -> rustix::fd::OwnedFd {
    rustix::io::dup(tcp).unwrap()
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    socket: rustix::fd::OwnedFd,
    acts: &Mutex<VecDeque<Act>>,
    tell: &watch::Sender<Seen>,
) {
    loop {
        let Ok(first) = stream.read_u8().await else {
            tell.send_modify(|seen| seen.closed += 1);
            return;
        };
        let act = acts.lock().unwrap().pop_front();
        let act = act.expect("the peer has an act for every request");
        if matches!(act, Act::Reset) {
            let linger = Some(std::time::Duration::ZERO);
            rustix::net::sockopt::set_socket_linger(&socket, linger).unwrap();
            return;
        }
        let request = read_request(&mut stream, first).await;
        tell.send_modify(|seen| seen.requests.push(request));
        match act {
            Act::Answer(bytes) => stream.write_all(&bytes).await.unwrap(),
            Act::AnswerAndClose(bytes) => {
                stream.write_all(&bytes).await.unwrap();
                stream.shutdown().await.unwrap();
            }
            Act::AnswerAndHangUp(bytes) => {
                stream.write_all(&bytes).await.unwrap();
                stream.flush().await.unwrap();
                rustix::net::shutdown(&socket, rustix::net::Shutdown::Write).unwrap();
            }
            Act::Silence | Act::Reset => {}
            Act::Drip(byte) => {
                while stream.write_all(&[byte]).await.is_ok() {
                    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                }
            }
        }
    }
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin), first: u8) -> String {
    let mut bytes = vec![first];
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(bytes).unwrap();
    let length = head
        .to_ascii_lowercase()
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ").map(str::to_owned))
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    head + &String::from_utf8(body).unwrap()
}
