//! Whether an answer holds what it must.

/// Whether every needle is in `body`; each is looked for first where it was found last time, counted from the end of the
/// one before it, then behind that one, then anywhere.
pub(super) fn holds_all(body: &[u8], needles: &[Vec<u8>], hints: &mut Vec<usize>) -> bool {
    hints.resize(hints.len().max(needles.len()), 0);
    let mut behind = 0;
    needles.iter().zip(hints).all(|(needle, hint)| {
        let rest = &body[behind..];
        let there = rest
            .get(*hint..)
            .is_some_and(|rest| rest.starts_with(needle));
        if !there {
            match position(rest, needle) {
                Some(found) => *hint = found,
                None => return position(body, needle).is_some(),
            }
        }
        behind += *hint + needle.len();
        true
    })
}

/// Where `needle` begins in `body`.
fn position(body: &[u8], needle: &[u8]) -> Option<usize> {
    let Some((first, others)) = needle.split_first() else {
        return Some(0);
    };
    let mut from = 0;
    loop {
        let found = from + body.get(from..)?.iter().position(|byte| byte == first)?;
        from = found + 1;
        if body[from..].starts_with(others) {
            return Some(found);
        }
    }
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
        assert_eq!(hints, [0, 1]);
        assert!(holds_all(b"..two..one", &needles, &mut hints));
        assert!(!holds_all(b"one tw", &needles, &mut hints));
        assert!(!holds_all(b"", &needles, &mut hints));
    }
}
