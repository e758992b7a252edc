//! The connections of one thread, each in a place that has a number.
//!
//! Must not know: what is asked on them.

use std::time::Duration;

use mio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::super::memo::Memo;
use super::Guest;
use super::under_way::Call;
use crate::http::peer::Peer;

/// A connection in its place.
pub(super) struct Seat {
    pub(super) stream: TcpStream,
    pub(super) peer: Peer,
    /// When something was last read.
    pub(super) heard: Instant,
    pub(super) memo: Memo,
    /// What it has asked that takes a while.
    pub(super) call: Option<Box<Call>>,
    /// Its number.
    pub(super) at: usize,
    seed: u64,
    permit: OwnedSemaphorePermit,
}

impl From<Seat> for Guest {
    fn from(seat: Seat) -> Self {
        Self {
            stream: seat.stream.into(),
            peer: seat.peer,
            seed: seat.seed,
            permit: seat.permit,
        }
    }
}

/// All places, some of them free.
#[derive(Default)]
pub(super) struct Seats {
    places: Vec<Option<Seat>>,
    free: Vec<usize>,
}

impl Seats {
    /// Who sits there, if anyone still does.
    pub(super) fn get(&mut self, at: usize) -> Option<&mut Seat> {
        self.places.get_mut(at).and_then(Option::as_mut)
    }

    /// The call that is under way there.
    pub(super) fn call(&mut self, at: usize) -> Option<&mut Call> {
        self.get(at)?.call.as_deref_mut()
    }

    /// Whose calls have not moved for so long.
    pub(super) fn stalled(&self, now: Instant, since: Duration) -> Vec<usize> {
        let stalls = |seat: &&Seat| {
            let moved = seat.call.as_ref().map(|call| call.moved);
            moved.is_some_and(|moved| moved + since <= now)
        };
        let seats = self.places.iter().flatten();
        seats.filter(stalls).map(|seat| seat.at).collect()
    }

    /// Ends every connection without a call under way.
    pub(super) fn end_idle(&mut self) {
        for at in 0..self.places.len() {
            if self.get(at).is_some_and(|seat| seat.call.is_none()) {
                drop(self.stand_up(at));
            }
        }
    }

    /// Seats a connection where it can be `watched`; nowhere if that fails.
    pub(super) fn seat<E>(
        &mut self,
        guest: Guest,
        now: Instant,
        watched: impl FnOnce(&mut TcpStream, usize) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut stream = TcpStream::from_std(guest.stream);
        let at = self.free.last().copied().unwrap_or(self.places.len());
        watched(&mut stream, at)?;
        let seat = Some(Seat {
            stream,
            peer: guest.peer,
            heard: now,
            memo: Memo::default(),
            call: None,
            at,
            seed: guest.seed,
            permit: guest.permit,
        });
        match self.free.pop() {
            Some(at) => self.places[at] = seat,
            None => self.places.push(seat),
        }
        Ok(())
    }

    /// Frees a place.
    pub(super) fn stand_up(&mut self, at: usize) -> Option<Seat> {
        let seat = self.places.get_mut(at).and_then(Option::take)?;
        self.free.push(at);
        Some(seat)
    }

    /// Ends every connection that has said nothing for so long; tells when the longest silent of the others was heard.
    pub(super) fn end_silent(&mut self, now: Instant, idle: Duration) -> Option<Instant> {
        for at in 0..self.places.len() {
            let silent = |seat: &mut Seat| seat.call.is_none() && seat.heard + idle <= now;
            if self.get(at).is_some_and(silent) {
                drop(self.stand_up(at));
            }
        }
        self.places.iter().flatten().map(|seat| seat.heard).min()
    }
}
