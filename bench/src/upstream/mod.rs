//! A stand-in for WeChat that costs next to nothing: one thread, one epoll, every request looked at.
//!
//! A call without the live token is answered 403, so a proxy that swaps tokens wrongly cannot look fast; the answer to
//! an upload tells the length of what arrived, and the sum of its beginning and its end. Must not know: who forwards to it.

mod coming;
mod wire;

use std::fs::File;
use std::io::{self, BufReader, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use anyhow::Context;
use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

pub use coming::receipt;
use coming::{Asks, Coming, begin};
use wire::Wire;

use crate::host;
use crate::tls::Certificate;

/// The token every app has.
pub const TOKEN: &str = "91_LIVExTOKENx0123456789abcdefABCDEF0123456789abcdefABCDEF0123456789abcdefABCDEF0123456789abcdefABCDEF0123456789abcdefABCDEF0123456789abc";
/// What a call is answered.
pub const ANSWER: &str = r#"{"errcode":0,"errmsg":"ok","msgid":1234567890123456}"#;
/// Longer bodies are uploads.
const SMALL: usize = 8 * 1024;
/// Room for what is read at once.
const ROOM: usize = 256 * 1024;

/// Starts the stand-in on `core`; it serves until the program ends.
///
/// # Errors
/// When it cannot listen.
pub fn start(core: usize, tls: Option<&Certificate>) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let tls = tls.map(config).transpose()?;
    thread::Builder::new()
        .name("upstream".to_owned())
        .spawn(move || {
            let served = host::pin_to(core).and_then(|()| serve(&listener, tls.as_ref()));
            if let Err(error) = served {
                eprintln!("the upstream of the measurement has failed: {error:#}");
            }
        })?;
    Ok(address)
}

fn config(files: &Certificate) -> anyhow::Result<Arc<ServerConfig>> {
    let certificate = CertificateDer::from_pem_file(&files.cert)?;
    let key = PrivateKeyDer::from_pem_reader(BufReader::new(File::open(&files.key)?))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

const DOOR: u64 = u64::MAX;

fn serve(listener: &TcpListener, tls: Option<&Arc<ServerConfig>>) -> anyhow::Result<()> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(
        &epoll,
        listener,
        epoll::EventData::new_u64(DOOR),
        epoll::EventFlags::IN,
    )?;
    let mut guests: Vec<Option<Guest>> = Vec::new();
    let mut events = Vec::with_capacity(512);
    let mut buffer = vec![0; ROOM];
    loop {
        epoll::wait(&epoll, spare_capacity(&mut events), None)?;
        for event in events.drain(..) {
            if event.data.u64() == DOOR {
                while let Ok((socket, _)) = listener.accept() {
                    let at = guests
                        .iter()
                        .position(Option::is_none)
                        .unwrap_or(guests.len());
                    let guest = Guest::new(socket, tls)?;
                    let interest = epoll::EventFlags::IN | epoll::EventFlags::RDHUP;
                    let data = epoll::EventData::new_u64(at as u64);
                    epoll::add(&epoll, guest.wire.socket(), data, interest)?;
                    if at == guests.len() {
                        guests.push(None);
                    }
                    guests[at] = Some(guest);
                }
                continue;
            }
            let place = &mut guests[usize::try_from(event.data.u64())?];
            let goes_on = place
                .as_mut()
                .is_some_and(|guest| guest.serve(&mut buffer).unwrap_or(false));
            if !goes_on {
                *place = None;
            }
        }
    }
}

/// One connection.
struct Guest {
    wire: Wire,
    /// The beginning of a head.
    head: Vec<u8>,
    /// The request whose body is coming.
    body: Option<Coming>,
}

impl Guest {
    fn new(socket: TcpStream, tls: Option<&Arc<ServerConfig>>) -> anyhow::Result<Self> {
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        let wire = match tls {
            None => Wire::Plain(socket),
            Some(config) => {
                let session = ServerConnection::new(Arc::clone(config)).context("TLS")?;
                Wire::Tls(Box::new(StreamOwned::new(session, socket)))
            }
        };
        Ok(Self {
            wire,
            head: Vec::new(),
            body: None,
        })
    }

    /// Reads what there is and answers what is complete; false when the connection is over.
    fn serve(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        loop {
            let between = self.body.as_ref().map_or(0, Coming::between);
            let room = between.min(buffer.len());
            let came = match between {
                0 => self.wire.read(buffer),
                _ => self.wire.pass_over(&mut buffer[..room]),
            };
            let read = match came {
                Ok(0) => return Ok(false),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            match &mut self.body {
                Some(coming) if between > 0 => {
                    coming.passed_over(read);
                    continue;
                }
                _ => self.take(&buffer[..read])?,
            }
            if read < buffer.len() && matches!(self.wire, Wire::Plain(_)) {
                return Ok(true);
            }
        }
    }

    fn take(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let Some(mut coming) = self.body.take() else {
                self.head.extend_from_slice(bytes);
                let Some(blank) = self.head.windows(4).position(|four| four == b"\r\n\r\n") else {
                    return Ok(());
                };
                let behind = self.head.len() - blank - 4;
                bytes = &bytes[bytes.len() - behind..];
                let head = std::mem::take(&mut self.head);
                self.go_on(begin(&String::from_utf8_lossy(&head[..blank + 2])))?;
                continue;
            };
            let (piece, behind) = bytes.split_at(coming.left.min(bytes.len()));
            bytes = behind;
            coming.take(piece);
            self.go_on(coming)?;
        }
        Ok(())
    }

    fn go_on(&mut self, coming: Coming) -> io::Result<()> {
        let Coming {
            asks,
            left,
            got,
            sum,
        } = coming;
        if left > 0 {
            self.body = Some(coming);
            return Ok(());
        }
        match asks {
            Asks::Token => {
                let token = format!(
                    r#"{{"access_token":"{TOKEN}","expires_in":7200,"ip_list":["127.0.0.1"]}}"#
                );
                self.answer("200 OK", &token)
            }
            Asks::Call if got < SMALL => self.answer("200 OK", ANSWER),
            Asks::Call => {
                let receipt = format!(r#"{{"errcode":0,"bytes":{got},"sum":{sum}}}"#);
                self.answer("200 OK", &receipt)
            }
            Asks::Stray => self.answer("403 Forbidden", "{}"),
        }
    }

    fn answer(&mut self, status: &str, body: &str) -> io::Result<()> {
        let answer = format!(
            "HTTP/1.1 {status}\r\nConnection: keep-alive\r\nContent-Type: application/json; encoding=utf-8\r\nDate: Sun, 22 Nov 2026 12:00:00 GMT\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.wire.write(answer.as_bytes())
    }
}
