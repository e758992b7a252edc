//! A round: some connections are read, then all of them are answered, then all are sent their answers.

use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::ops::Range;

use mio::net::TcpStream;
use wxtoken_core::clock::Now;

use super::super::answer::Answers;
use super::super::parse::{LARGEST_HEAD, Parsed};
use super::super::{Begun, MUCH};
use super::calls::Taken;
use super::seats::Seat;
use super::turn::Turns;

/// Connections that are read before the first of them is sent its answer.
const A_ROUND: usize = 32;
/// What is read in a round.
pub(super) const ROOM: usize = 4 * LARGEST_HEAD;

/// One connection in a round.
pub(super) struct Visit {
    at: usize,
    /// What was read, in the buffer.
    read: Range<usize>,
    /// There may be more to read.
    more: bool,
    /// The other side will say no more.
    closed: bool,
    /// What is to be sent, among the answers.
    out: Range<usize>,
    /// What it is if it is no plain read.
    call: Taken,
}

impl Turns<'_> {
    /// The first pass: reads once.
    pub(super) fn hear(&mut self, at: usize, at_its_end: bool, closed: bool, now: Now) {
        // None: it has left in this very turn.
        let Some(seat) = self.seats.get(at) else {
            return;
        };
        if seat.call.is_some() {
            return self.hear_caller(at, closed, now);
        }
        let start = self.round.last().map_or(0, |visit| visit.read.end);
        let read = loop {
            match seat
                .stream
                .read(&mut self.buffer[start..start + LARGEST_HEAD])
            {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        match read {
            Ok(0) => self.stand_up(at, None),
            Ok(read) => {
                seat.heard = self.clock;
                self.round.push(Visit {
                    at,
                    read: start..start + read,
                    // A read that did not fill its room has taken all there was (epoll(7)), the end excepted.
                    more: read == LARGEST_HEAD || at_its_end,
                    closed,
                    out: 0..0,
                    call: Taken::Not,
                });
                if self.round.len() == A_ROUND || start + read + LARGEST_HEAD > ROOM {
                    self.reply(now);
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.stand_up(at, None),
        }
    }

    /// The second and the third pass: answers what was read, and sends it.
    pub(super) fn reply(&mut self, now: Now) {
        let mut round = mem::take(&mut self.round);
        let mut sent = 0;
        for at in 0..round.len() {
            self.answer(&mut round[at], now);
            if self.answers.out.len() >= MUCH || at + 1 == round.len() {
                round[sent..=at]
                    .iter_mut()
                    .for_each(|visit| self.send(visit, now));
                sent = at + 1;
                self.answers.out.clear();
            }
        }
        round.clear();
        self.round = round;
        // An answer or so beyond that much is usual, and the room for it stays.
        if self.answers.out.capacity() > 2 * MUCH {
            self.answers.out.shrink_to(MUCH);
        }
    }

    fn answer(&mut self, visit: &mut Visit, now: Now) {
        let start = self.answers.out.len();
        if let Some(seat) = self.seats.get(visit.at) {
            let bytes = &self.buffer[visit.read.clone()];
            let answered = match may_be_a_read(bytes) {
                true => answer(bytes, &mut self.answers, seat, now),
                false => 0,
            };
            if answered == 0 && !visit.closed {
                visit.call = self.take(visit.read.clone(), visit.at, now);
            }
            visit.read.start += answered;
        }
        visit.out = start..self.answers.out.len();
    }

    fn send(&mut self, visit: &mut Visit, now: Now) {
        match mem::replace(&mut visit.call, Taken::Not) {
            Taken::Call(call) => return self.set_up(visit.at, call, visit.more, now),
            Taken::Elsewhere(begun) => return self.stand_up(visit.at, Some(*begun)),
            Taken::Not => {}
        }
        let Some(seat) = self.seats.get(visit.at) else {
            return;
        };
        let out = &self.answers.out[visit.out.clone()];
        let Ok(sent) = send(&mut seat.stream, out) else {
            return self.stand_up(visit.at, None);
        };
        if !visit.read.is_empty() || sent < out.len() {
            let begun = Begun {
                read: self.buffer[visit.read.clone()].to_vec(),
                unsent: out[sent..].to_vec(),
                ..Begun::default()
            };
            self.stand_up(visit.at, Some(begun));
        } else if visit.more {
            self.again.push(visit.at);
        }
    }
}

/// Whether it is worth reading as a plain read at all: a call has headers enough to be read once.
fn may_be_a_read(bytes: &[u8]) -> bool {
    let Some(target) = memchr::memchr(b' ', bytes).map(|at| &bytes[at + 1..]) else {
        return true;
    };
    target.starts_with(b"/v1/")
        || target.starts_with(b"/cgi-bin/token")
        || !target.starts_with(b"/")
}

/// Answers the plain reads at the beginning, as long as what they want is at hand; says how many bytes that were.
fn answer(bytes: &[u8], answers: &mut Answers<'_>, seat: &mut Seat, now: Now) -> usize {
    let mut at = 0;
    while at < bytes.len() {
        match seat.memo.parse(&bytes[at..]) {
            Parsed::Hot(request)
                if answers.takes(&request)
                    && answers.at_hand(&request, &mut seat.memo, seat.peer, now) =>
            {
                at += request.len;
            }
            _ => break,
        }
    }
    at
}

/// Sends what can be sent at once.
pub(super) fn send(stream: &mut TcpStream, out: &[u8]) -> io::Result<usize> {
    if out.is_empty() {
        return Ok(0);
    }
    match stream.write(out) {
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
            Ok(0)
        }
        sent => sent,
    }
}
