//! The keys of the relay, derived from the master key: every replica has the same.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM_SIV, LessSafeKey, UnboundKey};
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use crate::store::{MasterKey, MasterKeys};

/// The keys of one master key.
pub(super) struct KeySet {
    /// Signs the state that WeChat carries.
    pub(super) state: hmac::Key,
    /// Seals what the browser keeps.
    cookie: Zeroizing<[u8; 32]>,
    /// Names notes that may be used once.
    pub(super) names: hmac::Key,
    /// What the key of a redeem note is made of, together with its code.
    pub(super) notes: hmac::Key,
}

/// The keys in use and, while master keys are being changed, those before.
pub struct RelayKeys {
    pub(super) current: KeySet,
    pub(super) previous: Option<KeySet>,
}

impl RelayKeys {
    /// Keys derived from the master keys.
    #[must_use]
    pub fn new(keys: &MasterKeys) -> Self {
        Self {
            current: KeySet::of(&keys.current),
            previous: keys.previous.as_ref().map(KeySet::of),
        }
    }

    /// The current ones first.
    pub(super) fn all(&self) -> impl Iterator<Item = &KeySet> {
        [Some(&self.current), self.previous.as_ref()]
            .into_iter()
            .flatten()
    }
}

impl KeySet {
    fn of(master: &MasterKey) -> Self {
        let signing =
            |label: &str| hmac::Key::new(hmac::HMAC_SHA256, master.derive(label).as_slice());
        Self {
            state: signing("oauth state"),
            cookie: master.derive("oauth cookie"),
            names: signing("oauth once"),
            notes: signing("oauth redeem"),
        }
    }

    /// The key of what the browser keeps; none only if the library refuses it, which it has no reason to.
    pub(super) fn cookie(&self) -> Option<LessSafeKey> {
        sealing(self.cookie.as_slice())
    }
}

/// A key that seals.
pub(super) fn sealing(key: &[u8]) -> Option<LessSafeKey> {
    let key = UnboundKey::new(&AES_256_GCM_SIV, key).ok()?;
    Some(LessSafeKey::new(key))
}

impl fmt::Debug for RelayKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RelayKeys")
    }
}

/// Lower-case hex digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of lower-case hex digits, exactly as many.
pub(super) fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let text = text.as_bytes();
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}
