//! A body on its way upstream: from the tape's beginning if it is played again, then as the caller sends it.

use std::collections::VecDeque;
use std::fs::File;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, SizeHint};

use super::spill;
use super::tape::Tape;

/// A file is read again in pieces of this size.
const PIECE: usize = 256 * 1024;

/// A body on its way upstream.
pub(crate) struct Playing {
    pub(super) tape: Tape,
    pub(super) number: u32,
    pub(super) size: SizeHint,
    pub(super) replay: Option<Replay>,
}

/// What is played again before the rest comes from the caller.
#[derive(Default)]
pub(super) struct Replay {
    pub(super) start: VecDeque<Bytes>,
    pub(super) file: Option<Reading>,
    /// What comes from the caller behind it is kept as well.
    pub(super) keeps: bool,
}

type Read = Pin<Box<dyn Future<Output = io::Result<(File, Bytes)>> + Send>>;

/// A file being read: from where, and how far.
pub(super) enum Reading {
    At(File, u64, u64),
    Under(Read, u64, u64),
}

/// A playing that another one has taken the place of, or a file that cannot be read again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlayError {
    /// The request is being sent again: this sending of it is over.
    #[error("the request is being sent anew")]
    Superseded,
    /// The caller's body broke off.
    #[error("the caller's body broke off")]
    Source(#[source] axum::Error),
    /// What was kept cannot be read.
    #[error("the kept body cannot be read back")]
    Kept(#[source] io::Error),
}

impl Replay {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if let Some(piece) = self.start.pop_front() {
            return Poll::Ready(Some(Ok(piece)));
        }
        loop {
            match self.file.take() {
                None => return Poll::Ready(None),
                Some(Reading::At(_, at, end)) if at == end => {}
                Some(Reading::At(file, at, end)) => {
                    let length = usize::try_from(end - at).unwrap_or(PIECE).min(PIECE);
                    let reading = Box::pin(spill::read(file, at, length));
                    self.file = Some(Reading::Under(reading, at, end));
                }
                Some(Reading::Under(mut reading, at, end)) => match reading.as_mut().poll(cx) {
                    Poll::Pending => {
                        self.file = Some(Reading::Under(reading, at, end));
                        return Poll::Pending;
                    }
                    Poll::Ready(Ok((file, piece))) => {
                        self.file = Some(Reading::At(file, at + piece.len() as u64, end));
                        return Poll::Ready(Some(Ok(piece)));
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error))),
                },
            }
        }
    }
}

impl Playing {
    /// Reads all of it for nobody, and keeps nothing: it is not played again behind that.
    pub(crate) async fn pass_over(mut self) {
        self.replay.get_or_insert_default();
        while let Some(Ok(_)) = self.frame().await {}
    }
}

impl Body for Playing {
    type Data = Bytes;
    type Error = PlayError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, PlayError>>> {
        let this = &mut *self;
        if let Some(replay) = &mut this.replay {
            match ready!(replay.poll_next(cx)) {
                Some(Ok(piece)) => {
                    this.tape.state().moved += 1;
                    return Poll::Ready(Some(Ok(Frame::data(piece))));
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(PlayError::Kept(error)))),
                None => {}
            }
        }
        let mut state = this.tape.state();
        if state.playing != this.number {
            return Poll::Ready(Some(Err(PlayError::Superseded)));
        }
        match &mut state.reader {
            Some(reader) => reader.clone_from(cx.waker()),
            reader @ None => *reader = Some(cx.waker().clone()),
        }
        let frame =
            ready!(state.poll_live(cx, this.replay.as_ref().is_none_or(|replay| replay.keeps)));
        Poll::Ready(frame.map(|frame| frame.map_err(PlayError::Source)))
    }

    fn is_end_stream(&self) -> bool {
        let state = self.tape.state();
        let replayed = |replay: &Replay| replay.start.is_empty() && replay.file.is_none();
        // A call that never had a body must not seem to have an empty one when it is made again.
        self.replay.as_ref().is_none_or(replayed) && state.ended && state.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.size
    }
}
