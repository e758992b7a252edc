//! Finds and reads the configuration for the subcommands that need one.

use std::path::Path;

use wxtoken_server::config::{self, Config, ConfigErrors};

use crate::failure::Failure;
use crate::lang::Lang;

/// Why a subcommand cannot go on without a sound configuration: every mistake, each in its own line, for a person.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("配置不能用：\n{}", .0.in_chinese())]
    Zh(ConfigErrors),
    #[error("the configuration cannot be used:\n{0}")]
    En(ConfigErrors),
}

/// The configuration that is named, or the usual one, or an empty one where there is none.
pub(crate) fn open(named: Option<&Path>, lang: Lang) -> Result<Config, Failure> {
    config::open(named, &config::process_env).map_err(|errors| {
        Failure::misuse(match lang {
            Lang::Zh => Unusable::Zh(errors),
            Lang::En => Unusable::En(errors),
        })
    })
}
