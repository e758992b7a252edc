//! Counts answers without a lock or a shared cache line; the metrics page adds the shards up.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

const SHARDS: usize = 16;

/// Which door was asked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
    /// `/v1`.
    Native,
    /// `/cgi-bin`.
    Compat,
    /// Anything else: health checks, unknown paths.
    Other,
}

impl Surface {
    /// Every surface.
    pub const ALL: [Self; 3] = [Self::Native, Self::Compat, Self::Other];

    /// The label in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Compat => "compat",
            Self::Other => "other",
        }
    }

    /// The surface a path belongs to.
    pub(crate) fn of(path: &str) -> Self {
        match path.split('/').nth(1) {
            Some("v1") => Self::Native,
            Some("cgi-bin" | "k") => Self::Compat,
            _ => Self::Other,
        }
    }
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Answered.
    Ok,
    /// Answered: nothing has changed.
    Unchanged,
    /// Refused: no key, not theirs, not there, malformed.
    Refused,
    /// Refused: too often or too many at once.
    Limited,
    /// Nothing live to give.
    Unavailable,
    /// A fault of ours.
    Error,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 6] = [
        Self::Ok,
        Self::Unchanged,
        Self::Refused,
        Self::Limited,
        Self::Unavailable,
        Self::Error,
    ];

    /// The label in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
            Self::Limited => "limited",
            Self::Unavailable => "unavailable",
            Self::Error => "error",
        }
    }

    /// What an answer says by its status; WeChat-compatible answers, always 200, say it themselves.
    pub(crate) fn of<B>(answer: &http::Response<B>) -> Self {
        if let Some(said) = answer.extensions().get::<Self>() {
            return *said;
        }
        Self::of_status(answer.status())
    }

    /// What a status says.
    pub(crate) fn of_status(status: http::StatusCode) -> Self {
        match status.as_u16() {
            304 => Self::Unchanged,
            200..=399 => Self::Ok,
            429 => Self::Limited,
            503 => Self::Unavailable,
            400..=499 => Self::Refused,
            _ => Self::Error,
        }
    }
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard([[AtomicU64; Outcome::ALL.len()]; Surface::ALL.len()]);

/// How many answers of which sort were given.
#[derive(Debug, Default)]
pub struct Counters {
    shards: [Shard; SHARDS],
}

impl Counters {
    /// One more answer.
    pub fn count(&self, surface: Surface, outcome: Outcome) {
        let cell = &self.shards[own_shard()].0[surface as usize][outcome as usize];
        cell.fetch_add(1, Ordering::Relaxed);
    }

    /// How many so far.
    #[must_use]
    pub fn total(&self, surface: Surface, outcome: Outcome) -> u64 {
        let cells = self
            .shards
            .iter()
            .map(|shard| &shard.0[surface as usize][outcome as usize]);
        cells.map(|cell| cell.load(Ordering::Relaxed)).sum()
    }
}

/// Each thread has a shard, and shares it only when there are more threads than shards.
fn own_shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OWN: usize = NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS;
    }
    OWN.with(|own| *own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_from_all_threads_add_up() {
        let counters = Counters::default();
        std::thread::scope(|threads| {
            for _ in 0..20 {
                threads.spawn(|| counters.count(Surface::Compat, Outcome::Limited));
            }
        });
        assert_eq!(counters.total(Surface::Compat, Outcome::Limited), 20);
        assert_eq!(counters.total(Surface::Compat, Outcome::Ok), 0);
    }

    #[test]
    fn a_surface_is_told_by_the_first_segment() {
        assert_eq!(Surface::of("/v1/apps"), Surface::Native);
        assert_eq!(Surface::of("/k/0/cgi-bin/token"), Surface::Compat);
        assert_eq!(Surface::of("/v10"), Surface::Other);
    }
}
