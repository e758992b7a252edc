//! When requests are due, in open loop by the clock alone.

use std::time::{Duration, Instant};

use rustix::event::Timespec;

use super::Pace;

/// When requests are due.
pub(super) struct Schedule {
    begin: Instant,
    interval: Option<Duration>,
    taken: u32,
}

impl Schedule {
    pub(super) fn new(pace: Pace, begin: Instant) -> Self {
        let interval = match pace {
            Pace::Closed => None,
            Pace::PerSecond(rate) => Some(Duration::from_secs_f64(1.0 / rate)),
        };
        Self {
            begin,
            interval,
            taken: 0,
        }
    }

    pub(super) fn take_due(&mut self, now: Instant) -> Option<Instant> {
        let Some(interval) = self.interval else {
            return Some(now);
        };
        let due = self.begin + interval * self.taken;
        (due <= now).then(|| {
            self.taken += 1;
            due
        })
    }

    /// How long epoll may sleep. In open loop it does not: a timer's slack would count as the server's latency. In closed
    /// loop it does, as in wrk and redis-benchmark: whoever sends wakes the generator on its own account. A loop that
    /// spins gives other ratios; which is the fairer one was not settled, so that figures of the two must not be mixed.
    pub(super) const fn patience(&self) -> Timespec {
        let nanoseconds = if self.interval.is_some() {
            0
        } else {
            50_000_000
        };
        Timespec {
            tv_sec: 0,
            tv_nsec: nanoseconds,
        }
    }

    pub(super) fn unsent(&self, end: Instant) -> u64 {
        let Some(interval) = self.interval else {
            return 0;
        };
        let due = end.duration_since(self.begin).as_nanos() / interval.as_nanos().max(1);
        u64::try_from(due)
            .unwrap_or(u64::MAX)
            .saturating_sub(u64::from(self.taken))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_due_at_the_rate_however_late_they_are_taken() {
        let begin = Instant::now();
        let mut schedule = Schedule::new(Pace::PerSecond(100.0), begin);
        let late = begin + Duration::from_millis(35);
        let due: Vec<Duration> = std::iter::from_fn(|| schedule.take_due(late))
            .map(|due| due.duration_since(begin))
            .collect();
        assert_eq!(due, [0, 10, 20, 30].map(Duration::from_millis));
        assert_eq!(schedule.unsent(begin + Duration::from_millis(100)), 6);
    }

    #[test]
    fn a_closed_loop_is_always_due_now_and_leaves_nothing_unsent() {
        let begin = Instant::now();
        let mut schedule = Schedule::new(Pace::Closed, begin);
        assert_eq!(schedule.take_due(begin), Some(begin));
        assert_eq!(schedule.unsent(begin + Duration::from_secs(9)), 0);
    }
}
