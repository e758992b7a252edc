//! What a caller asks for: the path that is checked is the path that is sent, and there is one way to write it.
//!
//! Pure. Must not know: callers, tokens, what a path means.

use std::borrow::Cow;

use crate::byte_set::ByteSet;

/// What is never escaped (RFC 3986, 2.3).
static UNRESERVED: ByteSet = ByteSet::alphanumeric_and(b"-._~");

/// A path and a query that may go to upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target<'a> {
    /// Starts with `/`; no empty, dot or ambiguous segment is in it.
    pub(crate) path: Cow<'a, str>,
    /// As it came, without the `?`.
    pub(crate) query: Option<&'a str>,
}

/// Why a request-target goes nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadTarget {
    /// `GET http://host/path`, `CONNECT host:port`, `OPTIONS *`.
    #[error(
        "the request-target must be a path: this is no proxy for other hosts; use this server as the base URL"
    )]
    NotAPath,
    /// `/a/../b`, also when it is written with `%2e`.
    #[error("the path holds a dot segment (. or ..); write the path it means")]
    DotSegment,
    /// `%2f`, `%5c` or a backslash.
    #[error("the path holds an encoded slash or a backslash; WeChat has no such path")]
    HiddenSlash,
    /// Control bytes, raw or encoded; `%25`; `;`; an escape that is none.
    #[error(
        "the path holds a byte that upstream may read in another way (control byte, `;`, `%25`, a broken escape)"
    )]
    Ambiguous,
}

impl<'a> Target<'a> {
    /// Reads a request-target in origin form. Doubled slashes become one; escapes that need not be are undone (RFC 3986,
    /// 6.2.2.2); the query stays as it is.
    pub(crate) fn read(target: &'a str) -> Result<Self, BadTarget> {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        if !path.starts_with('/') {
            return Err(BadTarget::NotAPath);
        }
        let path = if is_plain(path) {
            Cow::Borrowed(path)
        } else {
            Cow::Owned(normalised(path)?)
        };
        if has_dot_segment(&path) {
            return Err(BadTarget::DotSegment);
        }
        if query.is_some_and(|query| query.bytes().any(|b| b.is_ascii_control())) {
            return Err(BadTarget::Ambiguous);
        }
        Ok(Self { path, query })
    }
}

/// Whether a segment is `.` or `..`; few start with a dot at all.
fn has_dot_segment(path: &str) -> bool {
    path.as_bytes().windows(2).any(|pair| pair == b"/.")
        && path.split('/').any(|segment| matches!(segment, "." | ".."))
}

/// Whether nothing in it has to be looked at twice: true of nearly every path there is.
fn is_plain(path: &str) -> bool {
    let mut before = 0;
    path.bytes().all(|byte| {
        let doubled = byte == b'/' && before == b'/';
        before = byte;
        !doubled && (byte == b'/' || UNRESERVED.has(byte))
    })
}

fn normalised(path: &str) -> Result<String, BadTarget> {
    let mut written = String::with_capacity(path.len());
    let mut rest = path.chars();
    while let Some(next) = rest.next() {
        match next {
            '/' if written.ends_with('/') => {}
            '\\' => return Err(BadTarget::HiddenSlash),
            '%' => {
                let escape = rest.as_str().get(..2).ok_or(BadTarget::Ambiguous)?;
                rest = rest.as_str()[2..].chars();
                unescape(escape, &mut written)?;
            }
            ';' => return Err(BadTarget::Ambiguous),
            control if control.is_control() => return Err(BadTarget::Ambiguous),
            other => written.push(other),
        }
    }
    Ok(written)
}

/// One escape: undone if it need not be one, refused if it hides something, kept otherwise.
fn unescape(escape: &str, written: &mut String) -> Result<(), BadTarget> {
    let hex = escape.bytes().all(|digit| digit.is_ascii_hexdigit());
    let byte = u8::from_str_radix(escape, 16)
        .ok()
        .filter(|_| hex)
        .ok_or(BadTarget::Ambiguous)?;
    match byte {
        b'/' | b'\\' => Err(BadTarget::HiddenSlash),
        b'%' | b';' | 0..=31 | 127 => Err(BadTarget::Ambiguous),
        plain if UNRESERVED.has(plain) => {
            written.push(char::from(plain));
            Ok(())
        }
        _ => {
            written.push('%');
            written.push_str(&escape.to_ascii_uppercase());
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(target: &str) -> Result<String, BadTarget> {
        Target::read(target).map(|target| target.path.into_owned())
    }

    #[test]
    fn a_plain_target_is_sent_as_it_came() {
        let target = Target::read("/cgi-bin/menu/get?access_token=%41&x=a//b;%2f").unwrap();
        assert_eq!(target.path, "/cgi-bin/menu/get");
        assert!(matches!(target.path, Cow::Borrowed(_)));
        assert_eq!(target.query, Some("access_token=%41&x=a//b;%2f"));
        assert_eq!(Target::read("/wxa/x").unwrap().query, None);
        assert_eq!(Target::read("/wxa/x?").unwrap().query, Some(""));
    }

    #[test]
    fn doubled_slashes_and_needless_escapes_have_one_spelling() {
        assert_eq!(path("//cgi-bin///menu/get").unwrap(), "/cgi-bin/menu/get");
        assert_eq!(
            path("/%63gi-bin/clear%5fquota").unwrap(),
            "/cgi-bin/clear_quota"
        );
        assert_eq!(path("/a%c3%a9%20b").unwrap(), "/a%C3%A9%20b");
    }

    #[test]
    fn what_could_be_read_in_two_ways_goes_nowhere() {
        for (target, why) in [
            ("http://evil.example/cgi-bin/token", BadTarget::NotAPath),
            ("evil.example:443", BadTarget::NotAPath),
            ("*", BadTarget::NotAPath),
            ("", BadTarget::NotAPath),
            ("/cgi-bin/message/../clear_quota", BadTarget::DotSegment),
            ("/cgi-bin/./menu", BadTarget::DotSegment),
            ("/cgi-bin/..", BadTarget::DotSegment),
            ("/cgi-bin/%2e%2E/clear_quota", BadTarget::DotSegment),
            ("/cgi-bin/.%2e/clear_quota", BadTarget::DotSegment),
            ("/cgi-bin%2fclear_quota", BadTarget::HiddenSlash),
            ("/cgi-bin%2Fclear_quota", BadTarget::HiddenSlash),
            ("/cgi-bin\\clear_quota", BadTarget::HiddenSlash),
            ("/cgi-bin/%5c../x", BadTarget::HiddenSlash),
            ("/cgi-bin/%252e%252e/x", BadTarget::Ambiguous),
            ("/cgi-bin/menu;x=1/get", BadTarget::Ambiguous),
            ("/cgi-bin/menu%3bx", BadTarget::Ambiguous),
            ("/cgi-bin/menu%00", BadTarget::Ambiguous),
            ("/cgi-bin/menu%7f", BadTarget::Ambiguous),
            ("/cgi-bin/menu\u{1}", BadTarget::Ambiguous),
            ("/cgi-bin/%zz", BadTarget::Ambiguous),
            ("/cgi-bin/%+1", BadTarget::Ambiguous),
            ("/cgi-bin/%4", BadTarget::Ambiguous),
            ("/cgi-bin/menu?a=\r\nHost: x", BadTarget::Ambiguous),
        ] {
            assert_eq!(path(target), Err(why), "{target:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_sent_is_read_again_as_the_same(target in "/[a-z0-9./%_;~\\\\é-]{0,24}") {
            if let Ok(sent) = path(&target) {
                prop_assert_eq!(path(&sent), Ok(sent.clone()));
                prop_assert!(!sent.contains("//") && !sent.split('/').any(|s| s == ".." || s == "."));
            }
        }

        #[test]
        fn no_target_harms(target in ".{0,40}") {
            let _ = Target::read(&target);
        }
    }
}
