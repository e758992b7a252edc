//! When something that failed may be tried again: full jitter, longer as a budget nears its end (design rules 6, 7, 9).
//!
//! Must not know: what is being tried.

use crate::budget::next_beijing_midnight;
use crate::clock::Wall;
use crate::source::Trouble;

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// A small seeded source of jitter (`SplitMix64`): the same seed gives the same waits, so a failing run replays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jitter(pub u64);

impl Jitter {
    /// The next number in `0..below`; zero when `below` is zero.
    pub fn below(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)).checked_rem(below).unwrap_or(0)
    }
}

/// How much of a budget is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    /// Calls made.
    pub used: u32,
    /// Calls allowed.
    pub limit: u32,
}

impl Spent {
    /// The least time between two tries, so that the budget lasts the day: nothing during its first
    /// quarter, then half, once and four times the even share.
    #[must_use]
    pub const fn spacing(self) -> u64 {
        let limit = if self.limit == 0 { 1 } else { self.limit };
        let even = 24 * HOUR / limit as u64;
        match self.used.saturating_mul(4) / limit {
            0 => 0,
            1 => even / 2,
            2 => even,
            _ => even * 4,
        }
    }
}

/// How long to wait after passing trouble (rule 6): full jitter below 1 s, 2 s, 4 s … 60 s, below an eighth of what is
/// left of the live value, and never so soon that the budget would not last.
pub fn after_trouble(failures: u8, left: Option<u64>, spent: Spent, jitter: &mut Jitter) -> u64 {
    let doubled = SECOND << failures.saturating_sub(1).min(6);
    let by_expiry = left.map_or(15 * SECOND, |left| (left / 8).max(SECOND));
    let cap = doubled.min(MINUTE).min(by_expiry);
    let floor = spent.spacing();
    floor + jitter.below(cap.max(floor)) + 1
}

/// How long to wait after a refusal (rule 7): 60 s, 2, 4, then 5 min; the IP refusals say how long themselves.
pub fn after_refusal(errcode: i64, failures: u8, jitter: &mut Jitter) -> u64 {
    match errcode {
        89507 => HOUR,
        89506 => 24 * HOUR,
        _ => {
            let wait = (MINUTE << failures.saturating_sub(1).min(3)).min(5 * MINUTE);
            wait - jitter.below(wait / 10)
        }
    }
}

/// How long to wait after 45009: an hour, or until Beijing's midnight if that is sooner.
pub fn after_quota(now: Wall, jitter: &mut Jitter) -> u64 {
    let midnight = next_beijing_midnight(now).since(now);
    (HOUR - jitter.below(5 * MINUTE)).min(midnight + jitter.below(MINUTE))
}

/// The wait that fits a trouble.
pub fn after(
    trouble: Trouble,
    failures: u8,
    left: Option<u64>,
    spent: Spent,
    now: Wall,
    jitter: &mut Jitter,
) -> u64 {
    match trouble {
        Trouble::Passing(_) | Trouble::TokenBad(_) => after_trouble(failures, left, spent, jitter),
        Trouble::Refused(errcode) => after_refusal(errcode, failures, jitter),
        Trouble::QuotaUsedUp => after_quota(now, jitter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FRESH: Spent = Spent {
        used: 0,
        limit: 2000,
    };

    proptest! {
        #[test]
        fn rule_6_waits_grow_from_one_second_to_sixty(failures in 1u8.., seed: u64) {
            let wait = after_trouble(failures, Some(HOUR), FRESH, &mut Jitter(seed));
            prop_assert!(wait <= (SECOND << (failures - 1).min(6)).min(MINUTE));
        }

        #[test]
        fn rule_6_waits_are_shorter_as_expiry_nears(left in 0..HOUR, seed: u64) {
            let wait = after_trouble(9, Some(left), FRESH, &mut Jitter(seed));
            prop_assert!(wait <= (left / 8).max(SECOND));
        }

        #[test]
        fn rule_6_a_budget_lasts_the_day_however_everything_fails(seed: u64, limit in 200u32..2000) {
            let mut jitter = Jitter(seed);
            let (mut at, mut used) = (0, 0);
            while at < 24 * HOUR {
                at += after_trouble(9, None, Spent { used, limit }, &mut jitter);
                used += 1;
            }
            prop_assert!(used <= limit, "{} of {}", used, limit);
        }

        #[test]
        fn rule_7_refusals_wait_one_to_five_minutes(failures in 1u8.., seed: u64) {
            let wait = after_refusal(40164, failures, &mut Jitter(seed));
            prop_assert!((54 * SECOND..=5 * MINUTE).contains(&wait));
        }
    }

    #[test]
    fn rule_7_a_refused_address_waits_as_long_as_wechat_says() {
        assert_eq!(after_refusal(89507, 1, &mut Jitter(1)), HOUR);
        assert_eq!(after_refusal(89506, 1, &mut Jitter(1)), 24 * HOUR);
    }

    #[test]
    fn rule_7_a_used_up_quota_is_tried_hourly_and_after_midnight_in_beijing() {
        let before_midnight = next_beijing_midnight(Wall(1_795_000_000_000)).minus(10 * MINUTE);
        let wait = after_quota(before_midnight, &mut Jitter(7));
        assert!((10 * MINUTE..11 * MINUTE).contains(&wait));
        let wait = after_quota(before_midnight.minus(5 * HOUR), &mut Jitter(7));
        assert!((55 * MINUTE..=HOUR).contains(&wait));
    }
}
