//! The doors: how programs read credentials over HTTP, in our own way and in WeChat's.
//!
//! Owns: listeners, who may ask, routes, answers and their status codes, the hot path of plain reads.
//! Must not know: WeChat's answers to us, stores, when anything is refreshed.

pub mod admin;
pub mod callers;
pub mod counters;
pub mod error;
pub mod listen;
pub mod peer;
pub mod routes;
pub mod services;
pub mod stop;

mod compat;
mod date;
mod door;
mod etag;
mod front;
pub mod hot;
mod input;
mod native;
mod number;
mod openapi;
mod render;
mod request_id;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

/// An answer before it is put on the wire: complete, and the same whichever way it leaves.
type Reply = http::Response<bytes::Bytes>;
