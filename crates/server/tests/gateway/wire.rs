//! HTTP/1.1 by hand, for both ends: what hyper would forgive, repair or hide is seen here as it is.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::PATIENCE;

/// A connection and what was read of it and not used.
pub(crate) struct Wire<S = TcpStream> {
    pub(crate) io: S,
    read: Vec<u8>,
}

/// The head of a request or an answer.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    /// The first line.
    pub(crate) line: String,
    /// Names in lower case, in the order they came in.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
}

/// A body, and how it was framed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Body {
    pub(crate) bytes: Vec<u8>,
    pub(crate) chunked: bool,
    pub(crate) trailers: Vec<(String, Vec<u8>)>,
}

impl Head {
    pub(crate) fn all(&self, name: &str) -> Vec<&[u8]> {
        let named = self.headers.iter().filter(|(known, _)| known == name);
        named.map(|(_, value)| value.as_slice()).collect()
    }

    /// A header that is there once, as text.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        match self.all(name)[..] {
            [] => None,
            [value] => Some(std::str::from_utf8(value).unwrap()),
            _ => panic!("{name} is there twice"),
        }
    }

    pub(crate) fn method(&self) -> &str {
        self.line.split(' ').next().unwrap()
    }

    /// The request-target.
    pub(crate) fn target(&self) -> &str {
        self.line.split(' ').nth(1).unwrap()
    }

    pub(crate) fn path(&self) -> &str {
        self.target().split('?').next().unwrap()
    }

    /// The status of an answer.
    pub(crate) fn status(&self) -> u16 {
        self.line.split(' ').nth(1).unwrap().parse().unwrap()
    }

    fn is_chunked(&self) -> bool {
        self.get("transfer-encoding")
            .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
    }

    fn length(&self) -> Option<usize> {
        self.get("content-length")
            .map(|length| length.parse().unwrap())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(crate) fn new(io: S) -> Self {
        let read = Vec::new();
        Self { io, read }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        let sent = tokio::time::timeout(PATIENCE, self.io.write_all(bytes.as_ref()));
        sent.await.expect("the other side reads")
    }

    /// The next head; none if the connection ended before one began.
    pub(crate) async fn head(&mut self) -> Option<Head> {
        let end = loop {
            if let Some(at) = memchr::memmem::find(&self.read, b"\r\n\r\n") {
                break at + 4;
            }
            if self.more().await.unwrap_or(0) == 0 {
                return None;
            }
        };
        let rest = self.read.split_off(end);
        let raw = std::mem::replace(&mut self.read, rest);
        let mut lines = raw[..end - 4].split(|byte| *byte == b'\n');
        let line = String::from_utf8(lines.next().unwrap().trim_ascii_end().to_vec()).unwrap();
        let headers = lines.map(field).collect();
        Some(Head { line, headers })
    }

    /// The body of a request.
    pub(crate) async fn body(&mut self, head: &Head) -> io::Result<Body> {
        if head.is_chunked() {
            return self.chunks().await;
        }
        let bytes = self.exactly(head.length().unwrap_or(0)).await?;
        Ok(Body {
            bytes,
            ..Body::default()
        })
    }

    /// The body of an answer to a request by this method.
    pub(crate) async fn answer_body(&mut self, method: &str, head: &Head) -> io::Result<Body> {
        let status = head.status();
        let bytes = if method == "HEAD" || status < 200 || status == 204 || status == 304 {
            Vec::new()
        } else if head.is_chunked() {
            return self.chunks().await;
        } else if let Some(length) = head.length() {
            self.exactly(length).await?
        } else {
            while self.more().await? > 0 {}
            std::mem::take(&mut self.read)
        };
        Ok(Body {
            bytes,
            ..Body::default()
        })
    }

    /// Waits until the other side closes; what it says before that.
    pub(crate) async fn closed(&mut self) -> Vec<u8> {
        while self.more().await.is_ok_and(|read| read > 0) {}
        std::mem::take(&mut self.read)
    }

    pub(crate) async fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.read.len() < length {
            if self.more().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let rest = self.read.split_off(length);
        Ok(std::mem::replace(&mut self.read, rest))
    }

    /// Reads so many bytes and forgets them.
    pub(crate) async fn skip(&mut self, length: usize) -> io::Result<()> {
        let had = self.read.len().min(length);
        self.read = self.read.split_off(had);
        let mut forgotten = vec![0; 256 * 1024];
        let mut left = length - had;
        while left > 0 {
            let most = left.min(forgotten.len());
            let read = self.io.read(&mut forgotten[..most]);
            let read = tokio::time::timeout(PATIENCE, read).await;
            match read.expect("the other side says something")? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => left -= read,
            }
        }
        Ok(())
    }

    async fn chunks(&mut self) -> io::Result<Body> {
        let mut body = Body {
            chunked: true,
            ..Body::default()
        };
        loop {
            let size = self.line().await?;
            let size = usize::from_str_radix(size.split(';').next().unwrap(), 16).unwrap();
            if size == 0 {
                break;
            }
            body.bytes.extend(self.exactly(size).await?);
            assert_eq!(self.line().await?, "");
        }
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                return Ok(body);
            }
            body.trailers.push(field(line.as_bytes()));
        }
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(at) = memchr::memmem::find(&self.read, b"\r\n") {
                let line = self.exactly(at + 2).await?;
                return Ok(String::from_utf8(line[..at].to_vec()).unwrap());
            }
            if self.more().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    async fn more(&mut self) -> io::Result<usize> {
        let read = tokio::time::timeout(PATIENCE, self.io.read_buf(&mut self.read));
        read.await
            .expect("the other side says something, or closes")
    }
}

impl Wire {
    pub(crate) async fn connect(url: &str) -> Self {
        let address = url.trim_start_matches("http://");
        Self::new(TcpStream::connect(address).await.unwrap())
    }

    /// Ends the connection with a reset.
    pub(crate) fn reset(self) {
        self.io.set_zero_linger().unwrap();
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// Sends a request and reads its answer.
    pub(crate) async fn ask(&mut self, request: impl AsRef<[u8]>) -> (Head, Body) {
        let request = request.as_ref();
        self.send(request).await.unwrap();
        let method = request.split(|byte| *byte == b' ').next().unwrap();
        let method = std::str::from_utf8(method).unwrap().to_owned();
        self.answer(&method).await
    }

    /// The next answer.
    pub(crate) async fn answer(&mut self, method: &str) -> (Head, Body) {
        let mut head = self.head().await.expect("an answer");
        while head.status() == 100 {
            head = self.head().await.expect("an answer behind 100");
        }
        let body = self.answer_body(method, &head).await;
        let body = body.unwrap_or_else(|error| panic!("{error} in the body of {head:?}"));
        (head, body)
    }
}

fn field(line: &[u8]) -> (String, Vec<u8>) {
    let colon = memchr::memchr(b':', line).expect("a colon in a header");
    let name = String::from_utf8(line[..colon].to_ascii_lowercase()).unwrap();
    (name, line[colon + 1..].trim_ascii().to_vec())
}
