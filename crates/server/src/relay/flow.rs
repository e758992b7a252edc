//! What the browser keeps between `authorize` and `callback`, sealed: where its user goes back to, and for whom.
//!
//! Bound to its flow and its app: in another flow's cookie it opens nothing.

use aws_lc_rs::aead::{Aad, Nonce as SealNonce};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use wxtoken_core::app::AppId;
use wxtoken_core::user::Scope;

use super::keys::RelayKeys;
use super::state::Nonce;

/// Those of three sign-ins fit into a header line of 8 KiB, which is what proxies take.
const LARGEST: usize = 2500;
const SEAL_NONCE: usize = 12;

/// One sign-in under way.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Flow {
    /// The page the user goes back to.
    #[serde(rename = "r")]
    pub(crate) return_to: String,
    /// The caller it belongs to, by name.
    #[serde(rename = "c")]
    pub(crate) caller: String,
    /// The site's own state, as it stood in the address; none where it sent none.
    #[serde(rename = "s")]
    pub(crate) state: Option<String>,
    /// What is asked for.
    #[serde(rename = "o", with = "scope_name")]
    pub(crate) scope: Scope,
    /// The language its pages begin with, where the site said one.
    #[serde(rename = "l")]
    pub(crate) lang: Option<String>,
    /// A made-up user is good enough.
    #[serde(rename = "m")]
    pub(crate) takes_snapshot: bool,
}

impl Flow {
    /// What goes into the cookie; none if it does not fit, or the library fails.
    pub(crate) fn seal(&self, keys: &RelayKeys, nonce: &Nonce, app: &AppId) -> Option<String> {
        let mut sealed = serde_json::to_vec(self).ok()?;
        let aad = Aad::from(bound_to(nonce, app));
        keys.current
            .cookie()?
            .seal_in_place_append_tag(seal_nonce(nonce), aad, &mut sealed)
            .ok()?;
        let text = URL_SAFE_NO_PAD.encode(sealed);
        (text.len() <= LARGEST).then_some(text)
    }

    /// What a cookie says, if it is of this flow and this app.
    pub(crate) fn open(text: &str, keys: &RelayKeys, nonce: &Nonce, app: &AppId) -> Option<Self> {
        if text.len() > LARGEST {
            return None;
        }
        let sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
        keys.all().find_map(|set| {
            let mut room = sealed.clone(); // a key that does not fit leaves nothing behind
            let aad = Aad::from(bound_to(nonce, app));
            let plain = set
                .cookie()?
                .open_in_place(seal_nonce(nonce), aad, &mut room)
                .map(|plain| &*plain);
            serde_json::from_slice(plain.ok()?).ok()
        })
    }
}

fn bound_to(nonce: &Nonce, app: &AppId) -> Vec<u8> {
    [&nonce.bytes()[..], app.as_bytes()].concat()
}

/// Of the part that is chance, which is never the same. Were it, the algorithm would forgive it (RFC 8452).
fn seal_nonce(nonce: &Nonce) -> SealNonce {
    let mut bytes = [0; SEAL_NONCE];
    let from = nonce.bytes().len() - SEAL_NONCE;
    bytes.copy_from_slice(&nonce.bytes()[from..]);
    SealNonce::assume_unique_for_key(bytes)
}

mod scope_name {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use wxtoken_core::user::Scope;

    pub(super) fn serialize<S: Serializer>(scope: &Scope, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(scope.name())
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Scope, D::Error> {
        let name = String::deserialize(from)?;
        name.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use wxtoken_core::clock::Wall;

    use super::*;
    use crate::store::MasterKey;

    fn flow() -> Flow {
        Flow {
            return_to: "https://shop.example.com/back".into(),
            caller: "shop".into(),
            state: Some("a%20b".into()),
            scope: Scope::UserInfo,
            lang: None,
            takes_snapshot: false,
        }
    }

    #[test]
    fn a_cookie_opens_only_in_its_own_flow_and_app() {
        let keys = RelayKeys::new(&MasterKey::generate().unwrap().into());
        let app: AppId = "wx0123456789abcdef".parse().unwrap();
        let nonce = Nonce::new([1; 16], Wall(5));
        let text = flow().seal(&keys, &nonce, &app).unwrap();
        assert!(
            text.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        );
        assert!(!text.contains("shop"));
        assert!(Flow::open(&text, &keys, &nonce, &app) == Some(flow()));
        let other = Nonce::new([2; 16], Wall(5));
        assert!(Flow::open(&text, &keys, &other, &app).is_none());
        let foreign: AppId = "wx9999999999999999".parse().unwrap();
        assert!(Flow::open(&text, &keys, &nonce, &foreign).is_none());
        let strange = RelayKeys::new(&MasterKey::generate().unwrap().into());
        assert!(Flow::open(&text, &strange, &nonce, &app).is_none());
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(Flow::open(&changed, &keys, &nonce, &app).is_none(), "{at}");
        }
    }

    #[test]
    fn the_largest_that_is_accepted_fits_into_a_cookie() {
        let keys = RelayKeys::new(&MasterKey::generate().unwrap().into());
        let app: AppId = "wx0123456789abcdef".parse().unwrap();
        let flow = Flow {
            return_to: format!("https://shop.example.com/{}", "x".repeat(375)),
            caller: "店".repeat(64),
            state: Some("%".repeat(1024)),
            lang: Some("zh-CN".into()),
            ..flow()
        };
        assert!(
            flow.seal(&keys, &Nonce::new([1; 16], Wall(5)), &app)
                .is_some()
        );
    }
}
