//! Copies of credentials kept elsewhere, for programs that cannot ask.
//!
//! Everything here blocks: call it from a blocking thread. Must not know: where values come from, when to write.

mod content;
mod file;
mod file_error;

mod upkeep;

pub use file::{FileSink, FileState};
pub use file_error::FileSinkError;
pub use upkeep::{Upkeep, Worker};
