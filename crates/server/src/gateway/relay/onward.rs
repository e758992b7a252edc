//! A connection on which a request has been sent, handed to hyper for the answer: hyper is told that it sends the request
//! itself, what it sends is thrown away, and what comes back is real.

use std::io::{self, ErrorKind, Read};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::rt::{self, ReadBufCursor};
use rustls::ClientConnection;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::gateway::upstream::{Failure, MOST_HEADERS};

/// An answer that does not come for so long is given up.
const STALLED: Duration = Duration::from_secs(60);
/// How much is read ahead of a caller.
const AHEAD: usize = 64 * 1024;
/// What is read at once.
const PIECE: usize = 16 * 1024;

/// Such a connection.
pub(crate) struct Onward {
    stream: std::net::TcpStream,
    tls: Option<Box<ClientConnection>>,
    read: Bytes,
}

impl Onward {
    pub(super) fn new(
        stream: std::net::TcpStream,
        tls: Option<Box<ClientConnection>>,
        read: Vec<u8>,
    ) -> Self {
        let read = read.into();
        Self { stream, tls, read }
    }

    /// The answer. The connection ends with it.
    pub(super) async fn answer(self) -> Result<Response<Incoming>, Failure> {
        let stream = TcpStream::from_std(self.stream).map_err(|_| Failure::Broken)?;
        let overheard = Overheard {
            stream,
            tls: self.tls,
            before: self.read,
            asked: false,
            waiting: None,
        };
        let mut builder = http1::Builder::new();
        builder.max_buf_size(AHEAD).max_headers(MOST_HEADERS);
        let both = builder.handshake::<_, Empty<Bytes>>(overheard).await;
        let (mut sender, connection) = both.map_err(|_| Failure::Broken)?;
        tokio::spawn(connection);
        let answer = timeout(STALLED, sender.send_request(Request::new(Empty::new()))).await;
        match answer.map_err(|_| Failure::Stalled)? {
            // Nobody asked for another protocol, so there is no telling what it would mean.
            Ok(answer) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => {
                Err(Failure::Broken)
            }
            answer => answer.map_err(|_| Failure::Broken),
        }
    }
}

/// The connection as hyper sees it.
struct Overheard {
    stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
    /// What was read before.
    before: Bytes,
    /// Whether hyper has sent its request: an answer before that would be none.
    asked: bool,
    waiting: Option<Waker>,
}

impl Overheard {
    fn poll_bytes(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            let read = match &mut self.tls {
                None => self.stream.try_read(room),
                Some(tls) => read_tls(tls, &self.stream, room),
            };
            match read {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    ready!(self.stream.poll_read_ready(cx))?;
                }
                read => return Poll::Ready(read),
            }
        }
    }
}

fn read_tls(tls: &mut ClientConnection, stream: &TcpStream, room: &mut [u8]) -> io::Result<usize> {
    loop {
        match tls.reader().read(room) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            read => return read,
        }
        tls.read_tls(&mut Waiting(stream))?;
        tls.process_new_packets()
            .map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
    }
}

/// Reads without waiting.
struct Waiting<'s>(&'s TcpStream);

impl Read for Waiting<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(room)
    }
}

impl rt::Read for Overheard {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut room: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.asked {
            self.waiting = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if !self.before.is_empty() {
            let take = self.before.len().min(room.remaining());
            room.put_slice(&self.before[..take]);
            self.before.advance(take);
            return Poll::Ready(Ok(()));
        }
        let mut piece = [0; PIECE];
        let most = room.remaining().min(PIECE);
        let read = ready!(self.poll_bytes(cx, &mut piece[..most]))?;
        room.put_slice(&piece[..read]);
        Poll::Ready(Ok(()))
    }
}

impl rt::Write for Overheard {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.asked = true;
        if let Some(waiting) = self.waiting.take() {
            waiting.wake();
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
