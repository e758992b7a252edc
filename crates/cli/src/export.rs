//! `wxtoken export`: the whole store as one sealed file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::runtime::Runtime;
use wxtoken_server::clock::SystemClock;
use wxtoken_server::store::{ExportKey, Exported, export};
use wxtoken_server::words::InChinese;

use crate::failure::Failure;
use crate::lang::Lang;
use crate::passphrase::{self, Seal};
use crate::{runtime, settings, term};
use wxtoken_server::store::configured::{self as stored, ForCommand};

/// What follows the options in `--help`.
pub(crate) fn epilogue(lang: Lang) -> &'static str {
    lang.pick(
        "示例：
  wxtoken export --to wxtoken.backup                  # 在终端询问口令
  WXTOKEN_PASSPHRASE_FILE=pass.txt wxtoken export --to wxtoken.backup
  wxtoken export --to wxtoken.backup --seal master    # 用存储自己的主密钥加密，主密钥请另外保存

用户也在其中：他们的授权、令牌和会话密钥，文件要照此保管。
先停止服务器：同一时刻只能有一个进程打开存储；kind = \"redis\" 时服务器可以继续运行。文件权限为 0600，已存在的文件不会被覆盖。",
        "Examples:
  wxtoken export --to wxtoken.backup                  # asks for a passphrase on the terminal
  WXTOKEN_PASSPHRASE_FILE=pass.txt wxtoken export --to wxtoken.backup
  wxtoken export --to wxtoken.backup --seal master    # under the store's master key; keep that, too

Users are in it, too: their grants, tokens and session keys; keep the file accordingly.
Stop the server first: one process at a time opens the store; with kind = \"redis\" the servers may
run on. The file has mode 0600; one that is there already is not overwritten.",
    )
}

/// The arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The configuration [default: ./wxtoken.toml, then /etc/wxtoken/wxtoken.toml; $WXTOKEN_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// What it is sealed under
    #[arg(long, value_enum, default_value = "passphrase")]
    seal: Seal,
}

/// A file that cannot be made.
#[derive(Debug, thiserror::Error)]
#[error(
    "{path} cannot be written; name a file that does not exist yet, in a folder you may write to"
)]
pub(crate) struct Unwritable {
    pub(crate) path: PathBuf,
    pub(crate) source: io::Error,
}

impl InChinese for Unwritable {
    fn in_chinese(&self) -> String {
        format!(
            "写不了 {}：{}；换一个还不存在的文件，放在你可以写的文件夹里",
            self.path.display(),
            self.source.in_chinese()
        )
    }
}

/// Exports.
pub(crate) fn run(arguments: &Arguments, lang: Lang) -> Result<(), Failure> {
    let config = settings::open(arguments.config.as_deref())?;
    let opening = stored::for_command(&config.store, false, Arc::new(SystemClock));
    let runtime = runtime()?;
    let stored = runtime.block_on(opening)?;
    let passphrase = match arguments.seal {
        Seal::Passphrase => Some(passphrase::new()?),
        Seal::Master => None,
    };
    let key = passphrase.as_deref().map_or(
        ExportKey::Master(&stored.keys.current),
        ExportKey::Passphrase,
    );
    let file = make(&arguments.to)?;
    let counts = write(&runtime, &stored, key, file).inspect_err(|_| {
        // A torn export is worth nothing, and would be in the way of the next try.
        let _stays = fs::remove_file(&arguments.to);
    })?;
    let (apps, damaged, to) = (counts.records, counts.damaged, arguments.to.display());
    let users = match (counts.users, lang) {
        (0, _) => String::new(),
        (users, Lang::Zh) => format!("、{} 个用户", grouped(users)),
        (users, Lang::En) => format!(", {} users", grouped(users)),
    };
    term::result(match lang {
        Lang::Zh => format!("已把 {apps} 个应用{users}导出到 {to}"),
        Lang::En => format!("exported {apps} apps{users} to {to}"),
    })?;
    tell_damaged_users(counts.damaged_users, lang);
    if damaged > 0 {
        term::remark(match lang {
            Lang::Zh => format!("{damaged} 条损坏的记录不在其中；服务器会重新获取"),
            Lang::En => {
                format!("{damaged} damaged records are not in it; the server fetches those anew")
            }
        });
    }
    Ok(())
}

fn tell_damaged_users(damaged: u64, lang: Lang) {
    if damaged > 0 {
        term::remark(match lang {
            Lang::Zh => format!("{damaged} 个用户的记录损坏，不在其中；他们下次来时会重新授权"),
            Lang::En => format!(
                "the damaged records of {damaged} users are not in it; those are asked again when they come"
            ),
        });
    }
}

/// A number with a comma before every three digits.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    let groups: Vec<_> = groups.map(String::from_utf8_lossy).collect();
    groups.join(",")
}

fn make(path: &Path) -> Result<File, Failure> {
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    made.map_err(|source| {
        let path = path.to_owned();
        Failure::from(Unwritable { path, source })
    })
}

fn write(
    runtime: &Runtime,
    stored: &ForCommand,
    key: ExportKey<'_>,
    file: File,
) -> Result<Exported, Failure> {
    let mut out = BufWriter::new(file);
    let counts = runtime.block_on(export(stored.contents(), key, &mut out))?;
    out.flush()?;
    out.get_ref().sync_all()?;
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_three_digits() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1204, "1,204"),
            (1_000_000, "1,000,000"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }
}
