//! One request and its answer over HTTP/1.1, with exact knowledge of whether a byte of it may have left.
//!
//! Owns: reuse of connections, limits on the answer. Must not know: what is asked, what the answer means.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::header::{CONTENT_ENCODING, DATE};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;

use wxtoken_core::clock::Wall;

use super::base::Base;
use super::connect::{ConnectError, Dialer};
use super::pool::{Pool, Sender};
use super::request::Call;

/// No answer to a question for a credential is longer than a few hundred bytes.
pub(super) const LONGEST_ANSWER: usize = 64 * 1024;
/// How long a connection may take to be ready again after its answer, which is at once.
const SETTLES_WITHIN: Duration = Duration::from_millis(100);

/// Carries calls to hosts.
pub(super) struct Exchange {
    dialer: Dialer,
    pool: Pool,
    connect_timeout: Duration,
}

/// An answer that came whole.
pub(super) struct Answered {
    pub(super) status: StatusCode,
    pub(super) upstream_time: Option<Wall>,
    pub(super) body: Vec<u8>,
}

/// Why no answer came.
pub(super) enum Broken {
    /// No connection; nothing was sent.
    Unreachable(ConnectError),
    /// The connection ended before the answer did. The clock, if at least the head came.
    Cut(Option<Wall>),
    /// The answer is longer than any can be, or compressed although we asked for none.
    Nonsense(Option<Wall>),
}

impl Exchange {
    pub(super) fn new(dialer: Dialer, connect_timeout: Duration) -> Self {
        Self {
            dialer,
            pool: Pool::default(),
            connect_timeout,
        }
    }

    /// Sends a call and reads the answer. `sent` becomes true before the first byte can leave. Dropping the future
    /// closes the connection.
    pub(super) async fn run(
        &self,
        base: &Base,
        call: &Call,
        sent: &AtomicBool,
    ) -> Result<Answered, Broken> {
        let (mut sender, response) = self.send(base, call, sent).await?;
        let status = response.status();
        let upstream_time = date(response.headers());
        if is_encoded(response.headers()) {
            return Err(Broken::Nonsense(upstream_time));
        }
        let body = read(response.into_body(), call.longest_answer(), upstream_time).await?;
        if let Ok(Ok(())) = tokio::time::timeout(SETTLES_WITHIN, sender.ready()).await {
            self.pool.put(base, sender);
        }
        Ok(Answered {
            status,
            upstream_time,
            body,
        })
    }

    /// Sends on an idle connection or a new one. An idle one that closed before it took the request is not the last word.
    async fn send(
        &self,
        base: &Base,
        call: &Call,
        sent: &AtomicBool,
    ) -> Result<(Sender, Response<Incoming>), Broken> {
        loop {
            let idle = self.pool.take(base);
            let is_new = idle.is_none();
            let mut sender = match idle {
                Some(sender) => sender,
                None => self.connect(base).await.map_err(Broken::Unreachable)?,
            };
            let Some(request) = call.request_to(base) else {
                return Err(Broken::Unreachable("the URL is malformed".into()));
            };
            let before = sent.swap(true, Ordering::Relaxed);
            match sender.try_send_request(request).await {
                Ok(response) => return Ok((sender, response)),
                // hyper hands the request back only if it never began to write it.
                Err(error) if error.message().is_some() => {
                    sent.store(before, Ordering::Relaxed);
                    if is_new {
                        return Err(Broken::Unreachable(error.into_error().into()));
                    }
                }
                Err(_) => return Err(Broken::Cut(None)),
            }
        }
    }

    async fn connect(&self, base: &Base) -> Result<Sender, ConnectError> {
        let connecting = async {
            let stream = self.dialer.connect(base).await?;
            let (mut sender, connection) = http1::Builder::new()
                .max_buf_size(LONGEST_ANSWER)
                .handshake(stream)
                .await?;
            // Ends when the sender is dropped or the peer closes; what went wrong is told to whoever waits for an answer.
            tokio::spawn(connection);
            sender.ready().await?;
            Ok(sender)
        };
        match tokio::time::timeout(self.connect_timeout, connecting).await {
            Ok(connected) => connected,
            Err(_) => Err("no connection in time".into()),
        }
    }
}

async fn read(
    mut body: Incoming,
    longest: usize,
    upstream_time: Option<Wall>,
) -> Result<Vec<u8>, Broken> {
    let mut bytes = Vec::new();
    if body.size_hint().lower() > longest as u64 {
        return Err(Broken::Nonsense(upstream_time));
    }
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Broken::Cut(upstream_time))?;
        if let Some(data) = frame.data_ref() {
            bytes.extend_from_slice(data);
        }
        if bytes.len() > longest {
            return Err(Broken::Nonsense(upstream_time));
        }
    }
    Ok(bytes)
}

fn is_encoded(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_ENCODING)
        .is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// The `Date` header (RFC 9110, IMF-fixdate).
fn date(headers: &HeaderMap) -> Option<Wall> {
    let text = headers.get(DATE)?.to_str().ok()?;
    let time = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    u64::try_from(time.as_millisecond()).ok().map(Wall)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_date_header_is_upstreams_clock() {
        let at = |text| {
            let mut headers = HeaderMap::new();
            headers.insert(DATE, HeaderValue::from_static(text));
            date(&headers)
        };
        assert_eq!(
            at("Sun, 06 Nov 1994 08:49:37 GMT"),
            Some(Wall(784_111_777_000))
        );
        assert_eq!(at("yesterday"), None);
        assert_eq!(at("Sun, 06 Nov 1904 08:49:37 GMT"), None);
        assert_eq!(date(&HeaderMap::new()), None);
    }
}
