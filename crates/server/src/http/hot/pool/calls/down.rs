//! An answer on its way down: held back until it is known to be plain, then passed on as it comes.

use std::mem;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use mio::Interest;
use wxtoken_core::clock::Now;

use super::super::super::Begun;
use super::super::round::send;
use super::super::seats::Seat;
use super::super::turn::Turns;
use super::super::under_way::Passing;
use super::ROOM;
use super::end::Onward;
use crate::gateway::Failure;
use crate::gateway::relay::{Answered, Said, is_to_come};

/// So many pieces pass of one answer before others have their turn.
const PIECES: usize = 2;
/// Answers are not gathered beyond this much.
const DUE: usize = 128 * 1024;

/// The beginning of an answer, to be sent at the end of the round.
pub(in super::super) struct Due {
    at: usize,
    /// Where it stands.
    part: Range<usize>,
    passing: Passing,
}

/// What became of a piece.
enum Step {
    GoesOn,
    Waits,
    Over,
    Broken,
}

/// Has a seat watched for room to write as well, once.
fn watched(seat: &mut Seat, registry: &mio::Registry) -> Step {
    let Some(call) = &mut seat.call else {
        return Step::Waits;
    };
    if call.watched {
        return Step::Waits;
    }
    call.watched = true;
    let both = Interest::READABLE | Interest::WRITABLE;
    match registry.reregister(&mut seat.stream, mio::Token(seat.at), both) {
        Ok(()) => Step::Waits,
        Err(_) => Step::Broken,
    }
}

impl Turns<'_> {
    /// Something happened on a connection to upstream.
    pub(in super::super) fn link_stirred(&mut self, at: usize, closed: bool, now: Now) {
        if closed && let Some(link) = self.links.get(at) {
            link.ends();
        }
        match self.links.seat(at) {
            None => self.links.stirred(at),
            Some(seat) => {
                // An answer that does not wait for the end of a long body is heard before more of that goes up.
                if self
                    .seats
                    .call(seat)
                    .is_some_and(|call| call.long.is_some())
                {
                    self.hear_answer(seat, now);
                }
                self.push_up(seat, now);
                self.hear_answer(seat, now);
            }
        }
    }

    /// Reads what there is of an answer.
    pub(super) fn hear_answer(&mut self, at: usize, now: Now) {
        loop {
            let Some(seat) = self.seats.get(at) else {
                return;
            };
            let Some(call) = &mut seat.call else { return };
            if call.is_due || call.leaving.is_some() {
                return;
            }
            if call.passing.is_some() {
                return self.pass(at, now);
            }
            let Some(link) = call.link.and_then(|link| self.links.get(link)) else {
                return;
            };
            let read = match link.hear(&mut self.room) {
                Ok(Said::Nothing) => return,
                Ok(Said::Bytes(read)) => read,
                Ok(Said::End) | Err(_) if call.got.is_empty() => return self.is_broken(at),
                // Half an answer: hyper says what that is.
                Ok(Said::End) | Err(_) => return self.goes_on(at, Onward::Answering),
            };
            call.moved = self.clock;
            if !call.got.is_empty() || !call.is_sent() {
                call.got.extend_from_slice(&self.room[..read]);
            }
            // An answer that does not wait for the end of the request is nothing plain; an interim one is none yet.
            let early = !call.is_sent();
            if early && !is_to_come(&call.got) || call.got.len() > ROOM {
                return self.goes_on(at, Onward::Answering);
            }
            if early {
                continue;
            }
            let bytes = if call.got.is_empty() {
                &self.room[..read]
            } else {
                &call.got[..]
            };
            let start = self.down.len();
            let errand = &mut call.errand;
            let answering =
                || errand.answered(bytes, (now, self.clock), &mut self.date, &mut self.down);
            // Where that panics hyper has the answer, as it has every other that is not plain.
            let answered = catch_unwind(AssertUnwindSafe(answering)).unwrap_or(Answered::Odd);
            if !matches!(answered, Answered::Passes { .. }) {
                self.down.truncate(start);
            }
            match answered {
                Answered::Passes { taken, left, stays } => {
                    let stays = stays && taken == bytes.len();
                    call.is_due = true;
                    let (passing, part) = (Passing { left, stays }, start..self.down.len());
                    return self.is_due(Due { at, part, passing }, now);
                }
                Answered::More | Answered::Odd if call.got.is_empty() => {
                    call.got.extend_from_slice(&self.room[..read]);
                }
                Answered::More | Answered::Odd => {}
            }
            if answered == Answered::Odd {
                return self.goes_on(at, Onward::Answering);
            }
        }
    }

    /// No answer will come.
    fn is_broken(&mut self, at: usize) {
        self.goes_on(at, Onward::Failed(Failure::Broken));
    }

    fn is_due(&mut self, due: Due, now: Now) {
        self.due.push(due);
        if self.down.len() > DUE {
            self.deliver(now);
        }
    }

    /// Sends the beginnings of the answers that are due: one behind the other, so that a caller on this machine is woken once
    /// for many.
    pub(in super::super) fn deliver(&mut self, now: Now) {
        let mut down = mem::take(&mut self.down);
        for Due { at, part, passing } in mem::take(&mut self.due) {
            let (Some(seat), Some(part)) = (self.seats.get(at), down.get(part)) else {
                continue;
            };
            let Some(call) = &mut seat.call else { continue };
            let Ok(sent) = send(&mut seat.stream, part) else {
                self.give_up(at);
                continue;
            };
            call.down = part[sent..].to_vec();
            let long = call.long.take();
            self.rooms.keep(call.is_answered(passing, self.clock));
            self.let_go(long);
            self.pass(at, now);
        }
        // What has become due meanwhile is sent the next time.
        if self.due.is_empty() {
            down.clear();
            down.shrink_to(DUE);
            self.down = down;
        }
    }

    /// Sends on an answer that goes to its caller.
    pub(in super::super) fn pass(&mut self, at: usize, now: Now) {
        for _ in 0..PIECES {
            match self.pass_a_piece(at) {
                Step::Waits => return,
                Step::Over => return self.finish(at, now),
                Step::Broken => return self.give_up(at),
                Step::GoesOn => {}
            }
        }
        self.passing.push(at);
    }

    fn pass_a_piece(&mut self, at: usize) -> Step {
        let clock = self.clock;
        let Some(seat) = self.seats.get(at) else {
            return Step::Waits;
        };
        let Some(call) = &mut seat.call else {
            return Step::Waits;
        };
        let Some(passing) = &mut call.passing else {
            return Step::Waits;
        };
        if !call.down.is_empty() {
            let Ok(sent) = send(&mut seat.stream, &call.down) else {
                return Step::Broken;
            };
            call.down.drain(..sent);
            if sent > 0 {
                call.moved = clock;
            }
            if !call.down.is_empty() {
                return watched(seat, self.poll.registry());
            }
        }
        if passing.left == 0 {
            return Step::Over;
        }
        let Some(link) = call.link.and_then(|link| self.links.get(link)) else {
            return Step::Broken;
        };
        let most = usize::try_from(passing.left).unwrap_or(ROOM).min(ROOM);
        match link.hear(&mut self.room[..most]) {
            Ok(Said::Nothing) => Step::Waits,
            // The rest of an answer that breaks off is not made up.
            Ok(Said::End) | Err(_) => Step::Broken,
            Ok(Said::Bytes(read)) => {
                passing.left -= read as u64;
                call.moved = clock;
                let Ok(sent) = send(&mut seat.stream, &self.room[..read]) else {
                    return Step::Broken;
                };
                call.down.extend_from_slice(&self.room[sent..read]);
                Step::GoesOn
            }
        }
    }

    /// The caller has its answer.
    fn finish(&mut self, at: usize, now: Now) {
        let (clock, open) = (self.clock, self.open);
        let Some(seat) = self.seats.get(at) else {
            return;
        };
        let Some(mut call) = seat.call.take() else {
            return;
        };
        self.under_way -= 1;
        self.done.extend(call.errand.told());
        seat.heard = clock;
        if call.watched {
            let registry = self.poll.registry();
            let token = mio::Token(at);
            let watched = registry.reregister(&mut seat.stream, token, Interest::READABLE);
            call.heard = true;
            if watched.is_err() {
                call.heard = false;
                drop(self.seats.stand_up(at));
            }
        }
        if let Some(link) = call.link.take() {
            let stays = call.passing.is_some_and(|passing| passing.stays);
            let rests = self.links.get(link).is_some_and(|link| link.rests());
            if stays && rests {
                self.free(link, now);
            } else {
                drop(self.links.remove(link));
            }
        }
        if !open {
            // What it had sent by then is looked for once more elsewhere.
            self.stand_up(at, Some(Begun::default()));
        } else if call.heard {
            self.again.push(at);
        }
    }
}
