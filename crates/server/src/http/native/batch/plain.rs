//! Reads a batch's body in the form that JSON libraries write it: the two fields in order and nothing to unescape. Any other
//! body is not wrong, only not for here.

/// Gives each AppID and kind that is wanted, until one is refused; whether none was. None if the body is not plain or wants
/// too much: that may be noticed only after the first have been given.
pub(super) fn each(
    body: &[u8],
    most: usize,
    mut give: impl FnMut(&str, &str) -> bool,
) -> Option<bool> {
    let text = std::str::from_utf8(body).ok().filter(|_| !is_odd(body))?;
    let want = after(after(after(text, "{")?, "\"want\"")?, ":")?;
    let mut list = after(want, "[")?;
    for _ in 0..most {
        let ((appid, kind), rest) = one(list)?;
        if !give(appid, kind) {
            return Some(false);
        }
        match after(rest, ",") {
            Some(rest) => list = rest,
            None => {
                let end = after(after(rest, "]")?, "}")?;
                return end.is_empty().then_some(true);
            }
        }
    }
    None
}

/// One pair and what follows it.
fn one(text: &str) -> Option<((&str, &str), &str)> {
    let (appid, rest) = field(after(text, "{")?, "\"appid\"")?;
    let (kind, rest) = field(after(rest, ",")?, "\"kind\"")?;
    Some(((appid, kind), after(rest, "}")?))
}

/// Whether strings may hold something to unescape, or what none may hold. To the end without a way out: many bytes are
/// looked at side by side.
fn is_odd(body: &[u8]) -> bool {
    let odd = |byte: u8| u8::from(byte < b' ') | u8::from(byte == b'\\');
    body.iter().fold(0, |found, byte| found | odd(*byte)) != 0
}

/// A field's value, without its quotes, and what follows it.
fn field<'t>(text: &'t str, name: &str) -> Option<(&'t str, &'t str)> {
    let text = after(after(text, name)?, ":")?;
    let text = after(text, "\"")?;
    let end = memchr::memchr(b'"', text.as_bytes())?;
    let (value, rest) = text.split_at_checked(end)?;
    Some((value, rest.strip_prefix('"')?))
}

/// What follows `wanted`, with or without a space before it.
fn after<'t>(text: &'t str, wanted: &str) -> Option<&'t str> {
    text.strip_prefix(' ').unwrap_or(text).strip_prefix(wanted)
}

#[cfg(test)]
mod tests {
    use super::super::{MOST, understood};
    use super::*;
    use proptest::prelude::*;

    fn by_serde(body: &str) -> Option<Vec<(String, String)>> {
        let batch = understood(body.as_bytes()).ok()?;
        let pairs = batch.want.iter();
        Some(
            pairs
                .map(|want| (want.appid.to_string(), want.kind.to_string()))
                .collect(),
        )
    }

    fn owned(body: &str) -> Option<Vec<(String, String)>> {
        let mut pairs = Vec::new();
        let complete = each(body.as_bytes(), MOST, |app, kind| {
            pairs.push((app.to_owned(), kind.to_owned()));
            true
        });
        complete.map(|_| pairs)
    }

    #[test]
    fn bodies_as_libraries_write_them_are_plain() {
        for body in [
            r#"{"want":[{"appid":"wx1","kind":"access_token"},{"appid":"wx2","kind":"jsapi_ticket"}]}"#,
            r#"{"want": [{"appid": "wx1", "kind": "access_token"}, {"appid": "wx2", "kind": "jsapi_ticket"}]}"#,
        ] {
            let pair = |app: &str, kind: &str| (app.to_owned(), kind.to_owned());
            let pairs = vec![pair("wx1", "access_token"), pair("wx2", "jsapi_ticket")];
            assert_eq!(owned(body), Some(pairs));
        }
    }

    proptest! {
        #[test]
        fn what_is_plain_is_understood_as_serde_does(
            pieces in prop::collection::vec(prop_oneof![
                8 => Just(r#"{"appid":"wx1","kind":"access_token"}"#),
                4 => Just(","),
                2 => Just(r#"{"appid": "", "kind": "k"}"#),
                1 => Just(r#"{"kind":"k","appid":"a"}"#),
                1 => Just(r#"{"appid":"\u0061","kind":"k"}"#),
                1 => Just(r#"{"appid":"a","kind":"k","x":1}"#),
                1 => Just("{\"appid\":\"é\",\"kind\":\"k\u{1}\"}"),
                1 => Just("{\"appid\":\"é\u{7f}\",\"kind\":\"]}\"}"),
                1 => Just(" "),
            ], 0..8),
            start in "(\\{\"want\":\\[| \\{ \"want\" : \\[ |\\{\"x\":\\[|)",
            end in "(\\]\\}|\\]\\} |\\]\\}\\}|\\]|,\\]\\}| \\] \\}\n)",
        ) {
            let body = format!("{start}{}{end}", pieces.concat());
            if let Some(plain) = owned(&body) {
                prop_assert_eq!(Some(plain), by_serde(&body));
            }
        }
    }
}
