//! Finds secrets, and any twelve characters in a row of one, however they are written: raw, percent-, JSON-, hex- or
//! base64-encoded. The text is decoded in every way and searched, so no encoding of a piece has to be foreseen.

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
    for skip in 0..2 {
        views.push((
            "hex",
            runs(text, skip, |byte| char::from(byte).to_digit(16), 4, 2),
        ));
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
