//! Virtual tokens: what a caller with `hands_out = "virtual"` gets instead of WeChat's token. Good at this gateway only, for
//! one caller and one app, for three hours.
//!
//! Made and checked with a key derived from the master key, so every replica agrees without asking the store. The same
//! caller gets the same one for an hour, on every replica. Pure but for the key. Must not know: HTTP, who may do what.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Wall;

use crate::store::{MasterKey, MasterKeys};

/// Tells ours at a glance from WeChat's, which start with a number and `_`.
const PREFIX: &str = "wxv_";
/// How long a caller is handed the same one.
const SLOT: u64 = 3_600_000;
/// How long one is good after its slot began: it is handed out for an hour, and an SDK may then keep it for two.
const LIFE: u64 = 3 * SLOT + 600_000;
/// A clock of another replica may be ahead by so much.
const TOLERANCE: u64 = 300_000;
const APPID: usize = 23;
const VERSION: u8 = 1;
const PLAIN: usize = 1 + 4 + 8 + 8 + 1 + APPID;
const TAG: usize = 16;
/// One nonce for all: the algorithm is made for that (RFC 8452), and equal contents shall give equal tokens.
const NONCE: [u8; 12] = *b"virtualtoken";

/// A caller, as a virtual token names it: a hash of its name. Nobody sees it, for the token is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct CallerMark(pub(crate) u64);

impl CallerMark {
    /// How tokens name a caller.
    pub(crate) fn of(name: &str) -> Self {
        let hash = digest::digest(&digest::SHA256, name.as_bytes());
        let mut mark = [0; 8];
        mark.copy_from_slice(&hash.as_ref()[..8]);
        Self(u64::from_be_bytes(mark))
    }
}

/// What a virtual token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claims {
    /// Whose it is.
    pub(crate) caller: CallerMark,
    /// For which app.
    pub(crate) app: AppId,
    /// The caller's epoch when it was made; raising that ends every older one.
    pub(crate) epoch: u64,
    slot: u32,
}

/// Why a string is no virtual token of ours that is good now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotVirtual {
    /// It does not look like one.
    Foreign,
    /// It looks like one, but was not made under our key.
    Forged,
    /// It was one, and its time is over.
    Ended,
}

/// Makes and checks virtual tokens.
pub(crate) struct VirtualTokens {
    /// What they are made under.
    current: LessSafeKey,
    /// What they were made under before, while two master keys are configured.
    previous: Option<LessSafeKey>,
}

impl VirtualTokens {
    /// With keys derived from the master keys; none if the library refuses them, which it has no reason to.
    pub(crate) fn new(keys: &MasterKeys) -> Option<Self> {
        let previous = keys.previous.as_ref().map(derived);
        Some(Self {
            current: derived(&keys.current)?,
            previous: previous.map_or(Some(None), |key| key.map(Some))?,
        })
    }

    /// The token of this hour, and how long it is good. None only if the library fails.
    pub(crate) fn make(
        &self,
        caller: CallerMark,
        app: AppId,
        epoch: u64,
        now: Wall,
    ) -> Option<(String, Duration)> {
        // Callers change at different moments, so that they do not all come at the full hour.
        let phase = caller.0 % SLOT;
        let slot = (now.0 + phase) / SLOT;
        let ends = slot * SLOT + LIFE - phase;
        let claims = Claims {
            caller,
            app,
            epoch,
            slot: u32::try_from(slot).ok()?,
        };
        let mut sealed = claims.write().to_vec();
        let nonce = Nonce::assume_unique_for_key(NONCE);
        self.current
            .seal_in_place_append_tag(nonce, Aad::empty(), &mut sealed)
            .ok()?;
        let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(sealed));
        Some((token, Duration::from_millis(ends.saturating_sub(now.0))))
    }

    /// What a string says, if we made it and it is still good.
    pub(crate) fn check(&self, token: &str, now: Wall) -> Result<Claims, NotVirtual> {
        let coded = token.strip_prefix(PREFIX).ok_or(NotVirtual::Foreign)?;
        let mut sealed = [0; PLAIN + TAG];
        match URL_SAFE_NO_PAD.decode_slice(coded, &mut sealed) {
            Ok(length) if length == PLAIN + TAG => {}
            Ok(_) | Err(_) => return Err(NotVirtual::Forged),
        }
        let claims = self.opened(&sealed).ok_or(NotVirtual::Forged)?;
        let began = u64::from(claims.slot) * SLOT - claims.caller.0 % SLOT;
        if now.0 >= began + LIFE || now.0 + TOLERANCE < began {
            return Err(NotVirtual::Ended);
        }
        Ok(claims)
    }

    fn opened(&self, sealed: &[u8; PLAIN + TAG]) -> Option<Claims> {
        [Some(&self.current), self.previous.as_ref()]
            .into_iter()
            .flatten()
            .find_map(|key| {
                let mut room = *sealed; // a key that does not fit leaves nothing behind
                let nonce = Nonce::assume_unique_for_key(NONCE);
                let plain = key.open_in_place(nonce, Aad::empty(), &mut room).ok()?;
                Claims::read(plain)
            })
    }
}

fn derived(master: &MasterKey) -> Option<LessSafeKey> {
    let key = master.derive("virtual token");
    let unbound = UnboundKey::new(&AES_256_GCM_SIV, key.as_slice()).ok()?;
    Some(LessSafeKey::new(unbound))
}

impl fmt::Debug for VirtualTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VirtualTokens")
    }
}

impl Claims {
    fn write(&self) -> [u8; PLAIN] {
        let app = self.app.as_str().as_bytes();
        let mut plain = [0; PLAIN];
        plain[0] = VERSION;
        plain[1..5].copy_from_slice(&self.slot.to_be_bytes());
        plain[5..13].copy_from_slice(&self.caller.0.to_be_bytes());
        plain[13..21].copy_from_slice(&self.epoch.to_be_bytes());
        plain[21] = u8::try_from(app.len()).unwrap_or(0);
        plain[22..22 + app.len()].copy_from_slice(app);
        plain
    }

    fn read(plain: &[u8]) -> Option<Self> {
        let plain: &[u8; PLAIN] = plain.try_into().ok()?;
        let word = |at: usize| Some(u64::from_be_bytes(plain[at..at + 8].try_into().ok()?));
        let length = usize::from(plain[21]);
        let app = plain[22..].get(..length)?;
        (plain[0] == VERSION).then_some(())?;
        Some(Self {
            slot: u32::from_be_bytes(plain[1..5].try_into().ok()?),
            caller: CallerMark(word(5)?),
            epoch: word(13)?,
            app: std::str::from_utf8(app).ok()?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;

    const NOON: Wall = Wall(1_790_000_000_000);

    fn app() -> AppId {
        "wx0123456789abcdef".parse().unwrap()
    }

    fn key(seed: u8) -> MasterKey {
        let key: Vec<u8> = (0..32).map(|n| n ^ seed).collect();
        MasterKey::from_base64(&STANDARD.encode(key)).unwrap()
    }

    fn tokens(seed: u8) -> VirtualTokens {
        VirtualTokens::new(&key(seed).into()).unwrap()
    }

    fn later(millis: u64) -> Wall {
        Wall(NOON.0 + millis)
    }

    #[test]
    fn one_says_whose_it_is_and_for_which_app() {
        let ours = tokens(1);
        let caller = CallerMark::of("orders");
        let (token, good_for) = ours.make(caller, app(), 7, NOON).unwrap();
        let claims = ours.check(&token, NOON).unwrap();
        assert_eq!(
            (claims.caller, claims.app, claims.epoch),
            (caller, app(), 7)
        );
        assert!(good_for >= Duration::from_secs(7200 + 600));
        assert!((64..=256).contains(&token.len()), "{}", token.len());
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        assert!(token.bytes().all(is_plain));
        assert!(!format!("{ours:?}").contains(&token));
    }

    #[test]
    fn it_stays_the_same_for_an_hour_on_every_replica_and_ends() {
        let (ours, replica) = (tokens(1), tokens(1));
        let caller = CallerMark::of("orders");
        let (token, good_for) = ours.make(caller, app(), 0, NOON).unwrap();
        let mut changes = 0;
        let mut before = token.clone();
        for minute in 1..=60 {
            let (now, _) = replica
                .make(caller, app(), 0, later(minute * 60_000))
                .unwrap();
            changes += u32::from(now != before);
            before = now;
        }
        assert_eq!(changes, 1);
        let ends = u64::try_from(good_for.as_millis()).unwrap();
        assert!(replica.check(&token, later(ends - 1)).is_ok());
        assert_eq!(replica.check(&token, later(ends)), Err(NotVirtual::Ended));
        assert_eq!(
            replica.check(&token, Wall(NOON.0 - 2 * SLOT)),
            Err(NotVirtual::Ended)
        );
    }

    #[test]
    fn nobody_else_can_make_one_or_bend_one() {
        let ours = tokens(1);
        let caller = CallerMark::of("orders");
        let (token, _) = ours.make(caller, app(), 0, NOON).unwrap();
        assert_eq!(tokens(2).check(&token, NOON), Err(NotVirtual::Forged));
        assert_ne!(CallerMark::of("others"), caller);
        for at in PREFIX.len()..token.len() {
            let mut bent = token.clone().into_bytes();
            bent[at] = if bent[at] == b'A' { b'B' } else { b'A' };
            let bent = String::from_utf8(bent).unwrap();
            assert_eq!(ours.check(&bent, NOON), Err(NotVirtual::Forged), "at {at}");
        }
        for foreign in ["", "68_abc", "wxv", "WXV_AAAA"] {
            assert_eq!(ours.check(foreign, NOON), Err(NotVirtual::Foreign));
        }
        for forged in [
            "wxv_",
            "wxv_AAAA",
            "wxv_é",
            &format!("{token}A"),
            &token[..token.len() - 1],
        ] {
            assert_eq!(ours.check(forged, NOON), Err(NotVirtual::Forged));
        }
    }

    #[test]
    fn one_of_the_previous_master_key_is_good_while_both_are_configured() {
        let caller = CallerMark::of("orders");
        let (old, _) = tokens(1).make(caller, app(), 0, NOON).unwrap();
        let both = VirtualTokens::new(&MasterKeys {
            current: key(2),
            previous: Some(key(1)),
        });
        let both = both.unwrap();
        assert_eq!(both.check(&old, NOON).unwrap().caller, caller);
        let (new, _) = both.make(caller, app(), 0, NOON).unwrap();
        assert_ne!(new, old);
        assert!(both.check(&new, NOON).is_ok());
        assert!(
            tokens(2).check(&new, NOON).is_ok(),
            "made under the current"
        );
        assert_eq!(tokens(2).check(&old, NOON), Err(NotVirtual::Forged));
        assert_eq!(tokens(3).check(&old, NOON), Err(NotVirtual::Forged));
    }

    #[test]
    fn another_app_or_epoch_gives_another_one() {
        let ours = tokens(1);
        let caller = CallerMark::of("orders");
        let make = |app: AppId, epoch| ours.make(caller, app, epoch, NOON).unwrap().0;
        let one = make(app(), 0);
        assert_ne!(one, make(app(), 1));
        assert_ne!(one, make("wx1".parse().unwrap(), 0));
        assert_eq!(one, make(app(), 0));
    }
}
