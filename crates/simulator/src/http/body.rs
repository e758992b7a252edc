//! Reading a body that may be long.

use aws_lc_rs::digest;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

use crate::token::hex;

/// A request body that was read to its end.
#[derive(Debug, Default)]
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
        return Ok(ReadBody::default());
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
