//! What a person is told in Chinese as well as in English. Logs are in English alone.
//!
//! Must not know: what there is to say. Every error has its Chinese beside it, in a `match` that leaves no variant out.

use std::error::Error;
use std::fmt;
use std::io;

/// An error that a person is told of in Chinese, too. Its `Display` is English, as the log is.
pub trait InChinese: Error {
    /// What happened, why, and the cure: all of it, causes included.
    fn in_chinese(&self) -> String;
}

/// One thing said twice, in Chinese and in English. `Display` is English, as the log is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentence {
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
}

impl Sentence {
    /// Two texts that say the same.
    #[must_use]
    pub fn new(zh: impl Into<String>, en: impl Into<String>) -> Self {
        let (zh, en) = (zh.into(), en.into());
        Self { zh, en }
    }

    /// An error in both languages, with its causes.
    #[must_use]
    pub fn of(error: &dyn InChinese) -> Self {
        Self::new(error.in_chinese(), in_english(error))
    }
}

impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.en)
    }
}

/// The error and its causes; one whose text stands in an earlier one already is not said twice.
fn in_english(error: &dyn InChinese) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(why) = cause {
        let text = why.to_string();
        if !said.contains(&text) {
            said = format!("{said}: {text}");
        }
        cause = why.source();
    }
    said
}

/// The usual reasons of the system in Chinese; the others as the system words them.
impl InChinese for io::Error {
    fn in_chinese(&self) -> String {
        of_system(self.kind()).map_or_else(|| self.to_string(), str::to_owned)
    }
}

/// A usual reason of the system in Chinese.
#[must_use]
pub const fn of_system(kind: io::ErrorKind) -> Option<&'static str> {
    Some(match kind {
        io::ErrorKind::NotFound => "文件不存在",
        io::ErrorKind::PermissionDenied => "没有权限",
        io::ErrorKind::IsADirectory => "这是一个文件夹",
        io::ErrorKind::NotADirectory => "路径中有一段不是文件夹",
        io::ErrorKind::AlreadyExists => "已经存在",
        io::ErrorKind::StorageFull => "磁盘已满",
        io::ErrorKind::ReadOnlyFilesystem => "磁盘是只读的",
        io::ErrorKind::AddrInUse => "地址已被占用",
        io::ErrorKind::AddrNotAvailable => "本机没有这个地址",
        io::ErrorKind::ConnectionRefused => "连接被拒绝",
        io::ErrorKind::ConnectionReset => "连接被对方断开",
        io::ErrorKind::TimedOut => "超时",
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "网络不通",
        io::ErrorKind::UnexpectedEof => "连接提前结束",
        io::ErrorKind::InvalidData => "内容不是文本",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot listen: {source}; choose another port")]
    struct Quoting {
        source: io::Error,
    }

    #[derive(Debug, thiserror::Error)]
    #[error("cannot listen")]
    struct Plain(#[source] io::Error);

    impl InChinese for Quoting {
        fn in_chinese(&self) -> String {
            format!("无法监听：{}；换一个端口", self.source.in_chinese())
        }
    }

    impl InChinese for Plain {
        fn in_chinese(&self) -> String {
            format!("无法监听：{}", self.0.in_chinese())
        }
    }

    #[test]
    fn a_cause_is_said_once_even_if_the_error_quotes_it() {
        let source = io::Error::other("taken");
        let quoting = Sentence::of(&Quoting { source });
        assert_eq!(quoting.en, "cannot listen: taken; choose another port");
        let plain = Sentence::of(&Plain(io::Error::other("taken")));
        assert_eq!(plain.en, "cannot listen: taken");
    }

    #[test]
    fn the_usual_reasons_of_the_system_are_told_in_chinese() {
        let source = io::ErrorKind::AddrInUse.into();
        let quoting = Sentence::of(&Quoting { source });
        assert_eq!(quoting.zh, "无法监听：地址已被占用；换一个端口");
    }
}
