//! One connection from its first byte to its last: TLS, the hot path, hyper.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{sleep, timeout};

use super::guarded::{Guarded, Heads};
use super::malformed;
use super::socket::Stream;
use super::tls::TlsDoor;
use super::{Limits, Site};
use crate::gateway::relay::Started;
use crate::http::certified::Certified;
use crate::http::front::ConnectionFront;
use crate::http::hot::parse::LARGEST_HEAD;
use crate::http::hot::{self, Begun, Ended, Patience};
use crate::http::peer::Peer;
use crate::http::request_id::RequestIds;
use crate::http::stop::Stop;

/// How long a client may take to read what was written.
const WRITE: Duration = Duration::from_secs(60);
/// How long somebody who has just come may take to speak when the server stops.
const A_MOMENT: Duration = Duration::from_millis(250);
/// Streams of one HTTP/2 connection.
const STREAMS: u32 = 256;

pub(super) struct Connection {
    pub(super) peer: Peer,
    /// What the client's certificate names, once it has shown one.
    pub(super) certified: Option<Certified>,
    pub(super) seed: u64,
    pub(super) site: Site,
    pub(super) limits: Arc<Limits>,
    pub(super) stop: Stop,
}

impl Connection {
    pub(super) async fn run(mut self, stream: Stream, begun: Begun, tls: Option<Arc<TlsDoor>>) {
        let stream = match (stream, tls) {
            (Stream::Unix(stream), _) => return self.http1(stream, begun).await,
            (Stream::Tcp(stream), None) => return self.http1(stream, begun).await,
            (Stream::Tcp(stream), Some(tls)) => {
                let (acceptor, season) = tls.now();
                self.stop = season;
                let handshake = timeout(self.limits.head, acceptor.accept(stream));
                match handshake.await {
                    Ok(Ok(stream)) => stream,
                    // A scanner, a client without our authority, a client that went away: not our trouble.
                    Ok(Err(_)) | Err(_) => return,
                }
            }
        };
        self.certified = Certified::of(stream.get_ref().1.peer_certificates());
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            self.http2(stream).await;
        } else {
            self.http1(stream, begun).await;
        }
    }

    async fn http1<S>(self, stream: S, begun: Begun)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        if let Some(started) = begun.started {
            return self
                .by_hyper(stream, begun.read.into(), Some(started))
                .await;
        }
        let Some(services) = self.site.hot.clone() else {
            return self.by_hyper(stream, Bytes::new(), None).await;
        };
        let patience = Patience {
            idle: self.limits.idle,
            head: self.limits.head,
            write: WRITE,
        };
        match hot::serve(
            stream, begun, services, self.peer, self.seed, patience, &self.stop,
        )
        .await
        {
            Ended::Closed => {}
            Ended::HandOver { io, read } => match malformed::what_is_wrong(&read) {
                Some(why) => malformed::refuse(io, &why).await,
                None => self.by_hyper(io, read, None).await,
            },
        }
    }

    async fn by_hyper<S>(self, stream: S, read: Bytes, started: Option<Box<Started>>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let heads = Heads::new();
        let silent = read.is_empty();
        let io = Guarded::new(stream, read, heads.clone(), self.limits.head, WRITE);
        let service = heads.watching(self.front(started));
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            // hyper counts this from the end of the answer before: it is the idle timeout. Heads are timed by `Guarded`.
            .header_read_timeout(self.limits.idle)
            .max_header_size(LARGEST_HEAD)
            .max_buf_size(4 * LARGEST_HEAD)
            .auto_date_header(false);
        let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(io), service));
        tokio::select! {
            // Looked at first, for what is there already is answered: a connection that has read nothing just ends.
            biased;
            // How a client breaks off is its own matter; what it sent was answered 400 where it could be.
            _ = connection.as_mut() => return,
            () = self.stopping(silent) => {}
        }
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }

    async fn http2<S>(self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let heads = Heads::new();
        let service = heads.watching(self.front(None));
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .keep_alive_interval(self.limits.idle / 4)
            .keep_alive_timeout(self.limits.head)
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(u32::try_from(LARGEST_HEAD).unwrap_or(u32::MAX))
            .max_send_buf_size(4 * LARGEST_HEAD)
            .auto_date_header(false);
        let mut connection =
            std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
        tokio::select! {
            biased;
            _ = connection.as_mut() => return,
            () = self.stopping(true) => {}
            () = heads.quiet(self.limits.idle) => {}
        }
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }

    /// Resolves when no further request is wanted. Who has not spoken when the server stops may have just come.
    async fn stopping(&self, silent: bool) {
        self.stop.wait().await;
        if silent {
            sleep(A_MOMENT).await;
        }
    }

    fn front(&self, started: Option<Box<Started>>) -> ConnectionFront {
        ConnectionFront {
            front: Arc::clone(&self.site.front),
            peer: self.peer,
            certified: self.certified.clone(),
            ids: Arc::new(RequestIds::new(self.seed)),
            started: Arc::new(Mutex::new(started)),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;
    use crate::config::Server;
    use crate::http::testing::{APP, Answer, KEY, World};

    #[tokio::test]
    async fn a_request_that_was_read_before_the_server_stopped_is_answered() {
        let request = format!(
            "GET /v1/apps/{APP}/access_token HTTP/1.1\r\nAuthorization: Bearer {KEY}\r\n\r\n"
        );
        // As often as it takes to meet an order that does not look at the request first.
        for _ in 0..20 {
            let world = World::new();
            world.stop.tell();
            let connection = Connection {
                peer: Peer::Local,
                certified: None,
                seed: 1,
                site: Site::api(&world.services),
                limits: Arc::new(Limits::from(&Server::default())),
                stop: world.stop.clone(),
            };
            let (mut client, server) = tokio::io::duplex(1 << 16);
            connection
                .by_hyper(server, Bytes::from(request.clone()), None)
                .await;
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await.unwrap();
            assert_eq!(Answer::read(&answer).status, 200);
        }
    }
}
