//! Threads that answer plain reads, and forward plain calls, on plain TCP connections: epoll, one read and one write each,
//! and nothing between.
//!
//! Owns: a connection while it asks for what is at hand, or makes plain calls to WeChat. Whatever needs more than that leaves
//! with the bytes read and the bytes not yet sent; so nothing here ever waits, and an idle connection holds no buffer and
//! no task.
//! Must not know: accepting, hyper, any rule of its own.

mod calls;
mod keeping;
mod links;
mod long;
mod pipes;
mod rooms;
mod round;
mod seats;
mod turn;
mod under_way;

use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SendError, Sender, channel};
use std::thread;
use std::time::Duration;

use mio::{Poll, Token, Waker};
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::UnboundedSender;

use super::Begun;
use super::answer::Answers;
use crate::gateway::relay::Dialled;
use crate::http::peer::Peer;
use crate::http::services::Services;
use keeping::Keeping;
use turn::Turns;

/// Which event says that there are new connections, or that there will be none.
const DOOR: Token = Token(usize::MAX);

/// What comes in at a thread's door.
enum Arrival {
    /// A connection.
    Guest(Guest),
    /// One to upstream that was asked for, or none.
    Dialled {
        host: usize,
        dialled: Option<Dialled>,
    },
    /// What is kept of a long body was written; none if it could not be.
    Written {
        at: usize,
        number: u64,
        keeping: Option<Keeping>,
    },
    /// Nothing more.
    Closing,
}

/// What a thread needs to have others do for it.
struct Outside {
    runtime: Handle,
    door: Sender<Arrival>,
    waker: Arc<Waker>,
}

/// A connection and what it holds.
pub(crate) struct Guest {
    /// Non-blocking.
    pub(crate) stream: TcpStream,
    /// The other end.
    pub(crate) peer: Peer,
    /// Tells its request ids from those of other connections.
    pub(crate) seed: u64,
    /// Its place among all connections.
    pub(crate) permit: OwnedSemaphorePermit,
}

/// A connection that needs more than a plain read, or time to take its answers, and what has happened on it.
pub(crate) type Leaver = (Guest, Begun);

/// The threads of one listener. They end when this is dropped, once what has arrived by then is answered, and with them
/// their ends of the leavers' channel.
pub(crate) struct Pool(Vec<Worker>);

impl Pool {
    /// Starts so many threads.
    ///
    /// # Errors
    /// When the system has no more threads or files to give.
    ///
    /// # Panics
    /// Outside a runtime: connections to upstream are made there.
    pub(crate) fn start(
        threads: usize,
        services: &Arc<Services>,
        seed: u64,
        idle: Duration,
        leavers: &UnboundedSender<Leaver>,
    ) -> io::Result<Self> {
        let start = |seed| Worker::start(Arc::clone(services), seed, idle, leavers.clone());
        let seeds = (0..threads as u64).map(|thread| seed.wrapping_add(thread));
        seeds.map(start).collect::<io::Result<_>>().map(Self)
    }

    /// Takes a connection in; gives it back if its thread has failed.
    pub(crate) fn take(&self, guest: Guest) -> Result<(), Guest> {
        let turn = usize::try_from(guest.seed).unwrap_or_default() % self.0.len().max(1);
        match self.0.get(turn) {
            Some(worker) => worker.take(guest),
            None => Err(guest),
        }
    }
}

struct Worker {
    door: Sender<Arrival>,
    waker: Arc<Waker>,
}

impl Worker {
    fn start(
        services: Arc<Services>,
        seed: u64,
        idle: Duration,
        leavers: UnboundedSender<Leaver>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), DOOR)?);
        // The thread keeps one to its end: a waker that is gone takes with it a wake that has not been heard yet.
        let (door, arrivals): (_, Receiver<Arrival>) = channel();
        let outside = Outside {
            runtime: Handle::current(),
            door: door.clone(),
            waker: Arc::clone(&waker),
        };
        thread::Builder::new()
            .name("reads".to_owned())
            .spawn(move || {
                let answers = Answers::new(&services, seed);
                Turns::new(poll, arrivals, outside, leavers, answers, idle).run();
            })?;
        Ok(Self { door, waker })
    }

    fn take(&self, guest: Guest) -> Result<(), Guest> {
        if let Err(SendError(Arrival::Guest(guest))) = self.door.send(Arrival::Guest(guest)) {
            return Err(guest);
        }
        // Without a wake it is found at the next one: the queue of a file that only counts cannot be full.
        let _ = self.waker.wake();
        Ok(())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // A thread that has ended need not be told.
        let _ = self.door.send(Arrival::Closing);
        let _ = self.waker.wake();
    }
}
