//! What two records of one app make together: where a store has forgotten, and replicas give back what each of them holds.
//!
//! Must not know: stores, epochs, who asks.

use crate::clock::Wall;
use crate::credential::Lane;
use crate::store::{Intent, Record, StoredToken};

/// Values replaced that a merged record remembers at most.
const REMEMBERED: usize = 64;

/// Two records of one app as one: the newer value of each kind by generation and of each lane by when it was asked for, the
/// larger of every count, all that is known of intents and of values replaced. Neither record's knowledge is lost; no
/// generation is below either's.
#[must_use]
pub fn merged(held: &Record, offered: &Record) -> Record {
    let mut out = held.clone();
    for lane in Lane::ALL {
        out.lanes[lane.index()] = value(held, offered, lane);
    }
    for kind in 0..3 {
        let [mine, theirs] = [held, offered].map(|record| record.handed_out[kind]);
        let is_newer = theirs.generation > mine.generation;
        if is_newer {
            out.handed_out[kind] = theirs;
        }
        let same = theirs.generation == mine.generation && theirs.id == mine.id;
        if kind > 0 && (is_newer || same && offered.saved_at > held.saved_at) {
            out.tickets[kind - 1].clone_from(&offered.tickets[kind - 1]);
        }
    }
    if offered.saved_at > held.saved_at {
        out.contest = offered.contest;
    }
    out.contest.classic_ours = held.contest.classic_ours || offered.contest.classic_ours;
    for (mine, theirs) in out.intents.iter_mut().zip(offered.intents) {
        *mine = later(*mine, theirs);
    }
    for old in &offered.remembered {
        if !out.remembered.iter().any(|known| known.id == old.id) {
            out.remembered.push(*old);
        }
    }
    out.remembered.sort_by_key(|old| old.ends);
    let surplus = out.remembered.len().saturating_sub(REMEMBERED);
    out.remembered.drain(..surplus);
    out.budgets = held.budgets.merged(&offered.budgets);
    let noted = held.late_mint.max(offered.late_mint);
    out.late_mint = noted.max(minted_apart(held, offered));
    out.saved_at = held.saved_at.max(offered.saved_at);
    out
}

/// Which value a lane has: of the lane that is handed out, the one that bears the newer generation.
fn value(held: &Record, offered: &Record, lane: Lane) -> Option<StoredToken> {
    let [mine, theirs] = [held, offered].map(|record| record.lanes[lane.index()].as_ref());
    let (Some(mine), Some(theirs)) = (mine, theirs) else {
        return mine.or(theirs).cloned();
    };
    if mine.id == theirs.id {
        // As it was known last, but where it stands among others never goes back.
        let known_last = if offered.saved_at > held.saved_at {
            theirs
        } else {
            mine
        };
        return Some(StoredToken {
            sent: mine.sent.max(theirs.sent),
            ..known_last.clone()
        });
    }
    let replaced =
        |by: &Record, value: &StoredToken| by.remembered.iter().any(|old| old.id == value.id);
    let bears = |newer: &Record| newer.handed_out[0].lane == Some(lane);
    let order = held.handed_out[0]
        .generation
        .cmp(&offered.handed_out[0].generation);
    let takes_theirs = if replaced(offered, mine) != replaced(held, theirs) {
        replaced(offered, mine) // whichever generation the older one was given since
    } else if order.is_lt() && bears(offered) {
        true
    } else if order.is_gt() && bears(held) {
        false
    } else {
        theirs.sent > mine.sent
    };
    Some(if takes_theirs { theirs } else { mine }.clone())
}

/// Two classic values that know nothing of each other, as after two masters: clocks cannot say which of them lives, one more
/// fetch does.
fn minted_apart(held: &Record, offered: &Record) -> Option<Wall> {
    let classic = Lane::Classic.index();
    let (mine, theirs) = (
        held.lanes[classic].as_ref()?,
        offered.lanes[classic].as_ref()?,
    );
    let as_of = held.saved_at.max(offered.saved_at);
    let over = |value: &StoredToken, by: &Record| {
        value.dead || value.expires <= as_of || by.remembered.iter().any(|old| old.id == value.id)
    };
    let apart = mine.id != theirs.id && !over(mine, offered) && !over(theirs, held);
    apart.then(|| mine.sent.max(theirs.sent))
}

fn later(one: Option<Intent>, other: Option<Intent>) -> Option<Intent> {
    [one, other]
        .into_iter()
        .flatten()
        .max_by_key(|intent| intent.sent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::{Generation, Kind, Token, ValueId};
    use crate::store::{HandedOut, Remembered};

    /// Holds this classic value, asked for then.
    fn record(value: u64, sent: u64) -> Record {
        let mut record = Record {
            saved_at: Wall(sent),
            ..Record::default()
        };
        record.lanes[0] = Some(StoredToken {
            token: Token::new("v").unwrap(),
            id: ValueId(value),
            sent: Wall(sent),
            expires: Wall(sent + 7_200_000),
            lifetime: 7_200_000,
            dead: false,
            noted: None,
        });
        record
    }

    #[test]
    fn two_values_that_know_nothing_of_each_other_have_to_be_settled() {
        let (one, other) = (record(1, 1000), record(2, 3000));
        assert_eq!(merged(&one, &other).late_mint, Some(Wall(3000)));
        assert_eq!(merged(&other, &one).late_mint, Some(Wall(3000)));
        let both = merged(&one, &other);
        assert_eq!(merged(&both, &one), both);
        assert_eq!(merged(&one, &one).late_mint, None);
    }

    #[test]
    fn a_value_that_was_replaced_does_not_return_under_a_newer_generation() {
        let (mut one, mut other) = (record(1, 1000), record(2, 3000));
        other.remembered.push(Remembered {
            id: ValueId(1),
            kind: Kind::AccessToken,
            ends: Wall(303_000),
        });
        // Who has it last read of an older one hands that out anew.
        for (record, value, generation) in [(&mut other, 2, 3000), (&mut one, 1, 4000)] {
            record.handed_out[0] = HandedOut {
                generation: Generation(generation),
                id: Some(ValueId(value)),
                lane: Some(Lane::Classic),
            };
        }
        for both in [merged(&one, &other), merged(&other, &one)] {
            assert_eq!(both.lanes[0].as_ref().unwrap().id, ValueId(2));
            assert_eq!(both.handed_out[0].generation, Generation(4000));
            assert_eq!(both.late_mint, None);
        }
    }

    #[test]
    fn a_value_that_both_know_stands_where_the_later_of_them_puts_it() {
        let (mut one, other) = (record(1, 1000), record(1, 3000));
        one.saved_at = Wall(9000); // by a master that is none any more
        for both in [merged(&one, &other), merged(&other, &one)] {
            let held = both.lanes[0].as_ref().unwrap();
            assert_eq!(held.sent, Wall(3000));
            assert_eq!(held.expires, Wall(7_201_000), "as it was known last");
        }
    }

    #[test]
    fn a_value_and_its_successor_are_settled() {
        let (one, mut other) = (record(1, 1000), record(2, 3000));
        other.remembered.push(Remembered {
            id: ValueId(1),
            kind: Kind::AccessToken,
            ends: Wall(303_000),
        });
        assert_eq!(merged(&one, &other).late_mint, None);
        assert_eq!(merged(&other, &one).late_mint, None);
        let later = record(2, 8_000_000);
        assert_eq!(merged(&one, &later).late_mint, None, "it has ended");
    }
}
