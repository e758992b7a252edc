//! The loop of one thread: wait for connections that have something to say, then read all, answer all, send all.
//!
//! Three passes instead of one after the other for each connection: every pass stays in the processor's caches, and a
//! client on this machine is woken once, not for each answer.

use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::ops::Range;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;
use wxtoken_core::clock::Now;

use super::super::answer::Answers;
use super::super::parse::{LARGEST_HEAD, Parsed};
use super::super::{Begun, MUCH};
use super::seats::{Seat, Seats};
use super::{DOOR, Guest, Leaver};

/// Connections that one look at the clock serves.
const A_TURN: usize = 256;
/// Connections that are read before the first of them is sent its answer.
const A_ROUND: usize = 32;
/// What is read in a round.
const ROOM: usize = 4 * LARGEST_HEAD;
/// Silent connections are looked for at most so often in an idle period: they live that much longer than it at most.
const LOOKS: u32 = 16;

/// One connection in a round.
struct Visit {
    at: usize,
    /// What was read, in the buffer.
    read: Range<usize>,
    /// There may be more to read.
    more: bool,
    /// What is to be sent, among the answers.
    out: Range<usize>,
}

/// One thread's connections.
pub(super) struct Turns<'s> {
    poll: Poll,
    arrivals: Receiver<Guest>,
    leavers: UnboundedSender<Leaver>,
    answers: Answers<'s>,
    seats: Seats,
    buffer: Vec<u8>,
    round: Vec<Visit>,
    /// Whom to read from again.
    again: Vec<usize>,
    idle: Duration,
    /// When to look for silent connections; never while there is none.
    look: Option<Instant>,
    /// When this turn began.
    clock: Instant,
    open: bool,
}

impl<'s> Turns<'s> {
    pub(super) fn new(
        poll: Poll,
        arrivals: Receiver<Guest>,
        leavers: UnboundedSender<Leaver>,
        answers: Answers<'s>,
        idle: Duration,
    ) -> Self {
        Self {
            poll,
            arrivals,
            leavers,
            answers,
            seats: Seats::default(),
            buffer: vec![0; ROOM],
            round: Vec::new(),
            again: Vec::new(),
            idle,
            look: None,
            clock: Instant::now(),
            open: true,
        }
    }

    /// Until the door is closed; then once more, for what has arrived by then.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(A_TURN);
        while self.open {
            if let Err(error) = self.turn(&mut events) {
                tracing::error!(%error, "a thread that answers reads has failed: {error}; the rest of the server goes on without it");
                return;
            }
        }
        let _ = self.turn(&mut events);
    }

    fn turn(&mut self, events: &mut Events) -> io::Result<()> {
        match self.poll.poll(events, self.patience()) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        self.clock = Instant::now();
        let now = self.answers.now();
        for at in mem::take(&mut self.again) {
            self.hear(at, true, now);
        }
        self.reply(now);
        // Each connection has one event here, so that a round never meets one twice.
        for event in events.iter().filter(|event| event.token() != DOOR) {
            let at_its_end = event.is_read_closed() || event.is_error();
            self.hear(event.token().0, at_its_end, now);
        }
        self.reply(now);
        // Only between rounds: a place that becomes free in a round must not be another's before its end.
        if events.iter().any(|event| event.token() == DOOR) {
            self.let_in();
        }
        if self.look.is_some_and(|look| look <= self.clock) {
            self.see_out_the_silent();
        }
        Ok(())
    }

    /// How long to wait for something to happen.
    fn patience(&self) -> Option<Duration> {
        if !self.open || !self.again.is_empty() {
            return Some(Duration::ZERO);
        }
        self.look
            .map(|look| look.saturating_duration_since(self.clock))
    }

    fn let_in(&mut self) {
        loop {
            match self.arrivals.try_recv() {
                Ok(guest) => self.seat(guest),
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => {
                    self.open = false;
                    return;
                }
            }
        }
    }

    fn seat(&mut self, guest: Guest) {
        let registry = self.poll.registry();
        let seated = self.seats.seat(guest, self.clock, |stream, at| {
            registry.register(stream, Token(at), Interest::READABLE)
        });
        // Otherwise the system has no room to watch it, and it cannot be served.
        if seated.is_ok() {
            self.look.get_or_insert(self.clock + self.idle);
        }
    }

    /// The first pass: reads once.
    fn hear(&mut self, at: usize, at_its_end: bool, now: Now) {
        // None: it has left in this very turn.
        let Some(seat) = self.seats.get(at) else {
            return;
        };
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
                    out: 0..0,
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
    fn reply(&mut self, now: Now) {
        let mut round = mem::take(&mut self.round);
        let mut sent = 0;
        for at in 0..round.len() {
            self.answer(&mut round[at], now);
            if self.answers.out.len() >= MUCH || at + 1 == round.len() {
                round[sent..=at].iter().for_each(|visit| self.send(visit));
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
            visit.read.start += answer(bytes, &mut self.answers, seat, now);
        }
        visit.out = start..self.answers.out.len();
    }

    fn send(&mut self, visit: &Visit) {
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
            };
            self.stand_up(visit.at, Some(begun));
        } else if visit.more {
            self.again.push(visit.at);
        }
    }

    /// Frees a place; the connection ends, or goes on elsewhere from what was begun.
    fn stand_up(&mut self, at: usize, begun: Option<Begun>) {
        let (Some(mut seat), Some(begun)) = (self.seats.stand_up(at), begun) else {
            return;
        };
        let registry = self.poll.registry();
        if registry.deregister(&mut seat.stream).is_ok() {
            // With nobody there to take it the listener is gone, and its connections with it.
            let _ = self.leavers.send((seat.into(), begun));
        }
    }

    fn see_out_the_silent(&mut self) {
        let first = self.seats.end_silent(self.clock, self.idle);
        self.look = first.map(|heard| (heard + self.idle).max(self.clock + self.idle / LOOKS));
    }
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
fn send(stream: &mut TcpStream, out: &[u8]) -> io::Result<usize> {
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
