//! `wxtoken init`: writes a first configuration and its keys, and says what to do next. Never overwrites anything.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use wxtoken_server::config::{ADMIN_KEY, CALLER_KEY, CONFIG, StarterFile, starter};

use wxtoken_server::words::InChinese;

use crate::failure::Failure;
use crate::lang::Lang;
use crate::term;

/// What follows the options in `--help`.
pub(crate) fn epilogue(lang: Lang) -> &'static str {
    lang.pick(
        "示例：
  wxtoken init                          # 写到当前目录
  wxtoken init /etc/wxtoken

写出 wxtoken.toml、caller.key、admin.key，权限均为 0600；已有的文件绝不覆盖。",
        "Examples:
  wxtoken init                          # into this folder
  wxtoken init /etc/wxtoken

Writes wxtoken.toml, caller.key and admin.key, each with mode 0600. A file that is there already is
never overwritten.",
    )
}

/// The arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The folder to write into; made if it is not there
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotWritten {
    #[error("{0} is there already and is not overwritten; name another folder, or move it away")]
    There(PathBuf),
    #[error("{path} cannot be written; name a folder you may write to")]
    Unwritable { path: PathBuf, source: io::Error },
}

impl InChinese for NotWritten {
    fn in_chinese(&self) -> String {
        match self {
            Self::There(path) => format!(
                "{} 已经存在，不会覆盖；换一个文件夹，或先把它移走",
                path.display()
            ),
            Self::Unwritable { path, source } => format!(
                "写不了 {}：{}；换一个你可以写的文件夹",
                path.display(),
                source.in_chinese()
            ),
        }
    }
}

/// Writes the files.
pub(crate) fn run(arguments: &Arguments, lang: Lang) -> Result<(), Failure> {
    let folder = &arguments.folder;
    write_all(folder, &starter()?)?;
    for name in [CONFIG, CALLER_KEY, ADMIN_KEY] {
        term::result(folder.join(name).display())?;
    }
    term::remark(next_steps(folder, lang));
    Ok(())
}

/// All files or none.
fn write_all(folder: &Path, files: &[StarterFile]) -> Result<(), NotWritten> {
    let paths: Vec<PathBuf> = files.iter().map(|file| folder.join(file.name)).collect();
    if let Some(there) = paths.iter().find(|path| path.symlink_metadata().is_ok()) {
        return Err(NotWritten::There(there.clone()));
    }
    make_folder(folder).map_err(|source| NotWritten::Unwritable {
        path: folder.to_owned(),
        source,
    })?;
    for (at, (file, path)) in files.iter().zip(&paths).enumerate() {
        if let Err(source) = write(path, file.content.expose()) {
            // Keys without their configuration would be in the way of the next try.
            for written in &paths[..at] {
                let _stays = fs::remove_file(written);
            }
            return Err(match source.kind() {
                io::ErrorKind::AlreadyExists => NotWritten::There(path.clone()),
                _ => NotWritten::Unwritable {
                    path: path.clone(),
                    source,
                },
            });
        }
    }
    Ok(())
}

fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn write(path: &Path, content: &str) -> io::Result<()> {
    let mut file: File = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    let written = file
        .write_all(content.as_bytes())
        .and_then(|()| file.sync_all());
    if written.is_err() {
        let _stays = fs::remove_file(path);
    }
    written
}

fn next_steps(folder: &Path, lang: Lang) -> String {
    let at = |name: &str| folder.join(name).display().to_string();
    let (config, caller, admin) = (at(CONFIG), at(CALLER_KEY), at(ADMIN_KEY));
    match lang {
        Lang::Zh => format!(
            "
接下来：
  1. 在 {config} 里打开 [[app]]，填上 AppID；把 AppSecret 放进环境变量：export SHOP_SECRET=…
  2. wxtoken check --config {config}
  3. wxtoken serve --config {config}
  4. WXTOKEN_KEY_FILE={caller} wxtoken get 你的AppID
     SDK：AppSecret 的位置填 {caller} 里的 key，接口地址改为 http://127.0.0.1:7200；
     并在 [[caller]] 里写 allow = [\"read\", \"call\"] 和 hands_out = \"virtual\"，它的调用才能经网关转发。
  5. WXTOKEN_ADMIN_KEY_FILE={admin} wxtoken status"
        ),
        Lang::En => format!(
            "
Next:
  1. In {config}, switch [[app]] on and write the AppID; put the AppSecret into the environment:
     export SHOP_SECRET=…
  2. wxtoken check --config {config}
  3. wxtoken serve --config {config}
  4. WXTOKEN_KEY_FILE={caller} wxtoken get YOUR_APPID
     An SDK needs another base URL, http://127.0.0.1:7200, and the key in {caller} for its AppSecret; and for its
     calls to go through here, allow = [\"read\", \"call\"] and hands_out = \"virtual\" in [[caller]].
  5. WXTOKEN_ADMIN_KEY_FILE={admin} wxtoken status"
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn init(folder: &Path) -> Result<(), NotWritten> {
        write_all(folder, &starter().unwrap())
    }

    #[test]
    fn a_new_folder_gets_a_configuration_that_loads_and_keys_nobody_else_reads() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("new/folder");
        init(&folder).unwrap();
        let config = wxtoken_server::config::load(&folder.join(CONFIG), &|_| None).unwrap();
        assert!(config.warnings.is_empty() && config.admin.key.is_some());
        for name in [CONFIG, CALLER_KEY, ADMIN_KEY] {
            let about = fs::metadata(folder.join(name)).unwrap();
            assert_eq!(about.permissions().mode() & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn nothing_is_overwritten_and_nothing_is_left_half_done() {
        for there in [CONFIG, CALLER_KEY, ADMIN_KEY] {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join(there), "mine").unwrap();
            let told = init(folder.path()).unwrap_err().to_string();
            assert!(told.contains("is not overwritten"), "{told}");
            assert_eq!(
                fs::read_to_string(folder.path().join(there)).unwrap(),
                "mine"
            );
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn a_link_that_leads_nowhere_is_not_written_through() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/nowhere/key", folder.path().join(CALLER_KEY)).unwrap();
        assert!(matches!(init(folder.path()), Err(NotWritten::There(_))));
    }

    #[test]
    fn the_next_steps_name_the_files_in_both_languages() {
        for lang in [Lang::Zh, Lang::En] {
            let told = next_steps(Path::new("/etc/wxtoken"), lang);
            for name in [CONFIG, CALLER_KEY, ADMIN_KEY] {
                assert!(told.contains(&format!("/etc/wxtoken/{name}")), "{told}");
            }
        }
    }
}
