//! The server against the simulator: real store, real HTTP to WeChat's stand-in, clocks moved by hand.
//!
//! Each file is a story. Tests wait for what happens, never for time.

#![expect(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

mod clocks;
mod faults;
mod harness;
mod jssdk;
mod oauth_mix_ups;
mod oauth_relay;
mod oauth_troubles;
mod oauth_world;
mod removals;
mod restarts;
mod shutdown;
mod sinks;
mod tokens;
mod users_kept;
mod users_oauth;
mod users_renewals;
mod users_routes;
mod users_world;
