//! What compatible readers were given in the last seconds: asking again for the same value says "my token failed", for
//! such clients have no other way to say it (design rule 8, hearsay).
//!
//! Two tables of fixed size without locks. What they forget costs nothing but a hint; they hold hashes only.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::fast::RandomState;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Now;
use wxtoken_core::credential::{Kind, ValueId};

const SLOTS: usize = 1 << 14;
/// Asking again within this many milliseconds is hearsay.
const AGAIN: u64 = 8_000;
/// After a hearsay that nobody could answer yet, this long nothing is made of the next: the keeper would not probe again.
const QUIET: u64 = 10_000;
/// After one that was wrong (the value was found alive), this long: that path gives no evidence (design rule 8).
const UNHEARD: u64 = 600_000;
/// The longest anything is remembered.
const LONGEST: u64 = UNHEARD;

/// A value given for an app and kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Given<'a> {
    pub(crate) app: &'a AppId,
    pub(crate) kind: Kind,
    pub(crate) id: ValueId,
}

/// Remembers for seconds.
pub(crate) struct Memory {
    hasher: RandomState,
    given: Table,
    quiet: Table,
}

impl Memory {
    pub(crate) fn new() -> Self {
        Self {
            hasher: RandomState::default(),
            given: Table::new(),
            quiet: Table::new(),
        }
    }

    /// A caller has just been given a value.
    pub(crate) fn gave(&self, caller: &str, given: Given<'_>, now: Now) {
        let place = self.hasher.hash_one((caller, given.app, given.kind));
        self.given
            .put(place, place ^ given.id.0, now.boot.0 + AGAIN);
    }

    /// Whether asking now says that the value failed: this caller was given it moments ago, or says so itself; and
    /// the question was not answered moments ago.
    pub(crate) fn is_hearsay(
        &self,
        caller: &str,
        given: Given<'_>,
        forced: bool,
        now: Now,
    ) -> bool {
        let place = self.hasher.hash_one((caller, given.app, given.kind));
        let again = self.given.holds(place, place ^ given.id.0, now.boot.0);
        (again || forced) && !self.is_quiet(given, now)
    }

    /// The hearsay about a value has been answered: it is alive, or nothing better is known.
    pub(crate) fn answered(&self, given: Given<'_>, alive: bool, now: Now) {
        let place = self.hasher.hash_one((given.app, given.kind));
        let until = now.boot.0 + if alive { UNHEARD } else { QUIET };
        self.quiet.put(place, place ^ given.id.0, until);
    }

    fn is_quiet(&self, given: Given<'_>, now: Now) -> bool {
        let place = self.hasher.hash_one((given.app, given.kind));
        self.quiet.holds(place, place ^ given.id.0, now.boot.0)
    }
}

/// Who and when in one word each: 40 bits that tell values apart, 24 bits of when it is over, in units of 64 ms (12 days).
struct Table(Box<[AtomicU64]>);

const TIME_BITS: u32 = 24;
const TIME: u64 = (1 << TIME_BITS) - 1;
const UNIT: u64 = 64;

impl Table {
    fn new() -> Self {
        Self((0..SLOTS).map(|_| AtomicU64::new(0)).collect())
    }

    fn slot(&self, place: u64) -> &AtomicU64 {
        &self.0[place as usize % SLOTS]
    }

    fn put(&self, place: u64, what: u64, until: u64) {
        let word = (stir(what) & !TIME) | ((until / UNIT) & TIME);
        self.slot(place).store(word, Ordering::Relaxed);
    }

    fn holds(&self, place: u64, what: u64, now: u64) -> bool {
        let word = self.slot(place).load(Ordering::Relaxed);
        let left = word.wrapping_sub(now / UNIT) & TIME;
        word != 0 && word & !TIME == stir(what) & !TIME && left * UNIT <= LONGEST
    }
}

/// Spreads differences into the high bits, which are kept.
const fn stir(what: u64) -> u64 {
    what.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ what.rotate_left(40)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wxtoken_core::clock::Boot;

    fn at(millis: u64) -> Now {
        Now {
            boot: Boot(millis),
            ..Now::default()
        }
    }

    fn seven(app: &AppId) -> Given<'_> {
        Given {
            app,
            kind: Kind::AccessToken,
            id: ValueId(7),
        }
    }

    #[test]
    fn the_same_caller_asking_again_within_seconds_is_hearsay() {
        let (memory, app) = (Memory::new(), "wx1".parse().unwrap());
        let value = seven(&app);
        assert!(!memory.is_hearsay("a", value, false, at(100_000)));
        memory.gave("a", value, at(100_000));
        assert!(memory.is_hearsay("a", value, false, at(104_000)));
        assert!(!memory.is_hearsay("b", value, false, at(104_000)));
        assert!(!memory.is_hearsay("a", value, false, at(109_000)));
        let other = Given {
            id: ValueId(8),
            ..value
        };
        assert!(!memory.is_hearsay("a", other, false, at(104_000)));
    }

    #[test]
    fn a_question_without_an_answer_is_not_asked_again_for_ten_seconds() {
        let (memory, app) = (Memory::new(), "wx1".parse().unwrap());
        let value = seven(&app);
        assert!(memory.is_hearsay("a", value, true, at(100_000)));
        memory.answered(value, false, at(100_000));
        assert!(!memory.is_hearsay("a", value, true, at(109_000)));
        assert!(memory.is_hearsay("a", value, true, at(111_000)));
    }

    #[test]
    fn rule_8_an_app_found_alive_is_given_no_evidence_by_re_reads_for_ten_minutes() {
        let (memory, app) = (Memory::new(), "wx1".parse().unwrap());
        let value = seven(&app);
        assert!(memory.is_hearsay("a", value, true, at(100_000)));
        memory.answered(value, true, at(100_000));
        for after in [1_000, 11_000, 60_000, 599_000] {
            memory.gave("a", value, at(100_000 + after - 500));
            assert!(!memory.is_hearsay("a", value, false, at(100_000 + after)));
            assert!(!memory.is_hearsay("b", value, true, at(100_000 + after)));
        }
        assert!(memory.is_hearsay("b", value, true, at(701_000)));
        let newer = Given {
            id: ValueId(8),
            ..value
        };
        assert!(
            memory.is_hearsay("a", newer, true, at(101_000)),
            "another value is another matter"
        );
    }
}
