//! A simulated world around the rules of refreshing: processes that crash, clocks that step, a store and a WeChat that
//! fail, other programs that interfere; and a judge that looks at it all from WeChat's side.
#![cfg(test)]

mod agenda;
mod asked;
mod chance;
mod changes;
mod client;
mod effects;
mod faults;
mod follow;
mod foreign;
mod guilt;
mod judge;
mod leases;
mod life;
mod losses;
#[cfg(feature = "mutants")]
mod mutants;
mod phase;
mod question;
mod redis;
mod replica;
mod run;
mod setup;
mod shown;
mod store;
mod story;
mod strikes;
mod survivors;
mod table;
mod verdicts;
mod wechat;
mod world;
mod writes;
