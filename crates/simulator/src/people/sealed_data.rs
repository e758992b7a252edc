//! What a mini program gets from WeChat on the phone and hands to its server: encrypted with the session key.

use aws_lc_rs::{
    cipher::{AES_128, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey},
    digest,
    iv::FixedLength,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;

use crate::token::hex;

/// The four texts of `wx.getUserProfile` and its like, as the page hands them on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EncryptedData {
    /// AES-128-CBC with PKCS#7, base64.
    pub encrypted_data: String,
    /// Base64.
    pub iv: String,
    /// What is not secret of it, as JSON text.
    pub raw_data: String,
    /// SHA-1 of `raw_data` and the session key, in hex.
    pub signature: String,
}

/// Encrypts with a session key in base64; `None` when that is no key.
pub(crate) fn seal(
    session_key: &str,
    iv: [u8; 16],
    plain: &str,
    raw_data: String,
) -> Option<EncryptedData> {
    let key = STANDARD.decode(session_key).ok()?;
    let key = UnboundCipherKey::new(&AES_128, &key).ok()?;
    let key = PaddedBlockEncryptingKey::cbc_pkcs7(key).ok()?;
    let mut data = plain.as_bytes().to_vec();
    key.less_safe_encrypt(&mut data, EncryptionContext::Iv128(FixedLength::from(iv)))
        .ok()?;
    let signed = format!("{raw_data}{session_key}");
    let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, signed.as_bytes());
    Some(EncryptedData {
        encrypted_data: STANDARD.encode(data),
        iv: STANDARD.encode(iv),
        raw_data,
        signature: hex(digest.as_ref()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cipher_is_the_one_of_nists_first_vector_with_padding() {
        // SP 800-38A F.2.1: the first block; behind it comes one whole block of padding.
        let key = STANDARD.encode([
            0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6, 0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf,
            0x4f, 0x3c,
        ]);
        let iv: [u8; 16] = std::array::from_fn(|n| u8::try_from(n).unwrap());
        let plain = [
            0x6b, 0xc1, 0xbe, 0xe2, 0x2e, 0x40, 0x9f, 0x96, 0xe9, 0x3d, 0x7e, 0x11, 0x73, 0x93,
            0x17, 0x2a,
        ];
        let key = STANDARD.decode(key).unwrap();
        let key = UnboundCipherKey::new(&AES_128, &key).unwrap();
        let key = PaddedBlockEncryptingKey::cbc_pkcs7(key).unwrap();
        let mut data = plain.to_vec();
        key.less_safe_encrypt(&mut data, EncryptionContext::Iv128(FixedLength::from(iv)))
            .unwrap();
        assert_eq!(hex(&data[..16]), "7649abac8119b246cee98e9b12e9197d");
        assert_eq!(data.len(), 32);
    }

    #[test]
    fn raw_data_is_signed_with_the_key_as_it_is_written() {
        let key = STANDARD.encode([7; 16]);
        let sealed = seal(&key, [1; 16], "{}", r#"{"a":1}"#.to_owned()).unwrap();
        let text = format!("{{\"a\":1}}{key}");
        let expected = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
        assert_eq!(sealed.signature, hex(expected.as_ref()));
        assert_eq!(seal("no key", [1; 16], "{}", String::new()), None);
    }
}
