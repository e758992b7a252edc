//! The servers we measure ourselves against, each set up the way its own users would for speed.

pub mod haproxy;
pub mod nginx;
pub mod proxies;
pub mod redis;

use std::path::PathBuf;

use anyhow::Context;

use crate::process;

fn program(name: &str, package: &str) -> anyhow::Result<PathBuf> {
    process::find_program(name).with_context(|| {
        format!(
            "{name} is not installed: `apt-get install {package}`, or run scripts/install-tools rivals"
        )
    })
}
