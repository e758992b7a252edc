//! What clap says of a command line it cannot take, in Chinese: what is wrong, the cure, and the usage line as it is.
//!
//! Must not know: which commands and options there are.

use std::error::Error as StdError;
use std::net::AddrParseError;
use std::num::ParseIntError;

use clap::Error;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use wxtoken_core::app::InvalidAppId;
use wxtoken_core::credential::UnknownKind;
use wxtoken_server::config::quantity::InvalidQuantity;
use wxtoken_server::words::InChinese;

use crate::fault::InvalidFault;

/// The whole message.
pub(crate) fn in_chinese(error: &Error) -> String {
    let mut text = what(error);
    for kind in [
        ContextKind::SuggestedArg,
        ContextKind::SuggestedSubcommand,
        ContextKind::SuggestedValue,
    ] {
        if let [near, ..] = words(error, kind).as_slice() {
            text.push_str(&format!("；是不是想写 {near}？"));
        }
    }
    if let Some(ContextValue::StyledStr(usage)) = error.get(ContextKind::Usage) {
        text.push_str(&format!("\n\n{usage}"));
    }
    format!("{text}\n\n加上 --help 看用法和例子")
}

fn what(error: &Error) -> String {
    let argument = words(error, ContextKind::InvalidArg).join(" ");
    let value = words(error, ContextKind::InvalidValue).join(" ");
    match error.kind() {
        ErrorKind::UnknownArgument => format!("没有 {argument} 这个参数；去掉它，或改成正确的"),
        ErrorKind::InvalidSubcommand => {
            let name = words(error, ContextKind::InvalidSubcommand).join(" ");
            format!("没有 {name} 这个命令")
        }
        ErrorKind::MissingSubcommand => "还要写上一个命令".to_owned(),
        ErrorKind::MissingRequiredArgument => format!("缺少 {argument}；请补上"),
        ErrorKind::InvalidValue if value.is_empty() => {
            format!("{argument} 后面要跟一个值{}", possible(error))
        }
        ErrorKind::InvalidValue => format!("{argument} 不能是 \"{value}\"{}", possible(error)),
        ErrorKind::ValueValidation => {
            let why = error.source().and_then(of_value);
            let why = why.map_or_else(String::new, |why| format!("：{why}"));
            format!("{argument} 不能是 \"{value}\"{why}")
        }
        ErrorKind::ArgumentConflict => {
            let others = words(error, ContextKind::PriorArg);
            if others.iter().all(|other| *other == argument) {
                format!("{argument} 只能写一次")
            } else {
                format!(
                    "{argument} 不能和 {} 一起用；去掉其中一个",
                    others.join("、")
                )
            }
        }
        ErrorKind::TooManyValues => format!("{argument} 后面多了 \"{value}\"；去掉它"),
        ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues => {
            format!("{argument} 后面的值的个数不对")
        }
        ErrorKind::NoEquals => format!("{argument} 和它的值之间要写等号"),
        ErrorKind::InvalidUtf8 => "有一个参数不是 UTF-8 文本；换一种写法".to_owned(),
        // Help and version are no errors, and the rest is for what clap may learn later.
        _ => "这个命令行无法理解".to_owned(),
    }
}

/// Which values there are.
fn possible(error: &Error) -> String {
    match words(error, ContextKind::ValidValue).as_slice() {
        [] => String::new(),
        some => format!("；可以写 {}", some.join("、")),
    }
}

fn words(error: &Error, kind: ContextKind) -> Vec<&str> {
    match error.get(kind) {
        Some(ContextValue::String(word)) => vec![word],
        Some(ContextValue::Strings(words)) => words.iter().map(String::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Why a value is refused. Clap keeps the error of the value's own type in a box; there is no other way to it.
fn of_value(why: &(dyn StdError + 'static)) -> Option<String> {
    fn told<E: InChinese + 'static>(why: &(dyn StdError + 'static)) -> Option<String> {
        why.downcast_ref::<E>().map(InChinese::in_chinese)
    }
    let ours = [
        told::<InvalidAppId>,
        told::<UnknownKind>,
        told::<InvalidQuantity>,
        told::<InvalidFault>,
    ];
    let known = ours.into_iter().find_map(|told| told(why));
    known.or_else(|| {
        if why.is::<AddrParseError>() {
            Some("写 IP 地址和端口，例如 127.0.0.1:7202".to_owned())
        } else if why.is::<ParseIntError>() {
            Some("写一个整数".to_owned())
        } else {
            None
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cli, lang::Lang};

    fn told(line: &str) -> String {
        let words = std::iter::once("wxtoken").chain(line.split_whitespace());
        let error = cli::command(Lang::Zh).try_get_matches_from(words);
        in_chinese(&error.expect_err(line))
    }

    #[test]
    fn wrong_use_is_told_in_chinese_with_the_cure_and_the_usage() {
        for (line, cure) in [
            ("stats", "没有 stats 这个命令；是不是想写 status？"),
            (
                "status --jason",
                "没有 --jason 这个参数；去掉它，或改成正确的；是不是想写 --json？",
            ),
            ("get", "缺少 <APPID>；请补上"),
            ("get wx1 access_token more", "没有 more 这个参数"),
            ("get wx/../x", "AppID 只含 ASCII 字母和数字"),
            (
                "get wx1 secret",
                "凭据有 access_token、jsapi_ticket 和 card_ticket",
            ),
            ("status --json --watch", "不能和"),
            ("status --json --json", "--json 只能写一次"),
            ("status --json=1", "--json 后面多了 \"1\"；去掉它"),
            ("serve --config", "--config <FILE> 后面要跟一个值"),
            ("simulate --listen here", "写 IP 地址和端口"),
            ("simulate --apps many", "写一个整数"),
            ("simulate --lifetime 2", "时长是整数加单位"),
            ("simulate --fault dealy", "没有这个故障"),
            ("simulate --fault delay,ms=soon", "参数不对"),
            ("simulate --fault delay,500", "写成 名字 或 名字,参数=值"),
            ("simulate --fault busy,count=often", "count 要写整数"),
            ("export --to x --seal wax", "可以写 passphrase、master"),
            ("--lang fr status", "可以写 zh、en"),
        ] {
            let text = told(line);
            assert!(text.contains(cure), "{line}: {text}");
            assert!(text.ends_with("加上 --help 看用法和例子"), "{line}: {text}");
            for english in [
                "error:",
                "invalid",
                "unexpected",
                "required",
                "such",
                "try ",
            ] {
                assert!(!text.contains(english), "{line}: {text}");
            }
        }
        assert!(told("get").contains("Usage: wxtoken get"));
    }
}
