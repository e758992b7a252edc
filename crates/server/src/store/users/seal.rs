//! How users' records are named and sealed: a store holds neither who they are nor what they gave.
//!
//! A record's name is a keyed hash of app and openid. Its seal is bound to name and version, and what is sealed says whose it
//! is, so no record can stand in another's place. Must not know: tables, Redis.

use aws_lc_rs::hmac;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Wall;
use wxtoken_core::store::StoreError;
use wxtoken_core::user::{Held, OnceKey, OpenId, UserRecord};

use super::super::keys::{MasterKey, MasterKeys};
use super::super::sealed::{SealError, Sealer, StoreId};
use super::no_random;
use super::wire::{self, User};

const RECORD: &[u8] = b"user";
const NOTE: &[u8] = b"user note";

/// What a user's record is kept under.
pub(super) type Name = [u8; 16];

/// What a record may be kept under: while keys are being changed, two names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names {
    pub(super) current: Name,
    pub(super) previous: Option<Name>,
}

impl Names {
    /// The newer first.
    pub(super) fn all(self) -> impl Iterator<Item = Name> {
        std::iter::once(self.current).chain(self.previous)
    }
}

/// A record as a store has it.
#[derive(Debug, Clone)]
pub(super) struct Sealed {
    pub(super) name: Name,
    pub(super) version: u64,
    pub(super) bytes: Vec<u8>,
}

/// Names, seals and opens.
pub(super) struct UserSeal {
    sealer: Sealer,
    current: hmac::Key,
    previous: Option<hmac::Key>,
}

impl UserSeal {
    pub(super) fn new(keys: MasterKeys, store: StoreId) -> Self {
        let key = |master: &MasterKey| {
            let key = master.derive_parts(&[b"user names", &store]);
            hmac::Key::new(hmac::HMAC_SHA256, key.as_slice())
        };
        Self {
            current: key(&keys.current),
            previous: keys.previous.as_ref().map(key),
            sealer: Sealer::new(keys, store),
        }
    }

    pub(super) fn names(&self, app: &AppId, openid: &OpenId) -> Names {
        Names {
            current: name(&self.current, app, openid),
            previous: self.previous.as_ref().map(|key| name(key, app, openid)),
        }
    }

    pub(super) fn seal(
        &self,
        app: &AppId,
        openid: &OpenId,
        record: &UserRecord,
        until: Wall,
        version: u64,
    ) -> Result<Sealed, StoreError> {
        let name = name(&self.current, app, openid);
        let plain = wire::encode(app, openid, until, record);
        let sealed = plain
            .map_err(SealError::from)
            .and_then(|plain| self.sealer.seal(RECORD, &label(&name, version), &plain));
        let bytes = sealed.map_err(|_| no_random())?;
        Ok(Sealed {
            name,
            version,
            bytes,
        })
    }

    /// What a record says, and whose it is.
    pub(super) fn open(&self, sealed: &Sealed) -> Result<User, SealError> {
        let Sealed {
            name,
            version,
            bytes,
        } = sealed;
        let plain = self.sealer.open(RECORD, &label(name, *version), bytes)?;
        Ok(wire::decode(&plain)?)
    }

    /// What is kept of a user who was asked for; none, with a word in the log, if it is another's or cannot be read.
    pub(super) fn user(&self, app: &AppId, openid: &OpenId, sealed: &Sealed) -> Option<User> {
        let error = match self.open(sealed) {
            Ok(user) if user.app == *app && user.openid == *openid => return Some(user),
            Ok(_) => SealError::Broken,
            Err(error) => error,
        };
        tracing::warn!(app.id = %app, "what was kept of a user of {app} cannot be read, and that user will be asked again: {error}");
        None
    }

    /// The same, as it is held.
    pub(super) fn held(&self, app: &AppId, openid: &OpenId, sealed: &Sealed) -> Option<Held> {
        let User { record, .. } = self.user(app, openid, sealed)?;
        let version = sealed.version;
        Some(Held { record, version })
    }

    /// Whether it is sealed under the previous master key, and so should be sealed anew.
    pub(super) fn is_under_previous(&self, bytes: &[u8]) -> bool {
        self.sealer.is_under_previous(bytes)
    }

    pub(super) fn seal_note(&self, key: &OnceKey, content: &[u8]) -> Result<Vec<u8>, StoreError> {
        let sealed = self.sealer.seal(NOTE, &key.0, content);
        sealed.map_err(|_| no_random())
    }

    pub(super) fn open_note(&self, key: &OnceKey, sealed: &[u8]) -> Option<Vec<u8>> {
        let opened = self.sealer.open(NOTE, &key.0, sealed);
        let opened = opened.inspect_err(|error| tracing::warn!("a one-time note is lost: {error}"));
        opened.ok().map(|content| content.to_vec())
    }

    pub(super) fn sealer(&self) -> &Sealer {
        &self.sealer
    }
}

fn name(key: &hmac::Key, app: &AppId, openid: &OpenId) -> Name {
    let mut context = hmac::Context::with_key(key);
    context.update(app.as_str().as_bytes());
    // No AppId and no openid holds it.
    context.update(b"\0");
    context.update(openid.as_str().as_bytes());
    let mut name = Name::default();
    let length = name.len();
    name.copy_from_slice(&context.sign().as_ref()[..length]);
    name
}

fn label(name: &Name, version: u64) -> [u8; 24] {
    let mut label = [0; 24];
    label[..16].copy_from_slice(name);
    label[16..].copy_from_slice(&version.to_be_bytes());
    label
}
