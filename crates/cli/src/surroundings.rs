//! The environment variables the subcommands read: one place of this crate does. Secrets come in here, never as arguments.

use std::fs;
use std::io;
use std::path::PathBuf;

use wxtoken_server::config::process_env;
use wxtoken_server::words::InChinese;

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
    #[error(
        "{name}_FILE names {path}, which cannot be read; let it name a file that this user may read"
    )]
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
    #[error("the key could not be read from the terminal; put it into a file and name that")]
    Prompt(#[source] io::Error),
}

impl InChinese for NoSecret {
    fn in_chinese(&self) -> String {
        match self {
            Self::Unset(name) => format!(
                "没有设置 {name}；设置它（或让 {name}_FILE 指向存放它的文件）。密钥从不作为参数，因为这台机器上的其他用户能看到参数"
            ),
            Self::File { name, path, source } => format!(
                "{name}_FILE 指向 {}，读不了：{}；让它指向这个用户能读的文件",
                path.display(),
                source.in_chinese()
            ),
            Self::Prompt(why) => format!(
                "没能从终端读到密钥：{}；把它放进文件并指明",
                why.in_chinese()
            ),
        }
    }
}

/// A secret from `NAME`, or from the file that `NAME_FILE` names; none where neither is set.
pub(crate) fn given(name: &'static str) -> Result<Option<String>, NoSecret> {
    if let Some(value) = text(name) {
        return Ok(Some(value.trim().to_owned()));
    }
    let Some(path) = text(&format!("{name}_FILE")).map(PathBuf::from) else {
        return Ok(None);
    };
    match fs::read_to_string(&path) {
        Ok(value) => Ok(Some(value.trim().to_owned())),
        Err(source) => Err(NoSecret::File { name, path, source }),
    }
}

/// A secret from `NAME`, from the file that `NAME_FILE` names, or typed on the terminal.
pub(crate) fn secret(name: &'static str, question: &str) -> Result<String, NoSecret> {
    if let Some(value) = given(name)? {
        return Ok(value);
    }
    if !crate::term::can_ask() {
        return Err(NoSecret::Unset(name));
    }
    let typed = rpassword::prompt_password(format!("{question}: ")).map_err(NoSecret::Prompt)?;
    Ok(typed.trim().to_owned())
}
