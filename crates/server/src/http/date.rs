//! The `Date` header: RFC 9110's fixed 29 characters, from the keeper's clock, so that all answers tell one time.

use wxtoken_core::clock::Wall;

const LEN: usize = 29;
const WEEKDAYS: [&[u8; 3]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];
const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// The text of one second, kept until the next.
#[derive(Debug, Clone)]
pub(crate) struct DateText {
    second: u64,
    text: [u8; LEN],
}

impl DateText {
    /// The text of a moment.
    pub(crate) fn at(now: Wall) -> Self {
        let second = now.unix_seconds();
        Self {
            second,
            text: write(second),
        }
    }

    /// The text of a moment, written anew only when the second has changed.
    pub(crate) fn of(&mut self, now: Wall) -> &[u8; LEN] {
        if self.second != now.unix_seconds() {
            *self = Self::at(now);
        }
        &self.text
    }
}

fn write(second: u64) -> [u8; LEN] {
    let days = second / 86_400;
    let (year, month, day) = civil(days);
    let mut text = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    text[..3].copy_from_slice(WEEKDAYS[(days % 7) as usize]);
    two(&mut text, 5, day);
    text[8..11].copy_from_slice(MONTHS[month]);
    two(&mut text, 12, year / 100);
    two(&mut text, 14, year % 100);
    two(&mut text, 17, second / 3600 % 24);
    two(&mut text, 20, second / 60 % 60);
    two(&mut text, 23, second % 60);
    text
}

fn two(text: &mut [u8; LEN], at: usize, value: u64) {
    text[at] = b'0' + (value / 10 % 10) as u8;
    text[at + 1] = b'0' + (value % 10) as u8;
}

/// Year, month from zero and day of a day since the epoch, in the Gregorian calendar: years are counted from March, so
/// that a leap day is the last of its year.
fn civil(days: u64) -> (u64, usize, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = (from_march + 2) % 12;
    let year = era * 400 + year_of_era + u64::from(month < 2);
    (year, month as usize, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(second: u64) -> String {
        String::from_utf8(write(second).to_vec()).unwrap()
    }

    #[test]
    fn known_moments_are_written_as_rfc_9110_wants() {
        assert_eq!(text(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(text(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT");
        assert_eq!(text(1_795_000_000), "Wed, 18 Nov 2026 11:06:40 GMT");
    }

    proptest! {
        #[test]
        fn every_moment_until_the_year_9999_agrees_with_jiff(second in 0u64..253_402_300_799) {
            let at = jiff::Timestamp::from_second(i64::try_from(second).unwrap()).unwrap();
            let expected = at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
            prop_assert_eq!(text(second), expected);
        }
    }
}
