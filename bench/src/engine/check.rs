//! Whether an answer holds what it must.

/// Whether every needle is in `body`; each is looked for first where it was found last time.
pub(super) fn holds_all(body: &[u8], needles: &[Vec<u8>], hints: &mut Vec<usize>) -> bool {
    hints.resize(hints.len().max(needles.len()), 0);
    needles.iter().zip(hints).all(|(needle, hint)| {
        let there = body
            .get(*hint..)
            .is_some_and(|rest| rest.starts_with(needle));
        if there || needle.is_empty() {
            return true;
        }
        let found = body
            .windows(needle.len())
            .position(|window| window == &needle[..]);
        *hint = found.unwrap_or(*hint);
        found.is_some()
    })
}

pub(super) fn excerpt(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_needle_is_found_where_it_moved_to_and_missed_where_it_is_not() {
        let mut hints = Vec::new();
        let needles = [b"one".to_vec(), b"two".to_vec()];
        assert!(holds_all(b"one two", &needles, &mut hints));
        assert_eq!(hints, [0, 4]);
        assert!(holds_all(b"..two..one", &needles, &mut hints));
        assert!(!holds_all(b"one tw", &needles, &mut hints));
        assert!(!holds_all(b"", &needles, &mut hints));
    }
}
