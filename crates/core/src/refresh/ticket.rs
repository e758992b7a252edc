//! Rule 11: tickets. `expires_in` is always 7200 whatever the ticket's age, so the change itself has to be watched for.
//!
//! Must not know: calls, saves, budgets.

use crate::clock::{Boot, Now, Wall};
use crate::credential::{Token, ValueId};

use super::lane::Retry;
use crate::retry::Jitter;

/// A ticket held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HeldTicket {
    pub(super) token: Token,
    pub(super) id: ValueId,
    pub(super) first_seen: Boot,
    /// Its place among the tickets, as stored: always grows, however clocks differ.
    pub(super) order: Wall,
    /// It was born after its predecessor was last the answer, so it ends no earlier. None while no change has been seen.
    pub(super) first_end: Option<Boot>,
    /// It was born before it was first seen, so it ends no later, if it ends on time.
    pub(super) last_end: Boot,
    /// The last time it was the answer.
    pub(super) last_seen: Boot,
    /// Its successor, born after that, ends no earlier. Kept as an end, for a start may lie before boot time began.
    pub(super) successor_ends: Boot,
    /// What `expires_in` always says.
    pub(super) lifetime: u64,
    pub(super) expires: Boot,
    /// It came from the store and has not been the answer since: its times rest on two wall clocks.
    pub(super) restored: bool,
    /// After when it was born, as it was stored.
    pub(super) stored_birth: Option<Wall>,
}

impl HeldTicket {
    /// It is believed for two askings of ten minutes after it was last the answer.
    fn outlive(&mut self) {
        self.expires = self.expires.max(self.last_seen.plus(self.lifetime / 6));
    }
}

/// One ticket kind of one app.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TicketState {
    pub(super) held: Option<HeldTicket>,
    /// When to ask next.
    pub(super) due: Boot,
    pub(super) retry: Retry,
    /// A caller calls it dead: ask again, but at most once a minute.
    pub(super) reported: Option<Boot>,
    pub(super) report_after: Boot,
    /// A sink's entry was changed: put back if this ticket is still the answer.
    pub(super) put_back: bool,
    /// The access token it was refused with: asked again with another one, or when this one proves alive.
    pub(super) refused_with: Option<ValueId>,
}

impl TicketState {
    pub(super) fn live(&self, now: Now) -> bool {
        self.held
            .as_ref()
            .is_some_and(|held| now.boot < held.expires)
    }

    /// Nobody says whether it is still the answer: trouble displaces nothing (rule 6), so it is believed beyond its end.
    pub(super) fn unanswered(&mut self, now: Now) {
        if let Some(held) = &mut self.held
            && now.boot < held.expires
        {
            held.outlive();
        }
    }

    /// Takes an answer to a question sent at `sent`, which was `wall`; says whether the ticket changed.
    pub(super) fn seen(
        &mut self,
        (token, id, lifetime): (Token, ValueId, u64),
        (sent, wall): (Boot, Wall),
        trusted: bool,
        jitter: &mut Jitter,
    ) -> bool {
        let before = self.held.take();
        let changed = before.as_ref().is_none_or(|held| held.id != id);
        let mut held = match before {
            Some(held) if held.id == id => held,
            before => HeldTicket {
                token,
                id,
                first_seen: sent,
                order: wall.max(before.as_ref().map_or(wall, |held| held.order.plus(1))),
                first_end: before.map(|held| held.successor_ends),
                last_end: sent.plus(lifetime),
                last_seen: sent,
                successor_ends: sent.plus(lifetime),
                lifetime,
                expires: sent.plus(lifetime),
                restored: false,
                stored_birth: None,
            },
        };
        held.last_seen = held.last_seen.max(sent);
        if std::mem::take(&mut held.restored) {
            held.lifetime = lifetime; // what was stored of it rests on clocks
        }
        held.successor_ends = held.successor_ends.max(sent.plus(held.lifetime));
        if held.last_seen >= held.last_end {
            held.first_end = None; // it outlived what its birth was thought to be
        }
        // Before its end may have come nothing is known but that it has not.
        if held.first_end.is_none_or(|first_end| sent >= first_end) {
            held.outlive();
        }
        if trusted {
            held.expires = sent.plus(lifetime);
            held.first_end = Some(sent.plus(lifetime));
        }
        self.due = next_ask(&held, sent, jitter);
        self.held = Some(held);
        // What was said after the question left is not answered by it.
        self.reported = self.reported.filter(|at| *at > sent);
        self.refused_with = None;
        self.retry.clear();
        changed
    }
}

/// When to ask again: every twelfth of a lifetime (10 min) while its birth is unknown; else at half its life (hourly), once more
/// 5 min before its end, so that it is believed if WeChat is away just then, and around its end in steps that halve the uncertainty.
fn next_ask(held: &HeldTicket, now: Boot, jitter: &mut Jitter) -> Boot {
    let step = held.lifetime / 12;
    let Some(first_end) = held.first_end else {
        return now.plus(step - jitter.below(step / 10));
    };
    let half_life = held.lifetime / 2;
    let last_minutes = first_end.minus(step / 2);
    if now.plus(half_life) < last_minutes {
        return now.plus(half_life - jitter.below(step / 10));
    }
    if now < last_minutes {
        return last_minutes;
    }
    if now < first_end {
        return first_end;
    }
    let fine = (held.last_end.since(first_end) / 4).clamp(held.lifetime / 240, step);
    now.plus(fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: u64 = 7_200_000;

    fn token(name: &str) -> (Token, ValueId) {
        (
            Token::new(name).unwrap(),
            ValueId(name.bytes().map(u64::from).sum()),
        )
    }

    fn see(state: &mut TicketState, name: &str, at: u64) -> bool {
        let (token, id) = token(name);
        let when = (Boot(at), Wall(at));
        state.seen((token, id, LIFETIME), when, false, &mut Jitter(1))
    }

    #[test]
    fn rule_11_a_ticket_of_unknown_age_is_asked_for_every_ten_minutes() {
        let mut state = TicketState::default();
        assert!(see(&mut state, "a", 0));
        assert!((540_000..=600_000).contains(&state.due.0));
        assert!(!see(&mut state, "a", 600_000));
        assert!((1_140_000..=1_200_000).contains(&state.due.0));
    }

    #[test]
    fn rule_11_after_a_change_it_is_asked_for_hourly_and_around_its_end() {
        let mut state = TicketState::default();
        see(&mut state, "a", 0);
        assert!(see(&mut state, "b", 600_000));
        assert!(
            (4_100_000..=4_200_000).contains(&state.due.0),
            "hourly: {:?}",
            state.due
        );
        see(&mut state, "b", 4_200_000);
        assert_eq!(state.due, Boot(6_900_000), "five minutes before");
        see(&mut state, "b", 6_900_000);
        assert_eq!(
            state.due,
            Boot(7_200_000),
            "born after 0, so it may end from 7200 s on"
        );
        see(&mut state, "b", 7_200_000);
        assert_eq!(
            state.due,
            Boot(7_350_000),
            "a quarter of the ten minutes of doubt"
        );
        assert!(see(&mut state, "c", 7_350_000));
        let held = state.held.as_ref().unwrap();
        assert_eq!(
            held.first_end,
            Some(Boot(14_400_000)),
            "doubt has shrunk to 150 s"
        );
    }

    #[test]
    fn rule_11_the_same_ticket_answered_again_does_not_prolong_it() {
        let mut state = TicketState::default();
        see(&mut state, "a", 0);
        see(&mut state, "a", 3_600_000);
        assert_eq!(state.held.as_ref().unwrap().expires, Boot(LIFETIME));
    }

    #[test]
    fn rule_11_a_ticket_whose_end_falls_into_an_outage_is_believed_meanwhile_and_no_longer_while_all_is_well()
     {
        let mut state = TicketState::default();
        see(&mut state, "a", 0);
        see(&mut state, "b", 600_000);
        see(&mut state, "b", 4_200_000);
        see(&mut state, "b", 6_900_000);
        let ends = |state: &TicketState| state.held.as_ref().unwrap().expires;
        assert_eq!(ends(&state), Boot(7_800_000), "as far as is known");
        let at = |ms| Now {
            wall: Wall(ms),
            boot: Boot(ms),
        };
        state.unanswered(at(7_200_000));
        assert_eq!(ends(&state), Boot(8_100_000));
        // And not for ever: it was the answer 20 minutes ago.
        state.unanswered(at(8_000_000));
        assert_eq!(ends(&state), Boot(8_100_000));
        // What has come down stays down.
        state.held.as_mut().unwrap().expires = Boot(7_800_000);
        state.unanswered(at(7_900_000));
        assert_eq!(ends(&state), Boot(7_800_000));
    }

    #[test]
    fn rule_11_a_ticket_that_outlives_its_time_is_believed_for_two_askings() {
        let mut state = TicketState::default();
        see(&mut state, "a", 0);
        see(&mut state, "a", 7_300_000);
        assert_eq!(state.held.as_ref().unwrap().expires, Boot(8_500_000));
    }
}
