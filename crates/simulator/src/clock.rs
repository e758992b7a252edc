//! The simulator's time: the machine's clock, or one moved by hand.
//!
//! Owns: the one place of this crate that may read the machine's clock. Everything else takes [`SimTime`].

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// A moment, in milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SimTime(i64);

impl SimTime {
    /// The moment so many milliseconds after the epoch.
    pub const fn from_unix_ms(ms: i64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the epoch.
    pub const fn unix_ms(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch.
    pub const fn unix_s(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This moment as the standard library's type; moments before the epoch become the epoch.
    pub fn system(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(u64::try_from(self.0).unwrap_or(0))
    }

    /// The moment `span` later.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }

    /// The moment `ms` later, or earlier when negative.
    #[must_use]
    pub fn shifted(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// How long after `earlier` this is; zero when it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl From<SystemTime> for SimTime {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Self(millis(after)),
            Err(before) => Self(-millis(before.duration())),
        }
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// The year, month (1 to 12) and day of a number of days since the epoch.
pub(crate) fn civil(days: i64) -> (i64, i64, i64) {
    // Counted from 1 March of the year 0 in eras of 400 years: the usual civil calendar arithmetic.
    let since = days + 719_468;
    let (era, of_era) = (since.div_euclid(146_097), since.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    (
        era * 400 + year_of_era + i64::from(month <= 2),
        month,
        of_year - (153 * march_month + 2) / 5 + 1,
    )
}

/// Tells the simulator what time it is. Clones share one clock.
#[derive(Clone)]
pub struct SimClock(Arc<Source>);

enum Source {
    /// The machine's clock, shifted by so many milliseconds.
    Real { shift_ms: AtomicI64 },
    /// Stands still until moved.
    Manual { at_ms: AtomicI64 },
}

impl SimClock {
    /// The machine's clock.
    pub fn real() -> Self {
        Self(Arc::new(Source::Real {
            shift_ms: AtomicI64::new(0),
        }))
    }

    /// A clock that stands at `start` until [`SimClock::advance`] or [`SimClock::set`] moves it.
    pub fn manual(start: SystemTime) -> Self {
        Self(Arc::new(Source::Manual {
            at_ms: AtomicI64::new(SimTime::from(start).unix_ms()),
        }))
    }

    /// What time it is.
    pub fn now(&self) -> SimTime {
        match &*self.0 {
            Source::Real { shift_ms } => machine_time().shifted(shift_ms.load(Ordering::SeqCst)),
            Source::Manual { at_ms } => SimTime(at_ms.load(Ordering::SeqCst)),
        }
    }

    /// Moves the clock forward; a real clock goes on running from there.
    pub fn advance(&self, by: Duration) {
        self.shift_ms(millis(by));
    }

    /// Moves the clock by so many milliseconds, backwards when negative.
    pub fn shift_ms(&self, by: i64) {
        let cell = match &*self.0 {
            Source::Real { shift_ms } => shift_ms,
            Source::Manual { at_ms } => at_ms,
        };
        cell.fetch_add(by, Ordering::SeqCst);
    }

    /// Sets the clock to a moment.
    pub fn set(&self, to: SystemTime) {
        self.shift_ms(SimTime::from(to).unix_ms() - self.now().unix_ms());
    }

    /// Whether time moves only by hand.
    pub fn is_manual(&self) -> bool {
        matches!(&*self.0, Source::Manual { .. })
    }
}

impl fmt::Debug for SimClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_manual() { "manual" } else { "real" };
        write!(f, "SimClock({kind} {})", self.now().unix_ms())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place of the simulator that owns the machine's clock"
)]
fn machine_time() -> SimTime {
    SystemTime::now().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_stands_still_until_moved_and_its_clones_move_with_it() {
        let clock = SimClock::manual(UNIX_EPOCH + Duration::from_secs(1000));
        let twin = clock.clone();
        assert_eq!(clock.now().unix_s(), 1000);
        clock.advance(Duration::from_millis(1500));
        assert_eq!(twin.now().unix_ms(), 1_001_500);
        twin.set(UNIX_EPOCH + Duration::from_secs(5));
        assert_eq!(clock.now().unix_s(), 5);
    }

    #[test]
    fn a_real_clock_can_be_shifted_and_goes_on() {
        let clock = SimClock::real();
        let before = clock.now();
        clock.advance(Duration::from_secs(7200));
        assert!(clock.now().since(before) >= Duration::from_secs(7200));
    }
}
