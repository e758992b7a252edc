//! One connection of the generator and the exchange it is busy with.

use std::time::Instant;

use crate::exchange::Exchange;
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
    pub(super) output: Vec<u8>,
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
            output: Vec::new(),
            unwritten: 0,
            since: Instant::now(),
        }
    }

    /// Takes up an exchange, with `key` in it where it has a place for one.
    pub(super) fn take_up(
        &mut self,
        index: usize,
        exchange: &Exchange,
        key: Option<&str>,
        since: Instant,
    ) {
        self.output.clear();
        self.output.extend_from_slice(&exchange.request);
        if let (Some(at), Some(key)) = (exchange.key_at, key) {
            self.output[at..at + key.len()].copy_from_slice(key.as_bytes());
        }
        (self.exchange, self.answered, self.since) = (index, 0, since);
        self.unwritten = self.output.len();
    }
}
