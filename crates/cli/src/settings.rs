//! Finds and reads the configuration for the subcommands that need one.

use std::path::Path;

use wxtoken_server::config::{self, Config, ConfigErrors};

use crate::failure::Failure;

/// Why a subcommand cannot go on without a sound configuration: every mistake, each in its own line.
#[derive(Debug, thiserror::Error)]
#[error("the configuration cannot be used:\n{0}")]
struct Unusable(ConfigErrors);

/// The configuration that is named, or the usual one, or an empty one where there is none.
pub(crate) fn open(named: Option<&Path>) -> Result<Config, Failure> {
    config::open(named, &config::process_env).map_err(|errors| Failure::misuse(Unusable(errors)))
}
