//! Sets of bytes, for texts that are gone through byte by byte on every request: asked by one look into a table.
//!
//! Pure.

/// A set of bytes.
pub(crate) struct ByteSet([bool; 256]);

impl ByteSet {
    /// ASCII letters and digits, and these.
    pub(crate) const fn alphanumeric_and(others: &[u8]) -> Self {
        let mut set = [false; 256];
        let mut byte: u8 = 0;
        while byte < 128 {
            set[byte as usize] = byte.is_ascii_alphanumeric();
            byte += 1;
        }
        let mut at = 0;
        while at < others.len() {
            set[others[at] as usize] = true;
            at += 1;
        }
        Self(set)
    }

    /// Whether a byte is one of them.
    pub(crate) const fn has(&self, byte: u8) -> bool {
        self.0[byte as usize]
    }

    /// Whether all bytes of a text are.
    pub(crate) fn has_all_of(&self, text: &str) -> bool {
        text.bytes().all(|byte| self.has(byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_letters_digits_and_what_is_named() {
        let set = ByteSet::alphanumeric_and(b"-~\xff");
        for byte in 0..=u8::MAX {
            let expected = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'~' | 0xff);
            assert_eq!(set.has(byte), expected, "{byte}");
        }
        assert!(set.has_all_of("aZ09-") && set.has_all_of("") && !set.has_all_of("a b"));
    }
}
