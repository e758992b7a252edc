//! Finds secrets, and any twelve bytes in a row of one, however they are written: raw, percent-, JSON-, hex- or
//! base64-encoded, or as `Debug` prints bytes. The text is decoded in every way and searched, so no encoding of a piece has
//! to be foreseen.

use std::collections::HashMap;

/// So many characters in a row are a leak.
const PIECE: usize = 12;

/// What is looked for.
#[derive(Default)]
pub(crate) struct Needles {
    /// The first three bytes of every piece: most places are told apart from a secret by these alone.
    begins: Vec<bool>,
    pieces: HashMap<[u8; PIECE], String>,
}

/// A way of reading a text.
type View = (&'static str, Vec<u8>);

impl Needles {
    /// Looks for this, too.
    pub(crate) fn plant(&mut self, name: &str, secret: &[u8]) {
        assert!(secret.len() >= PIECE, "{name} is too short to be a secret");
        self.begins.resize(1 << 24, false);
        for piece in secret.windows(PIECE) {
            self.begins[begin(piece)] = true;
            self.pieces
                .insert(piece.try_into().unwrap(), name.to_owned());
        }
    }

    /// Looks for a key that is written as text and used as bytes: for both.
    pub(crate) fn plant_key(&mut self, name: &str, text: &str, bytes: &[u8]) {
        self.plant(name, text.as_bytes());
        self.plant(&format!("{name}, its bytes"), bytes);
    }

    /// Which secrets are in a text, and how they are written there.
    pub(crate) fn in_text(&self, text: &[u8]) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for (how, view) in views(text) {
            for piece in view
                .windows(PIECE)
                .filter(|piece| self.begins[begin(piece)])
            {
                if let Some(name) = self.pieces.get(piece) {
                    found.push(format!("{name} ({how})"));
                }
            }
        }
        found.sort();
        found.dedup();
        found
    }

    /// Fails if a text holds a piece of a secret.
    #[track_caller]
    pub(crate) fn none_in(&self, place: &str, text: &[u8]) {
        let found = self.in_text(text);
        assert!(
            found.is_empty(),
            "{place} holds {found:?}: {}",
            String::from_utf8_lossy(text)
        );
    }
}

fn begin(piece: &[u8]) -> usize {
    usize::from(piece[0]) << 16 | usize::from(piece[1]) << 8 | usize::from(piece[2])
}

fn views(text: &[u8]) -> Vec<View> {
    let mut views = vec![
        ("raw", text.to_vec()),
        ("percent", unescaped(text, b"%", 2)),
        ("JSON", unescaped(text, b"\\u", 4)),
    ];
    // Doubly written: JSON within JSON, percent within percent.
    views.push(("percent twice", unescaped(&views[1].1, b"%", 2)));
    views.push(("Debug of bytes as a text", unescaped(text, b"\\x", 2)));
    views.push(("Debug of bytes as a list", numbers(text)));
    let hex = |byte| char::from(byte).to_digit(16);
    // Bytes one by one: `ab:cd`, `ab, cd`.
    let spaced: Vec<u8> = text
        .iter()
        .copied()
        .filter(|byte| !b":, \n".contains(byte))
        .collect();
    for skip in 0..2 {
        views.push(("hex", runs(text, skip, hex, 4, 2)));
        views.push(("hex, spaced", runs(&spaced, skip, hex, 4, 2)));
    }
    for skip in 0..4 {
        views.push(("base64", runs(text, skip, six_bits, 6, 4)));
    }
    views
}

/// The text with every mark and its hex digits replaced by the byte they stand for, and JSON's other escapes undone.
fn unescaped(text: &[u8], mark: &[u8], digits: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        let code = rest
            .strip_prefix(mark)
            .and_then(|rest| std::str::from_utf8(rest.get(..digits)?).ok())
            .and_then(|code| u32::from_str_radix(code, 16).ok())
            .and_then(|code| u8::try_from(code).ok());
        if let Some(code) = code {
            out.push(code);
            rest = &rest[mark.len() + digits..];
            continue;
        }
        // In JSON a backslash says that the next character stands for itself.
        match after.split_first() {
            Some((&literal, after)) if byte == b'\\' && mark != b"%" => {
                out.push(literal);
                rest = after;
            }
            _ => {
                out.push(byte);
                rest = after;
            }
        }
    }
    out
}

/// The numbers below 256 of a list such as `[104, 117, 115]`, on one line or on many; anything else divides.
fn numbers(text: &[u8]) -> Vec<u8> {
    text.split(|byte| !b"0123456789, \n".contains(byte))
        .flat_map(|list| {
            let digits = list.split(|byte| !byte.is_ascii_digit());
            let number = |digits| std::str::from_utf8(digits).ok()?.parse::<u8>().ok();
            digits.filter_map(number).chain([0])
        })
        .collect()
}

fn six_bits(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    };
    Some(value.into())
}

/// Every run of digits decoded, its first `skip` digits left out; what does not decode divides the runs.
fn runs(
    text: &[u8],
    skip: usize,
    digit: impl Fn(u8) -> Option<u32>,
    bits: u32,
    group: usize,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for run in text.split(|byte| digit(*byte).is_none()) {
        for group in run.get(skip..).unwrap_or_default().chunks(group) {
            let value = group
                .iter()
                .fold(0, |sum, byte| sum << bits | digit(*byte).unwrap_or(0));
            let whole = bits * u32::try_from(group.len()).unwrap();
            let bytes = (value << (32 - whole)).to_be_bytes();
            out.extend_from_slice(&bytes[..usize::try_from(whole / 8).unwrap()]);
        }
        out.push(0);
    }
    out
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

    use super::*;

    const SECRET: &str = "98_Zk3/q+vT\"x\\9-LmN0pQrStUvWxYz";

    fn hex(bytes: &[u8], upper: bool) -> String {
        let one = |byte: &u8| {
            if upper {
                format!("{byte:02X}")
            } else {
                format!("{byte:02x}")
            }
        };
        bytes.iter().map(one).collect()
    }

    /// Without this, that nothing was found would mean nothing.
    #[test]
    fn a_planted_piece_is_found_in_every_encoding_and_alignment() {
        let mut needles = Needles::default();
        needles.plant("secret", SECRET.as_bytes());
        for piece in SECRET.as_bytes().windows(PIECE) {
            let text = std::str::from_utf8(piece).unwrap();
            let mut written = vec![
                ("raw", text.to_owned()),
                (
                    "percent",
                    piece.iter().map(|byte| format!("%{byte:02X}")).collect(),
                ),
                ("percent", text.replace('/', "%2f").replace('+', "%2B")),
                ("JSON", serde_json::to_string(text).unwrap()),
                (
                    "JSON",
                    text.bytes().map(|byte| format!("\\u{byte:04x}")).collect(),
                ),
                (
                    "JSON",
                    text.replace('\\', "\\\\")
                        .replace('/', "\\/")
                        .replace('"', "\\\""),
                ),
            ];
            for upper in [false, true] {
                written.push(("hex", hex(piece, upper)));
                written.push(("hex", format!("a{}", hex(piece, upper))));
            }
            let pairs = hex(piece, false);
            let pairs: Vec<&str> = (0..PIECE).map(|at| &pairs[2 * at..2 * at + 2]).collect();
            written.push(("hex", pairs.join(":")));
            written.push(("Debug", format!("{piece:02x?}")));
            written.push(("Debug", format!("{piece:?}")));
            written.push(("Debug", format!("{piece:#?}")));
            let escaped = |byte: &u8| format!("\\x{byte:02x}");
            written.push(("Debug", piece.iter().map(escaped).collect()));
            for before in ["", "x", "xy"] {
                let whole = format!("{before}{text}");
                written.push(("base64", STANDARD.encode(&whole)));
                written.push(("base64", URL_SAFE_NO_PAD.encode(&whole)));
                written.push(("base64", format!("token={}", STANDARD.encode(&whole))));
                written.push(("base64", format!("AA{}", STANDARD.encode(&whole))));
            }
            for (how, line) in written {
                let line = format!("2026-11-22 INFO something: {line} and more");
                assert!(
                    !needles.in_text(line.as_bytes()).is_empty(),
                    "{how}: {line}"
                );
            }
        }
    }

    #[test]
    fn a_key_is_found_as_its_bytes_too() {
        let mut needles = Needles::default();
        let bytes: Vec<u8> = (0..16_u8).map(|byte| byte.wrapping_mul(37)).collect();
        needles.plant_key("key", &hex(&bytes, false), &bytes);
        for written in [
            bytes.clone(),
            STANDARD.encode(&bytes).into_bytes(),
            format!("{bytes:?}").into_bytes(),
            hex(&bytes, true).into_bytes(),
        ] {
            assert!(!needles.in_text(&written).is_empty(), "{written:?}");
        }
    }

    #[test]
    fn what_holds_no_secret_is_left_in_peace() {
        let mut needles = Needles::default();
        needles.plant("secret", SECRET.as_bytes());
        needles.none_in("eleven characters", &SECRET.as_bytes()[..PIECE - 1]);
        needles.none_in(
            "a log line",
            b"handing out access_token of wx0123456789abcdef 0123456789abcdef",
        );
        let noise: Vec<u8> = (0..200_000_u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect();
        needles.none_in("noise", &noise);
    }
}
