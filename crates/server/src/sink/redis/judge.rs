//! What an entry that was found is: ours as it should be, ours but not right, nobody's, or somebody else's.
//!
//! Pure: must not know Redis, or what is done about it.

use wxtoken_core::clock::Now;
use wxtoken_core::credential::{Credential, Token, ValueId};

use crate::sdk::{Reading, Seen};

/// By how much an end may differ from ours, milliseconds: other replicas write too, and clocks differ. Values are replaced
/// minutes before they end, so nobody is left with a dead one for it.
const SLACK: u64 = 30_000;
/// SDKs take a value for expired up to a minute before its end, and clocks differ.
const LAST_MINUTE: u64 = 90_000;
/// An entry may end a little before its value.
const LAST_MOMENT: u64 = 3_000;

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    /// Our current value, and the SDK uses it as long as it lives.
    Intact,
    /// A value of ours, but not the current one, or with another end.
    Stale,
    /// Nothing.
    Missing,
    /// Nothing that the SDK could use.
    Unusable,
    /// A value that is not ours.
    Foreign(ValueId),
}

/// How a value is known to be ours.
pub(super) trait Acquaintance {
    /// A value's keyed hash.
    fn id_of(&self, token: &Token) -> ValueId;
    /// Whether it is this credential's: live, standing by or handing over.
    fn is_ours(&self, id: ValueId) -> bool;
}

/// Judges what an SDK would read where `current` should be.
pub(super) fn judge(
    reading: &Reading,
    current: &Credential,
    now: Now,
    ours: &dyn Acquaintance,
) -> Judgement {
    let held = match reading {
        Reading::Absent if current.left(now) < LAST_MOMENT => return Judgement::Intact,
        Reading::Absent => return Judgement::Missing,
        Reading::Foreign => return Judgement::Unusable,
        Reading::Held(held) => held,
    };
    let id = ours.id_of(&held.token);
    if id == current.id {
        return if is_right(held.seen, current, now) {
            Judgement::Intact
        } else {
            Judgement::Stale
        };
    }
    if ours.is_ours(id) {
        Judgement::Stale
    } else {
        Judgement::Foreign(id)
    }
}

fn is_right(seen: Seen, current: &Credential, now: Now) -> bool {
    match seen {
        Seen::Until(end) => {
            let ours = now.wall_at(current.expires);
            end.since(ours).max(ours.since(end)) <= SLACK
        }
        Seen::Always => false,
        Seen::Expired => current.left(now) < LAST_MINUTE,
    }
}

#[cfg(test)]
mod tests {
    use wxtoken_core::clock::Wall;
    use wxtoken_core::credential::{Generation, Kind, Lane};

    use super::*;
    use crate::sdk::Held;

    const NOW: Now = Now {
        wall: Wall(1_795_000_000_000),
        boot: wxtoken_core::clock::Boot(5_000),
    };
    const END: Wall = Wall(1_795_007_200_000);

    /// Values are told apart by their length.
    struct Ours;

    impl Acquaintance for Ours {
        fn id_of(&self, token: &Token) -> ValueId {
            ValueId(token.expose().len() as u64)
        }
        fn is_ours(&self, id: ValueId) -> bool {
            id.0 <= 3
        }
    }

    fn current() -> Credential {
        Credential {
            kind: Kind::AccessToken,
            lane: Some(Lane::Stable),
            token: Token::new("abc").unwrap(),
            id: ValueId(3),
            generation: Generation(1),
            sent: NOW.boot,
            expires: NOW.boot.plus(7_200_000),
        }
    }

    fn judged(token: &str, seen: Seen) -> Judgement {
        let token = Token::new(token).unwrap();
        judge(&Reading::Held(Held { token, seen }), &current(), NOW, &Ours)
    }

    #[test]
    fn every_finding_has_its_name() {
        let until = Seen::Until(END);
        for (token, seen, meant) in [
            ("abc", until, Judgement::Intact),
            ("abc", Seen::Until(END.plus(29_000)), Judgement::Intact),
            ("abc", Seen::Until(END.plus(31_000)), Judgement::Stale),
            ("abc", Seen::Until(Wall(END.0 - 31_000)), Judgement::Stale),
            ("abc", Seen::Always, Judgement::Stale),
            ("abc", Seen::Expired, Judgement::Stale),
            ("ab", until, Judgement::Stale),
            ("abcd", until, Judgement::Foreign(ValueId(4))),
        ] {
            assert_eq!(judged(token, seen), meant, "{token} {seen:?}");
        }
        let found = |reading| judge(&reading, &current(), NOW, &Ours);
        assert_eq!(found(Reading::Absent), Judgement::Missing);
        assert_eq!(found(Reading::Foreign), Judgement::Unusable);
    }

    #[test]
    fn shortly_before_its_end_a_value_may_look_expired_and_be_gone() {
        let mut ending = current();
        ending.expires = NOW.boot.plus(2_000);
        let gone = judge(&Reading::Absent, &ending, NOW, &Ours);
        assert_eq!(gone, Judgement::Intact);
        let token = ending.token.clone();
        let reading = Reading::Held(Held {
            token,
            seen: Seen::Expired,
        });
        assert_eq!(judge(&reading, &ending, NOW, &Ours), Judgement::Intact);
    }
}
