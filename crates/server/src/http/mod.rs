//! The doors: how programs read credentials over HTTP, in our own way and in WeChat's.
//!
//! Owns: listeners, who may ask, routes, answers and their status codes, the hot path of plain reads.
//! Must not know: WeChat's answers to us, stores, when anything is refreshed.

pub mod admin;
pub mod callers;
pub mod condition;
pub mod counters;
pub mod error;
pub mod listen;
pub mod peer;
pub mod public;
pub mod routes;
pub mod services;
pub mod stop;

pub(crate) mod advice;
pub(crate) mod certified;
pub(crate) mod compat;
pub(crate) mod date;
pub(crate) mod door;
mod error_chinese;
mod etag;
mod front;
mod handout;
pub mod hot;
pub(crate) mod input;
mod jssdk;
mod native;
pub(crate) mod number;
mod oauth;
mod openapi;
pub(crate) mod particular;
mod problem;
mod render;
pub(crate) mod request_id;
pub(crate) mod users;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

/// An answer before it is put on the wire: complete, and the same whichever way it leaves.
pub(crate) type Reply = http::Response<bytes::Bytes>;
