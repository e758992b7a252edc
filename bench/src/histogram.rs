//! Latencies, counted in buckets of under one per cent width, so that a run of any length costs the same memory.

use std::time::Duration;

/// Buckets per power of two: 128 of them make each at most 0.8 % wide.
const STEPS: u64 = 128;
const STEP_BITS: u32 = STEPS.ilog2();

/// Counts of latencies in nanoseconds.
#[derive(Debug, Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    largest: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        let buckets = bucket_of(u64::MAX) + 1;
        Self {
            counts: vec![0; buckets],
            total: 0,
            largest: 0,
        }
    }
}

impl Histogram {
    /// Adds one latency.
    pub fn record(&mut self, latency: Duration) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.counts[bucket_of(nanos)] += 1;
        self.total += 1;
        self.largest = self.largest.max(nanos);
    }

    /// How many were recorded.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// The latency that `share` (0 to 1) of all recorded ones do not exceed, to within a bucket; zero when empty.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Duration {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "counts stay far below 2^52 and the share is between 0 and 1"
        )]
        let wanted = ((self.total as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Duration::from_nanos(upper_edge(bucket).min(self.largest));
            }
        }
        Duration::from_nanos(self.largest)
    }

    /// The largest latency, exactly.
    #[must_use]
    pub const fn largest(&self) -> Duration {
        Duration::from_nanos(self.largest)
    }
}

fn bucket_of(nanos: u64) -> usize {
    let shift = nanos.max(1).ilog2().saturating_sub(STEP_BITS);
    let bucket = u64::from(shift) * STEPS + (nanos >> shift);
    usize::try_from(bucket).unwrap_or(usize::MAX)
}

fn upper_edge(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    // Buckets below 2 * STEPS hold one nanosecond each; above, a group of STEPS buckets shares one shift.
    let shift = (bucket / STEPS).saturating_sub(1);
    let mantissa = u128::from(bucket - shift * STEPS);
    u64::try_from(((mantissa + 1) << shift) - 1).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_within_one_per_cent_of_the_exact_one() {
        let mut histogram = Histogram::default();
        for micros in 1..=100_000 {
            histogram.record(Duration::from_micros(micros));
        }
        for share in [0.01, 0.5, 0.9, 0.99, 0.999, 1.0] {
            let exact = 100_000.0 * share * 1_000.0;
            let told = histogram.quantile(share).as_nanos() as f64;
            assert!(
                (told - exact).abs() / exact < 0.01,
                "{share}: {told} against {exact}"
            );
        }
        assert_eq!(histogram.total(), 100_000);
        assert_eq!(histogram.largest(), Duration::from_millis(100));
    }

    #[test]
    fn every_value_lies_at_or_below_its_buckets_edge_and_above_the_one_before() {
        for nanos in (0..2_000).chain([u64::MAX, u64::MAX / 2, 1 << 40, (1 << 40) - 1]) {
            let bucket = bucket_of(nanos);
            assert!(nanos <= upper_edge(bucket), "{nanos}");
            assert!(bucket == 0 || nanos > upper_edge(bucket - 1), "{nanos}");
        }
    }

    #[test]
    fn an_empty_histogram_says_zero() {
        assert_eq!(Histogram::default().quantile(0.99), Duration::ZERO);
    }
}
