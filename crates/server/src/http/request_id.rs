//! A name for each request, in the form of WeChat's `rid`: the time, and something that tells requests apart.

use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, HeaderName, HeaderValue};
use wxtoken_core::clock::Wall;

/// The header that carries it, both ways.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// The longest id taken over from a client.
const LONGEST: usize = 64;

/// The name of one request: the client's own where it sent a sane one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    /// The client's, or one of ours.
    pub(crate) fn of(headers: &HeaderMap, ours: &RequestIds, now: Wall) -> Self {
        match headers.get(HEADER) {
            Some(sent) if is_sane(sent.as_bytes()) => Self(sent.clone()),
            _ => Self::sent(None, ours, now),
        }
    }

    /// The same, of what the client sent as its own.
    pub(crate) fn sent(sent: Option<&[u8]>, ours: &RequestIds, now: Wall) -> Self {
        let value = match sent.filter(|id| is_sane(id)) {
            Some(sent) => HeaderValue::from_bytes(sent),
            None => HeaderValue::from_bytes(&ours.next(now)),
        };
        Self(value.unwrap_or_else(|_| HeaderValue::from_static("-")))
    }

    pub(crate) fn as_header(&self) -> HeaderValue {
        self.0.clone()
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or("-")
    }
}

/// Whether a client's id may be taken over: short, and nothing that could disturb a log or a header.
pub(crate) fn is_sane(id: &[u8]) -> bool {
    (1..=LONGEST).contains(&id.len())
        && id
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// Makes ids for one connection. They need to differ, not to be hard to guess.
#[derive(Debug)]
pub(crate) struct RequestIds(AtomicU64);

/// The length of an id of ours.
pub(crate) const LEN: usize = 26;

impl RequestIds {
    /// Ids that differ from those of other seeds.
    pub(crate) fn new(seed: u64) -> Self {
        // Stirred, or the second id of one seed were the first of the next.
        Self(AtomicU64::new(mix(seed)))
    }

    /// The next id: `6aac005a-01bfdbee-79769285`, the first group being the time in Unix seconds.
    pub(crate) fn next(&self, now: Wall) -> [u8; LEN] {
        let count = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let mixed = mix(count);
        let mut text = [b'-'; LEN];
        hex(&mut text[..8], now.unix_seconds() as u32);
        hex(&mut text[9..17], (mixed >> 32) as u32);
        hex(&mut text[18..], mixed as u32);
        text
    }
}

/// SplitMix64's finaliser: neighbours become strangers.
fn mix(mut value: u64) -> u64 {
    value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

fn hex(to: &mut [u8], value: u32) {
    for (at, digit) in to.iter_mut().enumerate() {
        *digit = b"0123456789abcdef"[(value >> (28 - 4 * at) & 15) as usize];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_ids_begin_with_the_time_and_differ() {
        let ids = RequestIds::new(7);
        let (a, b) = (ids.next(Wall(1_789_657_178_000)), ids.next(Wall(0)));
        assert!(is_sane(&a) && is_sane(&b));
        assert_eq!(&a[..9], b"6aac005a-");
        assert_ne!(a[9..], b[9..]);
        assert_ne!(
            RequestIds::new(8).next(Wall(0)),
            RequestIds::new(9).next(Wall(0))
        );
    }

    #[test]
    fn a_clients_id_is_taken_over_only_if_it_is_sane() {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_static("order-17.retry_2"));
        let ids = RequestIds::new(1);
        assert_eq!(
            RequestId::of(&headers, &ids, Wall(0)).as_str(),
            "order-17.retry_2"
        );
        for bad in ["", "a b", "<script>", "a\tb", &"x".repeat(65)] {
            headers.insert(HEADER, HeaderValue::from_str(bad).unwrap());
            assert_eq!(RequestId::of(&headers, &ids, Wall(0)).as_str().len(), LEN);
        }
    }
}
