//! The time of a line of the log, `2026-11-23T05:12:33.123456Z`.
//!
//! Must not know: what is logged.

use std::cell::RefCell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

thread_local! {
    /// What this thread wrote last.
    static LAST: RefCell<Second> = const { RefCell::new(Second { since: None, text: String::new() }) };
}

/// All but the fraction: the same for a second's lines.
struct Second {
    since: Option<u64>,
    text: String,
}

impl Second {
    fn of(&mut self, second: u64) -> &str {
        if self.since != Some(second) {
            let time = i64::try_from(second).map(jiff::Timestamp::from_second);
            let text = time.ok().and_then(Result::ok);
            self.text = text.map_or_else(String::new, |time| time.to_string());
            self.since = Some(second);
        }
        self.text.trim_end_matches('Z')
    }
}

/// Writes what time it is.
pub(super) fn push(line: &mut String) {
    #[expect(
        clippy::disallowed_methods,
        reason = "what people read in the log; nothing follows from it"
    )]
    let now = SystemTime::now();
    at(now.duration_since(UNIX_EPOCH).unwrap_or_default(), line);
}

fn at(now: Duration, line: &mut String) {
    LAST.with_borrow_mut(|last| line.push_str(last.of(now.as_secs())));
    let mut fraction = *b".000000Z";
    let mut rest = now.subsec_micros();
    for digit in fraction[1..7].iter_mut().rev() {
        *digit += (rest % 10) as u8;
        rest /= 10;
    }
    line.push_str(str::from_utf8(&fraction).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_to_the_microsecond_however_many_there_are_in_a_second() {
        let written = |millis, micros| {
            let mut line = String::new();
            let now = Duration::from_millis(millis) + Duration::from_micros(micros);
            at(now, &mut line);
            line
        };
        assert_eq!(written(0, 0), "1970-01-01T00:00:00.000000Z");
        let noon = 1_790_164_800_000;
        assert_eq!(written(noon, 7), "2026-09-23T12:00:00.000007Z");
        assert_eq!(written(noon + 999, 999), "2026-09-23T12:00:00.999999Z");
        assert_eq!(written(noon + 1000, 0), "2026-09-23T12:00:01.000000Z");
        assert_eq!(written(noon - 1, 0), "2026-09-23T11:59:59.999000Z");
    }
}
