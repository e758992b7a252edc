//! Calls that end before their answer, or go on elsewhere.

use std::time::Duration;

use super::super::turn::Turns;
use super::LOOK;
use crate::gateway::Failure;
use crate::gateway::relay::Answer;

/// A call on which nothing moves for so long is given up.
const STALLED: Duration = Duration::from_secs(60);

/// How a call goes on elsewhere.
pub(in super::super) enum Onward {
    NotSent,
    Failed(Failure),
    Answering,
}

impl Turns<'_> {
    /// The caller has gone, or cannot be given its whole answer.
    pub(super) fn give_up(&mut self, at: usize) {
        let Some(seat) = self.seats.stand_up(at) else {
            return;
        };
        if let Some(mut call) = seat.call {
            self.under_way -= 1;
            self.let_go(call.long.take());
            drop(call.link.and_then(|link| self.links.remove(link)));
        }
    }

    /// The call goes on elsewhere, from where it stands.
    pub(super) fn goes_on(&mut self, at: usize, how: Onward) {
        let (mut how, mut behind) = (Some(how), None);
        if self.seats.call(at).is_some_and(|call| call.long.is_some()) {
            behind = self.takes_along(at, &mut how);
        }
        let Some(how) = how else { return };
        let Some(seat) = self.seats.get(at) else {
            return;
        };
        let Some(mut call) = seat.call.take() else {
            return;
        };
        self.under_way -= 1;
        let link = call.link.take().and_then(|link| self.links.remove(link));
        let got = std::mem::take(&mut call.got);
        let answer = match (how, link) {
            // Nothing of a body is read before the call is sent; zeros in its place must not be.
            (Onward::NotSent, _) if behind.is_some() => Some(Answer::Failed(Failure::Broken)),
            (Onward::NotSent, _) => None,
            (Onward::Failed(failure), _) => Some(Answer::Failed(failure)),
            (Onward::Answering, None) => Some(Answer::Failed(Failure::Broken)),
            (Onward::Answering, Some(link)) => {
                let onward = link.onward(self.poll.registry(), got);
                Some(onward.map_or(Answer::Failed(Failure::Broken), Answer::Coming))
            }
        };
        let (whole, long) = (call.is_whole(), call.long.take());
        let handed = call.go_on(answer, whole, behind);
        self.let_go(long);
        self.stand_up(at, handed);
    }

    /// Gives up what has stalled, and closes what has grown old.
    pub(in super::super) fn look_round(&mut self) {
        let stalled = self.seats.stalled(self.clock, STALLED);
        for at in stalled {
            match self.seats.call(at).map(|call| (call.passing, call.link)) {
                Some((Some(_), _)) => self.give_up(at),
                Some((None, None)) => self.goes_on(at, Onward::NotSent),
                Some((None, Some(_))) => self.goes_on(at, Onward::Failed(Failure::Stalled)),
                None => {}
            }
        }
        let left = self.links.end_old(self.clock) || self.under_way > 0;
        self.sweep = left.then(|| self.clock + LOOK);
    }
}
