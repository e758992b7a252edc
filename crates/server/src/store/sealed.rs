//! Seals records, so that a store holds nothing that can be read, altered or exchanged.
//!
//! Owns: AES-256-GCM, data keys, what a seal is bound to. Must not know: tables, files, Redis.
//!
//! Sealed bytes: format version (1), name of the master key (4), salt of the data key (16), nonce (12), ciphertext and tag.
//! A data key seals at most 2³⁰ times; then, and at every start, a new salt makes a new one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::rand;
use wxtoken_core::app::AppId;
use wxtoken_core::store::{Fence, Record};
use zeroize::Zeroizing;

use super::keys::{MasterKey, MasterKeys};
use super::wire::{self, WireError};

const NAME: usize = 4;
const SALT: usize = 16;
const NONCE: usize = 12;
const TAG: usize = 16;
const HEAD: usize = 1 + NAME + SALT + NONCE;
/// A quarter of what a key with random nonces may do (2³²).
const SEALS_PER_KEY: u32 = 1 << 30;

/// What tells one store from another; made once, when it is created.
pub(crate) type StoreId = [u8; 16];

/// What a record's seal is bound to, beside its content. All of it may be read by anyone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Label {
    pub(crate) app: AppId,
    /// Under which it was written.
    pub(crate) fence: Fence,
    /// By kind.
    pub(crate) generations: [u64; 3],
}

impl Label {
    pub(crate) fn of(app: AppId, record: &Record, fence: Fence) -> Self {
        Self {
            app,
            fence,
            generations: record.handed_out.map(|out| out.generation.0),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(80);
        bytes.extend(self.fence.epoch.to_be_bytes());
        bytes.extend(self.fence.number.to_be_bytes());
        for generation in self.generations {
            bytes.extend(generation.to_be_bytes());
        }
        bytes.extend(self.app.as_str().as_bytes());
        bytes
    }
}

/// Why sealed bytes cannot be read. Never holds content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SealError {
    #[error("it is torn: too short to be sealed")]
    Torn,
    #[error("it is sealed under another master key")]
    OtherKey,
    #[error("its seal is broken: it was altered, or belongs elsewhere")]
    Broken,
    #[error(transparent)]
    Content(#[from] WireError),
    #[error("the system gives no random numbers")]
    NoRandom,
}

/// Seals and opens under the master keys of one store.
pub(crate) struct Sealer {
    store: StoreId,
    keys: MasterKeys,
    opening: Mutex<HashMap<[u8; NAME + SALT], Arc<RandomizedNonceKey>>>,
    sealing: Mutex<Option<Sealing>>,
}

struct Sealing {
    name_and_salt: [u8; NAME + SALT],
    key: Arc<RandomizedNonceKey>,
    left: u32,
}

impl Sealer {
    pub(crate) fn new(keys: MasterKeys, store: StoreId) -> Self {
        Self {
            store,
            keys,
            opening: Mutex::default(),
            sealing: Mutex::default(),
        }
    }

    /// Seals a record, bound to its label.
    pub(crate) fn seal_record(&self, label: &Label, record: &Record) -> Result<Vec<u8>, SealError> {
        self.seal(b"record", &label.bytes(), &wire::encode(record)?)
    }

    /// Opens what [`Self::seal_record`] made, if the label is the same.
    pub(crate) fn open_record(&self, label: &Label, sealed: &[u8]) -> Result<Record, SealError> {
        self.open_record_in(&mut Zeroizing::default(), label, sealed)
    }

    /// As [`Self::open_record`], in room that can be used again for the next one. It is wiped when it is dropped.
    pub(crate) fn open_record_in(
        &self,
        room: &mut Zeroizing<Vec<u8>>,
        label: &Label,
        sealed: &[u8],
    ) -> Result<Record, SealError> {
        self.open_in(room, b"record", &label.bytes(), sealed)?;
        let record = wire::decode(sealed[0], room)?;
        // The label was authenticated with the content, but only the content is believed to be what was written.
        if Label::of(label.app, &record, label.fence) == *label {
            Ok(record)
        } else {
            Err(SealError::Broken)
        }
    }

    /// Seals bytes of a family, bound to `label`.
    pub(crate) fn seal(
        &self,
        family: &[u8],
        label: &[u8],
        plain: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        self.seal_as(wire::VERSION, family, label, plain)
    }

    fn seal_as(
        &self,
        version: u8,
        family: &[u8],
        label: &[u8],
        plain: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let (name_and_salt, key) = self.sealing_key()?;
        let mut body = Zeroizing::new(Vec::with_capacity(plain.len() + TAG));
        body.extend_from_slice(plain);
        let bound = self.bound(version, family, label);
        let nonce = key
            .seal_in_place_append_tag(Aad::from(bound), &mut *body)
            .map_err(|_| SealError::NoRandom)?;
        let mut sealed = Vec::with_capacity(HEAD + body.len());
        sealed.push(version);
        sealed.extend_from_slice(&name_and_salt);
        sealed.extend_from_slice(nonce.as_ref());
        sealed.extend_from_slice(&body);
        Ok(sealed)
    }

    /// What another version would have sealed.
    #[cfg(test)]
    pub(crate) fn seal_of_version(&self, version: u8, label: &Label) -> Vec<u8> {
        let plain = b"nothing we could read";
        self.seal_as(version, b"record", &label.bytes(), plain)
            .unwrap()
    }

    /// Opens what [`Self::seal`] made for the same family and label.
    pub(crate) fn open(
        &self,
        family: &[u8],
        label: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let mut body = Zeroizing::default();
        self.open_in(&mut body, family, label, sealed)?;
        Ok(body)
    }

    fn open_in(
        &self,
        room: &mut Zeroizing<Vec<u8>>,
        family: &[u8],
        label: &[u8],
        sealed: &[u8],
    ) -> Result<(), SealError> {
        if sealed.len() < HEAD + TAG {
            return Err(SealError::Torn);
        }
        let (head, body) = sealed.split_at(HEAD);
        let key = self.opening_key(&head[1..=NAME + SALT])?;
        let nonce = Nonce::try_assume_unique_for_key(&head[1 + NAME + SALT..])
            .map_err(|_| SealError::Torn)?;
        if room.capacity() < body.len() {
            // Growing would leave a copy behind that nobody wipes.
            *room = Zeroizing::new(Vec::with_capacity(body.len().next_power_of_two()));
        }
        room.clear();
        room.extend_from_slice(body);
        let bound = self.bound(head[0], family, label);
        let length = key
            .open_in_place(nonce, Aad::from(bound), room)
            .map_err(|_| SealError::Broken)?
            .len();
        room.truncate(length);
        Ok(())
    }

    /// Whether it is sealed under the previous master key, and so should be sealed anew.
    pub(crate) fn is_under_previous(&self, sealed: &[u8]) -> bool {
        let name = sealed.get(1..=NAME);
        name != Some(self.keys.current.name().as_slice())
            && self
                .keys
                .previous
                .as_ref()
                .is_some_and(|key| name == Some(key.name().as_slice()))
    }

    pub(crate) fn store(&self) -> &StoreId {
        &self.store
    }

    pub(crate) fn keys(&self) -> &MasterKeys {
        &self.keys
    }

    fn bound(&self, version: u8, family: &[u8], label: &[u8]) -> Vec<u8> {
        let mut bound = Vec::with_capacity(32 + family.len() + label.len());
        bound.push(version);
        bound.extend_from_slice(&self.store);
        bound.extend_from_slice(family);
        bound.push(0);
        bound.extend_from_slice(label);
        bound
    }

    fn sealing_key(&self) -> Result<([u8; NAME + SALT], Arc<RandomizedNonceKey>), SealError> {
        let mut sealing = lock(&self.sealing);
        if let Some(current) = sealing.as_mut().filter(|current| current.left > 0) {
            current.left -= 1;
            return Ok((current.name_and_salt, Arc::clone(&current.key)));
        }
        let mut name_and_salt = [0; NAME + SALT];
        let (name, salt) = name_and_salt.split_at_mut(NAME);
        name.copy_from_slice(&self.keys.current.name());
        rand::fill(salt).map_err(|_| SealError::NoRandom)?;
        let key = Arc::new(self.data_key(&self.keys.current, salt)?);
        *sealing = Some(Sealing {
            name_and_salt,
            key: Arc::clone(&key),
            left: SEALS_PER_KEY - 1,
        });
        Ok((name_and_salt, key))
    }

    fn opening_key(&self, name_and_salt: &[u8]) -> Result<Arc<RandomizedNonceKey>, SealError> {
        let wanted: [u8; NAME + SALT] = name_and_salt.try_into().map_err(|_| SealError::Torn)?;
        let mut known = lock(&self.opening);
        if let Some(key) = known.get(&wanted) {
            return Ok(Arc::clone(key));
        }
        let (name, salt) = wanted.split_at(NAME);
        let master = [Some(&self.keys.current), self.keys.previous.as_ref()]
            .into_iter()
            .flatten()
            .find(|key| key.name() == *name)
            .ok_or(SealError::OtherKey)?;
        let key = Arc::new(self.data_key(master, salt)?);
        // Damaged rows bring salts that never were; the table must not grow with them.
        if known.len() >= 4096 {
            known.clear();
        }
        known.insert(wanted, Arc::clone(&key));
        Ok(key)
    }

    fn data_key(&self, master: &MasterKey, salt: &[u8]) -> Result<RandomizedNonceKey, SealError> {
        let key = master.derive_parts(&[b"data key", &self.store, salt]);
        RandomizedNonceKey::new(&AES_256_GCM, key.as_slice()).map_err(|_| SealError::NoRandom)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::contract::records::{app, full_record};
    use super::super::keys::tests::key;
    use super::*;
    use proptest::prelude::*;

    const STORE: StoreId = *b"a store's own id";
    const FENCE: Fence = Fence {
        epoch: 7,
        number: 3,
    };

    fn sealer(seed: u8) -> Sealer {
        Sealer::new(key(seed).into(), STORE)
    }

    fn label() -> Label {
        Label::of(app(1), &full_record(), FENCE)
    }

    #[test]
    fn a_record_opens_only_under_the_label_it_was_sealed_with() {
        let sealer = sealer(1);
        let sealed = sealer.seal_record(&label(), &full_record()).unwrap();
        assert_eq!(
            sealer.open_record(&label(), &sealed).unwrap(),
            full_record()
        );
        let mut others = [label(); 4];
        others[0].app = app(2);
        others[1].fence.number += 1;
        others[2].fence.epoch += 1;
        others[3].generations[2] += 1;
        for other in others {
            assert_eq!(
                sealer.open_record(&other, &sealed).unwrap_err(),
                SealError::Broken
            );
        }
    }

    #[test]
    fn another_store_another_key_and_another_family_open_nothing() {
        let sealed = sealer(1).seal(b"record", b"label", b"secret").unwrap();
        let open = |sealer: &Sealer, family| sealer.open(family, b"label", &sealed).map(|_| ());
        assert_eq!(open(&sealer(1), b"record"), Ok(()));
        assert_eq!(open(&sealer(2), b"record"), Err(SealError::OtherKey));
        assert_eq!(open(&sealer(1), b"recore"), Err(SealError::Broken));
        let elsewhere = Sealer::new(key(1).into(), *b"some other store");
        assert_eq!(open(&elsewhere, b"record"), Err(SealError::Broken));
    }

    #[test]
    fn the_previous_master_key_still_opens_and_nothing_new_is_sealed_under_it() {
        let old = sealer(1).seal(b"record", b"", b"secret").unwrap();
        let rotating = Sealer::new(
            MasterKeys {
                current: key(2),
                previous: Some(key(1)),
            },
            STORE,
        );
        assert_eq!(*rotating.open(b"record", b"", &old).unwrap(), b"secret");
        assert!(rotating.is_under_previous(&old));
        let new = rotating.seal(b"record", b"", b"secret").unwrap();
        assert!(!rotating.is_under_previous(&new));
        assert_eq!(*sealer(2).open(b"record", b"", &new).unwrap(), b"secret");
        assert_eq!(
            sealer(1).open(b"record", b"", &new),
            Err(SealError::OtherKey)
        );
    }

    #[test]
    fn every_start_seals_under_a_data_key_of_its_own() {
        let (one, other) = (sealer(1), sealer(1));
        let salt = |sealer: &Sealer| sealer.seal(b"x", b"", b"y").unwrap()[5..21].to_vec();
        assert_eq!(salt(&one), salt(&one));
        assert_ne!(salt(&one), salt(&other));
        lock(&one.sealing).as_mut().unwrap().left = 0;
        let before = salt(&other);
        assert_ne!(salt(&one), before);
    }

    proptest! {
        #[test]
        fn one_flipped_bit_anywhere_breaks_the_seal(at: prop::sample::Index, bit in 0u8..8) {
            let sealer = sealer(1);
            let mut sealed = sealer.seal_record(&label(), &full_record()).unwrap();
            let at = at.index(sealed.len());
            sealed[at] ^= 1 << bit;
            prop_assert!(sealer.open_record(&label(), &sealed).is_err());
        }

        #[test]
        fn strange_bytes_are_an_error_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(sealer(1).open_record(&label(), &bytes).is_err());
        }
    }

    /// Sealed by the first version; kept so that every later one proves it can still read it.
    #[test]
    fn a_record_sealed_by_version_1_can_still_be_read() {
        let text = include_str!("fixtures/record-v1.hex").trim();
        let sealed: Vec<u8> = (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
            .collect();
        assert_eq!(sealed[0], 1);
        let mut written = full_record();
        for token in written.lanes.iter_mut().flatten() {
            token.noted = None; // it came later
        }
        let read = sealer(1).open_record(&label(), &sealed).unwrap();
        assert_eq!(read, written);
    }

    #[test]
    fn nothing_of_a_token_shows_through_the_seal() {
        let sealed = sealer(1).seal_record(&label(), &full_record()).unwrap();
        for lane in full_record().lanes.into_iter().flatten() {
            let value = lane.token.expose().as_bytes().to_vec();
            for piece in value.windows(12) {
                assert!(!sealed.windows(12).any(|window| window == piece));
            }
        }
    }
}
