//! WeChat's side of the program: the client that fetches and probes, and what WeChat's errcodes mean.
//!
//! Owns: WeChat's JSON, paths and errcodes. Must not know: stores, when to ask, who asks.

mod base;
mod client;
mod connect;
pub mod errcode;
mod exchange;
pub mod explain;
mod hosts;
mod notes;
mod options;
mod pool;
mod request;
mod resolve;
mod two_secrets;
pub mod users;
mod way;
mod wire;

pub use base::{Base, NoBase};
pub use client::WeChat;
pub use connect::{BuildError, Roots};
pub(crate) use connect::{ConnectError, Dialer, Stream, bare};
pub(crate) use hosts::Hosts;
pub use notes::{Notes, SecretUsed, Told};
pub use options::{AppUpstream, Directory, Options};
pub use users::UserApi;
pub use wire::Rid;

#[cfg(test)]
mod tests;
