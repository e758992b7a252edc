//! The hash that every signature here is, and the page signature (JS-SDK 使用权限签名算法).

use std::fmt;

use aws_lc_rs::{constant_time, digest};
use wxtoken_core::credential::Token;

use super::{Nonce, PageUrl};

/// A SHA-1 in lower-case hex, as WeChat compares it.
#[derive(Clone, PartialEq, Eq)]
pub struct Signature(Box<str>);

impl Signature {
    /// The hash of some text.
    pub(super) fn of(text: &str) -> Self {
        // WeChat asks for SHA-1. It signs nothing for us: WeChat repeats the sum with the secret it shares.
        let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
        Self(hex(hash.as_ref()).into())
    }

    /// The hash of values that are sorted and put one behind the other, as cards and pushes want it.
    pub(super) fn of_sorted(values: &mut [&str]) -> Self {
        values.sort_unstable();
        Self::of(&values.concat())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is what somebody sent, compared in constant time.
    pub(super) fn is(&self, sent: &str) -> bool {
        constant_time::verify_slices_are_equal(self.0.as_bytes(), sent.as_bytes()).is_ok()
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(redacted)")
    }
}

/// Signs a page for `wx.config`. The values are joined as they are; nothing is encoded.
#[must_use]
pub fn page_signature(
    ticket: &Token,
    nonce: &Nonce,
    unix_seconds: u64,
    page: &PageUrl,
) -> Signature {
    Signature::of(&format!(
        "jsapi_ticket={}&noncestr={}&timestamp={unix_seconds}&url={}",
        ticket.expose(),
        nonce.as_str(),
        page.as_str(),
    ))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or('0');
    let pairs = bytes.iter();
    pairs
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// WeChat's own example (JS-SDK 附录1).
    fn example(url: &str) -> String {
        let ticket = Token::new(
            "sM4AOVdWfPE4DxkXGEs8VMCPGGVi4C3VM0P37wVUCFvkVAy_90u5h9nbSlYy3-Sl-HhTdfl2fzFy1AOcHKP7qg",
        );
        let nonce = Nonce::from_text("Wm3WZYTPz0wzccnW");
        let page: PageUrl = url.parse().unwrap();
        let signed = page_signature(&ticket.unwrap(), &nonce, 1_414_587_457, &page);
        signed.as_str().to_owned()
    }

    #[test]
    fn wechats_worked_examples_come_out_as_wechat_states_them() {
        assert_eq!(
            example("http://mp.weixin.qq.com?params=value"),
            "0f9de62fce790f9a083d5c99e95740ceb90c27ed"
        );
        assert_eq!(
            example("http://mp.weixin.qq.com"),
            "f4d90daf4b3bca3078ab155816175ba34c443a7b"
        );
    }

    #[test]
    fn a_fragment_changes_nothing_and_every_other_letter_does() {
        let signed = example("http://mp.weixin.qq.com?params=value#/cart?x=1");
        assert_eq!(signed, "0f9de62fce790f9a083d5c99e95740ceb90c27ed");
        for other in [
            "http://mp.weixin.qq.com/?params=value",
            "http://MP.weixin.qq.com?params=value",
            "http://mp.weixin.qq.com?params=valu%65",
            "http://mp.weixin.qq.com?params=value&",
        ] {
            assert_ne!(example(other), signed, "{other}");
        }
    }

    #[test]
    fn a_signature_is_not_printed() {
        assert_eq!(format!("{:?}", Signature::of("x")), "Signature(redacted)");
    }
}
