//! The environment variables the subcommands read: one place of this crate does. Secrets come in here, never as arguments.

use std::fs;
use std::io;
use std::path::PathBuf;

use wxtoken_server::config::process_env;

/// A variable's value, if it is set and not empty.
pub(crate) fn text(name: &str) -> Option<String> {
    process_env(name).filter(|value| !value.is_empty())
}

/// A secret that could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoSecret {
    /// Neither the variable nor its file is set, and there is no terminal to ask on.
    #[error(
        "{0} is not set; set it (or {0}_FILE to a file that holds it). Keys are never arguments, because other \
         users of the machine can read those"
    )]
    Unset(&'static str),
    /// The file that `…_FILE` names.
    #[error("{name}_FILE names {path}, which cannot be read")]
    File {
        /// The variable, without `_FILE`.
        name: &'static str,
        /// Where it points.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Asking on the terminal failed.
    #[error("the key could not be read from the terminal")]
    Prompt(#[source] io::Error),
}

/// A secret from `NAME`, from the file that `NAME_FILE` names, or typed on the terminal.
pub(crate) fn secret(name: &'static str, question: &str) -> Result<String, NoSecret> {
    if let Some(value) = text(name) {
        return Ok(value.trim().to_owned());
    }
    if let Some(path) = text(&format!("{name}_FILE")).map(PathBuf::from) {
        let read = fs::read_to_string(&path);
        return match read {
            Ok(value) => Ok(value.trim().to_owned()),
            Err(source) => Err(NoSecret::File { name, path, source }),
        };
    }
    if !crate::term::can_ask() {
        return Err(NoSecret::Unset(name));
    }
    let typed = rpassword::prompt_password(format!("{question}: ")).map_err(NoSecret::Prompt)?;
    Ok(typed.trim().to_owned())
}
