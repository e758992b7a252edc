//! How many calls a day may be made for an app (design rule 9), counted so that no reading of "a day" is exceeded.
//!
//! WeChat does not say when its day begins, so the sum over at least the last 24 hours stays within the limit.
//! Must not know: what the calls are for.

use crate::clock::Wall;
use crate::credential::Lane;

/// Milliseconds of one counting slot; slots are aligned to midnight in Beijing.
const SLOT: u64 = 6 * 3600 * 1000;
/// Beijing is eight hours ahead of UTC.
const BEIJING: u64 = 8 * 3600 * 1000;
/// Five slots: at least 24 hours, at most 30.
const SLOTS: usize = 5;

/// The calls that have a daily limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BudgetKind {
    /// `/cgi-bin/token`.
    Classic,
    /// `/cgi-bin/stable_token`, in either mode.
    Stable,
    /// `/cgi-bin/ticket/getticket`.
    Ticket,
    /// `/cgi-bin/get_api_domain_ip`.
    Probe,
    /// `/cgi-bin/stable_token` with `force_refresh`.
    Forced,
}

impl BudgetKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Classic,
        Self::Stable,
        Self::Ticket,
        Self::Probe,
        Self::Forced,
    ];

    /// What a lane's fetches count against.
    #[must_use]
    pub const fn of(lane: Lane) -> Self {
        match lane {
            Lane::Classic => Self::Classic,
            Lane::Stable => Self::Stable,
        }
    }

    /// The name used in configuration, metrics and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Stable => "stable",
            Self::Ticket => "ticket",
            Self::Probe => "probe",
            Self::Forced => "forced",
        }
    }
}

/// Calls a day that may be made, by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Per kind, in the order of [`BudgetKind::ALL`].
    pub per_day: [u16; 5],
}

impl Limits {
    /// The limits of an ordinary account: classic 2000, stable 2000, ticket 500, probe 5000, forced 20.
    pub const ORDINARY: Self = Self {
        per_day: [2000, 2000, 500, 5000, 20],
    };
    /// A test account's (测试号): 200 classic fetches a day.
    pub const TEST: Self = Self {
        per_day: [200, 2000, 500, 5000, 20],
    };

    /// The limit of one kind.
    #[must_use]
    pub const fn of(&self, kind: BudgetKind) -> u16 {
        self.per_day[kind as usize]
    }
}

/// Calls counted over the last five six-hour slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// The newest slot's number.
    pub newest: u32,
    /// Calls per slot, newest first.
    pub slots: [u16; SLOTS],
}

fn slot(at: Wall) -> u32 {
    u32::try_from((at.0 + BEIJING) / SLOT).unwrap_or(u32::MAX)
}

impl Count {
    /// The count moved on to the slot of `at`. A clock that went back moves nothing.
    fn at(self, at: Wall) -> Self {
        self.moved_to(slot(at))
    }

    fn moved_to(self, newest: u32) -> Self {
        let newest = newest.max(self.newest);
        let by = usize::try_from(newest - self.newest).unwrap_or(SLOTS);
        let mut slots = [0; SLOTS];
        if by < SLOTS {
            slots[by..].copy_from_slice(&self.slots[..SLOTS - by]);
        }
        Self { newest, slots }
    }

    /// Calls over at least the last 24 hours.
    #[must_use]
    pub fn used(self, at: Wall) -> u32 {
        self.at(at).slots.iter().map(|&n| u32::from(n)).sum()
    }

    /// Calls since midnight in Beijing.
    #[must_use]
    pub fn today(self, at: Wall) -> u32 {
        let now = self.at(at);
        let since_midnight = usize::try_from(now.newest % 4).unwrap_or(0) + 1;
        now.slots[..since_midnight]
            .iter()
            .map(|&n| u32::from(n))
            .sum()
    }

    /// One more call.
    #[must_use]
    pub fn plus_one(self, at: Wall) -> Self {
        let mut now = self.at(at);
        now.slots[0] = now.slots[0].saturating_add(1);
        now
    }

    /// A call counted at this time turned out not to have been made.
    #[must_use]
    pub fn minus_one(mut self, counted: Wall) -> Self {
        // Nothing is counted yet in a slot that is newer than the newest.
        let ago = self.newest.checked_sub(slot(counted));
        let slot = ago
            .and_then(|ago| usize::try_from(ago).ok())
            .and_then(|ago| self.slots.get_mut(ago));
        if let Some(calls) = slot {
            *calls = calls.saturating_sub(1);
        }
        self
    }

    /// One count on top of the other: for calls that were counted apart.
    #[must_use]
    pub fn added(self, other: Self) -> Self {
        self.joined(other, u16::saturating_add)
    }

    /// The count without calls that it holds and that were not made.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        self.joined(other, u16::saturating_sub)
    }

    /// The count as of `at`, when its newest slot lies beyond: a clock was ahead when it was written. Nothing is freed
    /// early, and nothing is kept for longer than a day from now.
    #[must_use]
    pub fn not_beyond(self, at: Wall) -> Self {
        Self {
            newest: self.newest.min(slot(at)),
            ..self
        }
    }

    /// The larger of two counts, slot by slot.
    #[must_use]
    pub fn merged(self, other: Self) -> Self {
        self.joined(other, u16::max)
    }

    fn joined(self, other: Self, join: fn(u16, u16) -> u16) -> Self {
        let newest = self.newest.max(other.newest);
        let (mut a, b) = (self.moved_to(newest), other.moved_to(newest));
        for (mine, theirs) in a.slots.iter_mut().zip(b.slots) {
            *mine = join(*mine, theirs);
        }
        a
    }
}

/// Midnight in Beijing after `at`, when WeChat's daily quotas are presumed to start anew.
#[must_use]
pub fn next_beijing_midnight(at: Wall) -> Wall {
    const DAY: u64 = 4 * SLOT;
    Wall(((at.0 + BEIJING) / DAY + 1) * DAY - BEIJING)
}

/// All counts of one app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Budgets {
    /// Per kind, in the order of [`BudgetKind::ALL`].
    pub counts: [Count; 5],
    /// When the last forced refresh was made; zero for never. Forced refreshes keep 30 s between them.
    pub last_forced: Wall,
}

impl Budgets {
    /// Counts one call.
    pub fn spend(&mut self, kind: BudgetKind, at: Wall) {
        let count = &mut self.counts[kind as usize];
        *count = count.plus_one(at);
    }

    /// Takes one call back that was counted at this time and certainly not made.
    pub fn refund(&mut self, kind: BudgetKind, counted: Wall) {
        let count = &mut self.counts[kind as usize];
        *count = count.minus_one(counted);
    }

    /// As of `at`, where a clock that was ahead has counted beyond it.
    #[must_use]
    pub fn not_beyond(mut self, at: Wall) -> Self {
        self.counts = self.counts.map(|count| count.not_beyond(at));
        self.last_forced = self.last_forced.min(at);
        self
    }

    /// When the newest slot begins.
    #[must_use]
    pub fn begins(&self) -> Wall {
        let newest = self.counts.iter().map(|count| count.newest).max();
        Wall((u64::from(newest.unwrap_or(0)) * SLOT).saturating_sub(BEIJING))
    }

    /// One set of counts on top of another: for calls that were counted apart.
    #[must_use]
    pub fn added(mut self, other: &Self) -> Self {
        for (mine, theirs) in self.counts.iter_mut().zip(other.counts) {
            *mine = mine.added(theirs);
        }
        self.last_forced = self.last_forced.max(other.last_forced);
        self
    }

    /// These counts without calls that they hold and that were not made.
    #[must_use]
    pub fn less(mut self, other: &Self) -> Self {
        for (mine, theirs) in self.counts.iter_mut().zip(other.counts) {
            *mine = mine.less(theirs);
        }
        self
    }

    /// Calls of a kind over at least the last 24 hours.
    #[must_use]
    pub fn used(&self, kind: BudgetKind, at: Wall) -> u32 {
        self.counts[kind as usize].used(at)
    }

    /// Calls of a kind since midnight in Beijing.
    #[must_use]
    pub fn today(&self, kind: BudgetKind, at: Wall) -> u32 {
        self.counts[kind as usize].today(at)
    }

    /// The larger of two sets of counts: what replicas agree on when they compare.
    #[must_use]
    pub fn merged(mut self, other: &Self) -> Self {
        for (mine, theirs) in self.counts.iter_mut().zip(other.counts) {
            *mine = mine.merged(theirs);
        }
        self.last_forced = self.last_forced.max(other.last_forced);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR: u64 = 3_600_000;
    const T0: Wall = Wall(1_795_000_000_000);

    proptest! {
        #[test]
        fn no_window_of_24_hours_holds_more_calls_than_were_counted(gaps in prop::collection::vec(0u64..6 * HOUR, 1..200)) {
            let (mut at, mut count, mut calls) = (T0, Count::default(), Vec::new());
            for gap in gaps {
                at = at.plus(gap);
                count = count.plus_one(at);
                calls.push(at);
                let last_day = calls.iter().filter(|c| at.since(**c) < 24 * HOUR).count();
                prop_assert!(count.used(at) as usize >= last_day);
                let two_days = calls.iter().filter(|c| at.since(**c) < 30 * HOUR).count();
                prop_assert!(count.used(at) as usize <= two_days);
            }
        }
    }

    #[test]
    fn a_clock_that_steps_back_frees_nothing() {
        let count = Count::default().plus_one(T0);
        assert_eq!(count.used(T0.minus(48 * HOUR)), 1);
        assert_eq!(count.plus_one(T0.minus(48 * HOUR)).used(T0), 2);
    }

    #[test]
    fn today_starts_at_midnight_in_beijing() {
        let midnight = next_beijing_midnight(T0);
        assert_eq!((midnight.0 + BEIJING) % (24 * HOUR), 0);
        let count = Count::default()
            .plus_one(midnight.minus(1))
            .plus_one(midnight);
        assert_eq!(count.today(midnight), 1);
        assert_eq!(count.used(midnight), 2);
        assert_eq!(count.today(midnight.plus(23 * HOUR)), 1);
    }

    #[test]
    fn a_call_taken_back_is_taken_from_the_slot_it_was_counted_in() {
        let (before, after) = (T0, T0.plus(6 * HOUR));
        let count = Count::default().plus_one(before).plus_one(after);
        let count = count.minus_one(before);
        assert_eq!(count.used(after), 1);
        assert_eq!(
            count.used(after.plus(24 * HOUR)),
            1,
            "the later one is still counted"
        );
    }

    #[test]
    fn counts_written_by_a_clock_that_was_years_ahead_are_free_again_within_thirty_hours() {
        let ahead = T0.plus(10 * 365 * 24 * HOUR);
        let count = Count::default().plus_one(ahead).not_beyond(T0);
        assert_eq!(count.used(T0), 1);
        assert_eq!(count.used(T0.plus(30 * HOUR)), 0);
    }

    #[test]
    fn merging_takes_the_larger_of_each_slot() {
        let a = Count::default().plus_one(T0).plus_one(T0);
        let b = Count::default().plus_one(T0).plus_one(T0.plus(6 * HOUR));
        let merged = a.merged(b);
        assert_eq!(merged.used(T0.plus(6 * HOUR)), 3);
        assert_eq!(merged, b.merged(a));
    }
}
