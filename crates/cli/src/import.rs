//! `wxtoken import`: takes the records and users of an export into the store, where they are newer.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::PathBuf;
use std::sync::Arc;

use wxtoken_server::clock::SystemClock;
use wxtoken_server::store::{ExportKey, Taken, import};
use wxtoken_server::words::InChinese;

use crate::export::grouped;
use crate::failure::Failure;
use crate::lang::Lang;
use crate::passphrase::{self, Seal};
use crate::{runtime, settings, term};
use wxtoken_server::store::configured as stored;

/// What follows the options in `--help`.
pub(crate) fn epilogue(lang: Lang) -> &'static str {
    lang.pick(
        "示例：
  wxtoken import --from wxtoken.backup                # 在终端询问口令
  WXTOKEN_PASSPHRASE_FILE=pass.txt wxtoken import --from wxtoken.backup
  wxtoken import --from wxtoken.backup --seal master  # 用本存储的主密钥解开

先停止服务器；kind = \"redis\" 时服务器可以继续运行，它们随即用上较新的记录。存储里更新的记录和用户不会被覆盖；文件先整体校验，损坏或口令不对时什么都不导入。",
        "Examples:
  wxtoken import --from wxtoken.backup                # asks for the passphrase on the terminal
  WXTOKEN_PASSPHRASE_FILE=pass.txt wxtoken import --from wxtoken.backup
  wxtoken import --from wxtoken.backup --seal master  # opened with this store's master key

Stop the server first; with kind = \"redis\" the servers may run on, and take over what is newer. A
record or user that is newer in the store is kept; the whole file is checked before anything
is imported, and a damaged one, or a wrong passphrase, imports nothing.",
    )
}

/// The arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The configuration [default: ./wxtoken.toml, then /etc/wxtoken/wxtoken.toml; $WXTOKEN_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The file to read
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// What it is sealed under
    #[arg(long, value_enum, default_value = "passphrase")]
    seal: Seal,
}

/// A file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{path} cannot be read; name a file that `wxtoken export` wrote and this user may read")]
pub(crate) struct Unreadable {
    pub(crate) path: PathBuf,
    pub(crate) source: io::Error,
}

impl InChinese for Unreadable {
    fn in_chinese(&self) -> String {
        format!(
            "读不了 {}：{}；写上 `wxtoken export` 写出、这个用户能读的文件",
            self.path.display(),
            self.source.in_chinese()
        )
    }
}

/// Imports.
pub(crate) fn run(arguments: &Arguments, lang: Lang) -> Result<(), Failure> {
    let config = settings::open(arguments.config.as_deref())?;
    let file = File::open(&arguments.from).map_err(|source| Unreadable {
        path: arguments.from.clone(),
        source,
    })?;
    let passphrase = match arguments.seal {
        Seal::Passphrase => Some(passphrase::known()?),
        Seal::Master => None,
    };
    let runtime = runtime()?;
    let opening = stored::for_command(&config.store, true, Arc::new(SystemClock));
    let stored = runtime.block_on(opening)?;
    let key = passphrase.as_deref().map_or(
        ExportKey::Master(&stored.keys.current),
        ExportKey::Passphrase,
    );
    let hasher = stored.keys.current.value_hasher();
    let mut file = BufReader::new(file);
    let importing = import(stored.contents(), &hasher, key, &mut file);
    let counts = runtime.block_on(importing)?;
    let Taken { new, updated, kept } = counts.records;
    term::result(match lang {
        Lang::Zh => {
            format!("已导入：新增 {new}，更新 {updated}，保留 {kept}（存储里的同样新或更新）")
        }
        Lang::En => format!(
            "imported: {new} new, {updated} updated, {kept} kept because the store has them as new or newer"
        ),
    })?;
    if counts.users != Taken::default() {
        let Taken { new, updated, kept } = counts.users;
        let [new, updated, kept] = [new, updated, kept].map(grouped);
        term::result(match lang {
            Lang::Zh => format!("用户：新增 {new}，更新 {updated}，保留 {kept}"),
            Lang::En => format!("users: {new} new, {updated} updated, {kept} kept"),
        })?;
    }
    Ok(())
}
