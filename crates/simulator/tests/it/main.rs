//! The simulator, over real sockets.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say where"
)]

mod client;
mod consent;
mod control;
mod faults;
mod features;
mod people;
mod tokens;
