//! The `state` that WeChat carries through its pages: a number nobody can guess, its end, and a signature over both and the
//! app. WeChat takes up to 128 letters and digits; this has 72.

use aws_lc_rs::hmac;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Wall;
use wxtoken_core::user::OnceKey;

use super::keys::{RelayKeys, hex, unhex};

/// How long a user may take, milliseconds.
const LIFE: u64 = 600_000;
/// Clocks of replicas may differ by so much: a nonce that was used is remembered for longer than any takes it for good.
const TOLERANCE: u64 = 600_000;
const END: usize = 4;
const CHANCE: usize = 16;
const NONCE: usize = END + CHANCE;
const MAC: usize = 16;

/// What tells one flow from all others: when it ends, and chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Nonce([u8; NONCE]);

/// Why a state leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotOurs {
    /// Not made under our keys, or for another app.
    Forged,
    /// It was, and its time is over.
    Ended(Nonce),
}

impl Nonce {
    /// The nonce of a flow that begins now.
    pub(crate) fn new(chance: [u8; CHANCE], now: Wall) -> Self {
        let ends = now.plus(LIFE).unix_seconds();
        let mut nonce = [0; NONCE];
        nonce[..END].copy_from_slice(&u32::try_from(ends).unwrap_or(u32::MAX).to_be_bytes());
        nonce[END..].copy_from_slice(&chance);
        Self(nonce)
    }

    /// When the flow ends.
    pub(crate) fn ends(&self) -> Wall {
        let [a, b, c, d, ..] = self.0;
        Wall(u64::from(u32::from_be_bytes([a, b, c, d])) * 1000)
    }

    pub(super) const fn bytes(&self) -> &[u8; NONCE] {
        &self.0
    }

    /// How its cookie is told from those of other flows. Later flows sort behind earlier ones.
    pub(crate) fn short(&self) -> String {
        hex(&self.0[..8])
    }

    /// The state that WeChat carries.
    pub(crate) fn state(&self, keys: &RelayKeys, app: &AppId) -> String {
        let mac = hmac::sign(&keys.current.state, &self.signed(app));
        let mut state = hex(&self.0);
        state.push_str(&hex(&mac.as_ref()[..MAC]));
        state
    }

    /// The nonce in a state that came back for an app.
    pub(crate) fn read(
        text: &str,
        keys: &RelayKeys,
        app: &AppId,
        now: Wall,
    ) -> Result<Self, NotOurs> {
        let bytes: [u8; NONCE + MAC] = unhex(text).ok_or(NotOurs::Forged)?;
        let mut nonce = [0; NONCE];
        nonce.copy_from_slice(&bytes[..NONCE]);
        let nonce = Self(nonce);
        let signed = nonce.signed(app);
        let is_of = |key: &hmac::Key| {
            let mac = hmac::sign(key, &signed);
            aws_lc_rs::constant_time::verify_slices_are_equal(&mac.as_ref()[..MAC], &bytes[NONCE..])
                .is_ok()
        };
        if !keys.all().any(|set| is_of(&set.state)) {
            return Err(NotOurs::Forged);
        }
        if now >= nonce.ends() {
            return Err(NotOurs::Ended(nonce));
        }
        Ok(nonce)
    }

    fn signed(&self, app: &AppId) -> Vec<u8> {
        [&self.0[..], app.as_bytes()].concat()
    }

    /// The note that says that it was used. The same under every master key, for it is no secret.
    pub(crate) fn used(&self) -> (OnceKey, Wall) {
        let named = [b"oauth state used:".as_slice(), &self.0].concat();
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &named);
        let mut key = [0; 32];
        key.copy_from_slice(digest.as_ref());
        (OnceKey(key), self.ends().plus(TOLERANCE))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::{MasterKey, MasterKeys};

    const NOON: Wall = Wall(1_795_000_000_000);

    fn app() -> AppId {
        "wx0123456789abcdef".parse().unwrap()
    }

    fn keys() -> RelayKeys {
        RelayKeys::new(&MasterKey::generate().unwrap().into())
    }

    #[test]
    fn a_state_comes_back_within_ten_minutes_for_its_app_alone() {
        let keys = keys();
        let nonce = Nonce::new([7; 16], NOON);
        let state = nonce.state(&keys, &app());
        assert!(state.len() <= 128 && state.bytes().all(|b| b.is_ascii_alphanumeric()));
        let read = |text: &str, later: u64| Nonce::read(text, &keys, &app(), NOON.plus(later));
        assert_eq!(read(&state, 0), Ok(nonce));
        assert_eq!(read(&state, LIFE - 1), Ok(nonce));
        assert_eq!(read(&state, LIFE), Err(NotOurs::Ended(nonce)));
        let other: AppId = "wx9999999999999999".parse().unwrap();
        assert_eq!(
            Nonce::read(&state, &keys, &other, NOON),
            Err(NotOurs::Forged)
        );
        assert_eq!(read(&state.to_uppercase(), 0), Err(NotOurs::Forged));
        assert_eq!(read("", 0), Err(NotOurs::Forged));
        let foreign = nonce.state(&self::keys(), &app());
        assert_eq!(read(&foreign, 0), Err(NotOurs::Forged));
    }

    #[test]
    fn a_state_signed_under_the_previous_master_key_is_good() {
        let (old, new) = (
            MasterKey::generate().unwrap(),
            MasterKey::generate().unwrap(),
        );
        let before = RelayKeys::new(&old.clone().into());
        let both = RelayKeys::new(&MasterKeys {
            current: new,
            previous: Some(old),
        });
        let nonce = Nonce::new([7; 16], NOON);
        let state = nonce.state(&before, &app());
        assert_eq!(Nonce::read(&state, &both, &app(), NOON), Ok(nonce));
    }

    proptest! {
        #[test]
        fn no_changed_digit_goes_unnoticed(at in 0_usize..72, to in "[0-9a-f]") {
            let keys = keys();
            let mut state = Nonce::new([9; 16], NOON).state(&keys, &app());
            prop_assume!(state[at..=at] != to);
            state.replace_range(at..=at, &to);
            prop_assert_eq!(Nonce::read(&state, &keys, &app(), NOON), Err(NotOurs::Forged));
        }

        #[test]
        fn nothing_else_is_a_state(text in ".{0,160}") {
            prop_assert!(Nonce::read(&text, &keys(), &app(), NOON).is_err());
        }
    }
}
