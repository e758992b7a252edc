//! A mini program's encrypted user data (`encryptedData`): AES-128-CBC with PKCS#7 under the session key.
//!
//! Pure. Must not know: where the session key is kept.

use aws_lc_rs::cipher::{AES_128, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;
use aws_lc_rs::iv::FixedLength;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use wxtoken_core::user::SessionKey;

use crate::wechat::users::tolerant;
use crate::words::InChinese;

/// A block, and a key.
const BLOCK: usize = 16;

/// What is wrong with what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadData {
    /// `encrypted_data` is not what it should be.
    #[error(
        "`encrypted_data` is no base64 of whole blocks: send encryptedData as WeChat gave it (was + turned into a space on the way?)"
    )]
    Encrypted,
    /// `iv` is not what it should be.
    #[error(
        "`iv` is no base64 of 16 bytes: send iv as WeChat gave it (was + turned into a space on the way?)"
    )]
    Iv,
    /// It does not come out as JSON.
    #[error(
        "this cannot be decrypted with the session that is kept: the mini program has called wx.login since the data was made, or before its code was sent here; call wx.login, send the code to POST /v1/apps/{{appid}}/login, and get the data anew"
    )]
    Session,
    /// `signature` is not that of `raw_data`.
    #[error(
        "`signature` is not that of `raw_data` under the session that is kept: one of them was changed on the way, or there is a newer session; call wx.login, send the code to POST /v1/apps/{{appid}}/login, and get the data anew"
    )]
    Signature,
}

impl BadData {
    /// Its stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Encrypted => "encrypted_data",
            Self::Iv => "iv",
            Self::Session => "session",
            Self::Signature => "signature",
        }
    }
}

impl InChinese for BadData {
    fn in_chinese(&self) -> String {
        match self {
            Self::Encrypted => "encrypted_data 不是整块数据的 base64：照微信给的 encryptedData 原样传（+ 是不是在路上变成了空格？）",
            Self::Iv => "iv 不是 16 字节的 base64：照微信给的 iv 原样传（+ 是不是在路上变成了空格？）",
            Self::Session => "用保存的会话解不开：数据生成之后小程序又调用过 wx.login，或 code 还没交到这里；请调用 wx.login，把 code 交给 POST /v1/apps/{appid}/login，再重新取数据",
            Self::Signature => "signature 与 raw_data 在保存的会话下对不上：路上被改过，或会话已更新；请调用 wx.login，把 code 交给 POST /v1/apps/{appid}/login，再重新取数据",
        }
        .to_owned()
    }
}

/// The object inside encrypted data.
pub(super) fn decrypted(
    key: &SessionKey,
    data: &str,
    iv: &str,
) -> Result<Map<String, Value>, BadData> {
    let mut data = STANDARD
        .decode(data.trim())
        .map_err(|_| BadData::Encrypted)?;
    if data.is_empty() || !data.len().is_multiple_of(BLOCK) {
        return Err(BadData::Encrypted);
    }
    let iv = STANDARD.decode(iv.trim()).map_err(|_| BadData::Iv)?;
    let iv: [u8; BLOCK] = iv.try_into().map_err(|_| BadData::Iv)?;
    let key = STANDARD
        .decode(key.expose())
        .map_err(|_| BadData::Session)?;
    let key = UnboundCipherKey::new(&AES_128, &key).map_err(|_| BadData::Session)?;
    let key = PaddedBlockDecryptingKey::cbc_pkcs7(key).map_err(|_| BadData::Session)?;
    let context = DecryptionContext::Iv128(FixedLength::from(iv));
    let plain = key
        .decrypt(&mut data, context)
        .map_err(|_| BadData::Session)?;
    // Names may hold raw control characters here as well.
    match serde_json::from_str(&tolerant(plain)) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) | Err(_) => Err(BadData::Session),
    }
}

/// Whether `signature` is SHA-1, in hex, of the raw data and the session key behind it.
pub(super) fn signed(key: &SessionKey, raw: &str, signature: &str) -> Result<(), BadData> {
    let mut hashed = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    hashed.update(raw.as_bytes());
    hashed.update(key.expose().as_bytes());
    let hashed = hashed.finish();
    let wanted: String = hashed
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let given = signature.trim().to_ascii_lowercase();
    verify_slices_are_equal(wanted.as_bytes(), given.as_bytes()).map_err(|_| BadData::Signature)
}

/// The app that a watermark names.
pub(super) fn watermark(fields: &Map<String, Value>) -> Option<&str> {
    fields.get("watermark")?.get("appid")?.as_str()
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::cipher::{EncryptionContext, PaddedBlockEncryptingKey};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const KEY: [u8; BLOCK] = [7; BLOCK];
    const IV: [u8; BLOCK] = [9; BLOCK];

    fn session() -> SessionKey {
        SessionKey::new(STANDARD.encode(KEY)).unwrap()
    }

    fn encrypted(plain: &[u8]) -> String {
        let key = UnboundCipherKey::new(&AES_128, &KEY).unwrap();
        let key = PaddedBlockEncryptingKey::cbc_pkcs7(key).unwrap();
        let mut data = plain.to_vec();
        let context = EncryptionContext::Iv128(FixedLength::from(IV));
        key.less_safe_encrypt(&mut data, context).unwrap();
        STANDARD.encode(data)
    }

    #[test]
    fn what_was_encrypted_under_the_session_key_is_read() {
        let plain = json!({"nickName": "微信", "watermark": {"appid": "wx1", "timestamp": 1}});
        let data = encrypted(plain.to_string().as_bytes());
        let fields = decrypted(&session(), &data, &STANDARD.encode(IV)).unwrap();
        assert_eq!(watermark(&fields), Some("wx1"));
        assert_eq!(Value::Object(fields), plain);
    }

    #[test]
    fn a_name_with_raw_control_characters_is_read_as_it_is() {
        let data = encrypted(b"{\"nickName\":\"a\nb\x01\"}");
        let fields = decrypted(&session(), &data, &STANDARD.encode(IV)).unwrap();
        assert_eq!(fields["nickName"], "a\nb\u{1}");
    }

    #[test]
    fn what_is_wrong_is_called_by_its_name() {
        let iv = STANDARD.encode(IV);
        let good = encrypted(b"{}");
        let other = SessionKey::new(STANDARD.encode([8; BLOCK])).unwrap();
        assert_eq!(decrypted(&other, &good, &iv), Err(BadData::Session));
        let odd = SessionKey::new("AAAA").unwrap();
        assert_eq!(decrypted(&odd, &good, &iv), Err(BadData::Session));
        assert_eq!(decrypted(&session(), "", &iv), Err(BadData::Encrypted));
        assert_eq!(decrypted(&session(), "AAAA", &iv), Err(BadData::Encrypted));
        assert_eq!(
            decrypted(&session(), "no base64", &iv),
            Err(BadData::Encrypted)
        );
        assert_eq!(decrypted(&session(), &good, "AAAA"), Err(BadData::Iv));
        assert_eq!(
            decrypted(&session(), &encrypted(b"[]"), &iv),
            Err(BadData::Session)
        );
    }

    #[test]
    fn a_signature_is_checked_as_wechats_page_shows_it() {
        let key = SessionKey::new("HyVFkGl5F5OQWJZZaNzBBg==").unwrap();
        let raw = r#"{"nickName":"Band","gender":1,"language":"zh_CN","city":"Guangzhou","province":"Guangdong","country":"CN","avatarUrl":"http://wx.qlogo.cn/mmopen/vi_32/1vZvI39NWFQ9XM4LtQpFrQJ1xlgZxx3w7bQxKARol6503Iuswjjn6nIGBiaycAjAtpujxyzYsrztuuICqIM5ibXQ/0"}"#;
        let signature = "75e81ceda165f4ffa64f4068af58c64b8f54b88c";
        assert_eq!(signed(&key, raw, signature), Ok(()));
        assert_eq!(signed(&key, raw, &signature.to_uppercase()), Ok(()));
        assert_eq!(signed(&key, &raw[1..], signature), Err(BadData::Signature));
        assert_eq!(signed(&session(), raw, signature), Err(BadData::Signature));
        assert_eq!(signed(&key, raw, ""), Err(BadData::Signature));
    }

    proptest! {
        #[test]
        fn nothing_that_is_sent_harms(data in ".{0,80}", iv in ".{0,30}", bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            prop_assert!(decrypted(&session(), &data, &iv).is_err());
            let _ = decrypted(&session(), &STANDARD.encode(bytes), &STANDARD.encode(IV));
        }
    }
}
