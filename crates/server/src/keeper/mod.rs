//! Keeps every app's credentials fresh and hands them out.
//!
//! Owns: the shelf readers look at, the questions they may ask, and the loop that drives one machine per app.
//! Must not know: HTTP, WeChat's JSON, which store sits behind the trait.

mod absent;
mod answers;
mod command;
mod commands;
mod driver;
mod effects;
mod handle;
mod owners;
mod parts;
mod reasons;
mod roster;
mod shelf;
mod status;
mod tell;
#[cfg(test)]
mod tests;
mod views;
mod waiting;

pub use absent::{Absent, NoLive};
pub use command::Command;
pub use driver::Driver;
pub use handle::{HashValue, Keeper, KeeperStopped};
pub use parts::{Control, Copies, Forget, HandedOut, Parts, Spec};
pub use shelf::Shelf;
pub use tell::CountAlarm;
pub(crate) use tell::time;
pub use views::{AppStatus, KindStatus, LaneStatus, Notice, RefreshOutcome, Report};
