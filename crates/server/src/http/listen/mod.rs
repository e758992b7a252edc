//! Listeners: our own accept loop over TCP and unix sockets, with or without TLS, bounded in every way.
//!
//! Owns: connections, their limits and their end. Must not know: what is asked on them.

mod connection;
mod framing;
mod guarded;
mod malformed;
mod site;
mod socket;
pub mod tls;
mod watched;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use super::hot::Begun;
use super::hot::pool::{Guest, Leaver, Pool};
use super::peer::Peer;
use super::services::Services;
use super::stop::Stop;
use crate::config::Server;
use connection::Connection;
pub use site::Site;
use socket::{BACKLOG, Stream};
pub use socket::{ListenError, Socket};
use tls::TlsDoor;

/// Bounds of all listeners together, and of each connection.
#[derive(Debug, Clone)]
pub struct Limits {
    /// One permit for each connection that may be open.
    pub connections: Arc<Semaphore>,
    /// From the first byte of a head to its last; also for a TLS handshake.
    pub head: Duration,
    /// Without a request.
    pub idle: Duration,
    /// How long a shutdown waits for requests in flight.
    pub grace: Duration,
}

impl Limits {
    /// The same, with connections of its own: so that a busy API leaves room for those who look after it.
    #[must_use]
    pub fn apart(&self, connections: usize) -> Self {
        Self {
            connections: Arc::new(Semaphore::new(connections)),
            ..self.clone()
        }
    }
}

impl From<&Server> for Limits {
    fn from(server: &Server) -> Self {
        Self {
            connections: Arc::new(Semaphore::new(
                server.max_connections.min(Semaphore::MAX_PERMITS),
            )),
            head: server.header_timeout,
            idle: server.idle_timeout,
            grace: server.shutdown_grace,
        }
    }
}

/// What the connections of a listener are served with.
#[derive(Clone)]
struct Hall {
    tls: Option<Arc<TlsDoor>>,
    site: Site,
    limits: Arc<Limits>,
    stop: Stop,
}

impl Hall {
    async fn welcome(self, guest: (Stream, Peer, u64), begun: Begun, place: OwnedSemaphorePermit) {
        let (stream, peer, seed) = guest;
        let connection = Connection {
            peer,
            certified: None,
            seed,
            site: self.site,
            limits: self.limits,
            stop: self.stop,
        };
        connection.run(stream, begun, self.tls).await;
        drop(place);
    }
}

/// Serves until told to stop; returns when all requests in flight are answered, or when they have had their time.
pub async fn serve(
    socket: Socket,
    tls: Option<Arc<TlsDoor>>,
    site: Site,
    limits: Limits,
    stop: Stop,
) {
    let hall = Hall {
        tls,
        site,
        limits: Arc::new(limits),
        stop: stop.clone(),
    };
    let limits = Arc::clone(&hall.limits);
    let mut connections = JoinSet::new();
    let mut seed = first_seed();
    let plain = matches!(socket, Socket::Tcp(_)) && hall.tls.is_none();
    let services = hall.site.hot.as_ref().filter(|_| plain);
    let readers = services.and_then(|services| {
        let (leaving, leavers) = mpsc::unbounded_channel();
        connections.spawn(see_to(leavers, hall.clone()));
        readers(services, seed, limits.idle, leaving)
    });
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.wait() => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = socket.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                refused(&socket, &error).await;
                continue;
            }
        };
        // Asked for only now: a listener that nobody comes to must not hold a permit that another needs.
        let permit = tokio::select! {
            biased;
            // First: who was accepted in the very moment of the stop may have asked by then.
            permit = Arc::clone(&limits.connections).acquire_owned() => permit,
            () = stop.wait() => break,
        };
        let Ok(permit) = permit else { break };
        seed = seed.wrapping_add(1);
        if let Some((stream, permit)) = offer(readers.as_ref(), stream, peer, seed, permit) {
            let guest = (stream, peer, seed);
            connections.spawn(hall.clone().welcome(guest, Begun::default(), permit));
        }
    }
    drop(readers);
    let_in_the_last(socket, &hall, seed, &mut connections);
    let finished = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.grace, finished).await.is_err() {
        tracing::warn!("some requests were cut off: they took longer than `server.shutdown_grace`");
    }
    connections.shutdown().await;
}

/// Who has connected by now and was not let in yet is: the system would reset those connections with the socket.
fn let_in_the_last(socket: Socket, hall: &Hall, seed: u64, connections: &mut JoinSet<()>) {
    let hall = Hall {
        site: hall.site.patient(),
        ..hall.clone()
    };
    let outside = (0..BACKLOG).map_while(|_| socket.accept_at_once());
    for (seed, (stream, peer)) in (seed.wrapping_add(1)..).zip(outside) {
        let Ok(permit) = Arc::clone(&hall.limits.connections).try_acquire_owned() else {
            return;
        };
        let guest = (stream, peer, seed);
        connections.spawn(hall.clone().welcome(guest, Begun::default(), permit));
    }
}

/// Starts the threads that answer plain reads: one for each of the runtime's own. Without them tokio does it alone.
fn readers(
    services: &Arc<Services>,
    seed: u64,
    idle: Duration,
    leaving: UnboundedSender<Leaver>,
) -> Option<Pool> {
    let threads = Handle::current().metrics().num_workers();
    Pool::start(threads, services, seed, idle, &leaving)
        .inspect_err(|error| {
            tracing::warn!(%error, "no threads for plain reads could be started: {error}; reads cost more without them");
        })
        .ok()
}

/// Offers a connection to the readers; gives back what they do not take.
fn offer(
    readers: Option<&Pool>,
    stream: Stream,
    peer: Peer,
    seed: u64,
    permit: OwnedSemaphorePermit,
) -> Option<(Stream, OwnedSemaphorePermit)> {
    let (readers, stream) = match (readers, stream) {
        (Some(readers), Stream::Tcp(stream)) => (readers, stream),
        (_, stream) => return Some((stream, permit)),
    };
    let stream = stream.into_std().ok()?;
    let refused = readers.take(Guest {
        stream,
        peer,
        seed,
        permit,
    });
    let guest = refused.err()?;
    let stream = TcpStream::from_std(guest.stream).ok()?;
    Some((Stream::Tcp(stream), guest.permit))
}

/// Serves connections that need more than plain reads, until all are over and no more can come.
async fn see_to(mut leavers: UnboundedReceiver<Leaver>, hall: Hall) {
    let mut connections = JoinSet::new();
    loop {
        let (guest, begun) = tokio::select! {
            Some(leaver) = leavers.recv() => leaver,
            Some(_) = connections.join_next() => continue,
            else => return,
        };
        let Ok(stream) = TcpStream::from_std(guest.stream) else {
            continue;
        };
        let stream = (Stream::Tcp(stream), guest.peer, guest.seed);
        connections.spawn(hall.clone().welcome(stream, begun, guest.permit));
    }
}

/// A connection that broke before it was accepted is nobody's fault; all else (too many open files, mostly) is waited out.
async fn refused(socket: &Socket, error: &io::Error) {
    if matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    ) {
        return;
    }
    tracing::warn!(listener = %socket, %error, "a connection could not be accepted at {socket}: {error}; is the limit of open files too low?");
    tokio::time::sleep(Duration::from_millis(100)).await;
}

/// Request ids of two runs should differ too.
fn first_seed() -> u64 {
    let mut bytes = [0; 8];
    // Without randomness ids are merely easier to tell in advance.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    u64::from_ne_bytes(bytes)
}
