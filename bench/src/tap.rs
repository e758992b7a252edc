//! A relay between our server and the simulator that counts what passes and makes upstream as far away as WeChat is.
//!
//! One thread for each connection, one request at a time on it: what HTTP/1.1 clients with keep-alive do.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::wire::{Fault, Finder, Protocol, whole_request};

/// Seconds that the per-second counts cover; later requests are counted in the last one.
const SECONDS: usize = 4 * 3600;

/// The counters of a running relay.
#[derive(Debug)]
pub struct Tap {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    delay: Duration,
    begin: Instant,
    in_flight: AtomicU64,
    most_in_flight: AtomicU64,
    passed: AtomicU64,
    each_second: Vec<AtomicU64>,
    /// None until somebody asks.
    given: Mutex<Option<Vec<Given>>>,
    over: AtomicBool,
}

/// An answer of upstream, and when it was passed on.
#[derive(Debug, Clone)]
pub struct Given {
    /// Right before its first byte went to our server.
    pub at: Instant,
    /// All of it.
    pub answer: Vec<u8>,
}

impl Tap {
    /// Listens on loopback and passes everything on to `upstream`, each request after `delay`.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start(upstream: SocketAddr, delay: Duration) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream,
            delay,
            begin: Instant::now(),
            in_flight: AtomicU64::new(0),
            most_in_flight: AtomicU64::new(0),
            passed: AtomicU64::new(0),
            each_second: (0..SECONDS).map(|_| AtomicU64::new(0)).collect(),
            given: Mutex::default(),
            over: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if accepting.over.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&accepting);
                // A connection that ends, on either side, ends its thread; the next request opens another.
                thread::spawn(move || shared.relay(client));
            }
        });
        Ok(Self { address, shared })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Requests passed on since it started.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.shared.passed.load(Ordering::Relaxed)
    }

    /// The most that were under way at once since it started, or since this was last asked.
    #[must_use]
    pub fn take_most_in_flight(&self) -> u64 {
        self.shared.most_in_flight.swap(0, Ordering::Relaxed)
    }

    /// What upstream answered since this was last asked; answers are kept from the first time on that it is.
    pub fn take_given(&self) -> Vec<Given> {
        self.shared.given().replace(Vec::new()).unwrap_or_default()
    }

    /// Requests in each second between two moments.
    #[must_use]
    pub fn each_second(&self, from: Instant, to: Instant) -> Vec<u64> {
        let (from, to) = (self.shared.second(from), self.shared.second(to));
        self.shared.each_second[from..=to]
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .collect()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        // Wakes the accepting thread so that it sees the end; nobody minds when it is gone already.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn given(&self) -> MutexGuard<'_, Option<Vec<Given>>> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn second(&self, at: Instant) -> usize {
        let seconds = at.saturating_duration_since(self.begin).as_secs();
        usize::try_from(seconds)
            .unwrap_or(usize::MAX)
            .min(SECONDS - 1)
    }

    fn relay(&self, mut client: TcpStream) -> std::io::Result<()> {
        let mut server = TcpStream::connect(self.upstream)?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        loop {
            let request = read_while(&mut client, |bytes| !whole_request(bytes))?;
            let now = self.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
            self.most_in_flight.fetch_max(now, Ordering::Relaxed);
            self.passed.fetch_add(1, Ordering::Relaxed);
            self.each_second[self.second(Instant::now())].fetch_add(1, Ordering::Relaxed);
            thread::sleep(self.delay);
            let answer = server.write_all(&request).and_then(|()| {
                read_while(&mut server, |bytes| {
                    matches!(Finder::new(Protocol::Http).find(bytes), Ok(None))
                })
            });
            self.in_flight.fetch_sub(1, Ordering::Relaxed);
            let answer = answer?;
            if let Err(Fault::Garbled(why)) = Finder::new(Protocol::Http).find(&answer) {
                eprintln!("upstream answered what the relay does not understand: {why}");
                return Err(ErrorKind::InvalidData.into());
            }
            if let Some(given) = &mut *self.given() {
                let (at, answer) = (Instant::now(), answer.clone());
                given.push(Given { at, answer });
            }
            client.write_all(&answer)?;
        }
    }
}

/// Reads as long as `more` wants to; an end before that is an error.
fn read_while(from: &mut TcpStream, more: impl Fn(&[u8]) -> bool) -> std::io::Result<Vec<u8>> {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 16 * 1024]);
    while bytes.is_empty() || more(&bytes) {
        let got = from.read(&mut chunk)?;
        if got == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&chunk[..got]);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::Peer;
    use std::sync::Barrier;

    #[test]
    fn what_passes_is_counted_and_answered_as_upstream_answered() {
        let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = upstream.local_addr().unwrap();
        // Answers only once both requests are there, so that two are in flight at once for certain.
        let both = Arc::new(Barrier::new(2));
        thread::spawn(move || {
            for stream in upstream.incoming() {
                let (mut stream, both) = (stream.unwrap(), Arc::clone(&both));
                thread::spawn(move || {
                    let asked = read_while(&mut stream, |bytes| !whole_request(bytes)).unwrap();
                    both.wait();
                    let body = if asked.ends_with(b"{\"a\":1}") {
                        "posted"
                    } else {
                        "gotten"
                    };
                    stream
                        .write_all(
                            format!("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n{body}")
                                .as_bytes(),
                        )
                        .unwrap();
                });
            }
        });
        let tap = Tap::start(address, Duration::from_millis(1)).unwrap();
        assert!(tap.take_given().is_empty());
        let peer = Peer::plain(tap.address(), None);
        let other = peer.clone();
        let post = thread::spawn(move || other.ask("/b", Some("{\"a\":1}")).unwrap().body);
        assert_eq!(peer.ask("/a", None).unwrap().body, "gotten");
        assert_eq!(post.join().unwrap(), "posted");
        assert_eq!(
            (
                tap.passed(),
                tap.take_most_in_flight(),
                tap.take_most_in_flight()
            ),
            (2, 2, 0)
        );
        let given = tap.take_given();
        assert_eq!(given.len(), 2);
        let posted = |one: &Given| one.answer.ends_with(b"posted");
        assert_eq!(given.iter().filter(|one| posted(one)).count(), 1);
        let now = Instant::now();
        assert_eq!(
            tap.each_second(tap.shared.begin, now).iter().sum::<u64>(),
            2
        );
    }
}
