//! `[gateway]`: how much of a forwarded request is kept for a replay.

use super::flaw::Flaw;
use super::phrase::Wanted;
use super::quantity::Size;
use super::table::Table;

/// The keys of `[gateway]`.
pub(super) const KEYS: [&str; 3] = ["replay_memory", "replay_limit", "buffers_total"];

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

impl Gateway {
    /// Reads and checks the section.
    pub(super) fn read(table: &Table<'_>) -> Self {
        let mut gateway = Self::default();
        let before = table.doc.count();
        for (place, key) in [
            (&mut gateway.replay_memory, "replay_memory"),
            (&mut gateway.replay_limit, "replay_limit"),
            (&mut gateway.buffers_total, "buffers_total"),
        ] {
            table.set(place, key, |f| f.parse(Wanted::Size));
        }
        let grows = gateway.replay_memory <= gateway.replay_limit
            && gateway.replay_limit <= gateway.buffers_total;
        if !grows && table.doc.count() == before {
            let flaw = Flaw::ReplaySizes {
                memory: gateway.replay_memory,
                limit: gateway.replay_limit,
                total: gateway.buffers_total,
            };
            table.wrong("", flaw);
        }
        gateway
    }
}
