//! Bytes kept in memory: small pieces are joined, so that what is kept costs what it holds, however it was cut.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// Pieces shorter than this are copied together; the others are kept as they are.
const SMALL: usize = 4096;

/// Pieces in order.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    whole: VecDeque<Bytes>,
    tail: BytesMut,
    bytes: u64,
}

impl Pieces {
    /// One more at the end.
    pub(super) fn push(&mut self, piece: &Bytes) {
        self.bytes += piece.len() as u64;
        if piece.len() < SMALL {
            self.tail.extend_from_slice(piece);
        }
        if piece.len() >= SMALL || self.tail.len() >= SMALL {
            self.close_tail();
        }
        if piece.len() >= SMALL {
            self.whole.push_back(piece.clone());
        }
    }

    /// How many bytes they are.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// All of them; they are kept.
    pub(super) fn queue(&mut self) -> VecDeque<Bytes> {
        self.close_tail();
        self.whole.clone()
    }

    /// All of them.
    pub(super) fn into_queue(mut self) -> VecDeque<Bytes> {
        self.close_tail();
        self.whole
    }

    fn close_tail(&mut self) {
        if !self.tail.is_empty() {
            self.whole.push_back(self.tail.split().freeze());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_body_of_single_bytes_is_kept_in_few_pieces() {
        let mut pieces = Pieces::default();
        for _ in 0..100_000 {
            pieces.push(&Bytes::from_static(b"x"));
        }
        assert_eq!(pieces.bytes(), 100_000);
        let queue = pieces.into_queue();
        assert!(queue.len() <= 100_000 / SMALL + 1, "{}", queue.len());
        assert_eq!(queue.iter().map(Bytes::len).sum::<usize>(), 100_000);
    }

    proptest! {
        #[test]
        fn they_come_back_in_order(lengths in proptest::collection::vec(0_usize..9000, 0..12)) {
            let mut pieces = Pieces::default();
            let mut expected = Vec::new();
            for (number, length) in lengths.into_iter().enumerate() {
                let piece = vec![u8::try_from(number).unwrap(); length];
                pieces.push(&Bytes::from(piece.clone()));
                expected.extend(piece);
            }
            prop_assert_eq!(pieces.bytes(), expected.len() as u64);
            let queue: Vec<Bytes> = pieces.into_queue().into();
            prop_assert_eq!(queue.concat(), expected);
        }
    }
}
