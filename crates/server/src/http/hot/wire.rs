//! A connection's bytes: read into one buffer, sent in one write where that is possible.
//!
//! Must not know: what a request means, or when a connection ends.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, sleep_until};

use super::memo::Memo;
use super::parse::LARGEST_HEAD;
use super::quiet::Quiet;
use super::{Missing, Patience};
use crate::http::peer::Peer;

/// A connection keeps no more memory than this for answers once they are sent.
pub(super) const KEPT: usize = 16 * 1024;

/// A connection and what was read from it.
pub(super) struct Wire<S> {
    pub(super) io: S,
    pub(super) peer: Peer,
    pub(super) buffer: Vec<u8>,
    pub(super) filled: usize,
    pub(super) memo: Memo,
    pub(super) patience: Patience,
}

impl<S: AsyncRead + Unpin> Wire<S> {
    /// Drops what has been answered.
    pub(super) fn forget(&mut self, answered: usize) {
        if answered > 0 {
            self.buffer.copy_within(answered..self.filled, 0);
            self.filled -= answered;
        }
    }

    fn poll_read(&mut self, cx: &mut std::task::Context<'_>) -> Poll<io::Result<usize>> {
        let mut free = ReadBuf::new(&mut self.buffer[self.filled..]);
        match Pin::new(&mut self.io).poll_read(cx, &mut free) {
            Poll::Ready(Ok(())) => {
                let read = free.filled().len();
                self.filled += read;
                Poll::Ready(Ok(read))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Reads the beginning of a request; 0 when there will be none.
    pub(super) async fn read(&mut self, quiet: &mut Quiet<'_, '_>) -> io::Result<usize> {
        let mut first = true;
        poll_fn(|cx| match self.poll_read(cx) {
            Poll::Pending if quiet.is_over(cx, std::mem::take(&mut first)) => Poll::Ready(Ok(0)),
            other => other,
        })
        .await
        .inspect(|_| quiet.was_quiet = false)
    }

    /// Makes room for the rest of a request that has begun.
    pub(super) fn make_room(&mut self, missing: &Missing) {
        let wanted = match missing {
            Missing::Body(len) => *len,
            _ if self.filled == self.buffer.len() => (self.buffer.len() * 2).min(LARGEST_HEAD + 1),
            _ => 0,
        };
        if wanted > self.buffer.len() {
            self.buffer.resize(wanted, 0);
        }
    }

    /// Reads more of a request that has begun; 0 when it will not be completed in time.
    pub(super) async fn read_more(&mut self, deadline: Instant) -> io::Result<usize> {
        let mut late = pin!(sleep_until(deadline));
        poll_fn(|cx| match self.poll_read(cx) {
            Poll::Pending => late.as_mut().poll(cx).map(|()| Ok(0)),
            ready => ready,
        })
        .await
    }
}

/// Sends what was answered: in one write, if the other side takes it at once.
pub(super) async fn write<S: AsyncWrite + Unpin>(
    io: &mut S,
    out: &mut Vec<u8>,
    patience: Duration,
) -> io::Result<()> {
    if out.is_empty() {
        return Ok(());
    }
    let once = poll_fn(|cx| Poll::Ready(Pin::new(&mut *io).poll_write(cx, out))).await;
    let sent = match once {
        Poll::Ready(sent) => sent?,
        Poll::Pending => 0,
    };
    if sent < out.len() {
        let rest = io.write_all(&out[sent..]);
        tokio::time::timeout(patience, rest)
            .await
            .map_err(io::Error::from)??;
    }
    io.flush().await?;
    out.clear();
    out.shrink_to(KEPT);
    Ok(())
}
