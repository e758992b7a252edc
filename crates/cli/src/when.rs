//! Times and durations as people read them.

/// The wall clock, in Unix seconds.
pub(crate) fn now() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or(0)
}

/// A Unix time in the machine's time zone.
pub(crate) fn clock_time(unix_seconds: u64) -> String {
    i64::try_from(unix_seconds)
        .ok()
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
        .map_or_else(
            || unix_seconds.to_string(),
            |at| {
                at.to_zoned(jiff::tz::TimeZone::system())
                    .strftime("%Y-%m-%d %H:%M:%S %:z")
                    .to_string()
            },
        )
}

/// A duration in its two largest units: `1h 52m`, `4m 10s`, `9s`.
pub(crate) fn span(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {:02}s", seconds % 60),
        (0, _, _) => format!("{hours}h {minutes:02}m"),
        _ => format!("{days}d {hours:02}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_shows_its_two_largest_units() {
        assert_eq!(span(9), "9s");
        assert_eq!(span(250), "4m 10s");
        assert_eq!(span(6720), "1h 52m");
        assert_eq!(span(90_000), "1d 01h");
    }

    #[test]
    fn a_time_beyond_the_calendar_is_shown_as_its_number() {
        assert_eq!(clock_time(u64::MAX), u64::MAX.to_string());
        assert!(clock_time(1_795_000_000).starts_with("2026-11-1"));
    }
}
