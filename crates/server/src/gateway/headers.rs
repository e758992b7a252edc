//! Which headers pass, in either direction.
//!
//! Pure. Must not know: tokens, bodies beyond their length.

use http::header::{ACCEPT_ENCODING, CONNECTION, TE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Whether a header of this name, in lower case, belongs to one connection and not to the message (RFC 9110, 7.6.1).
fn is_hop_by_hop(name: &[u8]) -> bool {
    matches!(
        name,
        b"connection"
            | b"keep-alive"
            | b"proxy-connection"
            | b"proxy-authenticate"
            | b"proxy-authorization"
            | b"te"
            | b"transfer-encoding"
            | b"upgrade"
    )
}

/// Between the caller and us alone: who it is, and where it comes from.
fn is_private(name: &[u8]) -> bool {
    matches!(
        name,
        b"authorization"
            | b"cookie"
            | b"referer"
            | b"forwarded"
            | b"host"
            | b"expect"
            | b"x-real-ip"
    ) || name.starts_with(b"wxtoken-")
        || name.starts_with(b"x-forwarded-")
}

/// Whether a header of this name, in lower case, goes to upstream if `Connection` does not name it.
pub(crate) fn goes_up(name: &[u8]) -> bool {
    !is_hop_by_hop(name) && !is_private(name)
}

/// Whether a header of an answer goes to the caller, in lower case: all but those of the connection, and ours, which we
/// write ourselves.
pub(crate) fn goes_down(name: &[u8]) -> bool {
    !is_hop_by_hop(name) && !name.starts_with(b"wxtoken-")
}

/// The headers that go to upstream. `readable` asks for an answer that is not compressed, because it will be read.
pub(crate) fn upwards(headers: &HeaderMap, readable: bool) -> HeaderMap {
    let mut sent = passing(headers, goes_up);
    if readable {
        sent.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
    if wants_trailers(headers) {
        sent.insert(TE, HeaderValue::from_static("trailers"));
        sent.insert(CONNECTION, HeaderValue::from_static("te"));
    }
    sent
}

/// The trailers that go to upstream: what may not stand in front of a body may not stand behind it.
pub(crate) fn trailers_upwards(trailers: &HeaderMap) -> HeaderMap {
    passing(trailers, goes_up)
}

/// Whether the body is coded for the connection in another way than by chunks, which nobody here could undo.
pub(crate) fn is_coded(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let chunked = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    codings.next().is_some_and(|first| !chunked(first)) || codings.next().is_some()
}

/// The headers of an answer that go to the caller.
pub(crate) fn downwards(headers: &HeaderMap) -> HeaderMap {
    passing(headers, goes_down)
}

fn passing(headers: &HeaderMap, goes: impl Fn(&[u8]) -> bool) -> HeaderMap {
    let named = named_by_connection(headers);
    let mut passed = HeaderMap::with_capacity(headers.len() + 4);
    for (name, value) in headers {
        if goes(name.as_str().as_bytes()) && !named.contains(name) {
            passed.append(name, value.clone());
        }
    }
    passed
}

/// `Connection: close, X-Mine` says that X-Mine belongs to the connection as well.
fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        // What frames the message is never the sender's to take away.
        .filter(|name: &HeaderName| *name != http::header::CONTENT_LENGTH)
        .collect()
}

/// Whether the caller reads what stands behind an answer's body.
fn wants_trailers(headers: &HeaderMap) -> bool {
    let wanted = headers.get_all(TE).iter();
    wanted
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| coding.trim().eq_ignore_ascii_case("trailers"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn what_is_private_or_of_the_connection_does_not_go_up() {
        let sent = upwards(
            &map(&[
                ("host", "hub"),
                ("authorization", "Bearer k"),
                ("cookie", "a=b"),
                ("referer", "https://shop/?t=1"),
                ("forwarded", "for=1"),
                ("x-forwarded-for", "1"),
                ("x-forwarded-proto", "http"),
                ("x-real-ip", "1"),
                ("wxtoken-app", "wx1"),
                ("connection", "keep-alive, x-mine, content-length"),
                ("keep-alive", "timeout=5"),
                ("x-mine", "1"),
                ("te", "gzip, Trailers"),
                ("trailer", "x-sum"),
                ("transfer-encoding", "chunked"),
                ("upgrade", "h2c"),
                ("expect", "100-continue"),
                ("content-length", "3"),
                ("content-type", "application/json"),
                ("user-agent", "sdk"),
                ("x-request-id", "r"),
                ("accept", "a"),
                ("accept", "b"),
                ("accept-encoding", "gzip"),
            ]),
            true,
        );
        let mut names: Vec<_> = sent.iter().map(|(n, v)| format!("{n}: {v:?}")).collect();
        names.sort();
        assert_eq!(
            names,
            [
                "accept-encoding: \"identity\"",
                "accept: \"a\"",
                "accept: \"b\"",
                "connection: \"te\"",
                "content-length: \"3\"",
                "content-type: \"application/json\"",
                "te: \"trailers\"",
                "trailer: \"x-sum\"",
                "user-agent: \"sdk\"",
                "x-request-id: \"r\"",
            ]
        );
    }

    #[test]
    fn trailers_pass_without_what_is_private() {
        let passed = trailers_upwards(&map(&[
            ("x-sum", "1"),
            ("cookie", "a=b"),
            ("authorization", "Bearer k"),
            ("x-forwarded-for", "1"),
        ]));
        assert_eq!(passed, map(&[("x-sum", "1")]));
    }

    #[test]
    fn an_answer_passes_with_its_cookies_and_dates() {
        let passed = downwards(&map(&[
            ("date", "Sun, 22 Nov 2026 00:00:00 GMT"),
            ("set-cookie", "a"),
            ("set-cookie", "b"),
            ("content-disposition", "attachment; filename=\"a\""),
            ("connection", "close"),
            ("transfer-encoding", "chunked"),
            ("wxtoken-replayed", "forged"),
        ]));
        assert_eq!(passed.len(), 4);
        assert_eq!(passed.get_all("set-cookie").iter().count(), 2);
    }
}
