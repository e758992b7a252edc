//! What clients send besides the path: query parameters and small bodies, read with bounds.

use std::borrow::Cow;

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Deserialize;

use super::error::ApiError;
use super::hot::parse::LARGEST_HEAD;
use super::services::RequestLimits;

/// The parameters of a query, decoded as forms are. A parameter sent twice counts once, the first time.
/// A key may be among them, so it has no `Debug`.
pub(crate) struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    /// The parameters of what stands behind the `?`.
    pub(crate) const fn new(query: &'a str) -> Self {
        Self(query)
    }

    /// One parameter. What is not UTF-8 once decoded counts as not sent.
    pub(crate) fn get(&self, name: &str) -> Option<Cow<'a, str>> {
        self.0.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key)? == name).then(|| decode(value)).flatten()
        })
    }
}

pub(crate) fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.bytes().any(|b| matches!(b, b'%' | b'+')) {
        return Some(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        decoded.push(match (first, tail) {
            (b'+', _) => b' ',
            (b'%', [high, low, ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                rest = &tail[2..];
                nibble(*high) << 4 | nibble(*low)
            }
            (other, _) => *other,
        });
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

const fn nibble(hex: u8) -> u8 {
    match hex {
        b'0'..=b'9' => hex - b'0',
        _ => (hex | 32).wrapping_sub(b'a' - 10),
    }
}

/// A whole body, if it is small enough and arrives in time.
pub(crate) async fn body(body: Body, limits: &RequestLimits) -> Result<Bytes, ApiError> {
    // What says itself that it is too large need not be sent first, nor be asked for with 100 Continue.
    if HttpBody::size_hint(&body).lower() > limits.body_limit as u64 {
        return Err(ApiError::TooLarge(limits.body_limit));
    }
    let limited = Limited::new(body, limits.body_limit);
    let collected = tokio::time::timeout(limits.body_timeout, limited.collect());
    match collected.await {
        Err(_) => Err(ApiError::TooSlow),
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(ApiError::TooLarge(limits.body_limit))
        }
        Ok(Err(_)) => Err(ApiError::Malformed("the body broke off".to_owned())),
    }
}

/// A body that has to be read before it is known who sends it: no longer than a head, or strangers could have memory kept by
/// all connections at once.
pub(crate) async fn strangers_body(body: Body, limits: &RequestLimits) -> Result<Bytes, ApiError> {
    let limits = RequestLimits {
        body_limit: limits.body_limit.min(LARGEST_HEAD),
        ..*limits
    };
    self::body(body, &limits).await
}

/// A body as JSON. What serde says is not repeated: it may quote what was sent.
pub(crate) fn json<'b, T: Deserialize<'b>>(body: &'b [u8], expected: &str) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        ApiError::Malformed(format!(
            "the body is not the JSON that is expected, {expected}: line {line}, column {column}"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parameters_are_decoded_and_the_first_counts() {
        let query = Query::new("a=1&b=%E5%BE%AE%E4%BF%A1+x&a=2&c&d=%zz%4&e=%ff");
        assert_eq!(query.get("a").as_deref(), Some("1"));
        assert_eq!(query.get("b").as_deref(), Some("微信 x"));
        assert_eq!(query.get("c").as_deref(), Some(""));
        assert_eq!(query.get("d").as_deref(), Some("%zz%4"));
        assert_eq!(query.get("e"), None);
        assert_eq!(query.get("f"), None);
    }

    proptest! {
        #[test]
        fn no_query_harms(text in ".*", name in ".*") {
            let _ = Query::new(&text).get(&name);
        }

        #[test]
        fn what_was_encoded_comes_back(value in ".{0,40}") {
            let encoded: String = value.bytes().map(|b| format!("%{b:02X}")).collect();
            let text = format!("x=1&v={encoded}");
            let found = Query::new(&text).get("v");
            prop_assert_eq!(found.as_deref(), Some(value.as_str()));
        }
    }
}
