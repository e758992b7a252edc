//! An answer's body on its way out: whole, halved, endless, or a byte at a time.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::{
    sync::oneshot,
    time::{Sleep, sleep},
};

use super::socket::Sent;
use crate::passage::UnderWay;

/// The connection is to be cut, on purpose.
#[derive(Debug, thiserror::Error)]
#[error("cut on purpose")]
pub(super) struct Cut;

/// An endless body is sent in pieces of this size.
const ENDLESS_PIECE: usize = 64 * 1024;

/// A body, and who is to be told when it has been sent.
pub(super) struct SimBody {
    shape: Shape,
    told: Option<(Sent, oneshot::Sender<()>)>,
    under_way: Option<UnderWay>,
}

enum Shape {
    /// All at once, its length known.
    Whole(Option<Bytes>),
    /// All at once, its length kept from hyper, so that it goes out chunked.
    Chunked(Option<Bytes>),
    /// This much, then nothing more; `polls` lets hyper send it first.
    Half { first: Option<Bytes>, polls: u8 },
    /// The first piece, then the same piece for ever.
    Endless { first: Option<Bytes>, more: Bytes },
    Drip {
        rest: Bytes,
        every: Duration,
        pause: Pin<Box<Sleep>>,
    },
}

impl SimBody {
    fn of(shape: Shape) -> Self {
        Self {
            shape,
            told: None,
            under_way: None,
        }
    }

    pub(super) fn whole(bytes: Bytes) -> Self {
        Self::of(Shape::Whole(Some(bytes)))
    }

    pub(super) fn chunked(bytes: Bytes) -> Self {
        Self::of(Shape::Chunked(Some(bytes)))
    }

    pub(super) fn half(bytes: &Bytes) -> Self {
        Self::of(Shape::Half {
            first: Some(bytes.slice(..bytes.len() / 2)),
            polls: 0,
        })
    }

    /// The beginning of `bytes`, and then never an end.
    pub(super) fn endless(bytes: &Bytes) -> Self {
        let first = Some(bytes.slice(..bytes.len() / 2));
        Self::of(Shape::Endless {
            first,
            more: vec![b'A'; ENDLESS_PIECE].into(),
        })
    }

    pub(super) fn drip(rest: Bytes, every: Duration) -> Self {
        Self::of(Shape::Drip {
            rest,
            every,
            pause: Box::pin(sleep(Duration::ZERO)),
        })
    }

    /// The call is over when this body has gone.
    #[must_use]
    pub(super) fn ending(mut self, under_way: UnderWay) -> Self {
        self.under_way = Some(under_way);
        self
    }

    /// Tells `waiting` when this body has been handed to the kernel.
    #[must_use]
    pub(super) fn telling(mut self, sent: Sent, waiting: oneshot::Sender<()>) -> Self {
        self.told = Some((sent, waiting));
        self
    }
}

impl Drop for SimBody {
    fn drop(&mut self) {
        // hyper drops a body when its last byte is in its buffer; the flush that follows sends it.
        if let Some((sent, waiting)) = self.told.take() {
            sent.tell(waiting);
        }
    }
}

type Next = Poll<Option<Result<Frame<Bytes>, Cut>>>;

fn last(bytes: &mut Option<Bytes>) -> Next {
    Poll::Ready(
        bytes
            .take()
            .filter(|bytes| !bytes.is_empty())
            .map(|bytes| Ok(Frame::data(bytes))),
    )
}

impl Body for SimBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Next {
        match &mut self.shape {
            Shape::Whole(bytes) | Shape::Chunked(bytes) => last(bytes),
            Shape::Half { first, polls } => {
                if let Some(first) = first.take().filter(|first| !first.is_empty()) {
                    return Poll::Ready(Some(Ok(Frame::data(first))));
                }
                if *polls == 0 {
                    // Between two polls hyper flushes what it has.
                    *polls += 1;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(Some(Err(Cut)))
            }
            Shape::Endless { first, more } => {
                let piece = first.take().unwrap_or_else(|| more.clone());
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            Shape::Drip { rest, every, pause } => {
                if rest.is_empty() {
                    return Poll::Ready(None);
                }
                ready!(pause.as_mut().poll(cx));
                *pause = Box::pin(sleep(*every));
                Poll::Ready(Some(Ok(Frame::data(rest.split_to(1)))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.shape {
            Shape::Whole(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Shape::Chunked(bytes) => bytes.is_none(),
            Shape::Drip { rest, .. } => rest.is_empty(),
            Shape::Half { .. } | Shape::Endless { .. } => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        let exact = |len: usize| SizeHint::with_exact(u64::try_from(len).unwrap_or(0));
        match &self.shape {
            Shape::Whole(bytes) => exact(bytes.as_ref().map_or(0, Bytes::len)),
            Shape::Drip { rest, .. } => exact(rest.len()),
            Shape::Chunked(_) | Shape::Half { .. } | Shape::Endless { .. } => SizeHint::default(),
        }
    }
}
