//! The `wxtoken` command: only wires the other crates.
fn main() {}
