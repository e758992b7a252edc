//! The master key and every key that comes from it.
//!
//! Owns: deriving named keys, naming a key without showing it. Must not know: where the key is kept, what is sealed with it.

use std::fmt;

use aws_lc_rs::{hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use wxtoken_core::credential::ValueId;
use zeroize::{Zeroize, Zeroizing};

use crate::words::InChinese;

/// Bytes of a master key.
pub(crate) const LENGTH: usize = 32;
/// HKDF's salt: keeps our derivations apart from anyone else's under the same key.
const SALT: &[u8] = b"wxtoken master key v1";

/// The 32 bytes that everything at rest hangs on. Cannot be printed; wiped when dropped.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; LENGTH]>);

/// Why a text is not a master key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMasterKey {
    /// Not base64, or base64 of something other than 32 bytes.
    #[error(
        "a master key is 32 bytes in base64, 44 characters; make one with: head -c 32 /dev/urandom | base64"
    )]
    Shape,
    /// All bytes are the same: a placeholder, not a key.
    #[error(
        "this master key is a placeholder, all its bytes are the same; make one with: head -c 32 /dev/urandom | base64"
    )]
    Placeholder,
    /// The system gave no random bytes.
    #[error("the system gives no random numbers; is /dev/urandom there?")]
    NoRandom,
}

impl InChinese for InvalidMasterKey {
    fn in_chinese(&self) -> String {
        match self {
            Self::Shape => {
                "主密钥是 32 字节的 base64，共 44 个字符；这样生成：head -c 32 /dev/urandom | base64"
            }
            Self::Placeholder => {
                "这个主密钥只是占位，所有字节都相同；这样生成：head -c 32 /dev/urandom | base64"
            }
            Self::NoRandom => "系统给不出随机数；/dev/urandom 在吗？",
        }
        .to_owned()
    }
}

impl MasterKey {
    /// Reads a key from its base64 text; white space around it is ignored.
    ///
    /// # Errors
    /// Not 32 bytes of base64, or a placeholder.
    pub fn from_base64(text: &str) -> Result<Self, InvalidMasterKey> {
        let mut bytes = Zeroizing::new([0; LENGTH + 1]); // decode_slice asks for room beyond the exact length
        let wanted = text.trim().as_bytes();
        if wanted.len() != 44 {
            return Err(InvalidMasterKey::Shape);
        }
        let length = STANDARD
            .decode_slice(wanted, bytes.as_mut_slice())
            .map_err(|_| InvalidMasterKey::Shape)?;
        let mut key = Zeroizing::new([0; LENGTH]);
        if length != LENGTH {
            return Err(InvalidMasterKey::Shape);
        }
        key.copy_from_slice(&bytes[..LENGTH]);
        if key.iter().all(|byte| *byte == key[0]) {
            return Err(InvalidMasterKey::Placeholder);
        }
        Ok(Self(key))
    }

    /// Makes a new key.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn generate() -> Result<Self, InvalidMasterKey> {
        let mut key = Zeroizing::new([0; LENGTH]);
        rand::fill(key.as_mut_slice()).map_err(|_| InvalidMasterKey::NoRandom)?;
        Ok(Self(key))
    }

    pub(crate) fn from_bytes(key: Zeroizing<[u8; LENGTH]>) -> Self {
        Self(key)
    }

    /// The key as base64, for the file it is kept in. The one door out.
    #[must_use]
    pub fn expose_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.0.as_slice()))
    }

    /// A key for one purpose: HKDF-SHA256 of the master key with `label` as its info. The same label gives the same key in
    /// every process, so replicas agree; one label's key says nothing about another's.
    #[must_use]
    pub fn derive(&self, label: &str) -> Zeroizing<[u8; 32]> {
        self.derive_bytes(&[label.as_bytes()])
    }

    /// As [`Self::derive`], from several parts. Each is preceded by its length, so that they cannot run into each other.
    pub(crate) fn derive_parts(&self, parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
        let lengths: Vec<[u8; 8]> = parts
            .iter()
            .map(|part| (part.len() as u64).to_be_bytes())
            .collect();
        let mut info: Vec<&[u8]> = vec![b"\0parts"];
        for (part, length) in parts.iter().zip(&lengths) {
            info.extend([length.as_slice(), part]);
        }
        self.derive_bytes(&info)
    }

    /// HKDF (RFC 5869) of one block, spelt with HMAC because that cannot fail; a test holds it against the library's.
    fn derive_bytes(&self, info: &[&[u8]]) -> Zeroizing<[u8; 32]> {
        let extracted = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SALT), self.0.as_slice());
        let mut expand =
            hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, extracted.as_ref()));
        for part in info {
            expand.update(part);
        }
        expand.update(&[1]);
        let mut out = Zeroizing::new([0; 32]);
        out.copy_from_slice(expand.sign().as_ref());
        out
    }

    /// Names this key without saying anything about it.
    pub(crate) fn name(&self) -> [u8; 4] {
        let mut name = [0; 4];
        name.copy_from_slice(&self.derive("key name")[..4]);
        name
    }

    /// What tells token values apart under this key.
    #[must_use]
    pub fn value_hasher(&self) -> ValueHasher {
        ValueHasher {
            values: hmac::Key::new(hmac::HMAC_SHA256, self.derive("value id").as_slice()),
            tags: hmac::Key::new(hmac::HMAC_SHA256, self.derive("entity tag").as_slice()),
        }
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(redacted)")
    }
}

/// The master key in use and, while keys are being changed, the one before it.
#[derive(Debug, Clone)]
pub struct MasterKeys {
    /// What everything new is sealed under.
    pub current: MasterKey,
    /// What older records may still be sealed under.
    pub previous: Option<MasterKey>,
}

impl From<MasterKey> for MasterKeys {
    fn from(current: MasterKey) -> Self {
        Self {
            current,
            previous: None,
        }
    }
}

/// Tells token values apart by a keyed hash, so that a value that is gone can be recognised without being kept.
#[derive(Clone)]
pub struct ValueHasher {
    values: hmac::Key,
    tags: hmac::Key,
}

impl ValueHasher {
    /// The hash of a token or ticket: HMAC-SHA256, cut to 64 bits.
    #[must_use]
    pub fn id(&self, value: &str) -> ValueId {
        ValueId(first_word(&hmac::sign(&self.values, value.as_bytes())))
    }

    /// Eight hex digits for an ETag. They tell values apart and cannot be turned back into a [`ValueId`].
    #[must_use]
    pub fn tag(&self, id: ValueId) -> String {
        let hash = first_word(&hmac::sign(&self.tags, &id.0.to_be_bytes()));
        format!("{:08x}", hash >> 32)
    }
}

fn first_word(tag: &hmac::Tag) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&tag.as_ref()[..8]);
    let value = u64::from_be_bytes(word);
    word.zeroize();
    value
}

impl fmt::Debug for ValueHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ValueHasher")
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use aws_lc_rs::hkdf;

    pub(crate) fn key(seed: u8) -> MasterKey {
        let bytes: Vec<u8> = (0..32).map(|n| n ^ seed).collect();
        MasterKey::from_base64(&STANDARD.encode(bytes)).unwrap()
    }

    #[test]
    fn deriving_is_hkdf_as_the_library_has_it() {
        let master = key(3);
        let mut expected = [0; 32];
        hkdf::Salt::new(hkdf::HKDF_SHA256, SALT)
            .extract(master.0.as_slice())
            .expand(&[b"some label"], hkdf::HKDF_SHA256)
            .unwrap()
            .fill(&mut expected)
            .unwrap();
        assert_eq!(*master.derive("some label"), expected);
        assert_ne!(*master.derive("another"), expected);
        assert_ne!(*key(4).derive("some label"), expected);
    }

    #[test]
    fn parts_cannot_run_into_each_other() {
        let master = key(1);
        assert_ne!(
            *master.derive_parts(&[b"ab", b"c"]),
            *master.derive_parts(&[b"a", b"bc"])
        );
    }

    #[test]
    fn a_master_key_is_32_bytes_of_base64_and_no_placeholder() {
        let text = key(9).expose_base64();
        assert!(MasterKey::from_base64(&format!("  {}\n", *text)).is_ok());
        for bad in ["", "abc", &"A".repeat(40), &"!".repeat(44)] {
            assert_eq!(
                MasterKey::from_base64(bad).unwrap_err(),
                InvalidMasterKey::Shape
            );
        }
        let zeros = STANDARD.encode([0; 32]);
        assert_eq!(
            MasterKey::from_base64(&zeros).unwrap_err(),
            InvalidMasterKey::Placeholder
        );
        assert_eq!(
            MasterKey::from_base64(&STANDARD.encode([5; 31])).unwrap_err(),
            InvalidMasterKey::Shape
        );
    }

    #[test]
    fn two_made_keys_differ_and_none_is_printed() {
        let (one, other) = (
            MasterKey::generate().unwrap(),
            MasterKey::generate().unwrap(),
        );
        assert_ne!(*one.expose_base64(), *other.expose_base64());
        assert_eq!(format!("{one:?}"), "MasterKey(redacted)");
        let keys = MasterKeys {
            current: one,
            previous: Some(other),
        };
        assert!(!format!("{keys:?}").contains(keys.current.expose_base64().as_str()));
        assert_eq!(format!("{:?}", keys.current.value_hasher()), "ValueHasher");
    }

    #[test]
    fn the_same_value_has_the_same_id_under_one_key_only() {
        let (one, other) = (key(1).value_hasher(), key(2).value_hasher());
        assert_eq!(one.id("68_token"), key(1).value_hasher().id("68_token"));
        assert_ne!(one.id("68_token"), one.id("68_tokeo"));
        assert_ne!(one.id("68_token"), other.id("68_token"));
        let id = one.id("68_token");
        assert_eq!(one.tag(id).len(), 8);
        assert!(!format!("{:016x}", id.0).contains(&one.tag(id)));
    }
}
