//! `[refresh]`: when credentials are renewed and how many at a time.

use std::time::Duration;

use super::phrase::Why;
use super::table::Table;

/// The keys of `[refresh]`.
pub(super) const KEYS: [&str; 4] = [
    "classic_before",
    "stable_before",
    "max_in_flight",
    "probe_every",
];

/// When to renew. For short-lived values the rules never use more than a third of the lifetime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refresh {
    /// How long before its end a classic token is renewed.
    pub classic_before: Duration,
    /// How long before its end a stable token is asked for; WeChat gives a new one only in the last 300 s.
    pub stable_before: Duration,
    /// Calls to WeChat's credential endpoints at one time.
    pub max_in_flight: usize,
    /// How often classic values, and values with sinks, are probed.
    pub probe_every: Duration,
}

impl Default for Refresh {
    fn default() -> Self {
        Self {
            classic_before: Duration::from_secs(15 * 60),
            stable_before: Duration::from_secs(290),
            max_in_flight: 64,
            probe_every: Duration::from_secs(60),
        }
    }
}

impl Refresh {
    /// Reads and checks the section.
    pub(super) fn read(table: &Table<'_>) -> Self {
        let mut refresh = Self::default();
        let second = Duration::from_secs(1);
        table.set(&mut refresh.classic_before, "classic_before", |f| {
            f.span(10 * second..=2400 * second, Why::Classic)
        });
        table.set(&mut refresh.stable_before, "stable_before", |f| {
            f.span(10 * second..=300 * second, Why::Stable)
        });
        table.set(&mut refresh.max_in_flight, "max_in_flight", |f| {
            f.integer(1..=10_000).and_then(|n| n.try_into().ok())
        });
        table.set(&mut refresh.probe_every, "probe_every", |f| {
            f.span(second..=3600 * second, Why::Probe)
        });
        refresh
    }
}
