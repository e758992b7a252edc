//! A connection as hyper gets it: the bytes already read come first, and the other side may not dawdle over a head or
//! over taking its answer. hyper itself has only one timeout for a head and for silence together. Requests whose end could be
//! disputed never reach it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::framing::Framing;
use super::watched::Heads;
use crate::http::hot::{Behind, Reread};

/// What hyper gets in place of a byte that is wrong: no head and no size of a chunk may hold it, so that hyper says 400
/// itself, behind the answers to what came before.
const NOT_HTTP: u8 = 0;

/// The connection.
pub(super) struct Guarded<S> {
    io: S,
    /// Read before hyper came.
    before: Bytes,
    /// Read behind that, and kept elsewhere.
    behind: Option<Reread>,
    framing: Framing,
    /// Nothing that comes is heard any more.
    deaf: bool,
    heads: Heads,
    /// Runs while a head has begun and is not complete.
    head: Timer,
    /// The number of heads that were complete when the one that is timed began.
    complete: u64,
    /// Runs while the other side takes nothing.
    write: Timer,
    /// Whether the other side went on sending after the connection was ended.
    still_sends: bool,
}

struct Timer {
    period: Duration,
    running: Option<Pin<Box<Sleep>>>,
}

impl Timer {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let period = self.period;
        let running = self.running.get_or_insert_with(|| Box::pin(sleep(period)));
        running.as_mut().poll(cx)
    }
}

impl<S> Guarded<S> {
    pub(super) fn new(io: S, before: Bytes, heads: Heads, head: Duration, write: Duration) -> Self {
        Self {
            io,
            complete: 0,
            before,
            behind: None,
            framing: Framing::default(),
            deaf: false,
            heads,
            head: Timer {
                period: head,
                running: None,
            },
            write: Timer {
                period: write,
                running: None,
            },
            still_sends: false,
        }
    }

    /// With what was read behind that, and kept elsewhere.
    pub(super) fn with(mut self, behind: Option<Behind>) -> Self {
        self.behind = behind.map(Reread::from);
        self
    }

    /// Judges what came; what is wrong and all behind it is not for hyper.
    fn judge(&mut self, buffer: &mut ReadBuf<'_>, from: usize) {
        if let Err((at, _)) = self.framing.read(&buffer.filled()[from..]) {
            buffer.filled_mut()[from + at] = NOT_HTTP;
            buffer.set_filled(from + at + 1);
            self.deaf = true;
        }
    }

    /// No bytes came: is a head overdue? Bodies have time limits of their own, elsewhere; and the head of a request that is
    /// sent while the one before is still being answered need not be whole before it is wanted.
    fn is_overdue(&mut self, cx: &mut Context<'_>) -> bool {
        let timed = self.framing.is_in_head() && !self.heads.is_answering();
        let complete = self.heads.begun();
        if !timed || self.complete != complete {
            self.head.running = None;
            self.complete = complete;
        }
        timed && self.head.poll(cx).is_ready()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.deaf {
            return Poll::Ready(Ok(()));
        }
        if this.before.is_empty()
            && let Some(behind) = &mut this.behind
        {
            this.before = ready!(behind.poll_next(cx))?;
            if this.before.is_empty() {
                this.behind = None;
            }
        }
        let from = buffer.filled().len();
        if !this.before.is_empty() {
            let take = this.before.len().min(buffer.remaining());
            buffer.put_slice(&this.before[..take]);
            this.before.advance(take);
            this.judge(buffer, from);
            return Poll::Ready(Ok(()));
        }
        match Pin::new(&mut this.io).poll_read(cx, buffer) {
            Poll::Pending if this.is_overdue(cx) => {
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            Poll::Pending => Poll::Pending,
            ready => {
                this.judge(buffer, from);
                ready
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> Guarded<S> {
    fn timed<T>(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(done) = write(Pin::new(&mut self.io), cx) {
            self.write.running = None;
            return Poll::Ready(done);
        }
        ready!(self.write.poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> Guarded<S> {
    /// Listens for a while to a client that sends a body nobody wants: closed at once, the system would reset the
    /// connection, and the client would lose the answer that says why.
    fn poll_heard_out(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut unwanted = [0; 16 * 1024];
        loop {
            let mut buffer = ReadBuf::new(&mut unwanted);
            match Pin::new(&mut self.io).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    if self.poll_end_of_patience(cx).is_ready() {
                        return Poll::Ready(());
                    }
                }
                Poll::Ready(_) => return Poll::Ready(()),
                // It may only be slow.
                Poll::Pending if self.still_sends || self.framing.is_in_body() => {
                    return self.poll_end_of_patience(cx);
                }
                Poll::Pending => return Poll::Ready(()),
            }
        }
    }

    /// Ready when it has been listened to for long enough. Counts from the first time.
    fn poll_end_of_patience(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !std::mem::replace(&mut self.still_sends, true) {
            self.head.running = None;
        }
        self.head.poll(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.timed(cx, |io, cx| io.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.timed(cx, |io, cx| io.poll_write_vectored(cx, pieces))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.timed(cx, |io, cx| io.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.timed(cx, |io, cx| io.poll_shutdown(cx)))?;
        self.poll_heard_out(cx).map(Ok)
    }
}
