//! A plain call on its seat: what has come of its request, what of that has gone up, what of its answer has gone down.
//!
//! Must not know: connections to upstream, what a call may do.

use tokio::time::Instant;

use super::super::Begun as Handed;
use crate::gateway::relay::{Answer, Errand};

/// Such a call.
pub(super) struct Call {
    pub(super) errand: Box<Errand>,
    /// No other call of this thread has it.
    pub(super) number: u64,
    /// The request as it comes in: if it has to go on elsewhere, it is read again.
    request: Vec<u8>,
    /// How long its head is.
    head: usize,
    /// How much of it is there.
    filled: usize,
    /// Its head as it goes up.
    up: Vec<u8>,
    /// How much has gone up, head and body.
    sent: usize,
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
    /// Its caller has said more, behind the request.
    pub(super) heard: bool,
    /// Its seat is watched for room to write, too.
    pub(super) watched: bool,
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
        (head, body): (usize, usize),
        up: Vec<u8>,
        now: Instant,
    ) -> Self {
        let mut request = read.to_vec();
        request.resize(head + body, 0);
        Self {
            errand,
            number,
            request,
            head,
            filled: read.len(),
            up,
            sent: 0,
            link: None,
            got: Vec::new(),
            down: Vec::new(),
            passing: None,
            moved: now,
            heard: false,
            watched: false,
        }
    }

    /// Whether all of the request is there.
    pub(super) fn is_whole(&self) -> bool {
        self.filled == self.request.len()
    }

    /// Room for what is missing of the request.
    pub(super) fn missing(&mut self) -> &mut [u8] {
        &mut self.request[self.filled..]
    }

    /// So much more of the request is there.
    pub(super) fn came(&mut self, bytes: usize, now: Instant) {
        self.filled += bytes;
        self.moved = now;
    }

    /// What is there and has not gone up.
    pub(super) fn unsent(&self) -> (&[u8], &[u8]) {
        let body = &self.request[self.head..self.filled];
        match self.up.get(self.sent..) {
            Some(head) => (head, body),
            None => (&body[self.sent - self.up.len()..], &[]),
        }
    }

    /// So much more has gone up.
    pub(super) fn went(&mut self, bytes: usize, now: Instant) {
        self.sent += bytes;
        self.moved = now;
        self.errand.goes_up(now);
    }

    /// Whether nothing of it has gone up.
    pub(super) const fn is_unsent(&self) -> bool {
        self.sent == 0
    }

    /// Whether all of it has gone up.
    pub(super) fn is_sent(&self) -> bool {
        self.sent == self.up.len() + self.request.len() - self.head
    }

    /// It has its answer: what is kept of the request goes.
    pub(super) fn is_answered(&mut self, passing: Passing, now: Instant) {
        (self.request, self.up, self.got) = (Vec::new(), Vec::new(), Vec::new());
        (self.head, self.filled, self.sent) = (0, 0, 0);
        self.passing = Some(passing);
        self.moved = now;
    }

    /// What its connection takes along when it goes on elsewhere: with what came of it, if it was sent. None if its caller
    /// has an answer.
    pub(super) fn go_on(self, answer: Option<Answer>) -> Option<Handed> {
        let Self {
            errand,
            mut request,
            filled,
            ..
        } = self;
        let started = match answer {
            None => errand.unsent(),
            Some(answer) => errand.goes_on(answer),
        };
        request.truncate(filled);
        Some(Handed {
            read: request,
            unsent: Vec::new(),
            started: Some(Box::new(started?)),
        })
    }
}
