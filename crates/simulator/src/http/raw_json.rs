//! JSON as WeChat sometimes writes it: with raw control characters inside its texts.

/// Puts control characters themselves where serde wrote their escapes. The result is no JSON to a strict reader.
pub(super) fn with_raw_control_characters(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let (raw, width) = unescaped(&rest[at..]);
        match raw {
            Some(control) => out.push(control),
            None => out.push_str(&rest[at..at + width]),
        }
        rest = &rest[at + width..];
    }
    out.push_str(rest);
    out
}

/// The control character that this escape stands for, if it does, and the length of the escape.
fn unescaped(escape: &str) -> (Option<char>, usize) {
    match escape.as_bytes().get(1) {
        Some(b'n') => (Some('\n'), 2),
        Some(b'r') => (Some('\r'), 2),
        Some(b't') => (Some('\t'), 2),
        Some(b'b') => (Some('\u{8}'), 2),
        Some(b'f') => (Some('\u{c}'), 2),
        Some(b'u') => {
            let code = escape
                .get(2..6)
                .and_then(|hex| u32::from_str_radix(hex, 16).ok());
            (
                code.and_then(char::from_u32)
                    .filter(|control| control.is_ascii_control()),
                6.min(escape.len()),
            )
        }
        _ => (None, 2.min(escape.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_stand_raw_and_all_else_stays_escaped() {
        let name = "a\u{1}b\nc\"d\\n\u{7f}\t你\u{1F600}";
        let json = serde_json::to_string(name).unwrap();
        assert_eq!(
            with_raw_control_characters(&json),
            "\"a\u{1}b\nc\\\"d\\\\n\u{7f}\t你\u{1F600}\""
        );
        assert_eq!(with_raw_control_characters(r"\"), r"\");
    }
}
