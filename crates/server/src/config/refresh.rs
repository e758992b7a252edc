//! `[refresh]`: when credentials are renewed and how many at a time.

use std::time::Duration;

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
