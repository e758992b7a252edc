//! A request on its way up: read from its caller as it comes, sent on as it can be.

use std::io::{ErrorKind, Read};

use wxtoken_core::clock::Now;

use super::super::turn::Turns;
use super::end::Onward;
use crate::gateway::Failure;

impl Turns<'_> {
    /// Something happened on a connection whose call is under way.
    pub(in super::super) fn hear_caller(&mut self, at: usize, closed: bool, now: Now) {
        let clock = self.clock;
        let Some(seat) = self.seats.get(at) else {
            return;
        };
        let Some(call) = &mut seat.call else { return };
        if call.leaving.is_some() {
            return if closed {
                self.give_up(at);
            };
        }
        if call.is_due || call.passing.is_some() {
            call.heard = true;
            // Whoever asked has gone: the rest is for nobody.
            return if closed {
                self.give_up(at);
            } else if call.watched {
                self.pass(at, now);
            };
        }
        while !call.fills_its_room() {
            match seat.stream.read(call.missing()) {
                Ok(read) if read > 0 => call.came(read, clock),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Ok(_) | Err(_) => return self.give_up(at),
            }
        }
        if call.is_whole() {
            // What stands behind it was perhaps told of together with it, and is not told of again.
            call.heard = true;
        }
        if closed {
            // Whoever asked has gone: nobody waits for the answer.
            return self.give_up(at);
        }
        self.push_up(at, now);
    }

    /// Sends what there is of a request.
    pub(super) fn push_up(&mut self, at: usize, now: Now) {
        let clock = self.clock;
        loop {
            let Some(call) = self.seats.call(at) else {
                return;
            };
            if call.leaving.is_some() {
                return;
            }
            let Some(link) = call.link.and_then(|link| self.links.get(link)) else {
                return;
            };
            // Through a proxy that is spoken to by TLS, for one.
            if call.long.is_some() && link.bare().is_none() {
                return self.goes_on(at, Onward::NotSent);
            }
            let (first, second) = call.unsent();
            if first.is_empty() && second.is_empty() {
                // What goes wrong now shows where the answer is read.
                let _ = link.flush();
                return self.move_on(at, now);
            }
            match link.send(first, second) {
                Ok(0) => return,
                Ok(sent) => call.went(sent, clock),
                Err(_) if call.is_unsent() => return self.set_out_again(at),
                // It may have answered before it was closed.
                Err(_) => return self.hear_answer(at, now),
            }
        }
    }

    /// A connection is of no use, and no byte has left. Closed while nobody used it, it is replaced; a new one that is closed
    /// at once would be followed by others like it.
    fn set_out_again(&mut self, at: usize) {
        let Some(call) = self.seats.call(at) else {
            return;
        };
        if !call.link.is_some_and(|link| self.links.has_rested(link)) {
            return self.goes_on(at, Onward::Failed(Failure::Broken));
        }
        drop(call.link.take().and_then(|link| self.links.remove(link)));
        self.setting_out.push(at);
    }
}
