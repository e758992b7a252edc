//! As much of PHP's igbinary as WeChat's answers need: Symfony's cache writes it where the extension is loaded.
//!
//! Must not know: what is looked for in it. Its numbers are big-endian.

use super::php::Php;

/// What stands first: version 2.
pub(super) const HEAD: &[u8] = &[0, 0, 0, 2];

/// What follows the head: one value, and nothing after it.
pub(super) fn parse(bytes: &[u8]) -> Option<Php<'_>> {
    let (value, rest) = value(bytes, 2)?;
    rest.is_empty().then_some(value)
}

/// A value, and what follows; arrays at most `depth` deep.
fn value(bytes: &[u8], depth: u8) -> Option<(Php<'_>, &[u8])> {
    let (sort, rest) = bytes.split_first()?;
    let skip = |count| Some((Php::Other, rest.get(count..)?));
    match sort {
        0x00 | 0x04 | 0x05 => skip(0), // null, false, true
        0x06 | 0x07 | 0x0e => skip(1), // a number, or a text that was there before, in one byte
        0x08 | 0x09 | 0x0f => skip(2),
        0x0a | 0x0b | 0x10 => skip(4),
        0x0c | 0x20 | 0x21 => skip(8), // a float, or a long number
        0x0d => Some((Php::Text(b""), rest)),
        0x11 => text(number(rest, 1)?),
        0x12 => text(number(rest, 2)?),
        0x13 => text(number(rest, 4)?),
        0x14 => array(number(rest, 1)?, depth),
        0x15 => array(number(rest, 2)?, depth),
        _ => None,
    }
}

fn text((length, rest): (usize, &[u8])) -> Option<(Php<'_>, &[u8])> {
    let (text, rest) = rest.split_at_checked(length)?;
    Some((Php::Text(text), rest))
}

fn array((count, mut rest): (usize, &[u8]), depth: u8) -> Option<(Php<'_>, &[u8])> {
    let depth = depth.checked_sub(1)?;
    let mut items = Vec::new();
    for _ in 0..count {
        let (name, after) = value(rest, 0)?;
        let (item, after) = value(after, depth)?;
        if let Php::Text(name) = name {
            items.push((name, item));
        }
        rest = after;
    }
    Some((Php::Array(items), rest))
}

/// A number of so many bytes.
fn number(bytes: &[u8], width: usize) -> Option<(usize, &[u8])> {
    let (digits, rest) = bytes.split_at_checked(width)?;
    let number = digits
        .iter()
        .fold(0, |sum, digit| sum << 8 | usize::from(*digit));
    Some((number, rest))
}
