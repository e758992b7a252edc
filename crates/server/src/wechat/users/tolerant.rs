//! Makes JSON of what WeChat sends as JSON: nicknames and remarks may hold raw control characters, and bytes that are not UTF-8.
//!
//! Pure. Must not know: what the JSON says.

use std::borrow::Cow;

/// The text as JSON allows it: control characters inside strings are escaped, those between values become spaces, a byte order
/// mark goes, and what is not UTF-8 becomes U+FFFD. Text that needs none of it is not copied.
pub(crate) fn tolerant(body: &[u8]) -> Cow<'_, str> {
    let is_control = |c: char| c < ' ';
    match String::from_utf8_lossy(body) {
        Cow::Borrowed(text) => {
            let text = unmarked(text);
            if text.contains(is_control) {
                Cow::Owned(escaped(text))
            } else {
                Cow::Borrowed(text)
            }
        }
        Cow::Owned(text) => Cow::Owned(escaped(unmarked(&text))),
    }
}

fn unmarked(text: &str) -> &str {
    text.trim_start_matches(|c: char| c == '\u{feff}' || c.is_whitespace())
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let (mut in_string, mut after_backslash) = (false, false);
    for c in text.chars() {
        let is_control = c < ' ';
        match c {
            _ if is_control && !in_string => out.push(' '),
            _ if is_control => {
                if after_backslash {
                    // A backslash that escapes nothing JSON knows stands for itself.
                    out.push('\\');
                }
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            _ => out.push(c),
        }
        in_string ^= c == '"' && !after_backslash;
        after_backslash = in_string && c == '\\' && !after_backslash;
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn parsed(body: &[u8]) -> Value {
        serde_json::from_str(&tolerant(body)).unwrap()
    }

    #[test]
    fn control_characters_in_a_nickname_are_kept_and_those_between_values_do_not_matter() {
        let body = b"\xef\xbb\xbf\r\n{\x01\"nickname\":\t\"a\x01\nb\x1f\\\"\x00\",\x0b\"sex\":0}";
        assert_eq!(
            parsed(body),
            json!({"nickname": "a\u{1}\nb\u{1f}\"\u{0}", "sex": 0})
        );
    }

    #[test]
    fn a_backslash_before_a_raw_control_character_stands_for_itself() {
        assert_eq!(parsed(b"\"a\\\nb\""), json!("a\\\nb"));
        assert_eq!(parsed(b"\"a\\\\\nb\""), json!("a\\\nb"));
    }

    #[test]
    fn a_character_that_was_cut_in_two_becomes_a_replacement() {
        assert_eq!(parsed(b"\"\xe5\xbe\xae\xe4\xbf\n\""), json!("微\u{fffd}\n"));
    }

    #[test]
    fn what_needs_nothing_is_not_copied() {
        assert!(matches!(
            tolerant("{\"a\":\"微\"}".as_bytes()),
            Cow::Borrowed(_)
        ));
    }

    /// As WeChat writes a string: control characters as they are.
    fn raw(text: &str) -> String {
        let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
        format!("\"{quoted}\"")
    }

    proptest! {
        #[test]
        fn a_string_with_raw_control_characters_comes_back_as_it_was(
            name in "([\\x00-\\x1f]|[\"\\\\a/u微\u{1f600}]){0,24}",
            key in "[\\x00-\\x1fa\"\\\\]{1,4}",
        ) {
            let body = format!("{{\n{}\t:\r{} }}", raw(&key), raw(&name));
            prop_assert_eq!(parsed(body.as_bytes()), json!({key: name}));
        }

        #[test]
        fn good_json_means_the_same_afterwards(name in ".{0,24}", number in any::<i64>()) {
            let value = json!({"nickname": name, "list": [number, null, {"a": true}]});
            let pretty = serde_json::to_vec_pretty(&value).unwrap();
            prop_assert_eq!(parsed(&pretty), value);
        }

        #[test]
        fn no_bytes_harm(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let text = tolerant(&bytes);
            prop_assert!(!text.contains(|c: char| c < ' '));
        }
    }
}
