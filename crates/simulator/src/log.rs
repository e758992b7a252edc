//! What WeChat was asked: every call, kept in a bounded ring, and a way to wait for one.
//!
//! Owns: [`Call`], masking, matching, waiting. Must not know: how calls are answered. Counts are kept elsewhere and
//! stay exact when the ring has forgotten.

use std::{
    collections::VecDeque,
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use crate::{clock::SimTime, passage::Passage, rules::Lane};

/// One call as WeChat saw it.
#[derive(Clone)]
pub struct Call {
    /// Its number, from 1, in the order calls were decided.
    pub seq: u64,
    /// When it was decided.
    pub at: SimTime,
    /// `GET`, `POST` …
    pub method: http::Method,
    /// The path, without the query.
    pub path: Arc<str>,
    /// The app it named, or whose token it carried; `None` when neither is known here.
    pub appid: Option<Box<str>>,
    /// [`crate::fingerprint`] of the token it carried.
    pub token: Option<String>,
    /// The HTTP status answered; 0 when the connection was cut instead.
    pub status: u16,
    /// The `errcode` answered; 0 for a success that carries none.
    pub errcode: Option<i64>,
    /// What this call minted.
    pub minted: Option<Minted>,
    /// Whether a body asked for `force_refresh`.
    pub forced: bool,
    /// The faults that bent it.
    pub faults: Vec<&'static str>,
    /// Where it came from.
    pub from: IpAddr,
    /// Length of the body.
    pub body_len: u64,
    /// How long it was under way.
    pub passage: Arc<Passage>,
    pub(crate) query: Box<str>,
    pub(crate) headers: Box<str>,
    pub(crate) body: Box<[u8]>,
}

/// A value minted by a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Minted {
    /// Where.
    pub lane: Lane,
    /// [`crate::fingerprint`] of it.
    pub value: String,
    /// When it ends if nothing ends it sooner; a ticket tells nobody.
    pub ends: Option<SimTime>,
}

/// Whether secrets are to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// `***` in their place.
    Masked,
    /// As they came.
    Raw,
}

/// Parameters whose values are secrets.
const SECRET_PARAMETERS: [&str; 9] = [
    "access_token",
    "secret",
    "appsecret",
    "refresh_token",
    "code",
    "js_code",
    "session_key",
    "signature",
    "component_access_token",
];

impl Call {
    /// The query, without its `?`.
    pub fn query(&self, show: Show) -> String {
        if show == Show::Raw {
            return self.query.to_string();
        }
        let mask = |pair: &str| match pair.split_once('=') {
            Some((name, _)) if SECRET_PARAMETERS.contains(&name) => format!("{name}=***"),
            Some(_) | None => pair.to_owned(),
        };
        self.query
            .split('&')
            .map(mask)
            .collect::<Vec<_>>()
            .join("&")
    }

    /// The first header of that name, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let named = |line: &'_ str| line.split_once(": ").is_some_and(|(left, _)| left == name);
        self.headers
            .lines()
            .find(|line| named(line))?
            .split_once(": ")
            .map(|(_, value)| value)
    }

    /// The headers as they came, one a line, secrets and all.
    pub fn headers(&self) -> &str {
        &self.headers
    }

    /// The first 2 KiB of the body as they came, secrets and all.
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "#{} {} {}?{}",
            self.seq,
            self.method,
            self.path,
            self.query(Show::Masked)
        )?;
        write!(f, " -> {} {:?}", self.status, self.errcode)?;
        if let Some(minted) = &self.minted {
            write!(f, " minted {} {}", minted.lane.name(), minted.value)?;
        }
        Ok(())
    }
}

/// Which calls are meant.
#[derive(Clone)]
pub struct CallMatch(Arc<dyn Fn(&Call) -> bool + Send + Sync>);

impl CallMatch {
    /// Every call.
    pub fn any() -> Self {
        Self::that(|_| true)
    }

    /// Calls of a path.
    pub fn path(path: impl Into<String>) -> Self {
        let path = path.into();
        Self::that(move |call| *call.path == *path)
    }

    /// Calls for which this is true.
    pub fn that(is: impl Fn(&Call) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(is))
    }

    /// And this app's only.
    #[must_use]
    pub fn app(self, appid: impl Into<String>) -> Self {
        let appid = appid.into();
        self.and(move |call| call.appid.as_deref() == Some(appid.as_str()))
    }

    /// And only those answered with this `errcode`.
    #[must_use]
    pub fn errcode(self, errcode: i64) -> Self {
        self.and(move |call| call.errcode == Some(errcode))
    }

    /// And only those for which this is true too.
    #[must_use]
    pub fn and(self, is: impl Fn(&Call) -> bool + Send + Sync + 'static) -> Self {
        Self::that(move |call| (self.0)(call) && is(call))
    }

    /// Whether a call is meant.
    pub fn matches(&self, call: &Call) -> bool {
        (self.0)(call)
    }
}

impl From<&str> for CallMatch {
    fn from(path: &str) -> Self {
        Self::path(path)
    }
}

/// The ring of calls.
pub(crate) struct CallLog {
    ring: Mutex<Ring>,
    last: watch::Sender<u64>,
}

struct Ring {
    calls: VecDeque<Arc<Call>>,
    capacity: usize,
    seq: u64,
}

impl CallLog {
    pub(crate) fn new(capacity: usize) -> Self {
        let ring = Ring {
            calls: VecDeque::new(),
            capacity,
            seq: 0,
        };
        Self {
            ring: Mutex::new(ring),
            last: watch::Sender::new(0),
        }
    }

    /// Numbers a call and keeps it.
    pub(crate) fn push(&self, mut call: Call) {
        let seq = {
            let mut ring = self.lock();
            ring.seq += 1;
            call.seq = ring.seq;
            if ring.calls.len() >= ring.capacity {
                ring.calls.pop_front();
            }
            if ring.capacity > 0 {
                ring.calls.push_back(Arc::new(call));
            }
            ring.seq
        };
        // Two pushes may arrive here in the other order: the number only ever grows.
        self.last.send_if_modified(|last| {
            let grows = seq > *last;
            *last = seq.max(*last);
            grows
        });
    }

    /// Calls ever seen.
    pub(crate) fn count(&self) -> u64 {
        self.lock().seq
    }

    /// The calls still remembered whose number is greater, oldest first.
    pub(crate) fn since(&self, seq: u64) -> Vec<Arc<Call>> {
        let ring = self.lock();
        let new = usize::try_from(ring.seq.saturating_sub(seq)).unwrap_or(usize::MAX);
        let skip = ring.calls.len().saturating_sub(new);
        ring.calls.iter().skip(skip).map(Arc::clone).collect()
    }

    /// Waits for the `n`th call that matches, counting those whose number is greater than `seq`.
    pub(crate) async fn nth_since(&self, mut seq: u64, matcher: CallMatch, n: usize) -> Arc<Call> {
        let mut news = self.last.subscribe();
        let mut left = n.max(1);
        loop {
            news.borrow_and_update();
            for call in self.since(seq) {
                seq = call.seq;
                if matcher.matches(&call) {
                    left -= 1;
                    if left == 0 {
                        return call;
                    }
                }
            }
            // The sender lives in `self`, so this cannot fail while we are borrowed.
            if news.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(path: &str, query: &str) -> Call {
        Call {
            seq: 0,
            at: SimTime::from_unix_ms(0),
            method: http::Method::GET,
            path: path.into(),
            appid: None,
            token: None,
            status: 200,
            errcode: Some(0),
            minted: None,
            forced: false,
            faults: Vec::new(),
            from: IpAddr::from([127, 0, 0, 1]),
            body_len: 0,
            passage: Arc::new(Passage::new(None, path, "x", SimTime::from_unix_ms(0))),
            query: query.into(),
            headers: "host: x\nuser-agent: y: z\n".into(),
            body: Box::default(),
        }
    }

    #[test]
    fn a_call_shows_its_secrets_only_when_asked_to() {
        let call = call(
            "/cgi-bin/token",
            "appid=wx1&secret=hush&grant_type=client_credential",
        );
        assert_eq!(
            call.query(Show::Masked),
            "appid=wx1&secret=***&grant_type=client_credential"
        );
        assert!(call.query(Show::Raw).contains("hush"));
        assert!(!format!("{call:?}").contains("hush"));
        assert_eq!(call.header("user-agent"), Some("y: z"));
    }

    #[test]
    fn the_ring_forgets_the_oldest_but_goes_on_counting() {
        let log = CallLog::new(3);
        for n in 0..5 {
            log.push(call(&format!("/{n}"), ""));
        }
        assert_eq!(log.count(), 5);
        assert_eq!(
            log.since(0).iter().map(|call| call.seq).collect::<Vec<_>>(),
            [3, 4, 5]
        );
        assert_eq!(log.since(4).len(), 1);
        assert!(log.since(5).is_empty());
    }

    #[tokio::test]
    async fn waiting_counts_calls_that_came_before_and_after() {
        let log = Arc::new(CallLog::new(10));
        log.push(call("/a", ""));
        let waiting = tokio::spawn({
            let log = Arc::clone(&log);
            async move { log.nth_since(0, "/a".into(), 2).await.seq }
        });
        log.push(call("/b", ""));
        log.push(call("/a", ""));
        assert_eq!(waiting.await.unwrap(), 3);
    }
}
