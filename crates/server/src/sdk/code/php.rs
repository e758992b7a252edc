//! What PHP's `serialize` makes of a text and of WeChat's answer, and what a reader of it sees. Symfony writes igbinary where
//! that is loaded, and reads both.

use wxtoken_core::credential::Kind;

use super::super::entry::{Reading, Seen, Value};
use super::super::format::PhpCache;
use super::{field, igbinary};

/// What `ThinkPHP` 5.1 puts before what is no plain text.
const THINK: &str = "think_serialize:";

/// A text.
pub(super) fn text(cache: PhpCache, text: &str) -> String {
    match cache {
        PhpCache::Serialize => string(text),
        PhpCache::Think5 => text.to_owned(),
    }
}

/// WeChat's answer as an array.
pub(super) fn answer(cache: PhpCache, kind: Kind, value: &Value<'_>) -> String {
    let mut items = String::new();
    let mut count = 0;
    let mut put = |name: &str, value: &str| {
        items.push_str(&string(name));
        items.push_str(value);
        count += 1;
    };
    if kind != Kind::AccessToken {
        put("errcode", "i:0;");
        put("errmsg", &string("ok"));
    }
    put(field(kind), &string(value.text()));
    put("expires_in", &format!("i:{};", value.left_seconds()));
    let before = match cache {
        PhpCache::Serialize => "",
        PhpCache::Think5 => THINK,
    };
    format!("{before}a:{count}:{{{items}}}")
}

fn string(text: &str) -> String {
    format!("s:{}:\"{text}\";", text.len())
}

pub(super) fn read_text(cache: PhpCache, body: &[u8], present: Seen) -> Reading {
    match cache {
        PhpCache::Think5 => Reading::held_bytes(body, present),
        PhpCache::Serialize => match parse(body) {
            Some(Php::Text(text)) => Reading::held_bytes(text, present),
            // Laravel and ThinkPHP keep numbers bare.
            None if body.iter().all(u8::is_ascii_digit) => Reading::held_bytes(body, present),
            Some(Php::Array(_) | Php::Other) | None => Reading::Foreign,
        },
    }
}

pub(super) fn read_answer(cache: PhpCache, kind: Kind, body: &[u8], present: Seen) -> Reading {
    let body = match cache {
        PhpCache::Serialize => Some(body),
        PhpCache::Think5 => body.strip_prefix(THINK.as_bytes()),
    };
    let Some(Php::Array(items)) = body.and_then(parse) else {
        return Reading::Foreign;
    };
    let named = |(name, _): &&(&[u8], Php<'_>)| *name == field(kind).as_bytes();
    match items.iter().find(named) {
        Some((_, Php::Text(text))) => Reading::held_bytes(text, present),
        Some((_, Php::Array(_) | Php::Other)) | None => Reading::Foreign,
    }
}

/// As much of PHP's values as WeChat's answers need.
pub(super) enum Php<'a> {
    Text(&'a [u8]),
    Array(Vec<(&'a [u8], Php<'a>)>),
    Other,
}

/// One value and nothing after it.
fn parse(bytes: &[u8]) -> Option<Php<'_>> {
    if let Some(bytes) = bytes.strip_prefix(igbinary::HEAD) {
        return igbinary::parse(bytes);
    }
    let (value, rest) = any_value(bytes, 2)?;
    rest.is_empty().then_some(value)
}

/// A value, and what follows; arrays at most `depth` deep.
fn any_value(bytes: &[u8], depth: u8) -> Option<(Php<'_>, &[u8])> {
    let (sort, rest) = bytes.split_at_checked(2)?;
    match sort {
        b"s:" => {
            let (text, rest) = counted(rest)?;
            Some((Php::Text(text), rest))
        }
        b"i:" | b"d:" | b"b:" => {
            let end = rest.iter().position(|byte| *byte == b';')?;
            Some((Php::Other, rest.get(end + 1..)?))
        }
        b"N;" => Some((Php::Other, rest)),
        b"a:" => {
            let depth = depth.checked_sub(1)?;
            let (count, rest) = number(rest)?;
            let mut rest = rest.strip_prefix(b"{")?;
            let mut items = Vec::new();
            for _ in 0..count {
                let (name, after) = any_value(rest, 0)?;
                let (value, after) = any_value(after, depth)?;
                if let Php::Text(name) = name {
                    items.push((name, value));
                }
                rest = after;
            }
            Some((Php::Array(items), rest.strip_prefix(b"}")?))
        }
        _ => None,
    }
}

/// What stands in quotes after its length, and what follows.
fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = number(bytes)?;
    let (text, rest) = rest.strip_prefix(b"\"")?.split_at_checked(length)?;
    Some((text, rest.strip_prefix(b"\";")?))
}

/// A number and its colon.
fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b':')?;
    let digits = bytes.get(..end)?;
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some((number, bytes.get(end + 1..)?))
}
