//! Rule 4: when a token's successor is fetched.
//!
//! classic: 15 min before its end. stable: WeChat gives a new value only in the last 300 s, so 290 to 240 s before. Never
//! more than a third of a new value's lifetime before its end, for lifetimes may change. Every due time is jittered.

use super::rules::Timing;
use crate::clock::Boot;
use crate::credential::Lane;
use crate::retry::Jitter;

/// How long before its end a value is replaced, and how much of that may be left to chance.
fn before(lane: Lane, lifetime: u64, timing: &Timing) -> (u64, u64) {
    let (before, spread) = match lane {
        Lane::Classic => (timing.classic_before, timing.classic_before / 10),
        Lane::Stable => (timing.stable_before, timing.stable_before / 6),
    };
    let most = lifetime / 3;
    if before <= most {
        (before, spread)
    } else {
        (most, spread * most / before.max(1))
    }
}

/// When to fetch after a value that ends at `expires`, whose lifetime was `lifetime` when it was minted.
pub(super) fn due(
    lane: Lane,
    expires: Boot,
    lifetime: u64,
    timing: &Timing,
    jitter: &mut Jitter,
) -> Boot {
    let (before, spread) = before(lane, lifetime, timing);
    expires.minus(before).plus(jitter.below(spread + 1))
}

/// When to ask again after the same value was answered: by the rule above, or, when that has passed, soon.
pub(super) fn due_again(
    lane: Lane,
    expires: Boot,
    now: Boot,
    timing: &Timing,
    jitter: &mut Jitter,
) -> Boot {
    let left = expires.since(now);
    let (before, _) = before(lane, u64::MAX, timing);
    if left > before {
        return due(lane, expires, u64::MAX, timing, jitter);
    }
    let step = (left / 8).clamp(1000, 30_000);
    now.plus(step + jitter.below(step / 4 + 1))
}

/// Where a standby's due time falls within a quarter of a lifetime of the primary's, it is brought forward to lie half a
/// lifetime apart, so that the two never end together.
pub(super) fn out_of_phase(standby: Boot, primary: Boot, lifetime: u64, now: Boot) -> Boot {
    let apart = standby.since(primary).max(primary.since(standby));
    if apart >= lifetime / 4 {
        return standby;
    }
    primary
        .minus(lifetime / 2)
        .max(now.plus(lifetime / 8))
        .min(standby)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TWO_HOURS: u64 = 7_200_000;

    proptest! {
        #[test]
        fn rule_4_classic_is_due_fifteen_minutes_before_its_end(seed: u64, expires in TWO_HOURS..1 << 50) {
            let due = due(Lane::Classic, Boot(expires), TWO_HOURS, &Timing::ORDINARY, &mut Jitter(seed));
            let before = expires - due.0;
            prop_assert!((810_000..=900_000).contains(&before));
        }

        #[test]
        fn rule_4_stable_is_due_between_290_and_240_seconds_before_its_end(seed: u64, expires in TWO_HOURS..1 << 50) {
            let due = due(Lane::Stable, Boot(expires), TWO_HOURS, &Timing::ORDINARY, &mut Jitter(seed));
            let before = expires - due.0;
            prop_assert!((240_000..=290_000).contains(&before));
        }

        #[test]
        fn rule_4_never_more_than_a_third_of_its_lifetime_before_its_end(seed: u64, lifetime in 1_000u64..TWO_HOURS) {
            for lane in Lane::ALL {
                let expires = Boot(1 << 40);
                let due = due(lane, expires, lifetime, &Timing::ORDINARY, &mut Jitter(seed));
                prop_assert!(expires.since(due) <= lifetime / 3);
                prop_assert!(due < expires);
            }
        }

        #[test]
        fn rule_4_the_same_value_again_is_asked_for_again_without_a_hot_loop(seed: u64, left in 0u64..TWO_HOURS) {
            let now = Boot(1 << 40);
            let again = due_again(Lane::Stable, now.plus(left), now, &Timing::ORDINARY, &mut Jitter(seed));
            prop_assert!(again > now);
            prop_assert!(left < 290_000 || again <= now.plus(left));
        }

        #[test]
        fn rule_4_a_standby_is_kept_out_of_phase(primary in TWO_HOURS..2 * TWO_HOURS, standby in TWO_HOURS..2 * TWO_HOURS) {
            let now = Boot(TWO_HOURS / 2);
            let moved = out_of_phase(Boot(standby), Boot(primary), TWO_HOURS, now);
            prop_assert!(moved.0 <= standby, "only ever brought forward");
            prop_assert!(moved > now);
        }
    }
}
