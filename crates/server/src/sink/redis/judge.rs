//! What an entry that was found is: ours as it should be, ours but not right, nobody's, or somebody else's.
//!
//! Pure: must not know Redis, or what is done about it.

use wxtoken_core::clock::Now;
use wxtoken_core::credential::{Credential, Token, ValueId};

use crate::sdk::{Found, Reading, Seen};

/// By how much an end may be later than ours, milliseconds: other replicas write too, and clocks differ. Values are replaced
/// minutes before they end, so nobody is left with a dead one for it. An earlier end is let be while it is far off, or replicas
/// whose clocks differ more would put each other's entries right for ever.
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
    /// Surely no value: an empty entry.
    Unusable,
    /// Something that cannot be read, and may be a value in another form.
    Unreadable,
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
    lies_there: Option<&Found>,
    current: &Credential,
    now: Now,
    ours: &dyn Acquaintance,
) -> Judgement {
    let held = match reading {
        Reading::Absent if current.left(now) < LAST_MOMENT => return Judgement::Intact,
        Reading::Absent => {
            return match lies_there {
                None | Some(Found::Absent) => Judgement::Missing,
                Some(_) => Judgement::Unusable,
            };
        }
        Reading::Foreign => {
            return match lies_there {
                Some(Found::Text(text, _)) if text.expose().is_empty() => Judgement::Unusable,
                _ => Judgement::Unreadable,
            };
        }
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
            let soon = ours.since(end) > SLACK && end.since(now.wall) < LAST_MINUTE;
            end.since(ours) <= SLACK && !soon
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
    use crate::sdk::{Content, Format, Held, Module, Place, Spec, Ttl};

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
            adopted: false,
        }
    }

    fn judged(token: &str, seen: Seen) -> Judgement {
        let token = Token::new(token).unwrap();
        let reading = Reading::Held(Held { token, seen });
        judge(&reading, None, &current(), NOW, &Ours)
    }

    #[test]
    fn every_finding_has_its_name() {
        let until = Seen::Until(END);
        for (token, seen, meant) in [
            ("abc", until, Judgement::Intact),
            ("abc", Seen::Until(END.plus(29_000)), Judgement::Intact),
            ("abc", Seen::Until(END.plus(31_000)), Judgement::Stale),
            ("abc", Seen::Until(Wall(END.0 - 31_000)), Judgement::Intact),
            ("abc", Seen::Until(NOW.wall.plus(91_000)), Judgement::Intact),
            ("abc", Seen::Until(NOW.wall.plus(89_000)), Judgement::Stale),
            ("abc", Seen::Always, Judgement::Stale),
            ("abc", Seen::Expired, Judgement::Stale),
            ("ab", until, Judgement::Stale),
            ("abcd", until, Judgement::Foreign(ValueId(4))),
        ] {
            assert_eq!(judged(token, seen), meant, "{token} {seen:?}");
        }
        let text = |text: &str| Found::Text(Content::new(text), Ttl::Unset);
        let found = |reading, lies| judge(&reading, Some(&lies), &current(), NOW, &Ours);
        for (reading, lies, meant) in [
            (Reading::Absent, Found::Absent, Judgement::Missing),
            (Reading::Absent, text("{}"), Judgement::Unusable),
            (Reading::Foreign, text(""), Judgement::Unusable),
            (Reading::Foreign, text("?"), Judgement::Unreadable),
            (Reading::Foreign, Found::Other, Judgement::Unreadable),
        ] {
            assert_eq!(found(reading, lies), meant);
        }
    }

    #[test]
    fn replicas_whose_clocks_differ_by_a_minute_both_let_an_entry_be() {
        // One takes the value's end, and the entry's, for later than the other does by its clock: each sees the entry of the
        // other as ending sixty seconds before or after its own.
        for (written_by_the_other, by_us) in [(END.0 - 60_000, END.0), (END.0, END.0)] {
            let there = judged("abc", Seen::Until(Wall(written_by_the_other)));
            assert_eq!(there, Judgement::Intact);
            assert_eq!(judged("abc", Seen::Until(Wall(by_us))), Judgement::Intact);
        }
        let later = judged("abc", Seen::Until(END.plus(60_000)));
        assert_eq!(later, Judgement::Stale, "put right once, to the sooner end");
    }

    #[test]
    fn shortly_before_its_end_a_value_may_look_expired_and_be_gone() {
        let mut ending = current();
        ending.expires = NOW.boot.plus(2_000);
        let gone = judge(&Reading::Absent, None, &ending, NOW, &Ours);
        assert_eq!(gone, Judgement::Intact);
        let token = ending.token.clone();
        let reading = Reading::Held(Held {
            token,
            seen: Seen::Expired,
        });
        assert_eq!(
            judge(&reading, None, &ending, NOW, &Ours),
            Judgement::Intact
        );
    }

    #[test]
    fn senparcs_empty_bag_is_an_entry_without_a_token_and_no_deletion() {
        let secret = crate::config::Secret::new("0123456789abcdef0123456789abcdef");
        let app = "wx0123456789abcdef".parse().unwrap();
        let spec = Spec {
            secret: Some(&secret),
            ..Spec::new(Format::Senparc, app, Module::Official, Kind::AccessToken)
        };
        let place = Place::new(&spec).unwrap();
        let bag = r#"{"AccessTokenExpireTime":"0001-01-01T00:00:00","AccessTokenResult":null}"#;
        let found = [Found::Text(Content::new(bag), Ttl::Unset)];
        let reading = place.read(&found, NOW.wall);
        let judged = judge(&reading, found.first(), &current(), NOW, &Ours);
        assert_eq!(judged, Judgement::Unusable);
    }
}
