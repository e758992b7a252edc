//! Starting and stopping: the listener and its connections.
//!
//! Owns: the accept loop, which can also play a server that is down. Must not know: what a call means.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use tokio::{
    net::{TcpListener, TcpSocket},
    sync::{mpsc, oneshot},
    task::{JoinHandle, JoinSet},
};

use crate::{
    apps::{AppSpec, generated_app},
    clock::SimClock,
    http::serve_connection,
    rules::Rules,
    world::{BadWhitelist, Shared, World},
};

/// Connections the kernel may hold ready for us.
const BACKLOG: u32 = 4096;

/// How to start.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The time.
    pub clock: SimClock,
    /// The rules.
    pub rules: Rules,
    /// The apps there are from the start.
    pub apps: Vec<AppSpec>,
    /// And so many generated ones: [`generated_app`] of 0, 1, 2 …
    pub generated_apps: usize,
    /// The same seed, clock and calls give the same tokens. `None` takes a random one.
    pub seed: Option<u64>,
    /// How many calls the log remembers.
    pub log_capacity: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            clock: SimClock::real(),
            rules: Rules::default(),
            apps: Vec::new(),
            generated_apps: 0,
            seed: None,
            log_capacity: 100_000,
        }
    }
}

/// Why the simulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken or not ours.
    #[error("the simulator cannot listen on {address}: {source}; choose another address or port")]
    Listen {
        /// Where it was to listen.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// An app's whitelist holds something that is no address.
    #[error(transparent)]
    Whitelist(#[from] BadWhitelist),
}

/// A running simulator. Dropping it stops it.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    world: World,
    accepting: JoinHandle<()>,
}

impl Upstream {
    /// Starts one on the current tokio runtime.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let failed = |source| StartError::Listen {
            address: options.listen,
            source,
        };
        let listener = open(options.listen).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (gate, orders) = mpsc::unbounded_channel();
        let seed = options
            .seed
            .unwrap_or_else(|| RandomState::new().build_hasher().finish());
        let shared = Shared::new(
            options.clock,
            options.rules,
            seed,
            options.log_capacity,
            Gate(gate),
        );
        let world = World(Arc::new(shared));
        for spec in options
            .apps
            .into_iter()
            .chain((0..options.generated_apps).map(generated_app))
        {
            world.add_app(spec)?;
        }
        let accepting = tokio::spawn(accept(world.clone(), listener, orders));
        Ok(Self {
            address,
            world,
            accepting,
        })
    }

    /// `http://127.0.0.1:PORT`.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The hand inside.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Stops listening and cuts every connection.
    pub async fn stop(mut self) {
        self.accepting.abort();
        // The only error is that it was cancelled, which is what was asked for.
        let _cancelled = (&mut self.accepting).await;
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Opens and closes the listener of a running simulator.
pub(crate) struct Gate(mpsc::UnboundedSender<Order>);

/// Whether to be up, and where to say that it is done.
type Order = (bool, oneshot::Sender<io::Result<()>>);

impl Gate {
    pub(crate) async fn ask(&self, up: bool) -> io::Result<()> {
        let stopped = || {
            io::Error::new(
                io::ErrorKind::NotConnected,
                "the simulator has been stopped",
            )
        };
        let (done, answer) = oneshot::channel();
        self.0.send((up, done)).map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

/// The port: listened on, only held so that nobody else takes it, or lost.
enum Port {
    Open(TcpListener),
    Held(TcpSocket),
    Lost,
}

async fn accept(world: World, listener: TcpListener, mut orders: mpsc::UnboundedReceiver<Order>) {
    // Dropped with this task, and every connection with it.
    let mut connections = JoinSet::new();
    let mut port = Port::Open(listener);
    loop {
        let accepted = async {
            match &port {
                Port::Open(listener) => listener.accept().await,
                Port::Held(_) | Port::Lost => std::future::pending().await,
            }
        };
        tokio::select! {
            order = orders.recv() => {
                let Some((up, done)) = order else { return };
                let (now, result) = turn(port, up);
                port = now;
                if !up {
                    connections.shutdown().await;
                }
                // Whoever asked may have stopped waiting.
                let _unheard = done.send(result);
            }
            Ok((socket, peer)) = accepted => {
                // Without it the kernel would hold small answers back.
                if let Err(error) = socket.set_nodelay(true) {
                    tracing::debug!(%error, "nodelay refused");
                }
                connections.spawn(serve_connection(world.clone(), socket, peer.ip()));
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

/// Opens or closes the port. When the system refuses, the port is lost and every later order says so.
fn turn(port: Port, up: bool) -> (Port, io::Result<()>) {
    let turned = match (port, up) {
        (Port::Open(listener), false) => listener.local_addr().and_then(hold).map(Port::Held),
        (Port::Held(socket), true) => socket.listen(BACKLOG).map(Port::Open),
        (port @ Port::Open(_), true) | (port @ Port::Held(_), false) => Ok(port),
        (Port::Lost, _) => Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "the simulator's port was lost",
        )),
    };
    match turned {
        Ok(port) => (port, Ok(())),
        Err(error) => (Port::Lost, Err(error)),
    }
}

/// Listens where nobody else does.
fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket(address)?;
    // A connection of the last run in TIME_WAIT must not keep us off the port.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    // From here on `hold` may have it too; whoever does not ask for that is refused.
    socket.set_reuseport(true)?;
    socket.listen(BACKLOG)
}

/// Takes a port that is listened on still, so that nobody else can have it between: nor is the listener surely closed when it
/// is dropped, for a process that is being started has it for a moment, too.
fn hold(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = socket(address)?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    Ok(socket)
}

fn socket(address: SocketAddr) -> io::Result<TcpSocket> {
    if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[tokio::test]
    async fn it_goes_down_while_a_process_that_is_being_started_has_its_listener_too() {
        let address = (Ipv4Addr::LOCALHOST, 0).into();
        let listener = open(address).unwrap();
        let address = listener.local_addr().unwrap();
        let another = listener.as_fd().try_clone_to_owned().unwrap();
        let (port, down) = turn(Port::Open(listener), false);
        down.unwrap();
        drop(another);
        assert!(std::net::TcpStream::connect(address).is_err());
        let taken = open(address).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse, "it is held");
        let (port, up) = turn(port, true);
        up.unwrap();
        std::net::TcpStream::connect(address).unwrap();
        let taken = open(address).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse, "one simulator");
        drop(port);
    }
}
