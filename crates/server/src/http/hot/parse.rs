//! Is this exactly a plain read, or a small batch of them? Everything that is anyhow special is not, and hyper decides about it.
//!
//! Pure: bytes in, verdict out. A test holds it against hyper's own parse, and so does the fuzz target.

use std::fmt;
use std::mem::MaybeUninit;

use super::super::request_id;
use crate::http::compat::token::GRANT_TYPE;

/// No head is larger.
pub const LARGEST_HEAD: usize = 16 * 1024;
/// No body is larger.
const LARGEST_BODY: usize = 8 * 1024;
/// A request with more headers is not plain.
const MOST_HEADERS: usize = 32;

/// The path of batch reads.
const BATCH: &str = "/v1/read";

/// What a buffer begins with.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed<'b> {
    /// A plain read, complete.
    Hot(HotRequest<'b>),
    /// Something else, or nothing that can be understood.
    NotHot,
    /// The beginning of what may be one.
    Incomplete,
    /// A batch whose body is not all there.
    BodyToCome {
        /// How many bytes it will take, head and body.
        len: usize,
    },
}

/// A plain read.
#[derive(Debug, PartialEq, Eq)]
pub struct HotRequest<'b> {
    /// How many bytes it takes.
    pub len: usize,
    /// `HEAD`: the answer without its body.
    pub head_only: bool,
    /// What is read.
    pub route: HotRoute<'b>,
    /// The client's own request id, if it is sane.
    pub request_id: Option<&'b [u8]>,
    /// The value of its one `If-None-Match`.
    pub if_none_match: Option<&'b [u8]>,
}

/// The first line of a plain read as clients write it, and its length.
pub(super) struct FirstLine<'b> {
    pub(super) head_only: bool,
    pub(super) target: &'b str,
    pub(super) len: usize,
}

/// What is read. `Debug` shows neither key nor body.
#[derive(PartialEq, Eq)]
pub enum HotRoute<'b> {
    /// `GET /v1/apps/{appid}/{kind}` with a Bearer key.
    Native {
        /// The AppID, ASCII letters and digits.
        app: &'b str,
        /// The kind, lower-case letters and `_`.
        kind: &'b str,
        /// The key.
        key: &'b [u8],
    },
    /// `GET /cgi-bin/token` with its three parameters, in any order.
    Compat {
        /// The AppID, ASCII letters and digits.
        app: &'b str,
        /// The key, letters, digits, `-` and `_`.
        key: &'b str,
    },
    /// `POST /v1/read` with a Bearer key and one plain `Content-Length`.
    Batch {
        /// The key.
        key: &'b [u8],
        /// The body, all of it.
        body: &'b [u8],
    },
}

impl fmt::Debug for HotRoute<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Native { app, kind, .. } => f
                .debug_struct("Native")
                .field("app", app)
                .field("kind", kind)
                .finish_non_exhaustive(),
            Self::Compat { app, .. } => f
                .debug_struct("Compat")
                .field("app", app)
                .finish_non_exhaustive(),
            Self::Batch { body, .. } => f
                .debug_struct("Batch")
                .field("body_len", &body.len())
                .finish_non_exhaustive(),
        }
    }
}

/// What the headers of a plain read say.
#[derive(Default)]
struct Headers<'b> {
    key: Option<&'b [u8]>,
    body: Option<&'b [u8]>,
    if_none_match: Option<&'b [u8]>,
    request_id: Option<&'b [u8]>,
}

/// Looks at the beginning of a buffer.
#[must_use]
pub fn parse(buffer: &[u8]) -> Parsed<'_> {
    let mut headers = [const { MaybeUninit::uninit() }; MOST_HEADERS];
    let mut request = httparse::Request::new(&mut []);
    let parsed = request.parse_with_uninit_headers(buffer, &mut headers);
    let (head_only, posted) = match request.method {
        None | Some("GET") => (false, false),
        Some("HEAD") => (true, false),
        Some("POST") => (false, true),
        Some(_) => return Parsed::NotHot,
    };
    let len = match parsed {
        Ok(httparse::Status::Complete(len)) if len <= LARGEST_HEAD && !has_bare(&buffer[..len]) => {
            len
        }
        Ok(httparse::Status::Partial) if buffer.len() < LARGEST_HEAD => return Parsed::Incomplete,
        Ok(_) | Err(_) => return Parsed::NotHot,
    };
    let (Some(1), Some(target)) = (request.version, request.path) else {
        return Parsed::NotHot;
    };
    let Some(headers) = plain_headers(request.headers) else {
        return Parsed::NotHot;
    };
    if posted {
        return batch(buffer, len, target, &headers);
    }
    match headers
        .body
        .map_or_else(|| route(target, headers.key), |_| None)
    {
        Some(route) => Parsed::Hot(HotRequest {
            len,
            head_only,
            route,
            request_id: headers.request_id,
            if_none_match: headers.if_none_match,
        }),
        None => Parsed::NotHot,
    }
}

/// Whether a head that httparse has accepted ends a line with a line feed alone: it does not mind, and others read on.
fn has_bare(head: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', head).any(|at| at == 0 || head[at - 1] != b'\r')
}

/// The first line, if it is written without any liberty. Of the target [`route`] decides.
pub(super) fn first_line(buffer: &[u8]) -> Option<FirstLine<'_>> {
    const END: &[u8] = b" HTTP/1.1\r\n";
    let (head_only, start) = match buffer {
        [b'G', b'E', b'T', b' ', ..] => (false, 4),
        [b'H', b'E', b'A', b'D', b' ', ..] => (true, 5),
        _ => return None,
    };
    let rest = &buffer[start..];
    let length = rest.iter().position(|byte| *byte == b' ')?;
    let (target, end) = rest.split_at(length);
    end.starts_with(END).then_some(())?;
    Some(FirstLine {
        head_only,
        target: std::str::from_utf8(target).ok()?,
        len: start + length + END.len(),
    })
}

/// The headers that matter here; none if there is one that makes the request special.
fn plain_headers<'b>(headers: &[httparse::Header<'b>]) -> Option<Headers<'b>> {
    let mut plain = Headers::default();
    let (mut if_none_match, mut request_id) = (None, None);
    for header in headers {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        match header.name.len() {
            13 if is("authorization") => once(&mut plain.key, bearer(header.value)?)?,
            13 if is("if-none-match") => once(&mut if_none_match, header.value)?,
            12 if is("x-request-id") => once(&mut request_id, header.value)?,
            10 if is("connection") && !header.value.eq_ignore_ascii_case(b"keep-alive") => {
                return None;
            }
            14 if is("content-length") => once(&mut plain.body, header.value)?,
            17 if is("transfer-encoding") => return None,
            6 if is("expect") => return None,
            7 if is("upgrade") || is("trailer") => return None,
            14 if is("http2-settings") => return None,
            _ => {}
        }
    }
    plain.if_none_match = if_none_match;
    plain.request_id = request_id.filter(|id| request_id::is_sane(id));
    Some(plain)
}

/// Sets what may be said once.
fn once<'b>(place: &mut Option<&'b [u8]>, value: &'b [u8]) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

/// A request with a body, of which the head takes this much.
fn batch<'b>(buffer: &'b [u8], head: usize, target: &str, headers: &Headers<'b>) -> Parsed<'b> {
    let (BATCH, Some(key), Some(body)) = (target, headers.key, headers.body.and_then(length))
    else {
        return Parsed::NotHot;
    };
    let len = head + body;
    if len > LARGEST_HEAD {
        return Parsed::NotHot;
    }
    let Some(body) = buffer.get(head..len) else {
        return Parsed::BodyToCome { len };
    };
    Parsed::Hot(HotRequest {
        len,
        head_only: false,
        route: HotRoute::Batch { key, body },
        request_id: headers.request_id,
        if_none_match: headers.if_none_match,
    })
}

/// A plain `Content-Length`: one to four digits and nothing else.
fn length(value: &[u8]) -> Option<usize> {
    if !(1..=4).contains(&value.len()) || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let length = value
        .iter()
        .fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'));
    (length <= LARGEST_BODY).then_some(length)
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let key = value.strip_prefix(b"Bearer ")?;
    (!key.is_empty() && key.iter().all(u8::is_ascii_graphic)).then_some(key)
}

pub(super) fn route<'b>(target: &'b str, key: Option<&'b [u8]>) -> Option<HotRoute<'b>> {
    if let Some(rest) = target.strip_prefix("/v1/apps/") {
        let (app, kind) = rest.split_once('/')?;
        let plain = is_app(app)
            && !kind.is_empty()
            && kind.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        return Some(HotRoute::Native {
            app,
            kind,
            key: key?,
        })
        .filter(|_| plain);
    }
    compat(target.strip_prefix("/cgi-bin/token?")?)
}

fn compat(query: &str) -> Option<HotRoute<'_>> {
    let (mut grant, mut app, mut key) = (None, None, None);
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=')?;
        let place = match name {
            "grant_type" => &mut grant,
            "appid" => &mut app,
            "secret" => &mut key,
            _ => return None,
        };
        once_text(place, value)?;
    }
    let (app, key) = (app?, key?);
    let plain_key = !key.is_empty()
        && key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    let plain = grant? == GRANT_TYPE && is_app(app) && plain_key;
    plain.then_some(HotRoute::Compat { app, key })
}

fn once_text<'b>(place: &mut Option<&'b str>, value: &'b str) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

fn is_app(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_hot(request: &str) -> bool {
        matches!(parse(request.as_bytes()), Parsed::Hot(hot) if hot.len == request.len())
    }

    const NATIVE: &str =
        "GET /v1/apps/wx1/access_token HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer k\r\n";

    #[test]
    fn a_plain_read_is_hot_whatever_harmless_headers_it_has() {
        assert!(is_hot(&format!("{NATIVE}\r\n")));
        assert!(is_hot(&format!(
            "{NATIVE}Accept: */*\r\nconnection: Keep-Alive\r\nIf-None-Match: \"1-2\"\r\n\r\n"
        )));
        assert!(is_hot(
            "HEAD /cgi-bin/token?secret=k&appid=wx1&grant_type=client_credential HTTP/1.1\r\n\r\n"
        ));
        assert_eq!(parse(&NATIVE.as_bytes()[..40]), Parsed::Incomplete);
        assert_eq!(parse(b""), Parsed::Incomplete);
    }

    #[test]
    fn anything_special_is_left_to_hyper() {
        for header in [
            "Content-Length: 0",
            "Transfer-Encoding: chunked",
            "Expect: 100-continue",
            "Upgrade: h2c",
            "Connection: close",
            "Connection: keep-alive, upgrade",
            "Authorization: Bearer k",
            "Bad Name: x",
        ] {
            assert_eq!(
                parse(format!("{NATIVE}{header}\r\n\r\n").as_bytes()),
                Parsed::NotHot,
                "{header}"
            );
        }
        for line in [
            "GET /v1/apps/wx1/access_token?wait=30 HTTP/1.1",
            "GET /v1/apps/wx%31/access_token HTTP/1.1",
            "GET /v1/apps//access_token HTTP/1.1",
            "GET /v1/apps/wx1/access_token/ HTTP/1.1",
            "GET http://a/v1/apps/wx1/access_token HTTP/1.1",
            "GET /v1/apps/wx1/access_token HTTP/1.0",
            "POST /v1/apps/wx1/access_token HTTP/1.1",
            "GET /cgi-bin/token?grant_type=client_credential&appid=wx1&secret=a%20b HTTP/1.1",
            "GET /cgi-bin/token?grant_type=client_credential&appid=wx1&appid=wx1&secret=k HTTP/1.1",
            "GET /cgi-bin/token?grant_type=x&appid=wx1&secret=k HTTP/1.1",
            "GET /cgi-bin/token?grant_type=client_credential&appid=wx1&secret=k&x=1 HTTP/1.1",
        ] {
            let request = format!("{line}\r\nAuthorization: Bearer k\r\n\r\n");
            assert_eq!(parse(request.as_bytes()), Parsed::NotHot, "{line}");
        }
    }

    const BATCH_HEAD: &str =
        "POST /v1/read HTTP/1.1\r\nAuthorization: Bearer k\r\nContent-Type: text/plain\r\n";

    #[test]
    fn a_batch_is_hot_once_its_body_is_there() {
        let request = format!("{BATCH_HEAD}content-length: 2\r\n\r\n{{}}");
        assert!(is_hot(&request));
        assert_eq!(
            parse(&request.as_bytes()[..request.len() - 1]),
            Parsed::BodyToCome { len: request.len() }
        );
        let followed = format!("{request}GET /");
        assert!(
            matches!(parse(followed.as_bytes()), Parsed::Hot(hot) if hot.len == request.len()
                && hot.route == HotRoute::Batch { key: b"k", body: b"{}" })
        );
    }

    #[test]
    fn a_batch_with_an_odd_length_is_left_to_hyper() {
        for headers in [
            "",
            "Content-Length: \r\n",
            "Content-Length: +2\r\n",
            "Content-Length: 2, 2\r\n",
            "Content-Length: 0x2\r\n",
            "Content-Length: 8193\r\n",
            "Content-Length: 00002\r\n",
            "Content-Length: 2\r\nContent-Length: 2\r\n",
            "Content-Length: 2\r\nContent-Length: 3\r\n",
            "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
            "Content-Length: 2\r\nExpect: 100-continue\r\n",
        ] {
            let request = format!("{BATCH_HEAD}{headers}\r\n{{}}");
            assert_eq!(parse(request.as_bytes()), Parsed::NotHot, "{headers}");
        }
    }

    #[test]
    fn a_head_without_end_is_given_up_at_its_bound() {
        let mut head = NATIVE.to_owned();
        while head.len() < LARGEST_HEAD {
            head.push_str("X-Filler: 0123456789012345678901234567890123456789\r\n");
        }
        assert_eq!(parse(head.as_bytes()), Parsed::NotHot);
    }
}
