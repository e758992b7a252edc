//! A plain call on its seat: what has come of its request, what of that has gone up, what of its answer has gone down.
//!
//! Must not know: connections to upstream, what a call may do.

use std::mem;

use tokio::time::Instant;

use super::super::Begun as Handed;
use super::super::Behind;
use super::calls::end::Onward;
use super::long::Long;
use crate::gateway::relay::{Answer, Errand};

/// Such a call.
pub(super) struct Call {
    pub(super) errand: Box<Errand>,
    /// No other call of this thread has it.
    pub(super) number: u64,
    /// The request as it comes in: if it has to go on elsewhere, it is read again.
    room: Room,
    /// What goes up behind that: the rest of its body.
    rest: usize,
    /// How much of it is there.
    filled: usize,
    /// Its head as it goes up, and what of its body came with it.
    up: Vec<u8>,
    /// How much has gone up, head and body.
    sent: usize,
    /// What comes behind the room.
    pub(super) long: Option<Box<Long>>,
    /// It goes on elsewhere once what is kept of it is written.
    pub(super) leaving: Option<Onward>,
    /// Where.
    pub(super) link: Option<usize>,
    /// The beginning of an answer.
    pub(super) got: Vec<u8>,
    /// What its caller has not taken yet.
    pub(super) down: Vec<u8>,
    /// What is to come of an answer that goes to the caller already.
    pub(super) passing: Option<Passing>,
    /// When anything last moved.
    pub(super) moved: Instant,
    /// Its answer has begun and is to be sent.
    pub(super) is_due: bool,
    /// Its caller has said more, behind the request.
    pub(super) heard: bool,
    /// Its seat is watched for room to write, too.
    pub(super) watched: bool,
}

/// Where a request is kept; what stands behind it is left over from another.
#[derive(Default)]
pub(super) struct Room {
    pub(super) bytes: Vec<u8>,
    /// How long it is.
    pub(super) whole: usize,
}

/// An answer on its way down.
#[derive(Debug, Clone, Copy)]
pub(super) struct Passing {
    pub(super) left: u64,
    /// Whether the connection can be used again behind it.
    pub(super) stays: bool,
}

impl Call {
    /// A call of which the head, of that length, and perhaps the beginning of a body of that length has been read.
    pub(super) fn new(
        errand: Box<Errand>,
        number: u64,
        read: &[u8],
        (head, mut room): (usize, Room),
        mut up: Vec<u8>,
        now: Instant,
    ) -> Self {
        up.extend_from_slice(&read[head..]);
        room.bytes[..read.len()].copy_from_slice(read);
        Self {
            errand,
            number,
            room,
            rest: read.len(),
            filled: read.len(),
            up,
            sent: 0,
            long: None,
            leaving: None,
            link: None,
            got: Vec::new(),
            down: Vec::new(),
            passing: None,
            moved: now,
            is_due: false,
            heard: false,
            watched: false,
        }
    }

    /// Whether all of the request is there.
    pub(super) fn is_whole(&self) -> bool {
        self.fills_its_room() && self.long.as_ref().is_none_or(|long| long.is_read())
    }

    /// Whether all is there that is kept in memory.
    pub(super) const fn fills_its_room(&self) -> bool {
        self.filled == self.room.whole
    }

    /// Room for what is missing of the request.
    pub(super) fn missing(&mut self) -> &mut [u8] {
        &mut self.room.bytes[self.filled..self.room.whole]
    }

    /// So much more of the request is there.
    pub(super) fn came(&mut self, bytes: usize, now: Instant) {
        self.filled += bytes;
        self.moved = now;
    }

    /// What is there and has not gone up.
    pub(super) fn unsent(&self) -> (&[u8], &[u8]) {
        let body = &self.room.bytes[self.rest..self.filled];
        match self.up.get(self.sent..) {
            Some(head) => (head, body),
            None => (&body[self.sent - self.up.len()..], &[]),
        }
    }

    /// So much more has gone up.
    pub(super) fn went(&mut self, bytes: usize, now: Instant) {
        self.sent += bytes;
        self.moved = now;
    }

    /// Whether nothing of it has gone up.
    pub(super) const fn is_unsent(&self) -> bool {
        self.sent == 0
    }

    /// Whether all of it has gone up.
    pub(super) fn is_sent(&self) -> bool {
        self.has_sent_its_room() && self.long.as_ref().is_none_or(|long| long.is_sent())
    }

    /// Whether all has gone up that is kept in memory.
    pub(super) const fn has_sent_its_room(&self) -> bool {
        self.sent == self.up.len() + self.room.whole - self.rest
    }

    /// It has its answer: what is kept of the request goes.
    pub(super) fn is_answered(&mut self, passing: Passing, now: Instant) -> Vec<u8> {
        (self.up, self.got) = (Vec::new(), Vec::new());
        (self.rest, self.filled, self.sent) = (0, 0, 0);
        self.errand.goes_down(now);
        self.is_due = false;
        self.passing = Some(passing);
        self.moved = now;
        mem::take(&mut self.room).bytes
    }

    /// What its connection takes along when it goes on elsewhere: with what came of it, if it was sent. None if its caller
    /// has an answer.
    pub(super) fn go_on(
        self,
        answer: Option<Answer>,
        whole: bool,
        behind: Option<Behind>,
    ) -> Option<Handed> {
        let Self {
            errand,
            room,
            filled,
            ..
        } = self;
        let started = match answer {
            None => errand.unsent(),
            Some(answer) => errand.goes_on(answer, whole),
        };
        let mut read = room.bytes;
        read.truncate(filled);
        Some(Handed {
            read,
            unsent: Vec::new(),
            started: Some(Box::new(started?)),
            behind,
        })
    }
}
