//! Lines between replicas and what they need, that can be cut: as long as one is cut no byte passes, in both directions or
//! in one, and connections hang, those that there are and those that are begun.
//!
//! Must not know: what passes.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::watch;
use wxtoken_simulator::Upstream;

use crate::place::free_port;
use crate::replicas::{Redis, Shared};

/// What a line leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    Redis,
    WeChat,
}

/// Which bytes do not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    Nothing,
    Everything,
    /// Questions pass, answers do not.
    Answers,
}

/// Listens here, where one runtime's sockets are made, and leads there, where another's are.
pub(crate) fn forward(
    listen: (&Handle, SocketAddr),
    connect: (&Handle, SocketAddr),
    cut: watch::Receiver<Cut>,
) {
    let (at, to, connect) = (listen.1, connect.1, connect.0.clone());
    listen.0.spawn(async move {
        let listener = TcpListener::bind(at).await.unwrap();
        loop {
            let Ok((near, _)) = listener.accept().await else {
                continue;
            };
            let (cut, connect) = (cut.clone(), connect.clone());
            tokio::spawn(async move {
                // Who cannot be reached is found out by whoever asked.
                if let Ok(Ok(far)) = connect.spawn(TcpStream::connect(to)).await {
                    join(near, far, cut).await;
                }
            });
        }
    });
}

async fn join(near: TcpStream, far: TcpStream, cut: watch::Receiver<Cut>) {
    let (near_in, near_out) = near.into_split();
    let (far_in, far_out) = far.into_split();
    let there = pass(near_in, far_out, cut.clone(), |cut| cut != Cut::Everything);
    let back = pass(far_in, near_out, cut, |cut| cut == Cut::Nothing);
    tokio::join!(there, back);
}

/// Until one side has nothing more to say; the other is told so.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut cut: watch::Receiver<Cut>,
    may: impl Fn(Cut) -> bool,
) {
    let mut some = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut some).await.unwrap_or(0);
        if cut.wait_for(|cut| may(*cut)).await.is_err() {
            return;
        }
        if read == 0 || to.write_all(&some[..read]).await.is_err() {
            return;
        }
    }
}

/// This port of whoever asks.
pub(crate) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Lines that can be cut.
pub(crate) trait Lines: Shared {
    /// What passes on a line from now on.
    fn set(&self, at: usize, line: Line, cut: Cut);
}

/// Lines through this process, to one Redis and one WeChat.
pub(crate) struct Wires {
    /// Where the lines of one kind lead.
    pub(crate) redis: Redis,
    replicas: Vec<[Wire; 2]>,
}

struct Wire {
    port: u16,
    cut: watch::Sender<Cut>,
}

impl Wire {
    fn to(port: u16) -> Self {
        let here = Handle::current();
        let wire = Self {
            port: free_port(),
            cut: watch::Sender::new(Cut::Nothing),
        };
        let (at, to) = (loopback(wire.port), loopback(port));
        forward((&here, at), (&here, to), wire.cut.subscribe());
        wire
    }
}

impl Wires {
    pub(crate) fn new(redis: Redis, wechat: &Upstream, replicas: usize) -> Self {
        let port = wechat.address().port();
        let lines = |_| [Wire::to(redis.port), Wire::to(port)];
        Self {
            replicas: (0..replicas).map(lines).collect(),
            redis,
        }
    }

    fn wire(&self, at: usize, line: Line) -> &Wire {
        &self.replicas[at][usize::from(line == Line::WeChat)]
    }

    /// Whose call it was, by the port it came in at.
    pub(crate) fn caller(&self, host: &str) -> usize {
        let is = |at: &usize| host.ends_with(&format!(":{}", self.wire(*at, Line::WeChat).port));
        let mut all = 0..self.replicas.len();
        all.find(is).expect("it came from one of them")
    }
}

impl Lines for Wires {
    fn set(&self, at: usize, line: Line, cut: Cut) {
        self.wire(at, line).cut.send_replace(cut);
    }
}

impl Shared for Wires {
    fn url(&self, at: usize) -> String {
        format!("redis://127.0.0.1:{}/0", self.wire(at, Line::Redis).port)
    }

    fn wechat(&self, at: usize, _wechat: &Upstream) -> String {
        format!("http://127.0.0.1:{}", self.wire(at, Line::WeChat).port)
    }
}
