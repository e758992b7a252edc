//! Room for long requests, used again and again: memory that comes from the system is written with zeros first, which for a
//! short upload would cost more than all else.
//!
//! What one request left in it the next one never reads: only what came in since is ever looked at.

use super::super::parse::LARGEST_HEAD;

/// Shorter rooms are cheaper to make anew.
const SMALL: usize = 2 * LARGEST_HEAD;
/// No more are kept.
const MOST: usize = 16;

/// Rooms that nobody uses now.
#[derive(Default)]
pub(super) struct Rooms(Vec<Vec<u8>>);

impl Rooms {
    /// One of at least that length.
    pub(super) fn take(&mut self, length: usize) -> Vec<u8> {
        let mut room = if length > SMALL {
            self.0.pop().unwrap_or_default()
        } else {
            Vec::new()
        };
        if room.len() < length {
            room.resize(length, 0);
        }
        room
    }

    /// Takes one back.
    pub(super) fn keep(&mut self, room: Vec<u8>) {
        if room.len() > SMALL && self.0.len() < MOST {
            self.0.push(room);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_room_is_used_again_and_a_short_one_is_not() {
        let mut rooms = Rooms::default();
        let long = rooms.take(SMALL + 1);
        let place = long.as_ptr().addr();
        rooms.keep(long);
        rooms.keep(vec![0; SMALL]);
        assert!(rooms.take(10).len() < SMALL);
        let again = rooms.take(SMALL + 1);
        assert_eq!(again.as_ptr().addr(), place);
        assert_eq!(rooms.take(SMALL + 9).len(), SMALL + 9);
        for _ in 0..2 * MOST {
            rooms.keep(vec![0; SMALL + 1]);
        }
        assert_eq!(rooms.0.len(), MOST);
    }
}
