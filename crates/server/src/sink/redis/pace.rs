//! How often an entry is put right that others keep changing: at once a few times, then ever more seldom. Never a war.

use wxtoken_core::clock::Boot;

/// So often at once.
const AT_ONCE: u32 = 3;
/// The first pause and the longest, milliseconds.
const PAUSES: (u64, u64) = (1_000, 60_000);
/// Who was left in peace for so long begins anew.
const QUIET: u64 = 10 * 60_000;

/// One entry's history.
#[derive(Debug, Default)]
pub(super) struct Pace {
    times: u32,
    last: Boot,
}

/// When it may be put right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    /// Not before this.
    pub(super) at: Boot,
    /// From this time on there are pauses: worth telling.
    pub(super) slower: bool,
}

impl Pace {
    /// Whether it was left in peace for long.
    pub(super) const fn is_quiet(&self, now: Boot) -> bool {
        now.since(self.last) > QUIET
    }

    /// It has to be put right once more.
    pub(super) fn next(&mut self, now: Boot) -> Turn {
        if self.is_quiet(now) {
            self.times = 0;
        }
        self.times = self.times.saturating_add(1);
        let pause = match self.times.checked_sub(AT_ONCE + 1) {
            None => 0,
            Some(late) => (PAUSES.0 << late.min(16)).min(PAUSES.1),
        };
        let at = self.last.plus(pause).max(now);
        self.last = at;
        Turn {
            at,
            slower: self.times == AT_ONCE + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_put_right_at_once_three_times_and_then_ever_more_seldom() {
        let mut pace = Pace::default();
        let mut now = Boot(1_000_000);
        let mut pauses = Vec::new();
        for _ in 0..12 {
            let turn = pace.next(now);
            pauses.push((turn.at.since(now) / 1000, turn.slower));
            now = turn.at;
        }
        let seconds = [0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60];
        let expected: Vec<_> = (0..12).map(|n| (seconds[n], n == 3)).collect();
        assert_eq!(pauses, expected);
    }

    #[test]
    fn after_ten_quiet_minutes_it_begins_anew() {
        let mut pace = Pace::default();
        let now = Boot(1_000_000);
        for _ in 0..5 {
            pace.next(now);
        }
        let later = now.plus(2 * QUIET);
        let at_once = |at| Turn { at, slower: false };
        assert_eq!(pace.next(later), at_once(later));
        assert_eq!(pace.next(later), at_once(later));
    }

    #[test]
    fn in_an_hour_of_war_an_entry_is_put_right_less_than_a_hundred_times() {
        let mut pace = Pace::default();
        let (start, mut times) = (Boot(1_000_000), 0);
        let mut now = start;
        while now.since(start) < 3_600_000 {
            now = pace.next(now).at.plus(1);
            times += 1;
        }
        assert!(times < 100, "{times}");
    }
}
