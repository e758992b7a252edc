//! The store's own account of what it holds: a sum over all rows, changed in the same transaction as they are; and which
//! virtual tokens were ended before their time.
//!
//! A row that was put back to an older version, exchanged or removed by anyone else no longer fits the sum. It cannot tell
//! that the *whole* store was put back. Must not know: tables.

use aws_lc_rs::{hmac, rand};
use wxtoken_core::app::AppId;
use zeroize::Zeroizing;

use super::super::revocations::Revocations;
use super::super::sealed::SealError;

/// Length without revocations: where there are none, nothing follows.
const LENGTH: usize = 8 + 1 + 16 + 32;
/// Length of the head and of the tag of sealed bytes: both are new with every write.
const HEAD: usize = 33;
const TAG: usize = 16;

/// The account itself.
#[derive(Clone)]
pub(super) struct Ledger {
    /// The number of the newest fence that has written.
    pub(super) fence: u64,
    /// A row was set aside between two counts, so the sum is not known until the next one.
    unsure: bool,
    sum: u128,
    secret: Zeroizing<[u8; 32]>,
    key: hmac::Key,
    /// Whose virtual tokens are over.
    pub(super) revoked: Revocations,
}

impl Ledger {
    pub(super) fn new() -> Result<Self, SealError> {
        let mut secret = Zeroizing::new([0; 32]);
        rand::fill(secret.as_mut_slice()).map_err(|_| SealError::NoRandom)?;
        let revoked = Revocations::default();
        Ok(Self::from_parts(0, false, 0, secret, revoked))
    }

    fn from_parts(
        fence: u64,
        unsure: bool,
        sum: u128,
        secret: Zeroizing<[u8; 32]>,
        revoked: Revocations,
    ) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_slice());
        Self {
            fence,
            unsure,
            sum,
            secret,
            key,
            revoked,
        }
    }

    pub(super) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let revoked = self.revoked.to_bytes();
        let mut bytes = Zeroizing::new(Vec::with_capacity(LENGTH + revoked.len()));
        bytes.extend(self.fence.to_be_bytes());
        bytes.push(self.unsure.into());
        bytes.extend(self.sum.to_be_bytes());
        bytes.extend_from_slice(self.secret.as_slice());
        bytes.extend(revoked);
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (fence, rest) = bytes.split_first_chunk()?;
        let (unsure, rest) = rest.split_first()?;
        let (sum, rest) = rest.split_first_chunk()?;
        let (secret, revoked) = rest.split_first_chunk::<32>()?;
        Some(Self::from_parts(
            u64::from_be_bytes(*fence),
            *unsure != 0,
            u128::from_be_bytes(*sum),
            Zeroizing::new(*secret),
            Revocations::from_bytes(revoked)?,
        ))
    }

    /// What one row adds to the sum.
    pub(super) fn mark(&self, app: &AppId, forgotten: Option<i64>, sealed: &[u8]) -> u128 {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&sealed[..sealed.len().min(HEAD)]);
        context.update(&sealed[sealed.len().saturating_sub(TAG)..]);
        context.update(&forgotten.unwrap_or(0).to_be_bytes());
        context.update(app.as_str().as_bytes());
        let tag = context.sign();
        tag.as_ref()
            .first_chunk()
            .map_or(0, |chunk| u128::from_be_bytes(*chunk))
    }

    pub(super) fn add(&mut self, mark: u128) {
        self.sum = self.sum.wrapping_add(mark);
    }

    pub(super) fn take(&mut self, mark: u128) {
        self.sum = self.sum.wrapping_sub(mark);
    }

    /// A row was set aside: what it had added is not known any more.
    pub(super) fn doubt(&mut self) {
        self.unsure = true;
    }

    /// Whether the rows add up to what they should.
    pub(super) fn fits(&self, sum: u128) -> bool {
        self.unsure || self.sum == sum
    }

    /// Believes the rows from here on; whether that changes anything.
    pub(super) fn believe(&mut self, sum: u128) -> bool {
        let changed = self.unsure || self.sum != sum;
        (self.unsure, self.sum) = (false, sum);
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_from_before_revocations_is_one_without_any() {
        let mut ledger = Ledger::new().unwrap();
        let before = ledger.to_bytes();
        assert_eq!(before.len(), 57, "as it was written before");
        let mut read = Ledger::from_bytes(&before).unwrap();
        assert_eq!(read.revoked, Revocations::default());
        read.revoked.raise(7, 1000);
        let again = Ledger::from_bytes(&read.to_bytes()).unwrap();
        assert_eq!(again.revoked.epoch_of(7), 1000);
        ledger.revoked.raise(7, 1000);
        assert_eq!(*again.to_bytes(), *ledger.to_bytes());
        assert!(Ledger::from_bytes(&read.to_bytes()[..60]).is_none());
    }

    #[test]
    fn a_ledger_comes_back_as_it_was_and_torn_ones_not_at_all() {
        let app = "wx01".parse().unwrap();
        let mut ledger = Ledger::new().unwrap();
        let mark = ledger.mark(&app, None, &[7; 100]);
        ledger.fence = 9;
        ledger.add(mark);
        let again = Ledger::from_bytes(ledger.to_bytes().as_slice()).unwrap();
        assert_eq!(again.fence, 9);
        assert!(again.fits(mark) && !again.fits(0));
        assert_eq!(again.mark(&app, None, &[7; 100]), mark);
        assert_ne!(again.mark(&app, Some(5), &[7; 100]), mark);
        assert_ne!(again.mark(&app, None, &[8; 100]), mark);
        assert!(Ledger::from_bytes(&ledger.to_bytes()[1..]).is_none());
        ledger.doubt();
        assert!(ledger.fits(0) && ledger.believe(0) && !ledger.believe(0));
        assert!(!ledger.fits(1));
    }
}
