//! Is this exactly a plain call? One reading of its length, nothing about the connection, a path that no route of ours has.
//!
//! Pure. Whatever else it may be, hyper decides about it.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::mem::MaybeUninit;
use std::sync::LazyLock;

use http::Method;

use super::parse::LARGEST_HEAD;
use crate::byte_set::ByteSet;
use crate::gateway::headers::goes_up;
use crate::gateway::introduction::{APP, Introduction};
use crate::gateway::relay::{Plain, push_line};
use crate::gateway::target::Target;
use crate::http::request_id;
use crate::http::routes::{FOR_BROWSERS, Route};

/// A call with more headers is not plain.
const MOST_HEADERS: usize = 64;

/// What stands in a query without escapes (RFC 3986, 3.4): all readers read these in one way.
static IN_A_QUERY: ByteSet = ByteSet::alphanumeric_and(b"-._~!$&'()*+,;=:@/?%");

/// Reads the head at the beginning of a buffer.
pub(super) fn plain(buffer: &[u8]) -> Option<Plain<'_>> {
    let mut lines = [const { MaybeUninit::uninit() }; MOST_HEADERS];
    let mut request = httparse::Request::new(&mut []);
    let parsed = request.parse_with_uninit_headers(buffer, &mut lines).ok()?;
    let httparse::Status::Complete(head) = parsed else {
        return None;
    };
    let method = match request.method? {
        "GET" => Method::GET,
        "POST" => Method::POST,
        _ => return None,
    };
    let target = Target::read(request.path?).ok()?;
    if !is_a_call(&target) {
        return None;
    }
    if head > LARGEST_HEAD || request.version != Some(1) || !ends_its_lines(&buffer[..head]) {
        return None;
    }
    let mut plain = Plain {
        method,
        target,
        said: Introduction::default(),
        id: None,
        lines: Vec::with_capacity(head),
        head,
        length: 0,
    };
    let length = read_headers(&buffer[..head], request.headers, &mut plain)?;
    plain.length = length.unwrap_or(0);
    (length.is_none() || plain.method == Method::POST).then_some(plain)
}

/// Whether every line ends in CR LF: httparse, as all the world, takes LF alone as well.
fn ends_its_lines(head: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', head).all(|at| at > 0 && head[at - 1] == b'\r')
}

/// Takes the headers over; gives the length of the body, if one is told. None if anything is special.
fn read_headers<'b>(
    head: &[u8],
    lines: &[httparse::Header<'b>],
    plain: &mut Plain<'b>,
) -> Option<Option<usize>> {
    let mut length = None;
    for line in lines {
        let is = |name: &str| line.name.eq_ignore_ascii_case(name);
        match line.name.len() {
            10 if is("connection") && !line.value.eq_ignore_ascii_case(b"keep-alive") => {
                return None;
            }
            14 if is("content-length") => {
                let told_before = length.replace(digits(line.value)?).is_some();
                if told_before || !is_tight(head, line) {
                    return None;
                }
            }
            17 if is("transfer-encoding") => return None,
            6 if is("expect") => return None,
            7 if is("upgrade") || is("trailer") => return None,
            2 if is("te") => return None,
            14 if is("http2-settings") => return None,
            13 if is("authorization") => {
                plain.said.authorization = plain.said.authorization.and(line.value);
            }
            11 if is(APP.as_str()) => plain.said.app = plain.said.app.and(line.value),
            12 if is(request_id::HEADER.as_str()) => plain.id = plain.id.or(Some(line.value)),
            _ => {}
        }
        let passes = |name: &[u8]| goes_up(name) && name != b"accept-encoding";
        push_line(&mut plain.lines, line.name, line.value, passes);
    }
    Some(length)
}

/// Whether a line is its name, a colon, a blank at most and its value: one with more between them is refused elsewhere, and a
/// call that has gone up must be read there in the same way.
fn is_tight(head: &[u8], line: &httparse::Header<'_>) -> bool {
    let at = |part: &[u8]| part.as_ptr().addr() - head.as_ptr().addr();
    let (name, value) = (at(line.name.as_bytes()), at(line.value));
    value <= name + line.name.len() + 2 && head.get(value + line.value.len()) == Some(&b'\r')
}

fn digits(value: &[u8]) -> Option<usize> {
    let plain = (1..=9).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
    let sum = |sum, digit: &u8| sum * 10 + usize::from(digit - b'0');
    plain.then(|| value.iter().fold(0, sum))
}

/// Whether a target is WeChat's beyond doubt: a plain path whose first segment is not ours, and that ends as none of the
/// routes does that also stand behind `/k/…`.
fn is_a_call(target: &Target<'_>) -> bool {
    let Cow::Borrowed(path) = target.path else {
        return false;
    };
    let query = target.query.unwrap_or_default();
    path.len() > 1 && IN_A_QUERY.has_all_of(query) && !could_be_a_route(path)
}

/// Whether a path could be a route's; rather one time too often.
fn could_be_a_route(path: &str) -> bool {
    let Routes { beginnings, ends } = &*ROUTES;
    beginnings.iter().any(|first| path.starts_with(first))
        || ends.iter().any(|end| path.ends_with(end))
}

/// How to know a route from its path.
struct Routes {
    /// `/v1` and the like, and what stands on the public listener.
    beginnings: BTreeSet<&'static str>,
    /// Of those that also stand behind `/k/…`.
    ends: BTreeSet<&'static str>,
}

static ROUTES: LazyLock<Routes> = LazyLock::new(|| {
    let (ends, others): (Vec<Route>, Vec<Route>) =
        Route::ALL.into_iter().partition(|route| route.is_compat());
    let beginning = |path: &'static str| match path[1..].find('/') {
        Some(at) => &path[..=at],
        None => path,
    };
    Routes {
        beginnings: others
            .into_iter()
            .map(|route| beginning(route.path()))
            .chain(FOR_BROWSERS)
            .collect(),
        ends: ends.into_iter().map(Route::path).collect(),
    }
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::introduction::Sent;

    fn length(head: &str) -> Option<usize> {
        plain(format!("{head}\r\n\r\n").as_bytes()).map(|plain| plain.length)
    }

    #[test]
    fn a_call_with_one_length_or_none_is_plain() {
        for (head, length_of_body) in [
            ("GET /cgi-bin/menu/get?access_token=x HTTP/1.1", 0),
            ("POST /wxa/x HTTP/1.1\r\nContent-Length: 17", 17),
            ("POST /wxa/x HTTP/1.1\r\nX: 1 \r\ncontent-length:17", 17),
            ("POST /wxa/x HTTP/1.1\r\nConnection: Keep-Alive", 0),
            ("GET /k/KEY/cgi-bin/menu/get HTTP/1.1", 0),
        ] {
            assert_eq!(length(head), Some(length_of_body), "{head}");
        }
    }

    #[test]
    fn what_goes_up_is_written_in_lower_case_without_what_is_private() {
        let head = "GET /wxa/x HTTP/1.1\r\nHost: hub\r\nX-A:  1 \r\nAUTHORIZATION: Bearer k\r\nCookie: c\r\nAccept-Encoding: br\r\nConnection: keep-alive\r\nX-Request-ID: r\r\nWxtoken-App: wx1\r\n\r\n";
        let plain = plain(head.as_bytes()).unwrap();
        assert_eq!(plain.lines, b"x-a: 1\r\nx-request-id: r\r\n");
        assert!(matches!(plain.said.authorization, Sent::Once(b"Bearer k")));
        assert!(matches!(plain.said.app, Sent::Once(b"wx1")));
        assert_eq!(plain.id, Some(&b"r"[..]));
        assert_eq!(plain.head, head.len());
    }

    #[test]
    fn what_is_special_is_not() {
        for head in [
            "GET /cgi-bin/menu/get HTTP/1.0",
            "PUT /cgi-bin/menu/get HTTP/1.1",
            "HEAD /cgi-bin/menu/get HTTP/1.1",
            "GET /cgi-bin/menu/get HTTP/1.1\r\nContent-Length: 0",
            "POST /wxa/x HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1",
            "POST /wxa/x HTTP/1.1\r\nContent-Length: +1",
            "POST /wxa/x HTTP/1.1\r\nContent-Length: 1, 1",
            "POST /wxa/x HTTP/1.1\r\nContent-Length:",
            "POST /wxa/x HTTP/1.1\r\nContent-Length : 1",
            "POST /wxa/x HTTP/1.1\r\nContent-Length:  1",
            "POST /wxa/x HTTP/1.1\r\nContent-Length: 1 ",
            "POST /wxa/x HTTP/1.1\r\nContent-Length: 1000000000",
            "POST /wxa/x HTTP/1.1\r\nTransfer-Encoding: chunked",
            "POST /wxa/x HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked",
            "POST /wxa/x HTTP/1.1\r\nX: 1\r\n Content-Length: 1",
            "GET /wxa/x HTTP/1.1\r\nConnection: close",
            "GET /wxa/x HTTP/1.1\r\nConnection: x-mine",
            "GET /wxa/x HTTP/1.1\r\nExpect: 100-continue",
            "GET /wxa/x HTTP/1.1\r\nUpgrade: h2c",
            "GET /wxa/x HTTP/1.1\r\nTE: trailers",
            "GET /wxa/x HTTP/1.1\nX: 1",
            "GET /wxa/x HTTP/1.1\r\nX: a\rb",
            "GET /wxa/x HTTP/1.1\r\nX: a\0b",
            "GET http://host/wxa/x HTTP/1.1",
            "GET //wxa/x HTTP/1.1",
            "GET /wxa//x HTTP/1.1",
            "GET /wx%61/x HTTP/1.1",
            "GET /wxa;x HTTP/1.1",
            "GET /wxa/x?a#b HTTP/1.1",
            "GET /wxa/x?a b HTTP/1.1",
            "GET /wxa/x?a={1} HTTP/1.1",
            "GET /wxa/x?a=é HTTP/1.1",
            "GET / HTTP/1.1",
            "OPTIONS * HTTP/1.1",
        ] {
            assert_eq!(length(head), None, "{head}");
        }
    }

    #[test]
    fn no_route_of_ours_is_taken_for_a_call() {
        for route in Route::ALL {
            let path = route
                .path()
                .replace("{appid}", "wx1")
                .replace("{kind}", "access_token");
            for path in [
                path.clone(),
                format!("/k/KEY{path}"),
                format!("/k/KEY/wx1{path}"),
            ] {
                let taken = is_a_call(&Target::read(&path).unwrap());
                assert!(
                    !taken || (!route.is_compat() && path.starts_with("/k/")),
                    "{path}"
                );
            }
        }
        let for_browsers = ["/oauth/wx1/authorize", "/jssdk/wx1", "/push/wx1"];
        for path in ["/v1/anything", "/v1", "/healthz"]
            .into_iter()
            .chain(for_browsers)
        {
            assert!(!is_a_call(&Target::read(path).unwrap()), "{path}");
        }
    }
}
