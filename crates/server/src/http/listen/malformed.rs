//! A connection that begins with something that is no HTTP: told so in words before it is closed. hyper, which has every
//! later request of a connection, says 400 without any.

use std::time::Duration;

use http::HeaderValue;
use http::header::{CONNECTION, CONTENT_LENGTH};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::framing::Framing;
use crate::http::Reply;
use crate::http::error::ApiError;

const NO_REQUEST: &str = "this is no request as RFC 9112 has it";
/// As many headers as hyper takes.
const HEADERS: usize = 100;
/// What a client may still send before it hears that nobody listens.
const DRAINED: u64 = 64 * 1024;
/// How long it may take over that, and over reading the answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is wrong with a head; none if it may be right, as far as it is here.
pub(super) fn what_is_wrong(read: &[u8]) -> Option<ApiError> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let head = match httparse::Request::new(&mut headers).parse(read) {
        Ok(httparse::Status::Complete(len)) => &read[..len],
        // Too many headers are no malformed ones: hyper has an answer of its own for them.
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => read,
        Err(why) => {
            return Some(ApiError::Malformed(format!(
                "{NO_REQUEST}: {why}; an https URL needs `tls` in [server], and a proxy's target a path"
            )));
        }
    };
    let (_, why) = Framing::default().read(head).err()?;
    Some(ApiError::Malformed(format!("{NO_REQUEST}: {why}")))
}

/// Says so and closes the connection, in a way that lets the answer arrive.
pub(super) async fn refuse<S>(mut stream: S, why: &ApiError)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let answer = on_the_wire(why.reply());
    let goodbye = async {
        stream.write_all(&answer).await?;
        stream.shutdown().await?;
        tokio::io::copy(&mut (&mut stream).take(DRAINED), &mut tokio::io::sink()).await
    };
    // How the client takes it is its own matter.
    let _ = timeout(PATIENCE, goodbye).await;
}

fn on_the_wire(mut reply: Reply) -> Vec<u8> {
    let length = reply.body().len();
    let headers = reply.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    headers.insert(CONTENT_LENGTH, length.into());
    let status = reply.status();
    let reason = status.canonical_reason().unwrap_or_default();
    let mut bytes = format!("HTTP/1.1 {} {reason}\r\n", status.as_str()).into_bytes();
    for (name, value) in reply.headers() {
        bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(reply.body());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_still_become_http_is_left_alone() {
        for right in [
            &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
            b"GET / HTT",
            b"POST /v1/read HTTP/1.0\r\n",
        ] {
            assert!(what_is_wrong(right).is_none());
        }
        for wrong in [
            &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
            b"GET / HTTP/3\r\n",
            b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
            b"GET / HTTP/1.1\nHost: x\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ] {
            assert!(
                what_is_wrong(wrong).is_some(),
                "{}",
                String::from_utf8_lossy(wrong)
            );
        }
    }
}
