//! The thin shell: bytes in, a decision asked for, bytes out.
//!
//! Owns: parsing a request, dressing an answer, one connection's life. Must not know: any rule.

mod answer;
mod ask;
mod body;
mod connection;
mod date;
mod decide;
mod params;
mod raw_json;
mod sending;
mod serve;
mod socket;

pub(crate) use answer::{Answer, attachment};
pub(crate) use ask::Ask;
pub(crate) use connection::serve_connection;
pub(crate) use decide::Asked;
pub(crate) use params::{Params, decode, encode};
