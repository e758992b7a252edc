//! The connections to upstream of one thread, each in a place that has a number. The one used last is used next, so that
//! those there are too many of grow old.
//!
//! Must not know: what is sent on them.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::time::Duration;

use mio::{Registry, Token};
use tokio::time::Instant;

use crate::gateway::relay::Link;
use crate::wechat::Base;

/// A connection that nobody used for so long is closed: less than the 75 s after which servers commonly close theirs.
const IDLE: Duration = Duration::from_secs(50);
/// One that nobody used for so long is looked at before it is used: it may be closed, and that not told yet.
const A_WHILE: Duration = Duration::from_secs(1);
/// No more are kept for one host.
const MOST: usize = 1024;
/// Tells their events from those of callers' connections.
const MARK: usize = 1 << (usize::BITS - 2);

/// A connection in its place.
struct Place {
    link: Link,
    host: usize,
    since: Instant,
    /// A call was on it before.
    rested: bool,
    /// The seat whose call is on it.
    of: Option<usize>,
}

impl Place {
    /// Whether it is young enough, and, if it has lain for a while or more may have happened than was told, still open.
    fn is_good(&mut self, now: Instant, untold: bool) -> bool {
        if untold || self.since + A_WHILE <= now {
            self.link.stirs();
        }
        self.since + IDLE > now && self.link.rests()
    }
}

/// A host of upstream's.
struct Host {
    base: Base,
    idle: Vec<usize>,
    /// Calls that wait for a connection, and their numbers.
    waiting: VecDeque<(usize, u64)>,
    dialling: usize,
    /// It speaks HTTP/2.
    is_hypers: bool,
}

/// All of them.
#[derive(Default)]
pub(super) struct Links {
    places: Vec<Option<Place>>,
    free: Vec<usize>,
    hosts: Vec<Host>,
    by_base: HashMap<Base, usize, foldhash::fast::RandomState>,
    /// More may have happened than was told at once: each is looked at before it is used.
    pub(super) untold: bool,
}

/// The place an event is about, if it is one of these.
pub(super) fn place(token: Token) -> Option<usize> {
    (token.0 & MARK != 0).then_some(token.0 & !MARK)
}

impl Links {
    /// The number of a host.
    pub(super) fn host(&mut self, base: &Base) -> usize {
        // Nearly all calls go to one.
        if self.base(0) == Some(base) {
            return 0;
        }
        if let Some(host) = self.by_base.get(base) {
            return *host;
        }
        let host = self.hosts.len();
        self.hosts.push(Host {
            base: base.clone(),
            idle: Vec::new(),
            waiting: VecDeque::new(),
            dialling: 0,
            is_hypers: false,
        });
        self.by_base.insert(base.clone(), host);
        host
    }

    /// The address of a host.
    pub(super) fn base(&self, host: usize) -> Option<&Base> {
        self.hosts.get(host).map(|host| &host.base)
    }

    /// The connection used last, for a seat's call.
    pub(super) fn take(&mut self, host: usize, seat: usize, now: Instant) -> Option<usize> {
        while let Some(at) = self.hosts.get_mut(host)?.idle.pop() {
            if let Some(place) = self.places[at].as_mut()
                && place.is_good(now, self.untold)
            {
                place.of = Some(seat);
                return Some(at);
            }
            drop(self.remove(at));
        }
        None
    }

    /// Has a call wait for a connection; whether one has to be made for it.
    pub(super) fn wait(&mut self, host: usize, seat: usize, number: u64) -> bool {
        let Some(host) = self.hosts.get_mut(host) else {
            return false;
        };
        host.waiting.push_back((seat, number));
        let must = host.dialling < host.waiting.len();
        host.dialling += usize::from(must);
        must
    }

    /// The call that has waited longest.
    pub(super) fn next_waiting(&mut self, host: usize) -> Option<(usize, u64)> {
        self.hosts.get_mut(host)?.waiting.pop_front()
    }

    /// An attempt to connect is over.
    pub(super) fn dialled(&mut self, host: usize, speaks_http2: bool) {
        if let Some(host) = self.hosts.get_mut(host) {
            host.dialling = host.dialling.saturating_sub(1);
            host.is_hypers |= speaks_http2;
        }
    }

    /// Whether hyper has the calls to a host.
    pub(super) fn is_hypers(&self, host: usize) -> bool {
        self.hosts.get(host).is_some_and(|host| host.is_hypers)
    }

    /// Takes a new connection in.
    pub(super) fn admit(
        &mut self,
        mut link: Link,
        host: usize,
        registry: &Registry,
        now: Instant,
    ) -> io::Result<usize> {
        let at = self.free.last().copied().unwrap_or(self.places.len());
        link.watch(registry, Token(at | MARK))?;
        let place = Some(Place {
            link,
            host,
            since: now,
            rested: false,
            of: None,
        });
        match self.free.pop() {
            Some(at) => self.places[at] = place,
            None => self.places.push(place),
        }
        Ok(at)
    }

    /// The seat whose call is on a connection; none if nobody's is.
    pub(super) fn seat(&self, at: usize) -> Option<usize> {
        self.places.get(at)?.as_ref()?.of
    }

    pub(super) fn get(&mut self, at: usize) -> Option<&mut Link> {
        let place = self.places.get_mut(at)?.as_mut()?;
        Some(&mut place.link)
    }

    /// Lends a connection to another seat's call.
    pub(super) fn lend(&mut self, at: usize, seat: usize) {
        if let Some(Some(place)) = self.places.get_mut(at) {
            place.of = Some(seat);
        }
    }

    /// Whether a call was on a connection before.
    pub(super) fn has_rested(&self, at: usize) -> bool {
        self.places
            .get(at)
            .is_some_and(|place| place.as_ref().is_some_and(|place| place.rested))
    }

    /// The host a connection leads to.
    pub(super) fn leads_to(&self, at: usize) -> Option<usize> {
        Some(self.places.get(at)?.as_ref()?.host)
    }

    /// Nobody's call is on it any more, and another may be.
    pub(super) fn rest(&mut self, at: usize, now: Instant) {
        let Some(Some(place)) = self.places.get_mut(at) else {
            return;
        };
        place.of = None;
        place.since = now;
        place.rested = true;
        let idle = &mut self.hosts[place.host].idle;
        if idle.len() < MOST {
            idle.push(at);
        } else {
            drop(self.remove(at));
        }
    }

    /// Something happened on a connection that nobody uses: whatever it was, unless it was nothing, it is of no more use.
    pub(super) fn stirred(&mut self, at: usize) {
        let Some(Some(place)) = self.places.get_mut(at) else {
            return;
        };
        place.link.stirs();
        if place.link.rests() {
            return;
        }
        self.hosts[place.host].idle.retain(|idle| *idle != at);
        drop(self.remove(at));
    }

    /// Takes a connection out that a call is on.
    pub(super) fn remove(&mut self, at: usize) -> Option<Link> {
        let place = self.places.get_mut(at).and_then(Option::take)?;
        self.free.push(at);
        Some(place.link)
    }

    /// Closes what nobody used for long; whether anything is left.
    pub(super) fn end_old(&mut self, now: Instant) -> bool {
        let mut old = Vec::new();
        for host in &mut self.hosts {
            let places = &self.places;
            let is_old = |at: &usize| places[*at].as_ref().is_none_or(|p| p.since + IDLE <= now);
            old.extend(host.idle.extract_if(.., |at| is_old(at)));
        }
        for at in old {
            drop(self.remove(at));
        }
        self.hosts.iter().any(|host| !host.idle.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use hyper_util::rt::TokioIo;
    use mio::{Events, Poll};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::gateway::relay::Said;
    use crate::wechat::Stream;

    /// A connection that rests, and that the other side has closed: nobody has been told of that.
    async fn closed_unnoticed(links: &mut Links, host: usize) -> Poll {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap());
        let stream = Stream::Http(TokioIo::new(stream.await.unwrap()));
        let (other, _) = listener.accept().await.unwrap();
        let mut poll = Poll::new().unwrap();
        let link = Link::new(stream).unwrap();
        let at = links.admit(link, host, poll.registry(), Instant::now());
        let at = at.unwrap();
        let said = links.get(at).unwrap().hear(&mut [0]);
        assert!(matches!(said, Ok(Said::Nothing)));
        links.rest(at, Instant::now());
        drop(other);
        let mut events = Events::with_capacity(8);
        let is_closed = |event: &mio::event::Event| event.is_read_closed();
        while !events.iter().any(is_closed) {
            let within = Some(Duration::from_secs(20));
            poll.poll(&mut events, within).unwrap();
            assert!(!events.is_empty(), "it never closes");
        }
        poll
    }

    #[tokio::test]
    async fn where_more_may_have_happened_than_was_told_a_connection_is_looked_at_before_it_is_used()
     {
        let mut links = Links::default();
        let host = links.host(&Base::of(&http::Uri::from_static("http://127.0.0.1")).unwrap());
        let _watched = closed_unnoticed(&mut links, host).await;
        links.untold = true;
        assert_eq!(links.take(host, 0, Instant::now()), None);
    }
}
