//! One connection of the generator and the exchange it is busy with.

use std::time::Instant;

use crate::stream::Stream;
use crate::wire::{Finder, Protocol};

/// What is under way on it.
pub(super) struct Connection {
    pub(super) stream: Stream,
    pub(super) finder: Finder,
    pub(super) input: Vec<u8>,
    pub(super) filled: usize,
    pub(super) exchange: usize,
    pub(super) answered: usize,
    pub(super) unwritten: usize,
    pub(super) since: Instant,
}

impl Connection {
    pub(super) fn new(stream: Stream, protocol: Protocol) -> Self {
        Self {
            stream,
            finder: Finder::new(protocol),
            input: vec![0; 16 * 1024],
            filled: 0,
            exchange: 0,
            answered: 0,
            unwritten: 0,
            since: Instant::now(),
        }
    }
}
