//! Cuts a file into portions that are TOML by themselves: what stands before the first `[[app]]` or `[[caller]]`, then some
//! of these at a time.
//!
//! Must not know: what is in them, nor whether a cut stands in the middle of a text; whoever parses a portion finds out.

use std::ops::Range;

/// A portion has at least this many bytes, unless nothing is left.
const LEAST: usize = 16 * 1024;
/// How a line begins where a file may be cut.
const HEADERS: [&str; 2] = ["[[app]]", "[[caller]]"];

/// The portions of a file: one that holds no header, which may be empty, then those that begin with one.
pub(super) fn of(text: &str) -> Vec<Range<usize>> {
    let mut portions = Vec::with_capacity(text.len() / LEAST + 2);
    let mut begin = 0;
    let mut from = 0;
    while begin < text.len() || portions.is_empty() {
        let end = header(text, from).unwrap_or(text.len());
        portions.push(begin..end);
        begin = end;
        from = end.saturating_add(LEAST);
    }
    portions
}

/// The first line at or after `from` that begins with a header.
fn header(text: &str, from: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let is_header = |at: usize| {
        let line = bytes.get(at..).unwrap_or_default();
        HEADERS.iter().any(|name| line.starts_with(name.as_bytes()))
    };
    if from == 0 && is_header(0) {
        return Some(0);
    }
    let rest = bytes.get(from..)?.iter().enumerate();
    rest.filter(|(_, byte)| **byte == b'\n')
        .map(|(at, _)| from + at + 1)
        .find(|at| is_header(*at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<&str> {
        of(text).into_iter().map(|at| &text[at]).collect()
    }

    #[test]
    fn a_file_is_cut_before_headers_only() {
        assert_eq!(cut(""), [""]);
        assert_eq!(cut("[server]\na = 1\n"), ["[server]\na = 1\n"]);
        assert_eq!(cut("[[app]]\na = 1\n"), ["", "[[app]]\na = 1\n"]);
        let text = "# 密码\n [[app]]\n[[app.file]]\n[[caller]]\nb = 2\n[[app]]\nc = 3";
        let (head, rest) = text.split_at(text.find("[[caller]]").unwrap());
        assert_eq!(cut(text), [head, rest]);
    }

    #[test]
    fn portions_are_large_and_miss_nothing() {
        let text = "[[app]]\nappid = \"wx0123456789abcdef\"\n".repeat(5_000);
        let portions = cut(&text);
        assert_eq!(portions.concat(), text);
        assert!(portions.len() > 5);
        for portion in &portions[1..portions.len() - 1] {
            assert!(portion.starts_with("[[app]]") && portion.len() > LEAST);
            assert!(portion.len() < LEAST + 100);
        }
    }
}
