//! `[gateway]`: how much of a forwarded request is kept for a replay. Read and checked; nothing forwards in this version.

use super::quantity::Size;

/// Bounds on what is kept for a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gateway {
    /// Of one request, in memory.
    pub replay_memory: Size,
    /// Of one request, memory and file together.
    pub replay_limit: Size,
    /// Of all requests together.
    pub buffers_total: Size,
}

impl Default for Gateway {
    fn default() -> Self {
        Self {
            replay_memory: Size(1 << 20),
            replay_limit: Size(100 << 20),
            buffers_total: Size(1 << 30),
        }
    }
}
