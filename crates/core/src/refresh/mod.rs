//! The rules of refreshing, as a machine without I/O: one per app.
pub mod verdict;
