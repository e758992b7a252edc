//! Why a store is not exported, or a file not imported, in words for people.

use std::io;

use wxtoken_core::store::StoreError;

use super::frame::SHORTEST_PASSPHRASE;
use crate::words::{InChinese, Sentence};

/// Why there is no export or import.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Too easy to guess.
    #[error(
        "the passphrase is too short; take at least {SHORTEST_PASSPHRASE} characters, better five random words"
    )]
    WeakPassphrase,
    /// Not one of ours.
    #[error("this is no wxtoken export; name the file that `wxtoken export` wrote")]
    NotAnExport,
    /// From a later version.
    #[error("this export has format {0}, from a newer wxtoken; import it with that version")]
    Newer(u8),
    /// A passphrase was given for a file under a master key, or the other way round.
    #[error("this export is sealed under {0}; give that (`--seal passphrase` or `--seal master`)")]
    OtherSort(Sentence),
    /// The key does not open it. Nothing was imported.
    #[error(
        "the key does not open this export: it is the wrong one, or the file's start is damaged; nothing was imported"
    )]
    WrongKey,
    /// Altered, cut short or put together. Nothing was imported.
    #[error(
        "the export is damaged at record {0}; nothing was imported. Take another copy of the file"
    )]
    Damaged(u64),
    /// The store refused.
    #[error(
        "{done} records and users were imported, then the store refused; run it again when that is cured, what is there is kept: {source}"
    )]
    Store {
        /// How many had been dealt with.
        done: u64,
        /// Why.
        source: StoreError,
    },
    /// The system gives no random numbers.
    #[error("the system gives no random numbers; is /dev/urandom there?")]
    NoRandom,
    /// The file cannot be read or written.
    #[error("the export file cannot be read or written: {0}; look at its owner, mode and space")]
    Io(#[from] io::Error),
}

impl InChinese for ExportError {
    fn in_chinese(&self) -> String {
        match self {
            Self::WeakPassphrase => {
                format!("口令太短；至少 {SHORTEST_PASSPHRASE} 个字符，最好是五个随机的词")
            }
            Self::NotAnExport => {
                "这不是 wxtoken 的导出文件；写上 `wxtoken export` 写出的那一个".to_owned()
            }
            Self::Newer(format) => {
                format!("这份导出的格式是 {format}，出自更新的 wxtoken；用那个版本导入")
            }
            Self::OtherSort(sort) => format!(
                "这份导出是用{}加密的；给出它（--seal passphrase 或 --seal master）",
                sort.zh
            ),
            Self::WrongKey => {
                "密钥打不开这份导出：密钥不对，或文件开头损坏；什么都没有导入".to_owned()
            }
            Self::Damaged(at) => {
                format!("导出文件在第 {at} 条记录处损坏；什么都没有导入。换这个文件的另一份拷贝")
            }
            Self::Store { done, source } => format!(
                "导入了 {done} 条记录和用户，之后存储不接受了；解决后再运行一次，已有的会保留：{}",
                source.in_chinese()
            ),
            Self::NoRandom => "系统给不出随机数；/dev/urandom 在吗？".to_owned(),
            Self::Io(why) => format!(
                "导出文件读不了或写不了：{}；检查它的属主、权限和磁盘空间",
                why.in_chinese()
            ),
        }
    }
}
