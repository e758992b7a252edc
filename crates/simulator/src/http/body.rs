//! Bodies: reading one that may be long, writing one that may be odd.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use aws_lc_rs::digest;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use crate::token::hex;

/// A request body that was read to its end.
pub(super) struct ReadBody {
    /// The beginning, or all of it.
    pub(super) kept: Bytes,
    pub(super) len: u64,
    /// Of the whole body, in hex; empty for an empty one.
    pub(super) sha256: String,
}

/// Reads a body to its end and keeps its first `keep` bytes.
pub(super) async fn read(mut body: Incoming, keep: usize) -> Result<ReadBody, hyper::Error> {
    if body.is_end_stream() {
        return Ok(ReadBody {
            kept: Bytes::new(),
            len: 0,
            sha256: String::new(),
        });
    }
    let mut kept = BytesMut::new();
    let mut len = 0_u64;
    let mut hash = digest::Context::new(&digest::SHA256);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        len += u64::try_from(data.len()).unwrap_or(u64::MAX);
        hash.update(&data);
        let room = keep.saturating_sub(kept.len()).min(data.len());
        kept.extend_from_slice(&data[..room]);
    }
    Ok(ReadBody {
        kept: kept.freeze(),
        len,
        sha256: hex(hash.finish().as_ref()),
    })
}

/// An answer's body on its way out.
pub(crate) enum SimBody {
    /// All at once, its length known.
    Whole(Option<Bytes>),
    /// All at once, its length kept from hyper, so that it goes out chunked.
    Chunked(Option<Bytes>),
}

impl Body for SimBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let (Self::Whole(bytes) | Self::Chunked(bytes)) = &mut *self;
        Poll::Ready(
            bytes
                .take()
                .filter(|bytes| !bytes.is_empty())
                .map(|bytes| Ok(Frame::data(bytes))),
        )
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Self::Chunked(bytes) => bytes.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len).try_into().unwrap_or(0))
            }
            Self::Chunked(_) => SizeHint::default(),
        }
    }
}
