//! Calls that end before their answer, or go on elsewhere.

use std::time::Duration;

use super::super::turn::Turns;
use super::LOOK;
use crate::gateway::Failure;
use crate::gateway::relay::Answer;

/// A call on which nothing moves for so long is given up.
const STALLED: Duration = Duration::from_secs(60);

/// How a call goes on elsewhere.
pub(super) enum Onward {
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
        if let Some(call) = seat.call {
            self.under_way -= 1;
            drop(call.link.and_then(|link| self.links.remove(link)));
        }
    }

    /// The call goes on elsewhere, from where it stands.
    pub(super) fn goes_on(&mut self, at: usize, how: Onward) {
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
            (Onward::NotSent, _) => None,
            (Onward::Failed(failure), _) => Some(Answer::Failed(failure)),
            (Onward::Answering, None) => Some(Answer::Failed(Failure::Broken)),
            (Onward::Answering, Some(link)) => {
                let onward = link.onward(self.poll.registry(), got);
                Some(onward.map_or(Answer::Failed(Failure::Broken), Answer::Coming))
            }
        };
        let handed = call.go_on(answer);
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
