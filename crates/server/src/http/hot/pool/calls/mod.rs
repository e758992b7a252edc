//! Plain calls on this thread's connections: out on a connection to upstream, the answer back, and elsewhere with it if it
//! turns out not to be plain.
//!
//! Must not know: who may call what, what an answer means.

pub(super) mod down;
pub(super) mod end;
mod rest;
mod up;

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use wxtoken_core::clock::Now;

use super::super::Begun as Handed;
use super::super::parse::LARGEST_HEAD;
use super::super::plain::plain;
use super::Arrival;
use super::long::Long;
use super::turn::Turns;
use super::under_way::{Call, Room};
use crate::gateway::relay::{Begun, Dialled, Known, LONGEST_BODY, begin};
use crate::gateway::{Failure, HELD};
use end::Onward;

/// Room for an answer that is held back; longer ones pass in pieces of this size.
pub(super) const ROOM: usize = HELD + LARGEST_HEAD;
/// How often calls that stall and connections that grow old are looked for.
const LOOK: Duration = Duration::from_secs(5);

/// What became of bytes that are no plain read.
pub(super) enum Taken {
    /// They are a plain call, or its beginning.
    Call(Box<Call>),
    /// A call that goes on elsewhere at once.
    Elsewhere(Box<Handed>),
    /// They are something else.
    Not,
}

impl Turns<'_> {
    /// Takes the bytes that a connection begins with, if they are one plain call and nothing behind it.
    pub(super) fn take(&mut self, read: Range<usize>, at: usize, now: Now) -> Taken {
        let bytes = &self.buffer[read];
        let (Some(plain), Some(seat)) = (plain(bytes), self.seats.get(at)) else {
            return Taken::Not;
        };
        let (head, whole) = (plain.head, plain.head + plain.length);
        if bytes.len() > whole {
            return Taken::Not;
        }
        let behind = plain.length.saturating_sub(LONGEST_BODY);
        let mut pipes = None;
        if behind > 0 {
            pipes = self.pipes.take();
            if pipes.is_none() {
                return Taken::Not;
            }
        }
        let whole = whole - behind;
        let (services, ids) = (self.answers.services, &self.answers.ids);
        let memo = &mut seat.memo;
        let key = plain.key();
        let known = Known {
            caller: key.and_then(|key| memo.place(&services.callers.now(), key)),
            id_of: &mut |value| memo.id_of(value, |value| services.keeper.id_of(value)),
        };
        let now = (now, self.clock);
        let beginning = || begin(services, seat.peer, ids, &plain, known, now);
        // A call that panics is hyper's, and answered 500 there, or not at all: others must not suffer.
        match catch_unwind(AssertUnwindSafe(beginning)).unwrap_or(Begun::NotHere) {
            Begun::Goes(errand, up) => {
                self.number += 1;
                let room = Room {
                    bytes: self.rooms.take(whole),
                    whole,
                };
                let folder = errand.folder();
                let mut call = Call::new(errand, self.number, bytes, (head, room), up, self.clock);
                let long = |pipes| Box::new(Long::new(behind as u64, folder, pipes));
                call.long = pipes.map(long);
                Taken::Call(Box::new(call))
            }
            other => {
                let (way, copy) = pipes.unzip();
                let taken = match other {
                    Begun::Elsewhere(started) => Taken::Elsewhere(Box::new(Handed {
                        read: bytes.to_vec(),
                        started: Some(started),
                        ..Handed::default()
                    })),
                    Begun::Goes(..) | Begun::NotHere => Taken::Not,
                };
                self.pipes.give_back(way);
                self.pipes.give_back(copy);
                taken
            }
        }
    }

    /// Seats a call, to be sent at the end of the round.
    pub(super) fn set_up(&mut self, at: usize, call: Box<Call>, more: bool, now: Now) {
        if let Some(seat) = self.seats.get(at) {
            seat.call = Some(call);
            self.under_way += 1;
            self.sweep.get_or_insert(self.clock + LOOK);
            self.setting_out.push(at);
            if more {
                // The rest of a longer body, so that all there is goes up together.
                self.hear_caller(at, false, now);
            }
        }
    }

    /// Sends what was set up.
    pub(super) fn set_out(&mut self, now: Now) {
        while let Some(at) = self.setting_out.pop() {
            let Some(call) = self.seats.call(at) else {
                continue;
            };
            let number = call.number;
            call.errand.goes_up(self.clock);
            let host = self.links.host(call.errand.base());
            if self.links.is_hypers(host) {
                self.goes_on(at, Onward::NotSent);
            } else if let Some(link) = self.links.take(host, at, self.clock) {
                self.lend(at, link);
                self.push_up(at, now);
            } else if self.links.wait(host, at, number) {
                self.dial(host);
            }
        }
    }

    fn lend(&mut self, at: usize, link: usize) {
        if let Some(call) = self.seats.call(at) {
            call.link = Some(link);
        }
    }

    fn dial(&mut self, host: usize) {
        let Some(base) = self.links.base(host) else {
            return;
        };
        let dialling = self.answers.services.gateway.dial(base);
        let (door, waker) = (self.outside.door.clone(), self.outside.waker.clone());
        self.outside.runtime.spawn(async move {
            let dialled = dialling.await;
            // A thread that has ended needs no connection.
            let _ = door.send(Arrival::Dialled { host, dialled });
            let _ = waker.wake();
        });
    }

    /// A connection was made, or could not be.
    pub(super) fn dialled(&mut self, host: usize, dialled: Option<Dialled>, now: Now) {
        self.links
            .dialled(host, matches!(dialled, Some(Dialled::Http2)));
        match dialled {
            Some(Dialled::Plain(link)) => {
                let registry = self.poll.registry();
                match self.links.admit(link, host, registry, self.clock) {
                    Ok(link) => self.free(link, now),
                    // The system has no room to watch it.
                    Err(_) => self.next_elsewhere(host, false),
                }
            }
            Some(Dialled::Http2) => {
                while let Some(at) = self.waiting(host) {
                    self.goes_on(at, Onward::NotSent);
                }
            }
            None => self.next_elsewhere(host, true),
        }
    }

    /// The call that has waited longest for a connection goes on elsewhere; in vain, if the only host was tried.
    fn next_elsewhere(&mut self, host: usize, tried: bool) {
        let gateway = &self.answers.services.gateway;
        let base = self.links.base(host).filter(|_| tried);
        let in_vain = base.is_some_and(|base| gateway.has_no_other(base));
        if let Some(at) = self.waiting(host) {
            self.goes_on(
                at,
                if in_vain {
                    Onward::Failed(Failure::Unreachable)
                } else {
                    Onward::NotSent
                },
            );
        }
    }

    /// The seat whose call has waited longest for a connection.
    fn waiting(&mut self, host: usize) -> Option<usize> {
        loop {
            let (at, number) = self.links.next_waiting(host)?;
            let waits = |call: &Call| call.number == number && call.link.is_none();
            if self.seats.call(at).is_some_and(|call| waits(call)) {
                return Some(at);
            }
        }
    }

    /// Nobody's call is on a connection any more: the next one's is, or it rests.
    fn free(&mut self, link: usize, now: Now) {
        let host = self.links.leads_to(link);
        match host.and_then(|host| self.waiting(host)) {
            Some(at) => {
                self.links.lend(link, at);
                self.lend(at, link);
                self.push_up(at, now);
            }
            None => {
                self.links.rest(link, self.clock);
                self.sweep.get_or_insert(self.clock + LOOK);
            }
        }
    }
}
