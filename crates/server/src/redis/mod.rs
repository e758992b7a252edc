//! Connections to Redis and Valkey, for the store and for sinks: one server, sentinels, a cluster; TLS, user and password;
//! back-off, time limits, and every trouble by its name.
//!
//! Must not know: what is asked over them, whose keys they are.

mod address;
mod cluster;
mod consequences;
mod diagnosis;
mod health;
mod link;
mod open;
mod opening;
mod scan;
mod sentinels;
#[cfg(test)]
pub(crate) mod testing;
mod together;
mod trouble;

pub use address::{Address, Host, InvalidAddress, Servers};
pub use health::Health;
pub(crate) use link::{Guest, Link};
pub(crate) use open::{Connection, Door};
pub(crate) use scan::Scan;
pub use trouble::Trouble;

use redis::Value;

/// A text in an answer; none for nil and for what is no text.
pub(crate) fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.into_bytes()),
        _ => None,
    }
}
