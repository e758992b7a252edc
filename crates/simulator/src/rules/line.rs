//! One line of tokens: what is current, what is still handing over, what is dead.

use std::time::Duration;

use super::{ThirdMint, Verdict};
use crate::clock::SimTime;

/// One minted token, without its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) serial: u32,
    pub(crate) issued: SimTime,
    pub(crate) expires: SimTime,
    /// When it stops being accepted; its expiry unless something cut it short.
    pub(crate) dies: SimTime,
}

/// What becomes of the current token when a new one is minted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Farewell {
    /// Accepted for so much longer, but never past its expiry.
    After(Duration),
    /// Accepted to its own expiry.
    AtExpiry,
}

/// The tokens of one app in one lane.
#[derive(Debug, Clone, Default)]
pub(super) struct Line {
    current: Option<Slot>,
    /// Replaced values that may still be accepted, oldest first. One at most, unless all are kept.
    handing_over: Vec<Slot>,
}

impl Line {
    /// The newest token, if it is still accepted.
    pub(super) fn live(&self, now: SimTime) -> Option<Slot> {
        self.current.filter(|slot| now < slot.dies)
    }

    /// Mints: the new token is current, the old one goes as `farewell` says.
    pub(super) fn mint(&mut self, slot: Slot, farewell: Farewell, third: ThirdMint) {
        let now = slot.issued;
        match third {
            ThirdMint::EvictsOldest => self.handing_over.clear(),
            ThirdMint::KeepsAll => self.handing_over.retain(|old| now < old.dies),
        }
        if let Some(mut old) = self.current.replace(slot) {
            if let Farewell::After(overlap) = farewell {
                old.dies = old.dies.min(now.plus(overlap));
            }
            if now < old.dies {
                self.handing_over.push(old);
            }
        }
    }

    /// Lets every value that was replaced die now.
    pub(super) fn end_handing_over(&mut self) {
        self.handing_over.clear();
    }

    /// Lets everything die, with nothing in its place.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Ends the current token's life as if its time were over.
    pub(super) fn expire(&mut self, now: SimTime) {
        if let Some(slot) = &mut self.current {
            slot.expires = slot.expires.min(now);
            slot.dies = slot.dies.min(now);
        }
    }

    /// What WeChat thinks of the token with this serial, whose own text says it expires at `expires`.
    pub(super) fn verdict(&self, serial: u32, expires: SimTime, now: SimTime) -> Verdict {
        let is = |slot: &&Slot| slot.serial == serial;
        if let Some(slot) = self.current.as_ref().filter(is) {
            return if now < slot.dies {
                Verdict::Live
            } else {
                Verdict::Expired
            };
        }
        match self.handing_over.iter().find(is) {
            Some(slot) if now < slot.dies => Verdict::HandingOver,
            Some(_) | None if now < expires => Verdict::Replaced,
            Some(_) | None => Verdict::ReplacedAndExpired,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OVERLAP: Farewell = Farewell::After(Duration::from_secs(300));

    fn at(s: i64) -> SimTime {
        SimTime::from_unix_ms(s * 1000)
    }

    fn minted(serial: u32, s: i64) -> Slot {
        Slot {
            serial,
            issued: at(s),
            expires: at(s + 7200),
            dies: at(s + 7200),
        }
    }

    #[test]
    fn old_and_new_both_work_for_the_overlap_and_not_a_moment_longer() {
        let mut line = Line::default();
        line.mint(minted(1, 0), OVERLAP, ThirdMint::EvictsOldest);
        line.mint(minted(2, 1000), OVERLAP, ThirdMint::EvictsOldest);
        assert_eq!(line.verdict(1, at(7200), at(1299)), Verdict::HandingOver);
        assert_eq!(line.verdict(2, at(8200), at(1299)), Verdict::Live);
        assert_eq!(line.verdict(1, at(7200), at(1300)), Verdict::Replaced);
    }

    #[test]
    fn the_overlap_never_outlives_the_tokens_own_expiry() {
        let mut line = Line::default();
        line.mint(minted(1, 0), OVERLAP, ThirdMint::EvictsOldest);
        line.mint(minted(2, 7100), OVERLAP, ThirdMint::EvictsOldest);
        assert_eq!(line.verdict(1, at(7200), at(7199)), Verdict::HandingOver);
        assert_eq!(
            line.verdict(1, at(7200), at(7200)),
            Verdict::ReplacedAndExpired
        );
    }

    #[test]
    fn a_third_mint_within_the_overlap_ends_the_oldest_at_once() {
        let mut line = Line::default();
        for serial in 1..=3 {
            line.mint(
                minted(serial, i64::from(serial)),
                OVERLAP,
                ThirdMint::EvictsOldest,
            );
        }
        assert_eq!(line.verdict(1, at(7201), at(4)), Verdict::Replaced);
        assert_eq!(line.verdict(2, at(7202), at(4)), Verdict::HandingOver);
        assert_eq!(line.verdict(3, at(7203), at(4)), Verdict::Live);
    }

    #[test]
    fn with_the_lenient_reading_every_value_lives_out_its_overlap() {
        let mut line = Line::default();
        for serial in 1..=9 {
            line.mint(
                minted(serial, i64::from(serial)),
                OVERLAP,
                ThirdMint::KeepsAll,
            );
        }
        assert!((1..=9).all(|serial| line.verdict(serial, at(7300), at(300)).is_live()));
        assert_eq!(line.verdict(1, at(7201), at(302)), Verdict::Replaced);
        line.mint(minted(10, 10_000), OVERLAP, ThirdMint::KeepsAll);
        assert!(
            line.handing_over.is_empty(),
            "values that died are forgotten"
        );
    }

    #[test]
    fn a_token_nobody_replaced_runs_out_as_expired() {
        let mut line = Line::default();
        line.mint(minted(1, 0), OVERLAP, ThirdMint::EvictsOldest);
        assert_eq!(line.verdict(1, at(7200), at(7199)), Verdict::Live);
        assert_eq!(line.verdict(1, at(7200), at(7200)), Verdict::Expired);
        assert_eq!(line.live(at(7200)), None);
    }
}
