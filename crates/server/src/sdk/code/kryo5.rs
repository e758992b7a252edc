//! A string as Kryo 5 writes it, references off: class number, then the text.

use zeroize::Zeroizing;

/// The number of `String` among Kryo's own classes, as it is written: one more than registered, and one for null.
const STRING: u8 = 3;

/// A text of ASCII, as every token is.
pub(super) fn string(text: &str) -> Vec<u8> {
    let mut bytes = vec![STRING];
    let length = text.len();
    if (2..=32).contains(&length) {
        bytes.extend(text.bytes());
        if let Some(last) = bytes.last_mut() {
            *last |= 0x80;
        }
        return bytes;
    }
    flagged(length + 1, &mut bytes);
    bytes.extend(text.bytes());
    bytes
}

/// A length: in the first byte a flag, a mark for more, and six bits; then seven bits a byte.
fn flagged(number: usize, bytes: &mut Vec<u8>) {
    let low = |bits: usize, number: usize| u8::try_from(number & bits).unwrap_or(0);
    let mut rest = number >> 6;
    bytes.push(0x80 | if rest > 0 { 0x40 } else { 0 } | low(0x3f, number));
    while rest > 0 {
        let more = rest >> 7;
        bytes.push(if more > 0 { 0x80 } else { 0 } | low(0x7f, rest));
        rest = more;
    }
}

/// The text, if the bytes are one of ASCII.
pub(super) fn read(bytes: &[u8]) -> Option<Zeroizing<String>> {
    let (first, rest) = bytes.split_first()?;
    if *first != STRING {
        return None;
    }
    let head = *rest.first()?;
    let text = if head & 0x80 == 0 {
        let (last, before) = rest.split_last()?;
        if last & 0x80 == 0 || before.is_empty() {
            return None;
        }
        let mut text = Zeroizing::new(before.to_vec());
        text.push(last & 0x7f);
        text
    } else {
        let (length, text) = length(rest)?;
        if length != text.len() + 1 {
            return None;
        }
        Zeroizing::new(text.to_vec())
    };
    let text = std::str::from_utf8(&text)
        .ok()
        .filter(|text| text.is_ascii())?;
    Some(Zeroizing::new(text.to_owned()))
}

/// A length as [`flagged`] wrote it, and what follows.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (first, mut rest) = bytes.split_first()?;
    let mut number = usize::from(first & 0x3f);
    let mut more = first & 0x40 != 0;
    let mut shift = 6;
    while more {
        let (byte, after) = rest.split_first()?;
        // No string of ours is longer than three bytes of length can say.
        if shift > 20 {
            return None;
        }
        number |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        more = byte & 0x80 != 0;
        rest = after;
    }
    Some((number, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn strings_are_as_kryo_5_writes_them() {
        let example = string("HUBTOKEN_EXAMPLE_0001");
        assert_eq!(example[..4], [0x03, 0x48, 0x55, 0x42]);
        assert_eq!(example[example.len() - 4..], [0x30, 0x30, 0x30, 0xb1]);
        assert_eq!(example.len(), 22);
        for (length, head) in [
            (1, &[0x03, 0x82][..]),
            (33, &[0x03, 0xa2]),
            (62, &[0x03, 0xbf]),
            (63, &[0x03, 0xc0, 0x01]),
            (136, &[0x03, 0xc9, 0x02]),
            (157, &[0x03, 0xde, 0x02]),
            (512, &[0x03, 0xc1, 0x08]),
        ] {
            let bytes = string(&"x".repeat(length));
            assert_eq!(&bytes[..head.len()], head, "{length}");
            assert_eq!(bytes.len(), head.len() + length, "{length}");
        }
    }

    #[test]
    fn a_bare_text_is_none() {
        for bytes in [
            &b""[..],
            b"HUBTOKEN",
            b"\x03",
            b"\x03A",
            b"\x03\xb1",
            b"\x03\xc9",
        ] {
            assert_eq!(read(bytes), None, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn every_text_reads_back(text in "[ -~]{1,600}") {
            let read = read(&string(&text));
            prop_assert_eq!(read.as_ref().map(|text| text.as_str()), Some(&*text));
        }

        #[test]
        fn any_bytes_can_be_looked_at(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut with_class = vec![STRING];
            with_class.extend(&bytes);
            let (_, _) = (read(&bytes), read(&with_class));
        }
    }
}
