//! One connection from its first byte to its last: TLS, the hot path, hyper.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{sleep, timeout};

use super::guarded::Guarded;
use super::malformed;
use super::socket::Stream;
use super::tls::TlsDoor;
use super::watched::Heads;
use super::{Limits, Site};
use crate::gateway::relay::Started;
use crate::http::certified::Certified;
use crate::http::front::ConnectionFront;
use crate::http::hot::parse::LARGEST_HEAD;
use crate::http::hot::{self, A_GLANCE, Begun, Ended, Patience};
use crate::http::peer::Peer;
use crate::http::request_id::RequestIds;
use crate::http::stop::Stop;

/// How long a client may take to read what was written.
const WRITE: Duration = Duration::from_secs(60);
/// How long somebody who has just come may take to speak when the server stops.
const A_MOMENT: Duration = Duration::from_millis(250);
/// The largest frame that every client of HTTP/2 takes (RFC 9113, 4.2).
const A_FRAME: usize = 16 * 1024;
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
        if begun.started.is_some() {
            return self.by_hyper(stream, begun).await;
        }
        let Some(services) = self.site.hot.clone() else {
            return self.by_hyper(stream, Begun::default()).await;
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
                None => {
                    let read = read.into();
                    let begun = Begun {
                        read,
                        ..Begun::default()
                    };
                    self.by_hyper(io, begun).await;
                }
            },
        }
    }

    async fn by_hyper<S>(self, stream: S, begun: Begun)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let heads = Heads::new();
        let (read, started) = (Bytes::from(begun.read), begun.started);
        let silent = read.is_empty();
        let io = Guarded::new(stream, read, heads.clone(), self.limits.head, WRITE);
        let io = io.with(begun.behind);
        let service = heads.watching(self.front(started), usize::MAX);
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
        let service = heads.watching(self.front(None), A_FRAME);
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
            // A client may answer pings and yet take nothing: the windows of HTTP/2 are its to open.
            () = heads.stuck(WRITE) => return,
            () = self.stopping(true) => {}
            () = heads.quiet(self.limits.idle) => {}
        }
        connection.as_mut().graceful_shutdown();
        // hyper waits for the first bytes of HTTP/2 as long as it takes, and a goodbye does not end that.
        let unspoken = async {
            sleep(A_MOMENT).await;
            if heads.begun() > 0 {
                pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            _ = connection.as_mut() => {}
            () = heads.stuck(WRITE) => {}
            // All is answered, and the last of it is still not taken.
            () = heads.quiet(WRITE) => {}
            () = unspoken => {}
        }
    }

    /// Resolves when no further request is wanted. Who has not spoken when the server stops may have just come, and what was
    /// sent by then is still read.
    async fn stopping(&self, silent: bool) {
        self.stop.wait().await;
        sleep(if silent { A_MOMENT } else { A_GLANCE }).await;
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
    use axum::body::Body;
    use axum::extract::State;
    use axum::routing::{get, post};
    use http_body_util::BodyExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::sync::mpsc;
    use tokio::time::{Instant, timeout_at};

    use super::*;
    use crate::config::Server;
    use crate::http::testing::{APP, Answer, KEY, World};

    fn connection(world: &World, site: Site) -> Connection {
        Connection {
            peer: Peer::Local,
            certified: None,
            seed: 1,
            site,
            limits: Arc::new(Limits::from(&Server::default())),
            stop: world.stop.clone(),
        }
    }

    /// One frame of HTTP/2.
    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        [&head, payload].concat()
    }

    /// Answers pings until the server closes the connection; gives how many there were.
    async fn only_pings(mut client: DuplexStream) -> usize {
        let (mut pings, mut head) = (0, [0; 9]);
        while client.read_exact(&mut head).await.is_ok() {
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            client.read_exact(&mut payload).await.unwrap();
            if (head[3], head[4]) == (6, 0) {
                pings += 1;
                client.write_all(&frame(6, 1, 0, &payload)).await.unwrap();
            }
        }
        pings
    }

    /// A client of HTTP/2 that asks for something and lets so many bytes of it come.
    async fn asks_and_takes(world: &World, site: Site, window: u32) -> DuplexStream {
        let (mut client, server) = duplex(1 << 16);
        tokio::spawn(connection(world, site).http2(server));
        let settings = [&[0, 4][..], &window.to_be_bytes()].concat();
        // GET http /healthz, by RFC 7541's static table.
        let request = [&[0x82, 0x86, 0x04, 8][..], b"/healthz"].concat();
        let hello = [
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
            frame(4, 0, 0, &settings),
            frame(1, 5, 1, &request),
        ];
        client.write_all(&hello.concat()).await.unwrap();
        client
    }

    #[tokio::test(start_paused = true)]
    async fn an_http2_client_that_only_answers_pings_and_takes_nothing_is_cut_off() {
        let world = World::new();
        let idle = Limits::from(&Server::default()).idle;
        // Nothing, and less than the whole: the rest is in hyper's hands then.
        for (window, within) in [(0, 2 * WRITE), (1, 2 * idle + 2 * WRITE)] {
            let client = asks_and_takes(&world, Site::api(&world.services), window).await;
            let began = Instant::now();
            let pings = only_pings(client).await;
            assert!(pings > 0, "it was alive");
            assert!(
                began.elapsed() <= within + A_MOMENT,
                "{window}: {:?}",
                began.elapsed()
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_http2_client_that_takes_its_answer_slowly_is_waited_for() {
        const PIECE: usize = 60_000;
        let world = World::new();
        let pieces = || {
            let piece = || Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; PIECE]));
            Body::from_stream(futures_util::stream::iter([piece(), piece()]))
        };
        let router = axum::Router::new().route("/healthz", get(async move || pieces()));
        let site = Site::routed(router, world.services.keeper.clone());
        let mut client = asks_and_takes(&world, site, 0).await;
        let (mut came, mut head) = (0, [0; 9]);
        let mut ready = Instant::now();
        while came < 2 * PIECE {
            let Ok(read) = timeout_at(ready, client.read_exact(&mut head)).await else {
                ready += 2 * WRITE / 3;
                let more = u32::try_from(A_FRAME).unwrap().to_be_bytes();
                for stream in [0, 1] {
                    client.write_all(&frame(8, 0, stream, &more)).await.unwrap();
                }
                continue;
            };
            read.expect("it is not cut off");
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            client.read_exact(&mut payload).await.unwrap();
            match (head[3], head[4]) {
                (0, _) => came += payload.len(),
                (6, 0) => client.write_all(&frame(6, 1, 0, &payload)).await.unwrap(),
                _ => {}
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_begins_no_head_timer_while_its_body_comes_and_a_slow_head_is_cut_off() {
        let world = World::new();
        let (pieces, mut heard) = mpsc::unbounded_channel();
        // Answers at once, and reads the body all the same, as the gateway does for an upstream that answers early.
        let early = post(
            |State(pieces): State<mpsc::UnboundedSender<_>>, mut body: Body| async move {
                tokio::spawn(async move {
                    while let Some(piece) = body.frame().await {
                        let _ = pieces.send(piece.unwrap().into_data().unwrap());
                    }
                });
                "early"
            },
        );
        let router = axum::Router::new().route("/", early).with_state(pieces);
        let site = Site::routed(router, world.services.keeper.clone());
        let (mut client, server) = duplex(1 << 16);
        let connection = connection(&world, site);
        let head_time = connection.limits.head;
        let serving = tokio::spawn(connection.by_hyper(server, Begun::default()));
        client
            .write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
            .await
            .unwrap();
        for _ in 0..9 {
            sleep(head_time / 2).await;
            client.write_all(b"x").await.unwrap();
            assert_eq!(heard.recv().await.as_deref(), Some(&b"x"[..]));
        }
        let began = Instant::now();
        for byte in b"POST / HTTP/1.1\r\nHost: x\r\nX: " {
            let _ = client.write_all(&[*byte]).await;
            sleep(head_time / 8).await;
        }
        serving.await.unwrap();
        assert!(began.elapsed() < 5 * head_time);
        let mut answers = String::new();
        let _ = client.read_to_string(&mut answers).await;
        assert_eq!(answers.matches("HTTP/1.1 200").count(), 1, "{answers}");
    }

    #[tokio::test]
    async fn a_request_that_was_read_before_the_server_stopped_is_answered() {
        let request = format!(
            "GET /v1/apps/{APP}/access_token HTTP/1.1\r\nAuthorization: Bearer {KEY}\r\n\r\n"
        );
        // As often as it takes to meet an order that does not look at the request first.
        for _ in 0..20 {
            let world = World::new();
            world.stop.tell();
            let connection = connection(&world, Site::api(&world.services));
            let (mut client, server) = tokio::io::duplex(1 << 16);
            connection
                .by_hyper(
                    server,
                    Begun {
                        read: request.clone().into(),
                        ..Begun::default()
                    },
                )
                .await;
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await.unwrap();
            assert_eq!(Answer::read(&answer).status, 200);
        }
    }
}
