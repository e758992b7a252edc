//! The passphrase of an export: from the environment, a file, or typed.

use wxtoken_server::words::InChinese;

use crate::surroundings::{self, NoSecret};
use crate::term;

/// Where it may come from.
const NAME: &str = "WXTOKEN_PASSPHRASE";

/// What an export is sealed under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Seal {
    /// A passphrase you keep, for another machine
    Passphrase,
    /// The store's master key, for a backup of this one
    Master,
}

/// Why there is no passphrase.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoPassphrase {
    /// It could not be had.
    #[error(transparent)]
    Unset(#[from] NoSecret),
    /// Typed twice, differently.
    #[error("the two passphrases differ; nothing was written, try again")]
    Differ,
}

impl InChinese for NoPassphrase {
    fn in_chinese(&self) -> String {
        match self {
            Self::Unset(why) => why.in_chinese(),
            Self::Differ => "两次输入的口令不同；什么都没有写，再试一次".to_owned(),
        }
    }
}

/// The passphrase of a file that is there.
pub(crate) fn known() -> Result<String, NoPassphrase> {
    Ok(surroundings::secret(NAME, "Passphrase (not shown)")?)
}

/// One for a new file; where it is typed, twice.
pub(crate) fn new() -> Result<String, NoPassphrase> {
    let first = known()?;
    let was_typed = term::can_ask()
        && surroundings::text(NAME).is_none()
        && surroundings::text(&format!("{NAME}_FILE")).is_none();
    if was_typed && surroundings::secret(NAME, "Once more")? != first {
        return Err(NoPassphrase::Differ);
    }
    Ok(first)
}
