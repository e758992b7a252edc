//! The way to WeChat for forwarded calls: connections kept and shared, the next host where one cannot be reached.
//!
//! Must not know: tokens, callers, what an answer says.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::TRANSFER_ENCODING;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use hyper::body::{Body, Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Instant, timeout};
use tower::Service;

use super::body::{Playing, Tape};
use super::relay::{Dialled, Dialling, Spare};
use super::untouched::{self, is_untouched};
use crate::wechat::{Base, ConnectError, Dialer, Hosts, Options, Stream};

/// A connection that nobody used for so long is closed: less than the 75 s after which servers commonly close theirs.
const IDLE: Duration = Duration::from_secs(50);
/// A call may take as long as it likes while bytes move; without any for so long it is given up.
const STALLED: Duration = Duration::from_secs(60);

/// How much is read ahead of a caller: of an HTTP/1.1 answer; four times that over HTTP/2, where a round
/// trip must fit in.
const AHEAD: u32 = 64 * 1024;
/// No HTTP/1.1 answer has more headers; what they take is bounded by what is read ahead.
pub(super) const MOST_HEADERS: usize = 256;
/// One slow caller must not hold up the others on the same HTTP/2 connection: its window is wider than theirs together.
const CONNECTION_WINDOW: u32 = 1 << 30;
/// How often an HTTP/2 connection is asked whether it lives, and how long it may take to say so.
const ALIVE: (Duration, Duration) = (Duration::from_secs(15), Duration::from_secs(10));

/// A request as it goes up, but for its body.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    /// Path and query, with the token in it.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// No byte of the request left.
    #[error("WeChat cannot be reached")]
    Unreachable,
    /// Upstream says that it has done nothing with it, or cannot have.
    #[error("WeChat turned the call away before it did anything with it; send it again")]
    Untouched,
    /// The connection broke before an answer came.
    #[error("the connection to WeChat broke")]
    Broken,
    /// Nothing moved for a minute.
    #[error("WeChat gave no answer in time")]
    Stalled,
}

impl Failure {
    /// Whether it may pass by itself: not where every host was tried in vain.
    pub(super) const fn may_pass(&self) -> bool {
        match self {
            Self::Untouched | Self::Broken | Self::Stalled => true,
            Self::Unreachable => false,
        }
    }
}

/// Sends requests and gives their answers.
pub(crate) struct Upstream {
    client: Client<Connector, Playing>,
    hosts: Arc<Hosts>,
    dialling: Arc<Dialling>,
}

impl Upstream {
    /// A client that has made no connection yet.
    pub(crate) fn new(options: &Options, dialer: Dialer) -> Self {
        let (dialer, within) = (Arc::new(dialer), options.connect_timeout);
        let spare = Spare::default();
        let connector = Connector {
            dialer: Arc::clone(&dialer),
            within,
            spare: spare.clone(),
        };
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .http1_max_buf_size(AHEAD as usize)
            .http1_max_headers(MOST_HEADERS)
            .http2_initial_stream_window_size(4 * AHEAD)
            .http2_initial_connection_window_size(CONNECTION_WINDOW)
            .http2_max_send_buf_size(AHEAD as usize)
            .http2_keep_alive_interval(ALIVE.0)
            .http2_keep_alive_timeout(ALIVE.1)
            .build(connector);
        Self {
            client,
            hosts: Arc::new(Hosts::new(
                options.base_url.clone(),
                options.fallback_urls.clone(),
            )),
            dialling: Arc::new(Dialling::new(dialer, within, spare)),
        }
    }

    /// The host that is tried first.
    pub(crate) fn first_host(&self, now: Instant) -> Option<&Base> {
        self.hosts.first(now)
    }

    /// Whether no other host may be tried in the place of this one.
    pub(crate) fn has_no_other(&self, base: &Base) -> bool {
        self.hosts.has_no_other(base)
    }

    /// Makes a connection for the relay; none if that cannot be done.
    pub(crate) fn dial(&self, base: &Base) -> impl Future<Output = Option<Dialled>> + Send + use<> {
        let (dialling, hosts) = (Arc::clone(&self.dialling), Arc::clone(&self.hosts));
        let base = base.clone();
        async move {
            let dialled = dialling.dial(&base).await;
            match &dialled {
                Some(_) => hosts.worked(&base),
                // The call goes on elsewhere, and begins with the next one.
                None => hosts.failed(&base, Instant::now()),
            }
            dialled
        }
    }

    /// Sends a request, to the first host that can be reached. `play` gives the body, from its beginning each time.
    pub(crate) async fn send(
        &self,
        own: Option<&Base>,
        outgoing: &Outgoing,
        tape: &Tape,
        mut first: Option<Playing>,
    ) -> Result<Response<Incoming>, Failure> {
        let hosts = own.map_or_else(|| self.hosts.in_order(Instant::now()), |own| vec![own]);
        for base in hosts {
            let body = match first.take() {
                Some(body) => body,
                // Another host may be tried only while nothing of the body has been taken: what was played is gone.
                None if tape.moved() == 0 => tape.play(),
                None => return Err(Failure::Unreachable),
            };
            let (follows, moved) = (!body.is_end_stream(), tape.moved());
            let request = request(base, outgoing, body).ok_or(Failure::Unreachable)?;
            match while_it_moves(self.client.request(request), tape).await? {
                // Nobody asked for another protocol, so there is no telling what it would mean.
                Ok(answer) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => {
                    return Err(Failure::Broken);
                }
                Ok(answer) => {
                    self.hosts.worked(base);
                    return Ok(answer);
                }
                Err(error) if error.is_connect() => {
                    self.hosts.failed(base, Instant::now());
                    tracing::info!(host = %base, "no connection to WeChat: {}", innermost(&error));
                }
                Err(error) => {
                    let taken = tape.moved() != moved;
                    let untouched = is_untouched(&error, untouched::Body { follows, taken });
                    return Err(if untouched {
                        Failure::Untouched
                    } else {
                        Failure::Broken
                    });
                }
            }
        }
        Err(Failure::Unreachable)
    }
}

fn request(base: &Base, outgoing: &Outgoing, body: Playing) -> Option<Request<Playing>> {
    let mut parts = base.origin().into_parts();
    let target = format!("{}{}", base.prefix(), outgoing.target);
    parts.path_and_query = Some(PathAndQuery::try_from(target).ok()?);
    // Without this hyper sends no body with a GET or a HEAD. HTTP/2 leaves it out again.
    let unknown = body.size_hint().exact().is_none();
    let mut request = Request::new(body);
    *request.method_mut() = outgoing.method.clone();
    *request.uri_mut() = Uri::from_parts(parts).ok()?;
    *request.headers_mut() = outgoing.headers.clone();
    if unknown {
        let chunked = HeaderValue::from_static("chunked");
        request.headers_mut().insert(TRANSFER_ENCODING, chunked);
    }
    Some(request)
}

/// Waits as long as the request's body moves.
async fn while_it_moves<F: Future>(answer: F, tape: &Tape) -> Result<F::Output, Failure> {
    let mut answer = std::pin::pin!(answer);
    let mut moved = tape.moved();
    loop {
        if let Ok(answer) = timeout(STALLED, answer.as_mut()).await {
            return Ok(answer);
        }
        let now = tape.moved();
        if now == moved {
            return Err(Failure::Stalled);
        }
        moved = now;
    }
}

/// What lies at the bottom of an error: names hosts and reasons, never a request.
pub(super) fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// Makes connections as the client asks for them.
#[derive(Clone)]
struct Connector {
    dialer: Arc<Dialer>,
    within: Duration,
    spare: Spare,
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, origin: Uri) -> Self::Future {
        if let Some(stream) = self.spare.take(&origin) {
            return Box::pin(async { Ok(stream) });
        }
        let (dialer, within) = (Arc::clone(&self.dialer), self.within);
        Box::pin(async move {
            let base = Base::of(&origin)?;
            timeout(within, dialer.connect(&base))
                .await
                .unwrap_or_else(|_| Err("it took too long".into()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::body::{Buffers, TapeLimits};

    fn tape(body: axum::body::Body) -> Tape {
        let limits = TapeLimits {
            memory: 64,
            total: 64,
        };
        let buffers = Buffers::new(64, std::env::temp_dir());
        Tape::new(body, limits, buffers.share(None))
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_on_which_nothing_moves_for_a_minute_is_given_up_and_may_be_made_again() {
        let began = Instant::now();
        let never = std::future::pending::<()>();
        let told = while_it_moves(never, &tape(axum::body::Body::empty())).await;
        assert!(told.is_err_and(|why| why.may_pass()));
        assert_eq!(began.elapsed(), STALLED);
        assert!(Failure::Broken.may_pass() && !Failure::Unreachable.may_pass());
    }

    #[tokio::test(start_paused = true)]
    async fn an_upload_that_moves_may_take_long_and_one_that_stops_is_cut() {
        use http_body_util::BodyExt;
        const PIECES: u32 = 5;
        let pieces = futures_util::stream::unfold(0, |sent| async move {
            if sent == PIECES {
                return std::future::pending().await;
            }
            tokio::time::sleep(STALLED / 2).await;
            let piece = bytes::Bytes::from_static(b"x");
            Some((Ok::<_, std::io::Error>(piece), sent + 1))
        });
        let tape = tape(axum::body::Body::from_stream(pieces));
        let began = Instant::now();
        let told = while_it_moves(tape.play().collect(), &tape).await;
        assert!(matches!(told, Err(Failure::Stalled)));
        let moved_for = STALLED / 2 * PIECES;
        let took = began.elapsed();
        assert!(took >= moved_for + STALLED / 2, "{took:?}");
        assert!(took <= moved_for + STALLED * 2, "{took:?}");
    }
}
