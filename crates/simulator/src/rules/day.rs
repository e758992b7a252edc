//! Days, months and minutes as WeChat counts them.

use super::DayStart;
use crate::clock::{SimTime, civil};

const DAY_S: i64 = 86_400;
const BEIJING_S: i64 = 8 * 3600;

/// The number of the day `now` falls into.
pub(super) fn day(now: SimTime, start: DayStart) -> i32 {
    let ahead = match start {
        DayStart::Beijing => BEIJING_S,
        DayStart::Utc => 0,
    };
    i32::try_from((now.unix_s() + ahead).div_euclid(DAY_S)).unwrap_or(i32::MAX)
}

/// The number of the month a day falls into: twelve times the year plus the month.
pub(super) fn month(day: i32) -> i32 {
    let (year, month, _) = civil(day.into());
    i32::try_from(year * 12 + month - 1).unwrap_or(i32::MAX)
}

/// The number of the minute `now` falls into.
pub(super) fn minute(now: SimTime) -> u32 {
    u32::try_from(now.unix_s().div_euclid(60)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22 16:00 UTC is midnight in Beijing.
    const BEIJING_MIDNIGHT: i64 = 1_795_363_200_000;

    #[test]
    fn a_day_begins_at_midnight_in_beijing_unless_the_switch_says_utc() {
        let (before, after) = (
            SimTime::from_unix_ms(BEIJING_MIDNIGHT - 1),
            SimTime::from_unix_ms(BEIJING_MIDNIGHT),
        );
        assert_eq!(
            day(before, DayStart::Beijing) + 1,
            day(after, DayStart::Beijing)
        );
        assert_eq!(day(before, DayStart::Utc), day(after, DayStart::Utc));
    }

    #[test]
    fn months_follow_the_calendar() {
        let of = |y: i32, m: i32| y * 12 + m - 1;
        assert_eq!(month(0), of(1970, 1));
        assert_eq!(month(30), of(1970, 1));
        assert_eq!(month(31), of(1970, 2));
        assert_eq!(month(58), of(1970, 2));
        assert_eq!(month(59), of(1970, 3));
        assert_eq!(month(11_016), of(2000, 2)); // 29 February 2000
        assert_eq!(month(11_017), of(2000, 3));
        assert_eq!(month(20_818), of(2026, 12)); // 31 December 2026
        assert_eq!(month(20_819), of(2027, 1));
    }
}
