//! The `wxtoken` program as a user meets it: run as a process, judged by what it prints and how it exits.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]

mod alive;
mod canned;
mod program;
mod redis;

mod adopting;
mod asking;
mod checking;
mod demonstrating;
mod documents;
mod explaining;
mod moving;
mod serving;
mod usage;
