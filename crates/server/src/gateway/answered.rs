//! An answer on its way to the caller: WeChat's own, with our few headers.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Response};
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use super::body::Tape;
use super::call::{Call, Done};
use super::family::Family;
use super::headers;
use super::hide::hide;
use super::look::{BrokeOff, Looked, Onward};
use crate::config::HandsOut;
use crate::http::callers::OpenRequest;

const GENERATION: HeaderName = HeaderName::from_static("wxtoken-generation");
const REPLAYED: HeaderName = HeaderName::from_static("wxtoken-replayed");
const REPLAY: HeaderName = HeaderName::from_static("wxtoken-replay");

impl Call<'_> {
    /// The answer as the caller gets it.
    pub(super) fn finish(
        &self,
        done: Done,
        open: OpenRequest,
        secret: Option<&str>,
    ) -> Response<Body> {
        let Done {
            looked,
            used,
            replayed,
        } = done;
        let Looked {
            parts, mut body, ..
        } = looked;
        let mut headers = headers::downwards(&parts.headers);
        if matches!(self.family, Family::Exchange | Family::Renewal)
            && let (Some(app), Some(whole)) = (self.app, body.whole())
        {
            let keeper = &self.services.keeper;
            self.gateway
                .web_tokens
                .learn(&app, &whole, |token| keeper.id_of(token));
        }
        let token = used
            .as_ref()
            .filter(|_| open.caller().config().hands_out == HandsOut::Virtual)
            .map(|used| used.token.expose());
        // An AppSecret is nobody's to see, wherever it was put in.
        let secret = secret.filter(|_| token.is_some() || self.family.takes_secret());
        hide(token.into_iter().chain(secret), &mut headers, &mut body);
        if let Some(used) = used {
            headers.insert(GENERATION, used.generation.0.into());
        }
        if replayed {
            headers.insert(REPLAYED, HeaderValue::from_static("1"));
        }
        if !self.tape.is_kept() && !replayed {
            headers.insert(REPLAY, HeaderValue::from_static("off"));
        }
        // The call has its answer: no replay can follow, and others need the room.
        self.tape.forget();
        let mut response = Response::new(Body::new(Answered {
            body,
            to_head: self.method == Method::HEAD,
            tape: self.tape.clone(),
            _open: open,
        }));
        *response.status_mut() = parts.status;
        *response.headers_mut() = headers;
        response
    }
}

/// An answer on its way; the caller's request is open until its end.
struct Answered {
    body: Onward,
    to_head: bool,
    tape: Tape,
    _open: OpenRequest,
}

impl Drop for Answered {
    fn drop(&mut self) {
        // An upload that nobody waits for any more would go on as long as its caller likes.
        self.tape.stop();
    }
}

impl HttpBody for Answered {
    type Data = Bytes;
    type Error = BrokeOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokeOff>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.to_head {
            // How long the body would have been, WeChat's own header says, or nobody.
            return SizeHint::default();
        }
        self.body.size_hint()
    }
}
