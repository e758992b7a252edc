//! One connection to upstream, made by the runtime and used by a thread that waits for many: nothing here blocks.
//!
//! Must not know: what is sent on it.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use mio::event::Source;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use rustls::ClientConnection;

use super::Onward;
use crate::wechat::{Stream, bare};

/// A connection, and TLS on it.
pub(crate) struct Link {
    stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
    /// The last read has taken all there was; what comes later is told as something new.
    drained: bool,
    /// The other side has closed it, behind what it said last.
    ends: bool,
}

/// What was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    /// Nothing for now.
    Nothing,
    /// So many bytes.
    Bytes(usize),
    /// That there will be no more.
    End,
}

impl Link {
    /// Takes a connection out of the runtime.
    pub(crate) fn new(stream: Stream) -> io::Result<Self> {
        let (stream, tls) = bare(stream)?;
        Ok(Self {
            stream: TcpStream::from_std(stream),
            tls,
            drained: false,
            ends: false,
        })
    }

    /// Has it watched for whatever happens, from now to its end.
    pub(crate) fn watch(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let all = Interest::READABLE | Interest::WRITABLE;
        self.stream.register(registry, token, all)
    }

    /// Sends what can be sent at once, of the first part and then of the second; says how much that was.
    pub(crate) fn send(&mut self, first: &[u8], second: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return now(if second.is_empty() {
                self.stream.write(first)
            } else {
                let both = [IoSlice::new(first), IoSlice::new(second)];
                self.stream.write_vectored(&both)
            });
        };
        let mut sent = 0;
        let mut parts = [first, second];
        let mut left = false;
        loop {
            for part in &mut parts {
                let length = tls.writer().write(part)?;
                *part = &part[length..];
                sent += length;
                if !part.is_empty() {
                    break;
                }
            }
            match flush(tls, &mut self.stream, &mut left) {
                Ok(true) if parts.iter().any(|part| !part.is_empty()) => {}
                Ok(_) => return Ok(sent),
                Err(error) if !left => return Err(error),
                // Some of it has left; what is wrong shows again where the answer is read.
                Err(_) => return Ok(sent),
            }
        }
    }

    /// The connection, if bytes go out on it as they are.
    pub(crate) fn bare(&self) -> Option<BorrowedFd<'_>> {
        self.tls.is_none().then(|| self.stream.as_fd())
    }

    /// Sends on what was taken before and not sent.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) => flush(tls, &mut self.stream, &mut false).map(drop),
            None => Ok(()),
        }
    }

    /// Reads what there is.
    pub(crate) fn hear(&mut self, room: &mut [u8]) -> io::Result<Said> {
        let Some(tls) = &mut self.tls else {
            return heard(self.counted().read(room));
        };
        loop {
            match heard(tls.reader().read(room))? {
                Said::Nothing => {}
                said => return Ok(said),
            }
            let mut stream = Counted {
                stream: &mut self.stream,
                drained: &mut self.drained,
            };
            match heard(tls.read_tls(&mut stream))? {
                Said::Bytes(_) => {}
                // A connection that is cut without a word may have been cut by anybody.
                said => return Ok(said),
            }
            tls.process_new_packets()
                .map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
            flush(tls, &mut self.stream, &mut false)?;
        }
    }

    /// Whether nothing is under way on it, either way, as far as is known here.
    pub(crate) fn rests(&mut self) -> bool {
        if self.ends || self.tls.as_ref().is_some_and(|tls| tls.wants_write()) {
            return false;
        }
        let known = match &mut self.tls {
            None => self.drained,
            Some(tls) => {
                self.drained && matches!(heard(tls.reader().read(&mut [0])), Ok(Said::Nothing))
            }
        };
        known || matches!(self.hear(&mut [0]), Ok(Said::Nothing))
    }

    /// The other side will say nothing behind what it has said.
    pub(crate) fn ends(&mut self) {
        self.ends = true;
    }

    /// Something may have come.
    pub(crate) fn stirs(&mut self) {
        self.drained = false;
    }

    fn counted(&mut self) -> Counted<'_> {
        Counted {
            stream: &mut self.stream,
            drained: &mut self.drained,
        }
    }

    /// Hands it over to the runtime; what was read of an answer comes first.
    pub(crate) fn onward(mut self, registry: &Registry, read: Vec<u8>) -> io::Result<Onward> {
        self.stream.deregister(registry)?;
        Ok(Onward::new(self.stream.into(), self.tls, read))
    }
}

/// Notices whether a read has taken all there was: it has if it did not fill its room (epoll(7)).
struct Counted<'l> {
    stream: &'l mut TcpStream,
    drained: &'l mut bool,
}

impl Read for Counted<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(room);
        *self.drained = match &read {
            Ok(read) => *read < room.len(),
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        };
        read
    }
}

/// Sends what TLS has to send; whether that is all. `left` is set once a byte has left, also if an error follows.
fn flush(tls: &mut ClientConnection, stream: &mut TcpStream, left: &mut bool) -> io::Result<bool> {
    while tls.wants_write() {
        if now(tls.write_tls(stream))? == 0 {
            return Ok(false);
        }
        *left = true;
    }
    Ok(true)
}

/// Nothing, if it would have to be waited for.
fn now(done: io::Result<usize>) -> io::Result<usize> {
    match done {
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
            Ok(0)
        }
        done => done,
    }
}

fn heard(read: io::Result<usize>) -> io::Result<Said> {
    match read {
        Ok(0) => Ok(Said::End),
        Ok(read) => Ok(Said::Bytes(read)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Said::Nothing),
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(Said::Bytes(0)),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::time::Duration;

    use mio::{Events, Poll};
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use rustls::{ClientConfig, RootCertStore, ServerConfig, ServerConnection};

    use super::*;

    /// A connection whose system takes little at a time, and the other end of it, which reads when it is asked to.
    fn narrow() -> (Link, std::thread::JoinHandle<usize>) {
        let signed = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = PrivatePkcs8KeyDer::from(signed.signing_key.serialize_der());
        let mut roots = RootCertStore::empty();
        roots.add(signed.cert.der().clone()).unwrap();
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![signed.cert.der().clone()], PrivateKeyDer::from(key))
            .unwrap();
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let reading = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut tls = ServerConnection::new(Arc::new(server)).unwrap();
            let mut read = 0;
            let mut room = [0; 1000];
            let mut both = rustls::Stream::new(&mut tls, &mut stream);
            while let Ok(some @ 1..) = both.read(&mut room) {
                read += some;
            }
            read
        });
        let name = "localhost".try_into().unwrap();
        let mut tls = ClientConnection::new(Arc::new(client), name).unwrap();
        while tls.is_handshaking() {
            tls.complete_io(&mut stream).unwrap();
        }
        rustix::net::sockopt::set_socket_send_buffer_size(&stream, 4096).unwrap();
        stream.set_nonblocking(true).unwrap();
        let link = Link {
            stream: TcpStream::from_std(stream),
            tls: Some(Box::new(tls)),
            drained: false,
            ends: false,
        };
        (link, reading)
    }

    #[test]
    fn what_the_system_takes_little_by_little_goes_out_whole() {
        let (mut link, reading) = narrow();
        let mut poll = Poll::new().unwrap();
        link.watch(poll.registry(), Token(1)).unwrap();
        let (head, body) = (vec![1; 500], vec![2; 600_000]);
        let mut sent = 0;
        let mut events = Events::with_capacity(8);
        // As the thread does it: send until nothing is taken, then wait for word that there is room.
        loop {
            let rest = head.get(sent..).unwrap_or_default();
            let taken = link
                .send(rest, &body[sent.saturating_sub(head.len())..])
                .unwrap();
            sent += taken;
            let all = sent == head.len() + body.len();
            if all {
                link.flush().unwrap();
            }
            if all && link.tls.as_ref().is_some_and(|tls| !tls.wants_write()) {
                break;
            }
            if taken == 0 || all {
                let within = Some(Duration::from_secs(20));
                poll.poll(&mut events, within).unwrap();
                assert!(!events.is_empty(), "stalled at {sent}");
            }
        }
        // Closed at once, with the server's session tickets unread, the system would take back what is on its way.
        link.stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(reading.join().unwrap(), 600_500);
    }
}
