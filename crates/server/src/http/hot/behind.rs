//! What was read of a long request behind the part that is kept in memory: hyper, which reads the request again, gets it
//! before what is still to come on the connection.

use std::fs::File;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;

use crate::gateway::read_back;

/// It is read in pieces of this size.
const PIECE: usize = 256 * 1024;

/// What was read.
pub(crate) enum Behind {
    /// It is in a file, so long.
    File(File, u64),
    /// It is kept nowhere: so many zeros stand in its place, for hyper to find the end of the request. The call they
    /// belong to is known to be lost, so that nobody is ever sent them.
    Hole(u64),
}

type Read = Pin<Box<dyn Future<Output = io::Result<(File, Bytes)>> + Send>>;

/// It, being read.
pub(crate) struct Reread {
    source: Source,
    at: u64,
    end: u64,
}

enum Source {
    File(File),
    Under(Read),
    Hole,
    /// It could not be read back.
    Failed,
}

impl From<Behind> for Reread {
    fn from(behind: Behind) -> Self {
        let (source, end) = match behind {
            Behind::File(file, end) => (Source::File(file), end),
            Behind::Hole(end) => (Source::Hole, end),
        };
        Self { source, at: 0, end }
    }
}

impl Reread {
    /// The next piece; an empty one at the end.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let left = usize::try_from(self.end - self.at).unwrap_or(PIECE);
        let length = left.min(PIECE);
        if length == 0 {
            return Poll::Ready(Ok(Bytes::new()));
        }
        let piece = loop {
            match std::mem::replace(&mut self.source, Source::Failed) {
                Source::Failed => return Poll::Ready(Err(ErrorKind::BrokenPipe.into())),
                Source::Hole => {
                    self.source = Source::Hole;
                    break Bytes::from_static(&[0; PIECE]).slice(..length);
                }
                Source::File(file) => {
                    self.source = Source::Under(Box::pin(read_back(file, self.at, length)));
                }
                Source::Under(mut under) => match under.as_mut().poll(cx) {
                    Poll::Pending => {
                        self.source = Source::Under(under);
                        return Poll::Pending;
                    }
                    Poll::Ready(read) => {
                        let (file, piece) = read?;
                        self.source = Source::File(file);
                        break piece;
                    }
                },
            }
        };
        self.at += piece.len() as u64;
        Poll::Ready(Ok(piece))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Write as _;

    use super::*;

    #[tokio::test]
    async fn a_file_is_read_as_it_was_written() {
        let bytes: Vec<u8> = (0..600_000u32).map(|n| n.to_le_bytes()[0]).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        let mut reread = Reread::from(Behind::File(file, 600_000));
        let mut read = Vec::new();
        while read.len() < bytes.len() {
            read.extend(poll_fn(|cx| reread.poll_next(cx)).await.unwrap());
        }
        assert!(poll_fn(|cx| reread.poll_next(cx)).await.unwrap().is_empty());
        assert!(read == bytes);
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_read_fails_for_good_and_nothing_is_made_up() {
        let file = tempfile::tempfile().unwrap();
        let mut reread = Reread::from(Behind::File(file, 10));
        for _ in 0..3 {
            assert!(poll_fn(|cx| reread.poll_next(cx)).await.is_err());
        }
    }
}
