//! The clocks: the real one, and one for tests that is moved by hand.
//!
//! Owns: reading CLOCK_BOOTTIME and the wall clock (nothing else in the program may), and sleeping until a boot time.
//! Must not know: what anyone waits for.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use rustix::time::{ClockId, Timespec, clock_gettime};
use tokio::sync::Notify;

use wxtoken_core::clock::{Boot, Clock, Now, Wall, millis};

/// The longest sleep in one piece. The runtime's timers stand still while the machine is suspended and boot time does
/// not: a sleeper is late by at most this much after a suspend.
const SLICE: Duration = Duration::from_secs(5);

/// CLOCK_BOOTTIME goes on through suspend. Where it does not exist (not Linux) the monotonic clock stands in.
#[cfg(any(target_os = "linux", target_os = "android"))]
const BOOT_CLOCK: ClockId = ClockId::Boottime;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const BOOT_CLOCK: ClockId = ClockId::Monotonic;

/// The machine's own clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl SystemClock {
    /// Processor time this process has used so far.
    #[must_use]
    pub fn cpu_time(&self) -> Duration {
        duration(clock_gettime(ClockId::ProcessCPUTime))
    }
}

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Now {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that reads the wall clock; everything else takes `Now`"
        )]
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Now {
            wall: Wall(millis(wall)),
            boot: Boot(millis(duration(clock_gettime(BOOT_CLOCK)))),
        }
    }

    async fn sleep_until(&self, due: Boot) {
        loop {
            let left = due.since(self.now().boot);
            if left == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(left).min(SLICE)).await;
        }
    }
}

fn duration(time: Timespec) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanos = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(seconds, nanos)
}

/// A clock for tests: it stands still until it is moved, and moving it wakes whoever has become due.
#[derive(Debug)]
pub struct ManualClock {
    state: Mutex<State>,
    /// The time or the set of sleepers has changed.
    moved: Notify,
}

#[derive(Debug)]
struct State {
    now: Now,
    sleepers: BTreeMap<(Boot, u64), ()>,
    next_sleeper: u64,
}

impl ManualClock {
    /// A clock that says `now`.
    #[must_use]
    pub fn new(now: Now) -> Self {
        Self {
            state: Mutex::new(State {
                now,
                sleepers: BTreeMap::new(),
                next_sleeper: 0,
            }),
            moved: Notify::new(),
        }
    }

    /// Time passes: both clocks go on.
    pub fn advance(&self, by: Duration) {
        self.change(|now| {
            now.wall = now.wall.plus(millis(by));
            now.boot = now.boot.plus(millis(by));
        });
    }

    /// Someone sets the wall clock; boot time does not notice.
    pub fn set_wall(&self, wall: Wall) {
        self.change(|now| now.wall = wall);
    }

    /// Sets boot time alone, as a restart of the machine or a wall clock that stood still would.
    pub fn set_boot(&self, boot: Boot) {
        self.change(|now| now.boot = boot);
    }

    /// When the next sleeper is due, if anyone sleeps.
    #[must_use]
    pub fn next_due(&self) -> Option<Boot> {
        self.lock().sleepers.keys().next().map(|&(due, _)| due)
    }

    /// Returns once at least `count` sleepers wait, so that a test moves the clock only after everyone lies down.
    pub async fn until_asleep(&self, count: usize) {
        self.wait(|state| state.sleepers.len() >= count).await;
    }

    fn change(&self, change: impl FnOnce(&mut Now)) {
        change(&mut self.lock().now);
        self.moved.notify_waiters();
    }

    async fn wait(&self, until: impl Fn(&State) -> bool) {
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            if until(&self.lock()) {
                return;
            }
            moved.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Now {
        self.lock().now
    }

    async fn sleep_until(&self, due: Boot) {
        let _sleeper = Sleeper::lie_down(self, due);
        self.wait(|state| state.now.boot >= due).await;
    }
}

/// One entry among the sleepers, gone when its future is dropped.
struct Sleeper<'a> {
    clock: &'a ManualClock,
    key: (Boot, u64),
}

impl<'a> Sleeper<'a> {
    fn lie_down(clock: &'a ManualClock, due: Boot) -> Self {
        let key = {
            let mut state = clock.lock();
            state.next_sleeper += 1;
            let key = (due, state.next_sleeper);
            state.sleepers.insert(key, ());
            key
        };
        clock.moved.notify_waiters();
        Self { clock, key }
    }
}

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        self.clock.lock().sleepers.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const START: Now = Now {
        wall: Wall(1_795_000_000_000),
        boot: Boot(1_000),
    };

    #[tokio::test]
    async fn the_system_clock_sleeps_until_boot_time_has_come() {
        let clock = SystemClock;
        let due = clock.now().boot.plus(20);
        clock.sleep_until(due).await;
        assert!(clock.now().boot >= due);
        clock.sleep_until(Boot(0)).await;
    }

    #[test]
    fn the_system_clock_tells_a_wall_time_after_this_was_written() {
        assert!(SystemClock.now().wall.0 > 1_700_000_000_000);
        assert!(SystemClock.now().boot.0 > 0);
    }

    #[tokio::test]
    async fn a_sleeper_wakes_when_the_manual_clock_reaches_its_time_and_not_before() {
        let clock = Arc::new(ManualClock::new(START));
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move {
                clock.sleep_until(Boot(2_000)).await;
                clock.now().boot
            }
        });
        clock.until_asleep(1).await;
        assert_eq!(clock.next_due(), Some(Boot(2_000)));
        clock.advance(Duration::from_millis(999));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance(Duration::from_millis(1));
        assert_eq!(sleeper.await.unwrap(), Boot(2_000));
        assert_eq!(clock.next_due(), None);
    }

    #[tokio::test]
    async fn a_step_of_the_wall_clock_wakes_nobody() {
        let clock = Arc::new(ManualClock::new(START));
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep_until(Boot(1_001)).await }
        });
        clock.until_asleep(1).await;
        clock.set_wall(Wall::NEVER);
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        assert_eq!(clock.now().boot, START.boot);
        clock.set_boot(Boot(5_000));
        sleeper.await.unwrap();
        assert_eq!(clock.now().wall, Wall::NEVER);
    }

    #[tokio::test]
    async fn a_sleeper_that_is_dropped_is_forgotten() {
        let clock = ManualClock::new(START);
        {
            let sleep = clock.sleep_until(Boot(9_000));
            tokio::pin!(sleep);
            assert!(futures_util::poll!(sleep.as_mut()).is_pending());
            assert_eq!(clock.next_due(), Some(Boot(9_000)));
        }
        assert_eq!(clock.next_due(), None);
    }
}
