//! Takes secrets out of an answer to a caller who must not see them: WeChat's error texts may repeat what they were asked.
//!
//! Must not know: who may see what.

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, HeaderValue};

use super::inflate::inflated;
use super::look::Onward;

/// The longest plain text of a compressed answer that is searched.
const LONGEST: usize = 1 << 20;

/// Puts `***` where a secret stands, in headers and in a body that was held back whole. A compressed body that holds one
/// becomes plain.
pub(crate) fn hide<'s>(
    secrets: impl Iterator<Item = &'s str> + Clone,
    headers: &mut HeaderMap,
    body: &mut Onward,
) {
    for value in headers.values_mut() {
        let clean = without(value.as_bytes(), secrets.clone());
        if let Some(clean) = clean.and_then(|clean| HeaderValue::from_bytes(&clean).ok()) {
            *value = clean;
        }
    }
    let Some(whole) = body.whole() else { return };
    let plain = match headers.get(CONTENT_ENCODING) {
        None => Some(whole),
        Some(coding) => inflated(coding.as_bytes(), &whole, LONGEST)
            // Longer: what was cut off must not be missing from the answer.
            .filter(|plain| plain.len() < LONGEST)
            .map(Bytes::from),
    };
    if let Some(clean) = plain.and_then(|plain| without(&plain, secrets)) {
        headers.remove(CONTENT_LENGTH);
        headers.remove(CONTENT_ENCODING);
        body.replace(clean.into());
    }
}

/// The bytes with `***` where a secret stood; none if there was none.
fn without<'s>(whole: &[u8], secrets: impl Iterator<Item = &'s str>) -> Option<Vec<u8>> {
    let mut clean: Option<Vec<u8>> = None;
    for secret in secrets.filter(|secret| !secret.is_empty()) {
        let bytes = clean.as_deref().unwrap_or(whole);
        let mut written = Vec::new();
        let mut from = 0;
        for at in memchr::memmem::find_iter(bytes, secret) {
            written.extend_from_slice(&bytes[from..at]);
            written.extend_from_slice(b"***");
            from = at + secret.len();
        }
        if from > 0 {
            written.extend_from_slice(&bytes[from..]);
            clean = Some(written);
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_secret_becomes_three_stars_wherever_it_stands() {
        let hidden = |text: &str| without(text.as_bytes(), ["KEY", "", "SECRET"].into_iter());
        assert_eq!(hidden("nothing"), None);
        assert_eq!(hidden("KEYaSECRETKEY").unwrap(), b"***a******");
        assert_eq!(hidden("SECRET").unwrap(), b"***");
    }
}
