//! The rules of keeping WeChat credentials alive: types that cannot be misused and a state machine without I/O.
//!
//! Must not know: HTTP, JSON, files, an async runtime. Time and chance come in as parameters.

pub mod app;
pub mod budget;
pub mod clock;
pub mod credential;
pub mod merge;
pub mod refresh;
pub mod retry;
pub mod source;
pub mod store;
pub mod user;
pub mod words;
