//! What minted values look like, and how the simulator recognises its own.
//!
//! A token is a decimal prefix, `_`, and 134 to 154 characters of base64url text. Its first bytes hold, scrambled with
//! the run's seed, which app and lane it was minted for, and when. So a token that died long ago is still told apart
//! from a stranger's string, and no app has to keep a history. The scrambling is for looks, not for safety.

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    clock::SimTime,
    rules::{Identity, Lane, Slot, TicketKind},
};

/// The decimal prefix in front of every token.
const PREFIX: &str = "98_";
const NONCE: usize = 8;
const SEALED: usize = 24;
/// Bytes behind the sealed part: at least this many …
const FILLER_MIN: usize = 68;
/// … and up to so many more, so lengths vary between 137 and 157 characters.
const FILLER_SPREAD: u64 = 16;
/// WeChat's own sample ticket has 86 characters.
const TICKET_BYTES: usize = 64;

/// What is sealed inside a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sealed {
    pub(crate) app: u32,
    pub(crate) stable: bool,
    pub(crate) serial: u32,
    pub(crate) issued: SimTime,
    pub(crate) expires: SimTime,
}

impl Sealed {
    pub(crate) fn of(app: u32, stable: bool, slot: &Slot) -> Self {
        Self {
            app,
            stable,
            serial: slot.serial,
            issued: slot.issued,
            expires: slot.expires,
        }
    }

    pub(crate) fn identity(&self) -> Identity {
        Identity {
            stable: self.stable,
            serial: self.serial,
            expires: self.expires,
        }
    }
}

/// Makes and recognises tokens and tickets from one seed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Minter {
    seed: u64,
}

impl Minter {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The text of a token; the same facts always give the same text.
    pub(crate) fn token(&self, sealed: &Sealed) -> String {
        let nonce = self.nonce(sealed);
        let filler = FILLER_MIN + usize::try_from(nonce % FILLER_SPREAD).unwrap_or(0);
        let mut bytes = vec![0; NONCE + SEALED + filler];
        fill(&mut bytes[NONCE..], self.seed ^ nonce);
        bytes[..NONCE].copy_from_slice(&nonce.to_le_bytes());
        xor(&mut bytes[NONCE..NONCE + SEALED], &pack(sealed));
        let mut text = String::with_capacity(PREFIX.len() + bytes.len().div_ceil(3) * 4);
        text.push_str(PREFIX);
        URL_SAFE_NO_PAD.encode_string(&bytes, &mut text);
        text
    }

    /// What a token of this run was minted for; `None` for any other string.
    pub(crate) fn open(&self, text: &str) -> Option<Sealed> {
        let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
        let nonce = u64::from_le_bytes(bytes.get(..NONCE)?.try_into().ok()?);
        let mut packed = [0; SEALED];
        fill(&mut packed, self.seed ^ nonce);
        xor(&mut packed, bytes.get(NONCE..NONCE + SEALED)?);
        let sealed = unpack(&packed)?;
        (self.token(&sealed) == text).then_some(sealed)
    }

    /// The text of a ticket.
    pub(crate) fn ticket(&self, app: u32, kind: TicketKind, serial: u32) -> String {
        let mut bytes = [0; TICKET_BYTES];
        let lane = u64::from(Lane::Ticket(kind).code());
        fill(
            &mut bytes,
            mix(self.seed ^ mix(u64::from(app) << 32 | u64::from(serial)) ^ lane),
        );
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Text of any other made-up value (codes, open ids, media ids): `bytes` of it before encoding.
    pub(crate) fn text(&self, bytes: usize, of: u64) -> String {
        let mut raw = vec![0; bytes];
        fill(&mut raw, mix(self.seed ^ mix(of)));
        URL_SAFE_NO_PAD.encode(raw)
    }

    fn nonce(&self, sealed: &Sealed) -> u64 {
        let who = u64::from(sealed.app) << 32 | u64::from(sealed.serial);
        let when = sealed.issued.unix_ms().cast_unsigned() ^ u64::from(sealed.stable) << 63;
        mix(self.seed ^ mix(who) ^ mix(when ^ mix(sealed.expires.unix_ms().cast_unsigned())))
    }
}

fn pack(sealed: &Sealed) -> [u8; SEALED] {
    let mut packed = [0; SEALED];
    packed[..4].copy_from_slice(&sealed.app.to_le_bytes());
    packed[4..8].copy_from_slice(&sealed.serial.to_le_bytes());
    // The lane sits in the lowest bit of the issue time: 63 bits of milliseconds are plenty.
    let issued = sealed.issued.unix_ms() << 1 | i64::from(sealed.stable);
    packed[8..16].copy_from_slice(&issued.to_le_bytes());
    packed[16..24].copy_from_slice(&sealed.expires.unix_ms().to_le_bytes());
    packed
}

fn unpack(packed: &[u8; SEALED]) -> Option<Sealed> {
    let issued = i64::from_le_bytes(packed[8..16].try_into().ok()?);
    Some(Sealed {
        app: u32::from_le_bytes(packed[..4].try_into().ok()?),
        serial: u32::from_le_bytes(packed[4..8].try_into().ok()?),
        stable: issued & 1 == 1,
        issued: SimTime::from_unix_ms(issued >> 1),
        expires: SimTime::from_unix_ms(i64::from_le_bytes(packed[16..24].try_into().ok()?)),
    })
}

fn xor(into: &mut [u8], with: &[u8]) {
    for (byte, other) in into.iter_mut().zip(with) {
        *byte ^= other;
    }
}

/// Fills `bytes` with the splitmix64 stream of `seed`.
pub(crate) fn fill(bytes: &mut [u8], seed: u64) {
    let mut state = seed;
    for chunk in bytes.chunks_mut(8) {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        chunk.copy_from_slice(&mix(state).to_le_bytes()[..chunk.len()]);
    }
}

/// The finalizer of splitmix64: every input bit reaches every output bit.
pub(crate) fn mix(value: u64) -> u64 {
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

/// The first eight hex digits of a value's SHA-256: enough to compare two log lines, useless to call with.
pub fn fingerprint(value: &str) -> String {
    hex(&digest::digest(&digest::SHA256, value.as_bytes()).as_ref()[..4])
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_token_is_recognised_by_the_run_that_minted_it_and_by_no_other(
            seed: u64, app: u32, serial: u32, stable: bool, issued in 0..4_000_000_000_000_i64, lasts in 0..10_000_000_i64,
        ) {
            let sealed = Sealed {
                app, serial, stable,
                issued: SimTime::from_unix_ms(issued),
                expires: SimTime::from_unix_ms(issued + lasts),
            };
            let text = Minter::new(seed).token(&sealed);
            prop_assert!((136..=157).contains(&text.len()), "{} characters", text.len());
            prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
            prop_assert_eq!(Minter::new(seed).open(&text), Some(sealed));
            prop_assert_eq!(Minter::new(seed ^ 1).open(&text), None);
        }

        #[test]
        fn strings_that_were_never_minted_are_not_recognised(text in ".{0,200}") {
            prop_assert_eq!(Minter::new(7).open(&text), None);
        }
    }

    #[test]
    fn a_token_with_one_character_changed_is_a_stranger() {
        let minter = Minter::new(3);
        let now = SimTime::from_unix_ms(1_800_000_000_000);
        let text = minter.token(&Sealed {
            app: 5,
            stable: true,
            serial: 9,
            issued: now,
            expires: now,
        });
        for at in PREFIX.len()..text.len() {
            let other = if &text[at..=at] == "A" { "B" } else { "A" };
            assert_eq!(
                minter.open(&format!("{}{other}{}", &text[..at], &text[at + 1..])),
                None
            );
        }
    }

    #[test]
    fn a_ticket_has_the_length_of_the_documented_sample() {
        assert_eq!(Minter::new(1).ticket(0, TicketKind::Jsapi, 0).len(), 86);
    }
}
