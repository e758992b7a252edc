//! Secrets and key hashes as the configuration holds them: they can be used, but not printed.
//!
//! Must not know: where a secret was read from, nor what it opens.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::{digest, rand};
use zeroize::{Zeroize, Zeroizing};

use crate::words::InChinese;

/// A secret text, wiped when dropped. `Debug` shows nothing; [`Secret::expose`] is the one door.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// Takes a secret as it is; what form it must have is its owner's matter.
    #[must_use]
    pub fn new(value: &str) -> Self {
        Self(value.into())
    }

    /// The secret itself. Every use is a place to look at in review.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

/// The SHA-256 of a caller's or the admin's key. The key itself is not kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash(pub [u8; 32]);

impl KeyHash {
    /// The hash of a key, over its text.
    #[must_use]
    pub fn of(key: &str) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, key.as_bytes()).as_ref());
        Self(hash)
    }

    /// Whether this is the hash of `key`, compared in constant time.
    #[must_use]
    pub fn is_of(&self, key: &str) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(&self.0, &Self::of(key).0).is_ok()
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(redacted)")
    }
}

/// A text that is not a SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not a SHA-256: write 64 hex digits, as `wxtoken key` prints them")]
pub struct InvalidKeyHash;

impl FromStr for KeyHash {
    type Err = InvalidKeyHash;

    fn from_str(text: &str) -> Result<Self, InvalidKeyHash> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(InvalidKeyHash);
        }
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = hex_digit(pair[0])? << 4 | hex_digit(pair[1])?;
        }
        Ok(Self(hash))
    }
}

fn hex_digit(digit: u8) -> Result<u8, InvalidKeyHash> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(InvalidKeyHash),
    }
}

impl fmt::LowerHex for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The system gives no random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random numbers; is /dev/urandom there?")]
pub struct NoRandom;

impl InChinese for NoRandom {
    fn in_chinese(&self) -> String {
        "系统给不出随机数；/dev/urandom 在吗？".to_owned()
    }
}

/// A new key for a caller or for the admin listener: 32 lower-case hex digits, 128 random bits.
///
/// # Errors
/// The system gives no random numbers.
pub fn new_key() -> Result<Secret, NoRandom> {
    let mut bytes = Zeroizing::new([0; 16]);
    rand::fill(bytes.as_mut_slice()).map_err(|_| NoRandom)?;
    let mut text = Zeroizing::new(String::with_capacity(32));
    for byte in bytes.iter() {
        text.extend(
            [byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap_or('0')),
        );
    }
    Ok(Secret::new(&text))
}

/// Whether a text has a caller key's form: 32 lower-case hex digits, as an AppSecret, so that an SDK takes it for one.
#[must_use]
pub fn is_caller_key(text: &str) -> bool {
    text.len() == 32
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_hash_is_read_in_hex_and_knows_its_key() {
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let hash: KeyHash = text.parse().unwrap();
        assert_eq!(hash, KeyHash::of("abc"));
        assert!(hash.is_of("abc") && !hash.is_of("abd"));
        assert_eq!(text.to_uppercase().parse(), Ok(hash));
        assert_eq!("abc".parse::<KeyHash>(), Err(InvalidKeyHash));
        assert_eq!("g".repeat(64).parse::<KeyHash>(), Err(InvalidKeyHash));
        assert_eq!("é".repeat(32).parse::<KeyHash>(), Err(InvalidKeyHash));
    }

    #[test]
    fn debug_shows_nothing_of_a_secret() {
        assert_eq!(format!("{:?}", Secret::new("hush")), "Secret(redacted)");
        assert_eq!(format!("{:?}", KeyHash::of("hush")), "KeyHash(redacted)");
    }

    #[test]
    fn new_keys_have_a_callers_form_and_differ() {
        let (one, other) = (new_key().unwrap(), new_key().unwrap());
        assert!(is_caller_key(one.expose()) && one != other);
        let hash = KeyHash::of(one.expose());
        assert_eq!(format!("{hash:x}").parse(), Ok(hash));
    }

    #[test]
    fn a_caller_key_is_32_lower_case_hex_digits() {
        assert!(is_caller_key("0123456789abcdef0123456789abcdef"));
        assert!(!is_caller_key("0123456789ABCDEF0123456789abcdef"));
        assert!(!is_caller_key("0123456789abcdef"));
    }
}
