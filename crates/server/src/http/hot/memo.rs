//! What a connection asked last. Clients repeat their headers letter by letter, so that only first lines need to be read anew,
//! and only one key needs to be looked up for many requests.
//!
//! Owns: knowing headers again, and whose key they hold. Holds a mark of them and no byte, so that an idle connection keeps
//! neither a buffer nor a key.
//! Must not know: what a caller may do. Rights, rates and addresses are looked at for each request.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;

use wxtoken_core::credential::ValueId;

use super::super::callers::{Book, Caller, CallerAt};
use super::parse::{HotRequest, HotRoute, LARGEST_HEAD, Parsed, first_line, parse, route};

/// The headers of a connection's last plain read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Memo {
    mark: u64,
    /// How long they are, the blank line included. Zero: nothing is remembered.
    len: u16,
    key: Option<Span>,
    if_none_match: Option<Span>,
    request_id: Option<Span>,
    caller: Option<CallerAt>,
    /// The mark of that caller's key, if a first line showed it; zero, if the headers hold it.
    shown: u64,
    /// The mark of the value that was hashed last, and its hash.
    hashed: Option<(u64, ValueId)>,
}

/// A part of the headers.
#[derive(Debug, Clone, Copy)]
struct Span {
    at: u16,
    len: u16,
}

impl Memo {
    /// Says what [`parse`] says. Faster, if the headers are those of the last plain read; they are remembered otherwise.
    pub(super) fn parse<'b>(&mut self, buffer: &'b [u8]) -> Parsed<'b> {
        if let Some(request) = self.again(buffer) {
            return Parsed::Hot(request);
        }
        let parsed = parse(buffer);
        if let Parsed::Hot(request) = &parsed {
            *self = Self::of(buffer, request).unwrap_or_default();
        }
        parsed
    }

    /// The caller whose key the headers hold, if it has it still.
    pub(super) fn caller<'a>(&mut self, book: &'a Book, key: &[u8]) -> Option<&'a Caller> {
        self.known(book, key, 0)
    }

    /// The caller whose key a first line shows: it is likely to be the one of the last.
    pub(super) fn caller_shown<'a>(&mut self, book: &'a Book, key: &[u8]) -> Option<&'a Caller> {
        self.known(book, key, mark(key))
    }

    /// The same for a call's key, and where that caller stands.
    pub(super) fn place(&mut self, book: &Book, key: &[u8]) -> Option<CallerAt> {
        self.caller_shown(book, key)?;
        self.caller
    }

    /// The keyed hash of a value that is likely to be the last one again. What it belongs to is never remembered.
    pub(super) fn id_of(&mut self, value: &str, hash: impl FnOnce(&str) -> ValueId) -> ValueId {
        let mark = mark(value.as_bytes());
        if let Some((_, id)) = self.hashed.filter(|(of, _)| *of == mark) {
            return id;
        }
        let id = hash(value);
        self.hashed = Some((mark, id));
        id
    }

    fn known<'a>(&mut self, book: &'a Book, key: &[u8], shown: u64) -> Option<&'a Caller> {
        let same = self.caller.filter(|_| shown == self.shown);
        if let Some(caller) = same.and_then(|at| book.at(at)) {
            return Some(caller);
        }
        self.shown = shown;
        self.caller = book.find(key);
        book.at(self.caller?).map(AsRef::as_ref)
    }

    /// The request at the beginning, if its first line is a plain read's and the headers behind it are those remembered.
    pub(super) fn again<'b>(&self, buffer: &'b [u8]) -> Option<HotRequest<'b>> {
        if self.len == 0 {
            return None;
        }
        let line = first_line(buffer)?;
        let len = line.len + usize::from(self.len);
        let headers = buffer.get(line.len..len)?;
        if len > LARGEST_HEAD || mark(headers) != self.mark {
            return None;
        }
        let part = |span: Span| &headers[span.range()];
        Some(HotRequest {
            len,
            head_only: line.head_only,
            route: route(line.target, self.key.map(part))?,
            request_id: self.request_id.map(part),
            if_none_match: self.if_none_match.map(part),
        })
    }

    fn of(buffer: &[u8], request: &HotRequest<'_>) -> Option<Self> {
        // A compatible read's key is in its first line.
        let key = match request.route {
            HotRoute::Native { key, .. } => Some(key),
            HotRoute::Compat { .. } => None,
            HotRoute::Batch { .. } => return None,
        };
        let headers = buffer.get(first_line(buffer)?.len..request.len)?;
        let span = |part: &[u8]| Span::of(part, headers);
        Some(Self {
            mark: mark(headers),
            len: u16::try_from(headers.len()).ok()?,
            key: key.map(span),
            if_none_match: request.if_none_match.map(span),
            request_id: request.request_id.map(span),
            caller: None,
            shown: 0,
            hashed: None,
        })
    }
}

impl Span {
    /// Where `part`, which was cut out of `whole`, lies in it.
    fn of(part: &[u8], whole: &[u8]) -> Self {
        let at = part.as_ptr().addr() - whole.as_ptr().addr();
        // No head is larger than these can tell.
        Self {
            at: at as u16,
            len: part.len() as u16,
        }
    }

    fn range(self) -> std::ops::Range<usize> {
        let at = usize::from(self.at);
        at..at + usize::from(self.len)
    }
}

/// SipHash under a key that this process drew: made so that nobody without the key can tell the mark of bytes, nor find
/// others with the same. Who shares a connection with a caller (behind a proxy) and guesses headers is right once in 2^64
/// requests; who has a connection alone can only be taken for themselves.
fn mark(headers: &[u8]) -> u64 {
    static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    let mut hasher = KEY.build_hasher();
    hasher.write(headers);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::super::super::callers::Callers;
    use super::*;
    use crate::config::{self, KeyHash};

    const FIRST: &[u8] =
        b"GET /v1/apps/wx1/access_token HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer key-a\r\n\r\n";
    const SAME_HEADERS: &[u8] =
        b"HEAD /v1/apps/wx2/jsapi_ticket HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer key-a\r\n\r\n";
    const OTHER_KEY: &[u8] =
        b"GET /v1/apps/wx1/access_token HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer key-b\r\n\r\n";

    #[test]
    fn the_same_headers_are_known_behind_another_first_line_and_no_others_are() {
        let mut memo = Memo::default();
        assert!(memo.again(FIRST).is_none());
        memo.parse(FIRST);
        let known = memo.again(SAME_HEADERS).unwrap();
        assert_eq!(Parsed::Hot(known), parse(SAME_HEADERS));
        assert!(memo.again(OTHER_KEY).is_none());
        assert!(
            memo.again(&SAME_HEADERS[..SAME_HEADERS.len() - 1])
                .is_none()
        );
        memo.parse(OTHER_KEY);
        assert!(memo.again(FIRST).is_none() && memo.again(OTHER_KEY).is_some());
    }

    #[test]
    fn a_key_that_is_taken_away_or_given_to_another_is_noticed_at_once() {
        let caller = |name: &str, key: &str| config::Caller::new(name, KeyHash::of(key));
        let callers = Callers::new(&[caller("x", "key-x"), caller("a", "key-a")]);
        let mut memo = Memo::default();
        let mut name = |bytes: &[u8], key: &[u8]| {
            memo.parse(bytes);
            let book = callers.now();
            memo.caller(&book, key)
                .map(|caller| caller.name().to_owned())
        };
        assert_eq!(name(FIRST, b"key-a").as_deref(), Some("a"));
        assert_eq!(name(SAME_HEADERS, b"key-a").as_deref(), Some("a"));
        assert_eq!(name(OTHER_KEY, b"key-b"), None);
        assert_eq!(name(FIRST, b"key-a").as_deref(), Some("a"));
        callers.replace(&[caller("b", "key-a")]);
        assert_eq!(name(FIRST, b"key-a").as_deref(), Some("b"));
        callers.replace(&[caller("x", "key-x"), caller("a", "key-y")]);
        assert_eq!(name(FIRST, b"key-a"), None);
    }

    #[test]
    fn a_key_in_a_first_line_names_its_own_caller_whatever_the_headers_hold() {
        let caller = |name: &str, key: &str| config::Caller::new(name, KeyHash::of(key));
        let callers = Callers::new(&[caller("a", "key-a"), caller("b", "key-b")]);
        let book = callers.now();
        let mut memo = Memo::default();
        memo.parse(FIRST);
        let name = |caller: Option<&Caller>| caller.map(|caller| caller.name().to_owned());
        let (a, b) = (Some("a".to_owned()), Some("b".to_owned()));
        for _ in 0..2 {
            assert_eq!(name(memo.caller(&book, b"key-a")), a);
            assert_eq!(name(memo.caller_shown(&book, b"key-b")), b);
            assert_eq!(name(memo.caller_shown(&book, b"key-b")), b);
            assert_eq!(name(memo.caller_shown(&book, b"key-a")), a);
            assert_eq!(name(memo.caller_shown(&book, b"key-b")), b);
            assert_eq!(name(memo.caller(&book, b"key-a")), a);
            assert_eq!(name(memo.caller_shown(&book, b"key-c")), None);
        }
    }

    #[test]
    fn a_value_that_comes_again_is_hashed_once_and_another_one_is_hashed_anew() {
        let mut memo = Memo::default();
        let mut hashed = Vec::new();
        for value in ["a", "a", "b", "a"] {
            let id = memo.id_of(value, |value| {
                hashed.push(value.to_owned());
                ValueId(value.bytes().map(u64::from).sum())
            });
            assert_eq!(id, ValueId(u64::from(value.as_bytes()[0])));
        }
        assert_eq!(hashed, ["a", "b", "a"]);
    }
}
