//! Which requests of a connection have begun, which are answered to the last byte, and whether its client takes the answers.
//!
//! Must not know: how the answers get to the client.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::service::Service;
use tokio::time::{Instant, sleep, sleep_until};

use crate::http::front::ConnectionFront;

/// Knows which requests have begun and been answered on a connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Heads(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    begun: AtomicU64,
    answered: AtomicU64,
    /// Since when a piece of which answer waits to be taken.
    waiting: Mutex<BTreeSet<(Instant, u64)>>,
}

impl Heads {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// How many requests have had a complete head.
    pub(super) fn begun(&self) -> u64 {
        self.0.begun.load(Ordering::Relaxed)
    }

    /// Whether a request is being answered now: until the end of the answer's body.
    pub(super) fn is_answering(&self) -> bool {
        self.begun() != self.0.answered.load(Ordering::Relaxed)
    }

    /// Counts the requests of a service, and gives their answers in pieces of this size at most: that much has to be taken in
    /// time by who is not [`stuck`](Self::stuck).
    pub(super) fn watching(&self, front: ConnectionFront, piece: usize) -> Watched {
        Watched {
            heads: self.clone(),
            front,
            piece,
        }
    }

    /// Resolves when no request was begun for a whole period and none is being answered.
    pub(super) async fn quiet(&self, period: Duration) {
        let mut seen = 0;
        loop {
            sleep(period).await;
            let begun = self.begun();
            if begun == seen && !self.is_answering() {
                return;
            }
            seen = begun;
        }
    }

    /// Resolves when the client has not taken the next piece of an answer for so long.
    pub(super) async fn stuck(&self, period: Duration) {
        loop {
            let now = Instant::now();
            match self.waiting_since() {
                Some(since) if since + period <= now => return,
                Some(since) => sleep_until(since + period).await,
                None => sleep(period).await,
            }
        }
    }

    fn waiting_since(&self) -> Option<Instant> {
        self.waiting().first().map(|(since, _)| *since)
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, BTreeSet<(Instant, u64)>> {
        self.0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A service whose requests are counted.
pub(super) struct Watched {
    heads: Heads,
    front: ConnectionFront,
    piece: usize,
}

impl Service<Request<Incoming>> for Watched {
    type Response = Response<Answer>;
    type Error = std::convert::Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Answer>, Self::Error>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let number = self.heads.0.begun.fetch_add(1, Ordering::Relaxed);
        let (answered, piece) = (Answered(self.heads.clone()), self.piece);
        let answering = self.front.call(request);
        Box::pin(async move {
            let response = answering.await?;
            Ok(response.map(|body| Answer {
                body,
                piece,
                rest: Bytes::new(),
                number,
                given: None,
                answered,
            }))
        })
    }
}

/// Counts an answer once it is over, also that of a request that was given up.
struct Answered(Heads);

impl Drop for Answered {
    fn drop(&mut self) {
        self.0.0.answered.fetch_add(1, Ordering::Relaxed);
    }
}

/// The body of an answer. A piece that was asked for counts as taken when the next one is.
pub(super) struct Answer {
    body: Body,
    /// The most that is given at once.
    piece: usize,
    /// What was too much to be given at once.
    rest: Bytes,
    number: u64,
    given: Option<Instant>,
    answered: Answered,
}

impl Answer {
    fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                over => return Poll::Ready(over),
            };
            match frame.into_data() {
                Ok(data) => self.rest = data,
                Err(other) => return Poll::Ready(Some(Ok(other))),
            }
        }
        let piece = self.rest.split_to(self.piece.min(self.rest.len()));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn taken(&mut self) {
        if let Some(since) = self.given.take() {
            self.answered.0.waiting().remove(&(since, self.number));
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.taken();
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.taken();
        let polled = self.poll_piece(cx);
        if let Poll::Ready(Some(Ok(_))) = &polled {
            let now = Instant::now();
            self.given = Some(now);
            self.answered.0.waiting().insert((now, self.number));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (behind, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(behind.lower().saturating_add(rest));
        if let Some(most) = behind.upper() {
            hint.set_upper(most.saturating_add(rest));
        }
        hint
    }
}
