//! An answer, held back only as far as it may say that the token was bad: JSON, text, or what starts with `{`, and of that
//! no more than a refusal's length.
//!
//! Must not know: what follows from a verdict.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Response, StatusCode, response};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::body::Share;
use super::verdict::{Verdict, is_worth_a_look, judge};
use crate::wechat::Rid;

/// How much of an answer is held back: refusals are far shorter.
pub(crate) const HELD: usize = 64 * 1024;
/// An answer that stops for so long is given up.
const STALLED: Duration = Duration::from_secs(60);

/// An answer that has been looked at.
pub(crate) struct Looked {
    pub(crate) parts: response::Parts,
    pub(crate) verdict: Verdict,
    /// WeChat's own name for a call that it refused.
    pub(crate) rid: Option<Rid>,
    pub(crate) body: Onward,
}

/// The answer broke off while it was looked at.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("WeChat's answer broke off")]
pub(crate) struct BrokeOff;

/// Looks at an answer. What is held back is counted into `share`; where there is no room, it passes unread.
pub(crate) async fn look(answer: Response<Incoming>, share: Share) -> Result<Looked, BrokeOff> {
    let (parts, rest) = answer.into_parts();
    let mut body = Onward::new(rest, share);
    let kind = parts
        .headers
        .get(CONTENT_TYPE)
        .map(http::HeaderValue::as_bytes);
    let long = length(&parts.headers).is_some_and(|length| length > HELD as u64);
    if !long && !body.is_over() {
        body.hold(is_worth_a_look(kind)).await?;
    }
    let verdict = match parts.headers.get(CONTENT_ENCODING) {
        // Another status is no word of WeChat's API.
        _ if parts.status != StatusCode::OK => Verdict::Fine,
        None => judge(&body.held_bytes()),
        Some(coding) => super::inflate::inflated(coding.as_bytes(), &body.held_bytes(), HELD)
            .map_or(Verdict::Fine, |plain| judge(&plain)),
    };
    let refused = verdict.errcode().is_some();
    Ok(Looked {
        parts,
        verdict,
        rid: refused.then(|| Rid::find(&body.held_bytes())).flatten(),
        body,
    })
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// An answer's body on its way to the caller: what was held back, then the rest as it comes.
pub(crate) struct Onward {
    held: VecDeque<Bytes>,
    rest: Option<Incoming>,
    trailers: Option<HeaderMap>,
    share: Share,
    silent: Silence,
}

/// Runs while WeChat says nothing, and only then: a caller who takes its time is not WeChat's silence.
#[derive(Default)]
struct Silence {
    timer: Option<Pin<Box<Sleep>>>,
    running: bool,
}

impl Silence {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(STALLED)));
        if !std::mem::replace(&mut self.running, true) {
            timer.as_mut().reset(Instant::now() + STALLED);
        }
        timer.as_mut().poll(cx)
    }
}

impl Onward {
    fn new(rest: Incoming, share: Share) -> Self {
        Self {
            held: VecDeque::new(),
            rest: (!rest.is_end_stream()).then_some(rest),
            trailers: None,
            share,
            silent: Silence::default(),
        }
    }

    fn is_over(&self) -> bool {
        self.rest.is_none()
    }

    /// Holds the answer back until it ends or is longer than a refusal; only its first piece if that shows that it is
    /// nothing to read.
    async fn hold(&mut self, mut read_all: bool) -> Result<(), BrokeOff> {
        let mut held = 0;
        while let Some(rest) = &mut self.rest {
            let frame = timeout(STALLED, rest.frame()).await;
            let Some(frame) = frame.map_err(|_| BrokeOff)? else {
                self.rest = None;
                break;
            };
            match frame.map_err(|_| BrokeOff)?.into_data() {
                Ok(piece) => {
                    held += piece.len();
                    let room = self.share.grow(piece.len()).is_ok();
                    read_all |= piece.trim_ascii_start().first() == Some(&b'{');
                    self.held.push_back(piece);
                    if held > HELD || !read_all || !room {
                        break;
                    }
                }
                Err(frame) => self.trailers = frame.into_trailers().ok(),
            }
        }
        Ok(())
    }

    /// What is held back, in one piece.
    fn held_bytes(&mut self) -> Bytes {
        if self.held.len() > 1 {
            let whole = self.held.make_contiguous().concat();
            self.held = VecDeque::from([Bytes::from(whole)]);
        }
        self.held.front().cloned().unwrap_or_default()
    }

    /// The whole answer, if it was held back.
    pub(crate) fn whole(&mut self) -> Option<Bytes> {
        self.rest.is_none().then(|| self.held_bytes())
    }

    /// Puts other bytes in the place of a whole answer.
    pub(crate) fn replace(&mut self, whole: Bytes) {
        self.held = VecDeque::from([whole]);
    }
}

impl Body for Onward {
    type Data = Bytes;
    type Error = BrokeOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokeOff>>> {
        if let Some(piece) = self.held.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        self.share.clear();
        let this = &mut *self;
        let Some(rest) = &mut this.rest else {
            let trailers = this.trailers.take();
            return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
        };
        match Pin::new(rest).poll_frame(cx) {
            Poll::Ready(frame) => {
                this.silent.running = false;
                Poll::Ready(frame.map(|frame| frame.map_err(|_| BrokeOff)))
            }
            Poll::Pending => {
                ready!(this.silent.poll(cx));
                Poll::Ready(Some(Err(BrokeOff)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let over = self.rest.as_ref().is_none_or(Body::is_end_stream);
        self.held.is_empty() && self.trailers.is_none() && over
    }

    fn size_hint(&self) -> SizeHint {
        let held: u64 = self.held.iter().map(|piece| piece.len() as u64).sum();
        let mut size = self
            .rest
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Body::size_hint);
        if let Some(upper) = size.upper() {
            size.set_upper(upper + held);
        }
        size.set_lower(size.lower() + held);
        size
    }
}

#[cfg(test)]
mod tests {
    use http::Request;
    use http_body_util::Empty;
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;
    use crate::gateway::body::Buffers;

    /// An answer of which half comes at once and half after a while.
    async fn half(rest_after: Duration) -> Looked {
        slow("image/png", &["abc", "def"], rest_after)
            .await
            .unwrap()
    }

    /// An answer of that kind whose pieces come one after the other, with so long between them.
    async fn slow(
        kind: &str,
        pieces: &'static [&'static str],
        between: Duration,
    ) -> Result<Looked, BrokeOff> {
        let (ours, mut theirs) = duplex(1 << 16);
        let length: usize = pieces.iter().map(|piece| piece.len()).sum();
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n");
        tokio::spawn(async move {
            theirs.read_u8().await.unwrap();
            theirs.write_all(head.as_bytes()).await.unwrap();
            for (number, piece) in pieces.iter().enumerate() {
                if number > 0 {
                    sleep(between).await;
                }
                let _ = theirs.write_all(piece.as_bytes()).await;
            }
            theirs.read_to_end(&mut Vec::new()).await
        });
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(ours))
            .await
            .unwrap();
        tokio::spawn(connection);
        let request = Request::new(Empty::<Bytes>::new());
        let answer = sender.send_request(request).await.unwrap();
        let buffers = Buffers::new(1 << 20, std::env::temp_dir());
        look(answer, buffers.share(None)).await
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_read_may_take_long_while_it_moves_and_is_given_up_when_it_stops() {
        let refusal = &["{\"errcode\"", ":4000", "1", "}"];
        let looked = slow("application/json", refusal, Duration::from_secs(50)).await;
        assert_eq!(looked.unwrap().verdict, Verdict::BadToken(40001));
        let began = Instant::now();
        let looked = slow("application/json", refusal, Duration::from_secs(61)).await;
        assert!(looked.is_err());
        assert_eq!(began.elapsed(), STALLED);
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_reads_late_does_not_make_wechat_late() {
        let mut body = half(Duration::from_secs(100)).await.body;
        sleep(Duration::from_secs(70)).await;
        assert_eq!(
            body.frame().await.unwrap().unwrap().into_data().unwrap(),
            "abc"
        );
        assert_eq!(
            body.frame().await.unwrap().unwrap().into_data().unwrap(),
            "def"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_stops_for_a_minute_is_given_up() {
        let mut body = half(Duration::from_secs(1000)).await.body;
        let began = Instant::now();
        body.frame().await.unwrap().unwrap();
        assert!(body.frame().await.unwrap().is_err());
        assert_eq!(began.elapsed().as_secs(), 60);
    }
}
