//! Time as the rules see it: a wall clock for other machines and for people, and boot time for everything that must not step.

use std::time::Duration;

use async_trait::async_trait;

/// Wall-clock time: milliseconds since the Unix epoch. It may step; nothing lives or dies by it while the process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Wall(pub u64);

/// Milliseconds of CLOCK_BOOTTIME: goes on through suspend and never steps. Means nothing after a restart of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Boot(pub u64);

/// The two times, read together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// What the wall clock says.
    pub wall: Wall,
    /// What boot time says.
    pub boot: Boot,
}

/// Milliseconds of a duration, saturating.
#[must_use]
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

macro_rules! instant {
    ($name:ident) => {
        impl $name {
            /// Far beyond any due time.
            pub const NEVER: Self = Self(u64::MAX);

            /// This much later.
            #[must_use]
            pub const fn plus(self, millis: u64) -> Self {
                Self(self.0.saturating_add(millis))
            }

            /// This much earlier.
            #[must_use]
            pub const fn minus(self, millis: u64) -> Self {
                Self(self.0.saturating_sub(millis))
            }

            /// Milliseconds from `earlier` to here; zero if it is not earlier.
            #[must_use]
            pub const fn since(self, earlier: Self) -> u64 {
                self.0.saturating_sub(earlier.0)
            }
        }
    };
}

instant!(Wall);
instant!(Boot);

impl Wall {
    /// Whole seconds since the Unix epoch.
    #[must_use]
    pub const fn unix_seconds(self) -> u64 {
        self.0 / 1000
    }
}

impl Now {
    /// What the wall clock would say at a boot time, seen from now.
    #[must_use]
    pub const fn wall_at(self, boot: Boot) -> Wall {
        if boot.0 >= self.boot.0 {
            self.wall.plus(boot.0 - self.boot.0)
        } else {
            self.wall.minus(self.boot.0 - boot.0)
        }
    }

    /// The boot time at which the wall clock says so, seen from now.
    #[must_use]
    pub const fn boot_at(self, wall: Wall) -> Boot {
        if wall.0 >= self.wall.0 {
            self.boot.plus(wall.0 - self.wall.0)
        } else {
            self.boot.minus(self.wall.0 - wall.0)
        }
    }
}

/// Tells time and sleeps, so the two cannot disagree. Tests move it by hand.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Now;
    /// Returns once boot time has reached `due`.
    async fn sleep_until(&self, due: Boot);
}
