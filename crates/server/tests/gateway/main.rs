//! The gateway in front of a simulated WeChat.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod alone;
mod calls;
mod canary;
mod certificates;
mod crowds;
mod early;
mod faults;
mod harness;
mod large;
mod loading;
mod long;
mod long_ends;
mod mix_ups;
mod relayed;
mod repeats;
mod revoking;
mod same_calls;
mod scripted;
mod secrets;
mod secure;
mod secure_calls;
mod smuggling;
mod standby;
mod strangers;
mod tickets;
mod turned_away;
mod virtual_tokens;
mod who;
mod wire;
mod wire_forms;
