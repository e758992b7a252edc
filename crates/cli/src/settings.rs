//! Finds and reads the configuration for the subcommands that need one.

use std::path::Path;

use wxtoken_server::config::{self, Config, ConfigErrors};
use wxtoken_server::words::InChinese;

use crate::failure::Failure;

/// Why a subcommand cannot go on without a sound configuration: every mistake, each in its own line, for a person.
#[derive(Debug, thiserror::Error)]
#[error("the configuration cannot be used:\n{0}")]
pub(crate) struct Unusable(pub(crate) ConfigErrors);

impl InChinese for Unusable {
    fn in_chinese(&self) -> String {
        format!("配置不能用：\n{}", self.0.in_chinese())
    }
}

/// The configuration that is named, or the usual one, or an empty one where there is none.
pub(crate) fn open(named: Option<&Path>) -> Result<Config, Failure> {
    config::open(named, &config::process_env).map_err(|errors| Failure::misuse(Unusable(errors)))
}
