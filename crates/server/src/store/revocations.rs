//! Which virtual tokens were ended before their time: for each caller, the epoch that a token must at least be of.
//!
//! An epoch is a Unix time in milliseconds, and grows. Callers are named by a mark that only the gateway understands. Pure.
//! Must not know: where it is kept, what a virtual token is made of.

use std::collections::BTreeMap;

/// A virtual token lives for some hours; what was ended so long ago has ended by itself, in milliseconds.
const KEPT: u64 = 7 * 24 * 3_600_000;

/// The epochs of all callers that were ever revoked, lately.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Revocations {
    /// Of everybody: raised when it is not known any more who was revoked.
    everybody: u64,
    callers: BTreeMap<u64, u64>,
}

impl Revocations {
    /// The epoch a caller's tokens must at least be of.
    #[must_use]
    pub fn epoch_of(&self, caller: u64) -> u64 {
        let own = self.callers.get(&caller).copied().unwrap_or(0);
        own.max(self.everybody)
    }

    /// A caller's tokens of earlier epochs are over; it never goes back.
    pub(crate) fn raise(&mut self, caller: u64, to: u64) {
        let epoch = self.callers.entry(caller).or_default();
        *epoch = to.max(*epoch);
        let newest = *epoch;
        self.callers
            .retain(|_, epoch| epoch.saturating_add(KEPT) > newest);
    }

    /// Everybody's tokens of earlier epochs are over.
    pub(crate) fn raise_all(&mut self, to: u64) {
        self.everybody = self.everybody.max(to);
    }

    /// Nobody was ever revoked: written as nothing at all, as before there were revocations.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        if *self == Self::default() {
            return Vec::new();
        }
        let mut bytes = self.everybody.to_be_bytes().to_vec();
        for (caller, epoch) in &self.callers {
            bytes.extend(caller.to_be_bytes());
            bytes.extend(epoch.to_be_bytes());
        }
        bytes
    }

    /// Reads what [`Self::to_bytes`] wrote; none if it is torn.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (numbers, []) = bytes.as_chunks::<8>() else {
            return None;
        };
        let mut numbers = numbers.iter().map(|number| u64::from_be_bytes(*number));
        let Some(everybody) = numbers.next() else {
            return Some(Self::default());
        };
        let mut callers = BTreeMap::new();
        while let Some(caller) = numbers.next() {
            callers.insert(caller, numbers.next()?);
        }
        Some(Self { everybody, callers })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_only_grows_and_is_the_callers_own() {
        let mut revoked = Revocations::default();
        revoked.raise(7, 1000);
        revoked.raise(7, 900);
        assert_eq!((revoked.epoch_of(7), revoked.epoch_of(8)), (1000, 0));
        revoked.raise_all(950);
        assert_eq!((revoked.epoch_of(7), revoked.epoch_of(8)), (1000, 950));
        revoked.raise_all(1);
        assert_eq!(revoked.epoch_of(8), 950);
    }

    #[test]
    fn it_comes_back_as_it_was_and_torn_not_at_all() {
        let mut revoked = Revocations::default();
        assert!(revoked.to_bytes().is_empty());
        assert_eq!(Revocations::from_bytes(b""), Some(revoked.clone()));
        revoked.raise(7, 1000);
        revoked.raise(u64::MAX, 1001);
        revoked.raise_all(3);
        let bytes = revoked.to_bytes();
        assert_eq!(Revocations::from_bytes(&bytes), Some(revoked));
        for length in (1..bytes.len()).filter(|length| ![8, 24].contains(length)) {
            assert_eq!(Revocations::from_bytes(&bytes[..length]), None, "{length}");
        }
    }

    #[test]
    fn what_has_long_ended_by_itself_is_forgotten() {
        let mut revoked = Revocations::default();
        revoked.raise(1, 1000);
        revoked.raise(2, 1000 + KEPT - 1);
        assert_eq!(revoked.epoch_of(1), 1000);
        revoked.raise(3, 1000 + KEPT);
        assert_eq!((revoked.epoch_of(1), revoked.epoch_of(2)), (0, 999 + KEPT));
    }
}
