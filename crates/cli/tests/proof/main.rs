//! What the server promises, seen from outside: the real program as a process, a simulated WeChat that counts and judges,
//! and nothing between them but sockets, signals and files.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]
#![allow(
    clippy::print_stdout,
    reason = "what was measured is told beside what is asserted"
)]
#![allow(
    clippy::too_many_lines,
    reason = "a story is told in one piece, in the order in which it happens"
)]

mod accounts;
mod blows;
mod chance;
mod counts;
mod deaths;
mod http;
mod meddler;
mod netns;
mod place;
mod presence;
mod public_door;
mod readers;
mod redis_groups;
mod redis_server;
mod replicas;
mod scene;
mod server;
mod signed_in;
mod signed_in_relay;
mod signed_in_users;
mod ticket_outage;
mod wires;

mod asking_again;
mod bad_input;
mod canary;
mod certificate_canary;
mod clock_steps;
mod disk;
mod formatting;
mod holders;
mod kills;
mod lost_answers;
mod namespaces;
mod needles;
mod outages;
mod partitions;
mod redis_lost;
mod redis_moved;
mod reloading;
mod reports;
mod saving;
mod shadow;
mod shared_canary;
mod sharing;
mod sign_ins;
mod signed_in_canary;
mod silent_log;
mod sink_cycles;
mod sinks;
mod stopping;
mod strikes;
mod thousand;
mod together;
mod unbelieved;
mod user_canary;
