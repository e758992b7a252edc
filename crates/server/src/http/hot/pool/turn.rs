//! The loop of one thread: wait for connections that have something to say, then read all, answer all, send all.
//!
//! Three passes instead of one after the other for each connection: every pass stays in the processor's caches, and a
//! client on this machine is woken once, not for each answer.

use std::io::{self, ErrorKind};
use std::mem;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use mio::{Events, Interest, Poll, Token};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;
use wxtoken_core::clock::Now;

use super::super::Begun;
use super::super::answer::Answers;
use super::calls;
use super::calls::down::Due;
use super::links::{self, Links};
use super::pipes::Pipes;
use super::rooms::Rooms;
use super::round::{ROOM, Visit};
use super::seats::Seats;
use super::{Arrival, DOOR, Guest, Leaver, Outside};
use crate::gateway::relay::Telling;
use crate::http::date::DateText;
use crate::telemetry;

/// Connections that one look at the clock serves.
const A_TURN: usize = 256;
/// Silent connections are looked for at most so often in an idle period: they live that much longer than it at most.
const LOOKS: u32 = 16;
/// How often a thread that ends looks whether anyone still waits for its calls.
const CLOSING: Duration = Duration::from_millis(250);

/// One thread's connections.
pub(super) struct Turns<'s> {
    pub(super) poll: Poll,
    arrivals: Receiver<Arrival>,
    pub(super) outside: Outside,
    leavers: UnboundedSender<Leaver>,
    pub(super) answers: Answers<'s>,
    pub(super) seats: Seats,
    pub(super) links: Links,
    pub(super) buffer: Vec<u8>,
    pub(super) round: Vec<Visit>,
    /// Whom to read from again.
    pub(super) again: Vec<usize>,
    /// Whose calls are to be sent at the end of the round.
    pub(super) setting_out: Vec<usize>,
    /// Whose answers go on passing in the next turn.
    pub(super) passing: Vec<usize>,
    /// Room for requests.
    pub(super) rooms: Rooms,
    /// What long bodies pass through.
    pub(super) pipes: Pipes,
    /// Room for an answer as it comes.
    pub(super) room: Vec<u8>,
    /// Beginnings of answers as they go down, and whose they are.
    pub(super) down: Vec<u8>,
    pub(super) due: Vec<Due>,
    pub(super) date: DateText,
    /// Of the call that came last.
    pub(super) number: u64,
    /// How many calls are.
    pub(super) under_way: usize,
    /// When to look for what has stalled or grown old; never while there is nothing.
    pub(super) sweep: Option<Instant>,
    /// Calls that are answered, to be told of at the end of the turn.
    pub(super) done: Vec<Telling>,
    /// When lines of the log are to be written; never while there is none.
    told: Option<Instant>,
    idle: Duration,
    /// When to look for silent connections; never while there is none.
    look: Option<Instant>,
    /// When this turn began, or began to send.
    pub(super) clock: Instant,
    pub(super) open: bool,
}

impl<'s> Turns<'s> {
    pub(super) fn new(
        poll: Poll,
        arrivals: Receiver<Arrival>,
        outside: Outside,
        leavers: UnboundedSender<Leaver>,
        answers: Answers<'s>,
        idle: Duration,
    ) -> Self {
        Self {
            poll,
            arrivals,
            outside,
            leavers,
            date: DateText::at(answers.now().wall),
            answers,
            seats: Seats::default(),
            links: Links::default(),
            buffer: vec![0; ROOM],
            round: Vec::new(),
            again: Vec::new(),
            setting_out: Vec::new(),
            passing: Vec::new(),
            room: vec![0; calls::ROOM],
            down: Vec::new(),
            rooms: Rooms::default(),
            pipes: Pipes::default(),
            due: Vec::new(),
            number: 0,
            under_way: 0,
            sweep: None,
            done: Vec::new(),
            told: None,
            idle,
            look: None,
            clock: Instant::now(),
            open: true,
        }
    }

    /// Until the door is closed; then once more, for what has arrived by then, and until no call is under way.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(A_TURN);
        telemetry::gather();
        while self.open {
            if let Err(error) = self.turn(&mut events) {
                tracing::error!(%error, "a thread that answers reads has failed: {error}; the rest of the server goes on without it");
                return;
            }
        }
        let _ = self.turn(&mut events);
        self.seats.end_idle();
        // Nobody waits for what is under way once there is nobody to take who leaves.
        while self.under_way > 0 && !self.leavers.is_closed() && self.turn(&mut events).is_ok() {}
        // Whoever stops the server waits for this thread's leavers, which end behind this.
        telemetry::flush();
    }

    fn turn(&mut self, events: &mut Events) -> io::Result<()> {
        match self.poll.poll(events, self.patience()) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        self.clock = Instant::now();
        let now = self.answers.now();
        self.links.untold = events.iter().count() >= A_TURN;
        for event in events.iter() {
            if let Some(at) = links::place(event.token()) {
                let closed = event.is_read_closed() || event.is_error();
                self.link_stirred(at, closed, now);
            }
        }
        for at in once_each(mem::take(&mut self.passing)) {
            self.pass(at, now);
        }
        for at in once_each(mem::take(&mut self.again)) {
            self.hear(at, true, false, now);
        }
        self.reply(now);
        // Each connection has one event here, so that a round never meets one twice.
        for event in events.iter() {
            if event.token() != DOOR && links::place(event.token()).is_none() {
                let at_its_end = event.is_read_closed() || event.is_error();
                self.hear(event.token().0, at_its_end, at_its_end, now);
            }
        }
        self.reply(now);
        // Only between rounds: a place that becomes free in a round must not be another's before its end.
        if events.iter().any(|event| event.token() == DOOR) {
            self.let_in(now);
        }
        // What we add to the time of a call lies between this look at the clock and the one before.
        self.clock = Instant::now();
        // One behind the other: whom it wakes on this machine it wakes once for all.
        self.deliver(now);
        self.set_out(now);
        while !self.due.is_empty() || !self.setting_out.is_empty() {
            self.deliver(now);
            self.set_out(now);
        }
        if self.look.is_some_and(|look| look <= self.clock) {
            self.see_out_the_silent();
        }
        if self.sweep.is_some_and(|sweep| sweep <= self.clock) {
            self.look_round();
        }
        self.done.clear();
        self.told = telemetry::flush_due(self.clock);
        Ok(())
    }

    /// How long to wait for something to happen.
    fn patience(&self) -> Option<Duration> {
        let last = !self.open && self.under_way == 0;
        let unheard = [&self.again, &self.passing, &self.setting_out];
        if last || unheard.iter().any(|seats| !seats.is_empty()) {
            return Some(Duration::ZERO);
        }
        if !self.open {
            return Some(CLOSING);
        }
        let next = self
            .look
            .into_iter()
            .chain(self.sweep)
            .chain(self.told)
            .min();
        next.map(|next| next.saturating_duration_since(self.clock))
    }

    fn let_in(&mut self, now: Now) {
        while let Ok(arrival) = self.arrivals.try_recv() {
            match arrival {
                Arrival::Guest(guest) => self.seat(guest),
                Arrival::Dialled { host, dialled } => self.dialled(host, dialled, now),
                Arrival::Written {
                    at,
                    number,
                    keeping,
                } => self.is_written(at, number, keeping, now),
                Arrival::Closing => self.open = false,
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

    /// Frees a place; the connection ends, or goes on elsewhere from what was begun.
    pub(super) fn stand_up(&mut self, at: usize, begun: Option<Begun>) {
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

/// Seats that were noted, perhaps for several reasons, each once.
fn once_each(mut seats: Vec<usize>) -> Vec<usize> {
    seats.sort_unstable();
    seats.dedup();
    seats
}
