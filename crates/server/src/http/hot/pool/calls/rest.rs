//! What comes of a long body behind the part that is kept in memory.

use wxtoken_core::clock::Now;

use super::super::Arrival;
use super::super::keeping::Keeping;
use super::super::long::{Broken, Leaves, Long, Wants};
use super::super::turn::Turns;
use super::super::under_way::Call;
use super::end::Onward;
use crate::http::hot::Behind;

impl Turns<'_> {
    /// Moves what there is of the rest of a body, behind its beginning.
    pub(super) fn move_on(&mut self, at: usize, now: Now) {
        let Some(seat) = self.seats.get(at) else {
            return;
        };
        let Some(call) = &mut seat.call else { return };
        let is_its_turn = call.has_sent_its_room() && call.passing.is_none() && !call.is_due;
        let link = call.link.and_then(|link| self.links.get(link));
        let (true, Some(long), Some(link)) = (is_its_turn, &mut call.long, link) else {
            return;
        };
        let Some(upstream) = link.bare() else {
            return;
        };
        let errand = &mut call.errand;
        let wants = long.go(&seat.stream, upstream, |bytes| errand.keeps(bytes));
        let in_vain = long.cast_off();
        if long.is_lost() {
            errand.is_lost();
        }
        if long.has_moved() {
            call.moved = self.clock;
            errand.went_unread(long.read());
        }
        // What stands behind it was perhaps told of together with it, and is not told of again.
        call.heard |= long.is_read();
        let number = call.number;
        let to_write = wants.ok().and_then(|wants| long.what_to_write(wants));
        self.put_away(in_vain);
        if let Some(keeping) = to_write {
            self.write(at, number, keeping);
        }
        match wants {
            Ok(Wants::Turn) => self.again.push(at),
            Ok(_) => {}
            Err(Broken::Caller) => self.give_up(at),
            // It may have answered before it was closed.
            Err(Broken::Upstream) => self.hear_answer(at, now),
        }
    }

    /// Has it written by somebody who may wait for the disk.
    fn write(&self, at: usize, number: u64, keeping: Keeping) {
        let (door, waker) = (self.outside.door.clone(), self.outside.waker.clone());
        self.outside.runtime.spawn_blocking(move || {
            let written = keeping.write();
            if let Err(error) = &written {
                tracing::warn!(
                    "a call's body could not be kept: {error}; the call goes on, and cannot be made again"
                );
            }
            // A thread that has ended needs no file.
            let _ = door.send(Arrival::Written {
                at,
                number,
                keeping: written.ok(),
            });
            let _ = waker.wake();
        });
    }

    /// What is kept of a body was written, or could not be.
    pub(in super::super) fn is_written(
        &mut self,
        at: usize,
        number: u64,
        keeping: Option<Keeping>,
        now: Now,
    ) {
        let call = self.seats.call(at).filter(|call| call.number == number);
        let Some(Call {
            errand,
            long: Some(long),
            leaving,
            ..
        }) = call
        else {
            return self.put_away(keeping);
        };
        let in_vain = long.is_written(keeping);
        if long.is_lost() {
            errand.is_lost();
        }
        let leaving = leaving.take();
        self.put_away(in_vain);
        match leaving {
            Some(how) => self.goes_on(at, how),
            None => self.push_up(at, now),
        }
    }

    /// What of the rest goes along with a call that goes on elsewhere. It does not go yet, if that has to be written before:
    /// then `how` is noted; unless it was noted already, and the disk has had its time.
    pub(super) fn takes_along(&mut self, at: usize, how: &mut Option<Onward>) -> Option<Behind> {
        let call = self.seats.call(at)?;
        let (number, long) = (call.number, call.long.as_mut()?);
        match long.leave() {
            Leaves::Nothing => None,
            Leaves::File(file, length) => Some(Behind::File(file, length)),
            Leaves::Lost(length) => {
                call.errand.is_lost();
                Some(Behind::Hole(length))
            }
            Leaves::Later if call.leaving.is_some() => {
                long.lose();
                let length = long.read();
                *how = call.leaving.take();
                call.errand.is_lost();
                Some(Behind::Hole(length))
            }
            Leaves::Later => {
                call.leaving = how.take();
                None
            }
            Leaves::Writes(keeping) => {
                call.leaving = how.take();
                self.write(at, number, keeping);
                None
            }
        }
    }

    /// Nobody needs the rest of a body any more.
    pub(super) fn let_go(&mut self, long: Option<Box<Long>>) {
        let Some((way, keeping)) = long.map(|long| long.apart()) else {
            return;
        };
        self.pipes.give_back(way);
        self.put_away(keeping);
    }

    /// Drops a file where that may take a while.
    fn put_away(&mut self, keeping: Option<Keeping>) {
        let (file, pipe) = keeping.map(Keeping::apart).unzip();
        self.pipes.give_back(pipe);
        if let Some(file) = file.flatten() {
            self.outside.runtime.spawn_blocking(move || drop(file));
        }
    }
}
