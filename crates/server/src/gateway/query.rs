//! Parameters of a query, found whatever their encoding, and replaced without touching anything else.
//!
//! Pure. Must not know: what a parameter means.

use std::borrow::Cow;
use std::ops::Range;

use crate::http::input::decode;

/// One parameter of a raw query: its value as it came, and where that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parameter<'q> {
    /// Which of the names it has.
    pub(crate) name: &'q str,
    /// Where the value stands in the query.
    pub(crate) place: Range<usize>,
    /// The value, decoded as forms are. None if it is not UTF-8 then.
    pub(crate) value: Option<Cow<'q, str>>,
}

/// Every parameter of one of these names, in order. A name without `=` has its (empty) value at its end.
pub(crate) fn find<'q>(
    query: &'q str,
    names: &'q [&str],
) -> impl Iterator<Item = Parameter<'q>> + 'q {
    let mut start = 0;
    query.split('&').filter_map(move |pair| {
        let at = start;
        start += pair.len() + 1;
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decoded = decode(name)?;
        let name = names.iter().find(|known| **known == decoded)?;
        Some(Parameter {
            name,
            place: at + pair.len() - value.len()..at + pair.len(),
            value: decode(value),
        })
    })
}

/// The query with other bytes in these places, which are in order and do not overlap. A place behind a name without `=`
/// gets one.
pub(crate) fn replace<'q>(
    query: &'q str,
    changes: impl IntoIterator<Item = (Range<usize>, &'q str)>,
) -> String {
    let mut written = String::with_capacity(query.len() + 192);
    let mut from = 0;
    for (place, value) in changes {
        written.push_str(&query[from..place.start]);
        if place.is_empty() && !written.ends_with('=') {
            written.push('=');
        }
        encode(value, &mut written);
        from = place.end;
    }
    written.push_str(&query[from..]);
    written
}

/// The query with one more parameter at its end.
pub(crate) fn append(query: Option<&str>, name: &str, value: &str) -> String {
    let mut written = String::with_capacity(query.map_or(0, str::len) + name.len() + 192);
    if let Some(query) = query.filter(|query| !query.is_empty()) {
        written.push_str(query);
        if !query.ends_with('&') {
            written.push('&');
        }
    }
    written.push_str(name);
    written.push('=');
    encode(value, &mut written);
    written
}

/// Writes a value; WeChat's own need no escapes.
fn encode(value: &str, written: &mut String) {
    // Without shortcuts, so that many bytes are looked at side by side.
    let plain = |byte: u8| {
        let mark = (byte == b'-') | (byte == b'.') | (byte == b'_') | (byte == b'~');
        byte.is_ascii_alphanumeric() | mark
    };
    if value.bytes().fold(true, |all, byte| all & plain(byte)) {
        return written.push_str(value);
    }
    for byte in value.bytes() {
        if plain(byte) {
            written.push(char::from(byte));
        } else {
            let hex = |nibble: u8| char::from(b"0123456789ABCDEF"[usize::from(nibble & 15)]);
            written.extend(['%', hex(byte >> 4), hex(byte)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NAMES: &[&str] = &["access_token"];

    fn swapped(query: &str) -> String {
        let found: Vec<_> = find(query, NAMES).map(|p| (p.place, "LIVE")).collect();
        replace(query, found)
    }

    #[test]
    fn a_parameter_is_found_wherever_it_stands_and_however_it_is_written() {
        for (query, sent) in [
            ("access_token=old", "access_token=LIVE"),
            ("a=1&access_token=old&b=2", "a=1&access_token=LIVE&b=2"),
            ("access%5Ftoken=%6Fld&b=%2f+", "access%5Ftoken=LIVE&b=%2f+"),
            ("%61ccess_token=x", "%61ccess_token=LIVE"),
            ("access_token=", "access_token=LIVE"),
            ("access_token", "access_token=LIVE"),
            ("access_token&a", "access_token=LIVE&a"),
            (
                "access_token=a&access_token=b",
                "access_token=LIVE&access_token=LIVE",
            ),
            ("access_token=a=b", "access_token=LIVE"),
            (
                "ACCESS_TOKEN=a&xaccess_token=b&&",
                "ACCESS_TOKEN=a&xaccess_token=b&&",
            ),
            ("", ""),
        ] {
            assert_eq!(swapped(query), sent);
        }
    }

    #[test]
    fn one_more_parameter_joins_what_is_there() {
        assert_eq!(append(None, "access_token", "T-_"), "access_token=T-_");
        assert_eq!(append(Some(""), "access_token", "T"), "access_token=T");
        assert_eq!(
            append(Some("a=1"), "access_token", "T"),
            "a=1&access_token=T"
        );
        assert_eq!(append(Some("a=1&"), "k", "a b"), "a=1&k=a%20b");
    }

    #[test]
    fn a_value_is_decoded() {
        let found: Vec<_> = find("x=%41%e5%be%ae+b&x=%ff", &["x"]).collect();
        assert_eq!(found[0].value.as_deref(), Some("A微 b"));
        assert_eq!(found[1].value, None);
    }

    proptest! {
        #[test]
        fn everything_but_the_value_stays_byte_for_byte(
            before in "[a-z=&%+é]{0,12}", value in "[A-Za-z0-9%=_-]{0,8}", after in "[a-z=&%+]{0,12}"
        ) {
            let query = format!("{before}&access_token={value}&{after}");
            let expected = format!("{before}&access_token=LIVE&{after}");
            prop_assert_eq!(swapped(&query), expected);
        }

        #[test]
        fn no_query_harms(query in ".{0,40}") {
            let _ = swapped(&query);
        }
    }
}
