//! What users and notes are called in Redis.
//!
//! A user has two names while master keys are being changed, and both belong into one slot of a cluster, so that one script
//! sees both. What puts them there is 12 bits of a hash without a key: users are spread well enough, and who reads
//! it learns nothing of an openid.

use aws_lc_rs::digest::{Context, SHA256};
use wxtoken_core::app::AppId;
use wxtoken_core::user::{OnceKey, OpenId};

use super::super::seal::Name;

/// A user's record: its key, and what its seal knows it by.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) name: Name,
    pub(super) text: String,
}

/// The names of all that is kept of users.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    prefix: String,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        let prefix = prefix.to_owned();
        Self { prefix }
    }

    pub(super) fn user(&self, app: &AppId, openid: &OpenId, name: Name) -> Key {
        let mut context = Context::new(&SHA256);
        for part in [app.as_str(), "\0", openid.as_str()] {
            context.update(part.as_bytes());
        }
        let hash = context.finish();
        let place = hash
            .as_ref()
            .first_chunk()
            .map(|two| u16::from_be_bytes(*two) >> 4);
        self.at(place.unwrap_or_default(), name)
    }

    fn at(&self, place: u16, name: Name) -> Key {
        let number = u128::from_be_bytes(name);
        let text = format!("{}:{{u{place:03x}}}:user:{number:032x}", self.prefix);
        Key { name, text }
    }

    pub(super) fn note(&self, key: &OnceKey) -> String {
        format!("{}:{{n{}}}:once", self.prefix, hex(key))
    }

    /// Where a note stays a moment for who took it.
    pub(super) fn taken(&self, key: &OnceKey) -> String {
        format!("{}:{{n{}}}:taken", self.prefix, hex(key))
    }

    /// What `SCAN` finds all users by. A prefix holds nothing that a pattern would understand.
    pub(super) fn every_user(&self) -> String {
        format!("{}:{{u???}}:user:*", self.prefix)
    }

    /// Which user's record it is.
    pub(super) fn user_of(&self, key: &[u8]) -> Option<Key> {
        let text = std::str::from_utf8(key).ok()?;
        let rest = text
            .strip_prefix(self.prefix.as_str())?
            .strip_prefix(":{u")?;
        let (place, name) = rest.split_once("}:user:")?;
        let place = u16::from_str_radix(place, 16).ok()?;
        let found = self.at(place, u128::from_str_radix(name, 16).ok()?.to_be_bytes());
        (found.text == text).then_some(found)
    }
}

fn hex(key: &OnceKey) -> String {
    key.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_told_from_everything_else_and_two_names_of_a_user_lie_together() {
        let keys = Keys::new("wxtoken");
        let (app, openid) = ("wx01".parse().unwrap(), "oABC-_1".parse().unwrap());
        let [one, other] = [[7; 16], [0xab; 16]].map(|name| keys.user(&app, &openid, name));
        assert_eq!(one.text[..15], other.text[..15]);
        assert!(
            one.text.starts_with("wxtoken:{u")
                && one
                    .text
                    .ends_with("}:user:07070707070707070707070707070707")
        );
        let found = keys.user_of(other.text.as_bytes()).unwrap();
        assert_eq!((found.name, found.text), (other.name, other.text));
        for foreign in [
            "wxtoken:{wx01}:record",
            "wxtoken:{u001}:user:+7",
            "wxtoken:{u1}:user:07",
            "other:{u001}:user:07",
        ] {
            assert!(keys.user_of(foreign.as_bytes()).is_none(), "{foreign}");
        }
        let note = keys.note(&OnceKey([0x0f; 32]));
        assert!(note.starts_with("wxtoken:{n0f0f") && note.ends_with("}:once"));
    }
}
