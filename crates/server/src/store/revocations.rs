//! Which virtual tokens were ended before their time: for each caller, the epoch that a token must at least be of; and which
//! callers may hold some, so that one that is gone at the next start is noticed.
//!
//! An epoch is a Unix time in milliseconds, and grows. Callers are named by a mark that only the gateway understands. Pure.
//! Must not know: where it is kept, what a virtual token is made of.

use std::collections::{BTreeMap, HashSet};

/// A virtual token lives for some hours; what was ended so long ago has ended by itself, in milliseconds.
pub(crate) const KEPT: u64 = 7 * 24 * 3_600_000;

/// Set in a written epoch while its caller is there: no time ever has it.
const HERE: u64 = 1 << 63;

/// A caller of the configuration.
#[derive(Debug, Clone, Copy)]
pub struct Configured {
    /// Its mark.
    pub caller: u64,
    /// Whether it is handed virtual tokens.
    pub is_handed_virtual: bool,
}

/// What is known of one caller's tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Standing {
    epoch: u64,
    /// It was configured when that was last told, and may hold virtual tokens.
    is_here: bool,
}

/// The epochs of all callers that were revoked lately, and who may hold virtual tokens now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Revocations {
    /// Of everybody: raised when it is not known any more who was revoked.
    everybody: u64,
    callers: BTreeMap<u64, Standing>,
}

impl Revocations {
    /// The epoch a caller's tokens must at least be of.
    #[must_use]
    pub fn epoch_of(&self, caller: u64) -> u64 {
        let own = self.callers.get(&caller).map_or(0, |own| own.epoch);
        own.max(self.everybody)
    }

    /// Callers that were revoked, with their epochs.
    pub(crate) fn epochs(&self) -> impl Iterator<Item = (u64, u64)> {
        let all = self
            .callers
            .iter()
            .map(|(caller, own)| (*caller, own.epoch));
        all.filter(|(_, epoch)| *epoch > 0)
    }

    /// A caller's tokens of earlier epochs are over; it never goes back.
    pub(crate) fn raise(&mut self, caller: u64, to: u64) {
        let own = self.callers.entry(caller).or_default();
        own.epoch = to.max(own.epoch);
        let newest = own.epoch;
        self.callers
            .retain(|_, own| own.is_here || own.epoch.saturating_add(KEPT) > newest);
    }

    /// These are all callers at a start: the tokens of those that were there before and are gone end here, also if they come
    /// back.
    pub(crate) fn settle(&mut self, callers: &[Configured], now: u64) {
        let marks: HashSet<u64> = callers.iter().map(|caller| caller.caller).collect();
        for (_, own) in self
            .callers
            .iter_mut()
            .filter(|(mark, own)| own.is_here && !marks.contains(mark))
        {
            own.epoch = now.max(own.epoch.saturating_add(1));
        }
        self.note(callers);
    }

    /// These are all callers from now on; those that are gone have been revoked.
    pub(crate) fn note(&mut self, callers: &[Configured]) {
        let marks: HashSet<u64> = callers.iter().map(|caller| caller.caller).collect();
        for (mark, own) in &mut self.callers {
            own.is_here &= marks.contains(mark);
        }
        for handed in callers.iter().filter(|caller| caller.is_handed_virtual) {
            self.callers.entry(handed.caller).or_default().is_here = true;
        }
    }

    /// Everybody's tokens of earlier epochs are over.
    pub(crate) fn raise_all(&mut self, to: u64) {
        self.everybody = self.everybody.max(to);
    }

    /// Nobody was ever revoked or handed a virtual token: written as nothing at all, as before there were revocations.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        if *self == Self::default() {
            return Vec::new();
        }
        let mut bytes = self.everybody.to_be_bytes().to_vec();
        for (caller, own) in &self.callers {
            let here = if own.is_here { HERE } else { 0 };
            bytes.extend(caller.to_be_bytes());
            bytes.extend((own.epoch | here).to_be_bytes());
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
            let epoch = numbers.next()?;
            let standing = Standing {
                epoch: epoch & !HERE,
                is_here: epoch & HERE != 0,
            };
            callers.insert(caller, standing);
        }
        Some(Self { everybody, callers })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn virtually(caller: u64) -> Configured {
        Configured {
            caller,
            is_handed_virtual: true,
        }
    }

    #[test]
    fn the_tokens_of_a_caller_that_is_gone_between_two_settlements_are_over() {
        let mut revoked = Revocations::default();
        let really = |caller| Configured {
            is_handed_virtual: false,
            ..virtually(caller)
        };
        let all = [virtually(7), virtually(8), really(9)];
        revoked.settle(&all, 1000);
        revoked.settle(&all, 2000);
        assert_eq!([7, 8, 9].map(|caller| revoked.epoch_of(caller)), [0; 3]);
        // What it was handed before is good still, as long as it is there.
        revoked.settle(&[virtually(7), really(8)], 3000);
        assert_eq!(revoked.epoch_of(8), 0);
        revoked.settle(&[virtually(7)], 4000);
        let epochs = |revoked: &Revocations| [7, 8, 9].map(|caller| revoked.epoch_of(caller));
        assert_eq!(epochs(&revoked), [0, 4000, 0]);
        // Once, and not again with every start; nor forgotten while others come and go.
        revoked.settle(&[virtually(7)], 5000);
        revoked.settle(&all, 6000);
        assert_eq!(epochs(&revoked), [0, 4000, 0]);
        revoked.raise(1, 4000 + KEPT);
        revoked.settle(&[], 10);
        assert_eq!(epochs(&revoked), [10, 4001, 0]);
        // Who is gone by a reload was revoked there and then, and is not missed by the next start.
        revoked.note(&all);
        revoked.raise(7, 6000);
        revoked.note(&[]);
        revoked.settle(&all, 9000);
        assert_eq!(revoked.epoch_of(7), 6000);
    }

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
        revoked.settle(&[virtually(9), virtually(7)], 5);
        let bytes = revoked.to_bytes();
        assert_eq!(Revocations::from_bytes(&bytes), Some(revoked));
        for length in (1..bytes.len()).filter(|length| ![8, 24, 40].contains(length)) {
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
