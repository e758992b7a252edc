//! What the programs in `src/bin` share: a lean load generator, the rivals, and honest comparing.
//!
//! Owns: sending, timing and checking requests; starting servers pinned to a core; reading what they cost.
//! Must not know: how wxtoken works inside. It starts the binary and speaks to it like anyone else.
#![allow(
    clippy::disallowed_methods,
    reason = "a benchmark measures real time; nothing here is driven by a test's clock"
)]

pub mod ask;
pub mod engine;
pub mod exchange;
pub mod histogram;
pub mod host;
pub mod hub;
pub mod process;
pub mod report;
pub mod rivals;
pub mod stream;
pub mod tap;
pub mod targets;
pub mod tls;
pub mod upstream;
pub mod wire;
pub mod witness;

use std::process::ExitCode;

/// What a program ends with: 0, or 1 and the reason with its causes in one line.
#[must_use]
pub fn end(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
