//! The bodies of calls: streamed upstream as they come, and kept while they pass, so that the same request can be sent once
//! more.
//!
//! Must not know: when a request is sent again, what a body says.

mod buffers;
mod pieces;
mod playing;
mod spill;
mod tape;

pub(crate) use buffers::{Buffers, Portion, Share};
pub(crate) use playing::Playing;
pub(crate) use spill::{nameless, read as read_back};
pub(crate) use tape::Tape;

/// How much of a body is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TapeLimits {
    /// In memory.
    pub(crate) memory: u64,
    /// In memory and file together.
    pub(crate) total: u64,
}
