//! The code that a user brings to a site, and that the site's caller redeems: 256 bits of chance, once, within a minute.
//!
//! The note behind it is named after the code and the caller, so another caller finds nothing, and takes nothing away; its
//! content can be read only with the code.

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce};
use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};
use wxtoken_core::clock::Wall;
use wxtoken_core::store::StoreError;
use wxtoken_core::user::{OnceKey, UserStore};

use super::keys::{KeySet, RelayKeys, hex, sealing, unhex};

/// How long a code is good, milliseconds.
const LIFE: u64 = 60_000;
const CODE: usize = 32;
/// The key of each note is its own, so one nonce does for all.
const NONCE: [u8; 12] = *b"redeem  note";

/// What a code is good for.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Redeemable {
    /// Whose code it is.
    pub(crate) caller: String,
    /// The app.
    pub(crate) app: String,
    /// The user.
    pub(crate) openid: String,
    /// The user, to all apps of one open-platform account; where WeChat tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unionid: Option<String>,
    /// What was granted.
    pub(crate) scope: String,
    /// A made-up user.
    pub(crate) is_snapshot: bool,
    /// When it was granted, in Unix milliseconds.
    pub(crate) granted_at: u64,
}

/// Why a code is not redeemed, or was not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotRedeemed {
    /// It was used, is too old, another caller's, or no code at all.
    #[error("this code was used, is older than a minute, or was made for another caller")]
    Unknown,
    /// The store cannot be asked.
    #[error("the store cannot be used now")]
    Store(#[source] StoreError),
    /// A fault of ours.
    #[error("the code could not be sealed")]
    Seal,
}

impl Redeemable {
    /// Leaves the note, and gives the code.
    pub(crate) async fn leave(
        &self,
        keys: &RelayKeys,
        store: &dyn UserStore,
        chance: [u8; CODE],
        now: Wall,
    ) -> Result<String, NotRedeemed> {
        let mut sealed = serde_json::to_vec(self).map_err(|_| NotRedeemed::Seal)?;
        let set = &keys.current;
        let key = note_key(set, &chance).ok_or(NotRedeemed::Seal)?;
        let nonce = Nonce::assume_unique_for_key(NONCE);
        key.seal_in_place_append_tag(nonce, Aad::empty(), &mut sealed)
            .map_err(|_| NotRedeemed::Seal)?;
        let name = name(set, &chance, &self.caller);
        let left = store.put_once(name, &sealed, now.plus(LIFE)).await;
        match left.map_err(NotRedeemed::Store)? {
            true => Ok(hex(&chance)),
            false => Err(NotRedeemed::Seal),
        }
    }

    /// Takes the note that a code of this caller names.
    pub(crate) async fn take(
        code: &str,
        caller: &str,
        keys: &RelayKeys,
        store: &dyn UserStore,
    ) -> Result<Self, NotRedeemed> {
        let code: [u8; CODE] = unhex(code).ok_or(NotRedeemed::Unknown)?;
        for set in keys.all() {
            let taken = store.take_once(name(set, &code, caller)).await;
            if let Some(sealed) = taken.map_err(NotRedeemed::Store)? {
                return open(set, &code, sealed)
                    .filter(|found| found.caller == caller)
                    .ok_or(NotRedeemed::Unknown);
            }
        }
        Err(NotRedeemed::Unknown)
    }
}

fn open(set: &KeySet, code: &[u8; CODE], mut sealed: Vec<u8>) -> Option<Redeemable> {
    let nonce = Nonce::assume_unique_for_key(NONCE);
    let plain = note_key(set, code)?.open_in_place(nonce, Aad::empty(), &mut sealed);
    serde_json::from_slice(plain.ok()?).ok()
}

fn name(set: &KeySet, code: &[u8; CODE], caller: &str) -> OnceKey {
    let named = [code.as_slice(), caller.as_bytes()].concat();
    let mut key = [0; 32];
    key.copy_from_slice(hmac::sign(&set.names, &named).as_ref());
    OnceKey(key)
}

fn note_key(set: &KeySet, code: &[u8; CODE]) -> Option<LessSafeKey> {
    sealing(hmac::sign(&set.notes, code).as_ref())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use wxtoken_core::clock::{Clock, Now};

    use super::*;
    use crate::clock::ManualClock;
    use crate::store::users::MemoryUsers;
    use crate::store::{MasterKey, MasterKeys};

    const NOON: Wall = Wall(1_795_000_000_000);

    fn grant() -> Redeemable {
        Redeemable {
            caller: "shop".into(),
            app: "wx0123456789abcdef".into(),
            openid: "oLVPpjqs9BhvzwPj5A-vTYAX3GLc".into(),
            unionid: None,
            scope: "snsapi_base".into(),
            is_snapshot: false,
            granted_at: NOON.0,
        }
    }

    fn world() -> (RelayKeys, MemoryUsers, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::new(Now {
            wall: NOON,
            ..Now::default()
        }));
        let keys = RelayKeys::new(&MasterKey::generate().unwrap().into());
        let store = MemoryUsers::new(Arc::clone(&clock) as Arc<dyn Clock>);
        (keys, store, clock)
    }

    #[tokio::test]
    async fn a_code_is_redeemed_once_and_by_its_caller_alone() {
        let (keys, store, _) = world();
        let code = grant().leave(&keys, &store, [7; 32], NOON).await.unwrap();
        assert_eq!(code.len(), 64);
        for other in ["", "shop2", "Shop"] {
            let refused = Redeemable::take(&code, other, &keys, &store).await;
            assert!(matches!(refused, Err(NotRedeemed::Unknown)));
        }
        // What others tried took nothing away.
        let taken = Redeemable::take(&code, "shop", &keys, &store)
            .await
            .unwrap();
        assert!(taken == grant());
        let again = Redeemable::take(&code, "shop", &keys, &store).await;
        assert!(matches!(again, Err(NotRedeemed::Unknown)));
    }

    #[tokio::test]
    async fn a_code_is_over_after_a_minute() {
        let (keys, store, clock) = world();
        let code = grant().leave(&keys, &store, [7; 32], NOON).await.unwrap();
        clock.advance(Duration::from_secs(60));
        let late = Redeemable::take(&code, "shop", &keys, &store).await;
        assert!(matches!(late, Err(NotRedeemed::Unknown)));
    }

    #[tokio::test]
    async fn what_is_no_code_is_unknown() {
        let (keys, store, _) = world();
        for bad in [
            "",
            "zz",
            &"A".repeat(64),
            &"0".repeat(64),
            &"0".repeat(65),
            "微信",
        ] {
            let refused = Redeemable::take(bad, "shop", &keys, &store).await;
            assert!(matches!(refused, Err(NotRedeemed::Unknown)), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_code_made_under_the_previous_master_key_is_redeemed() {
        let (_, store, _) = world();
        let (old, new) = (
            MasterKey::generate().unwrap(),
            MasterKey::generate().unwrap(),
        );
        let before = RelayKeys::new(&old.clone().into());
        let code = grant().leave(&before, &store, [7; 32], NOON).await.unwrap();
        let both = MasterKeys {
            current: new,
            previous: Some(old),
        };
        let both = RelayKeys::new(&both);
        assert!(Redeemable::take(&code, "shop", &both, &store).await.is_ok());
    }
}
