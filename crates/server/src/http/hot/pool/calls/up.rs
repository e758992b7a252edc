//! A request on its way up: read from its caller as it comes, sent on as it can be.

use std::io::{ErrorKind, Read};

use wxtoken_core::clock::Now;

use super::super::turn::Turns;

impl Turns<'_> {
    /// Something happened on a connection whose call is under way.
    pub(in super::super) fn hear_caller(&mut self, at: usize, closed: bool, now: Now) {
        let clock = self.clock;
        let Some(seat) = self.seats.get(at) else {
            return;
        };
        let Some(call) = &mut seat.call else { return };
        if call.passing.is_some() && call.watched {
            call.heard = true;
            return self.pass(at, now);
        }
        if call.is_whole() {
            call.heard = true;
        }
        while !call.is_whole() {
            match seat.stream.read(call.missing()) {
                Ok(read) if read > 0 => call.came(read, clock),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Ok(_) | Err(_) => return self.give_up(at),
            }
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
            let Some(link) = call.link.and_then(|link| self.links.get(link)) else {
                return;
            };
            let (first, second) = call.unsent();
            if first.is_empty() && second.is_empty() {
                // What goes wrong now shows where the answer is read.
                let _ = link.flush();
                return;
            }
            match link.send(first, second) {
                Ok(0) => return,
                Ok(sent) => call.went(sent, clock),
                // It was closed while nobody used it, and no byte has left: another will do.
                Err(_) if call.is_unsent() => {
                    drop(call.link.take().and_then(|link| self.links.remove(link)));
                    return self.setting_out.push(at);
                }
                // It may have answered before it was closed.
                Err(_) => return self.hear_answer(at, now),
            }
        }
    }
}
