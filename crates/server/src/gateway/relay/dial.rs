//! Makes connections for the relay. Where upstream speaks HTTP/2 the calls are hyper's, and so is the connection that showed it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::Connection;
use tokio::time::{Instant, timeout};

use super::Link;
use crate::gateway::upstream::innermost;
use crate::wechat::{Base, Dialer, Stream};

/// A spare connection is used within this, or not at all.
const GOOD: Duration = Duration::from_secs(5);

/// A connection that was made.
pub(crate) enum Dialled {
    /// It speaks HTTP/1.1.
    Plain(Link),
    /// It would have spoken HTTP/2.
    Http2,
}

/// Connections that turned out to speak HTTP/2, and the origins they lead to.
#[derive(Clone, Default)]
pub(in crate::gateway) struct Spare(Arc<Mutex<Vec<(Uri, Stream, Instant)>>>);

impl Spare {
    /// One that leads there, and that was made just now: nobody looks whether it is closed.
    pub(in crate::gateway) fn take(&self, origin: &Uri) -> Option<Stream> {
        let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        spare.retain(|(_, _, made)| made.elapsed() < GOOD);
        let at = spare.iter().position(|(leads_to, ..)| leads_to == origin)?;
        Some(spare.swap_remove(at).1)
    }

    fn put(&self, origin: Uri, stream: Stream) {
        let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        spare.retain(|(leads_to, ..)| *leads_to != origin);
        spare.push((origin, stream, Instant::now()));
    }
}

/// Makes connections.
pub(in crate::gateway) struct Dialling {
    dialer: Arc<Dialer>,
    within: Duration,
    spare: Spare,
    by_http2: Mutex<HashSet<Base>>,
}

impl Dialling {
    pub(in crate::gateway) fn new(dialer: Arc<Dialer>, within: Duration, spare: Spare) -> Self {
        Self {
            dialer,
            within,
            spare,
            by_http2: Mutex::default(),
        }
    }

    /// Makes a connection to a host. What is wrong if there is none is told where the call goes on: it is tried there again,
    /// and then at the next host.
    pub(in crate::gateway) async fn dial(&self, base: &Base) -> Option<Dialled> {
        if self.by_http2().contains(base) {
            return Some(Dialled::Http2);
        }
        let stream = timeout(self.within, self.dialer.connect(base)).await;
        let stream = stream.unwrap_or_else(|_| Err("it took too long".into()));
        let stream = stream
            .inspect_err(|why| {
                let why = innermost(&**why);
                tracing::info!(host = %base, "no connection to WeChat: {why}");
            })
            .ok()?;
        if stream.connected().is_negotiated_h2() {
            self.by_http2().insert(base.clone());
            self.spare.put(base.origin(), stream);
            return Some(Dialled::Http2);
        }
        Link::new(stream).ok().map(Dialled::Plain)
    }

    fn by_http2(&self) -> std::sync::MutexGuard<'_, HashSet<Base>> {
        self.by_http2.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
