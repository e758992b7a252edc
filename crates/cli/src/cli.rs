//! The one list of subcommands: names, one-line descriptions, and which file runs each.

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::failure::Failure;
use crate::lang::Lang;
use crate::{
    adopt, check, chinese, completions, demo, explain, export, get, import, init, key, refresh,
    serve, simulate, status,
};

/// One WeChat token, fetched once, kept alive, handed to everyone
///
/// wxtoken fetches the access tokens and tickets of your WeChat apps, renews them before they end, hands them to all
/// your programs, and replaces one that WeChat calls bad.
///
/// 微信凭据中控服务器：统一获取、刷新并分发 access_token 与各类 ticket。
#[derive(Debug, Parser)]
#[command(
    name = "wxtoken",
    version,
    disable_help_subcommand = true,
    max_term_width = 110
)]
pub(crate) struct Cli {
    /// Language of explanations, else as LC_ALL, LC_MESSAGES or LANG say
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "LANG",
        display_order = 900
    )]
    lang: Option<Lang>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show all of it: a simulated WeChat and a server on this machine, and what to try
    Demo(demo::Arguments),
    /// Write a commented configuration, a caller key and an admin key
    Init(init::Arguments),
    /// Run the server
    Serve(serve::Arguments),
    /// Run only a simulated WeChat, for your own tests
    Simulate(simulate::Arguments),
    /// Find what is wrong (configuration, files, network, clock, each app at WeChat) and how to cure it
    Check(check::Arguments),
    /// See what SDKs keep in an existing Redis, and which lines would take it over; changes nothing
    Adopt(adopt::Arguments),
    /// Print one token or ticket from a running server
    Get(get::Arguments),
    /// Show every credential: time left, age, last trouble, fetches today
    Status(status::Arguments),
    /// Have the server fetch a credential now
    Refresh(refresh::Arguments),
    /// Say what an errcode of WeChat means, why it happens and what to do
    Explain(explain::Arguments),
    /// Make a caller key, printed once with the line for the configuration; or revoke virtual tokens
    Key(key::Arguments),
    /// Write the whole store into one sealed file, to move it or back it up
    Export(export::Arguments),
    /// Take the records and users of an export into the store, where they are newer
    Import(import::Arguments),
    /// Print a script that completes these commands in your shell
    #[command(hide = true)]
    Completions(completions::Arguments),
}

/// A help text in a language.
type Epilogue = fn(Lang) -> &'static str;

/// What follows the options in each subcommand's `--help`.
const EPILOGUES: [(&str, Epilogue); 13] = [
    ("adopt", adopt::epilogue),
    ("demo", demo::epilogue),
    ("serve", serve::epilogue),
    ("init", init::epilogue),
    ("key", key::epilogue),
    ("export", export::epilogue),
    ("import", import::epilogue),
    ("explain", explain::epilogue),
    ("simulate", simulate::epilogue),
    ("check", check::epilogue),
    ("get", get::epilogue),
    ("status", status::epilogue),
    ("refresh", refresh::epilogue),
];

/// The command as clap knows it, with the help texts of a language.
pub(crate) fn command(lang: Lang) -> clap::Command {
    let plain = match lang {
        Lang::Zh => chinese::translated(Cli::command()),
        Lang::En => Cli::command(),
    };
    EPILOGUES
        .into_iter()
        .fold(plain.after_help(epilogue(lang)), |all, (name, text)| {
            all.mut_subcommand(name, |one| one.after_help(text(lang)))
        })
}

/// Parses the process's arguments. What is wrong with them is told in the language they ask for.
pub(crate) fn parse() -> Result<(Cli, Lang), (clap::Error, Lang)> {
    let words: Vec<OsString> = std::env::args_os().collect();
    let lang = Lang::of_arguments(&words).unwrap_or_else(Lang::of_environment);
    let parsed = command(lang).try_get_matches_from(words);
    let cli = parsed.and_then(|mut matches| Cli::from_arg_matches_mut(&mut matches));
    match cli {
        Ok(cli) => {
            let lang = cli.lang.unwrap_or(lang);
            Ok((cli, lang))
        }
        Err(wrong) => Err((wrong, lang)),
    }
}

/// Runs the chosen subcommand.
pub(crate) fn run(cli: Cli, lang: Lang) -> Result<(), Failure> {
    match cli.command {
        Command::Demo(arguments) => demo::run(&arguments, lang),
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Init(arguments) => init::run(&arguments, lang),
        Command::Simulate(arguments) => simulate::run(&arguments, lang),
        Command::Check(arguments) => check::run(&arguments, lang),
        Command::Adopt(arguments) => adopt::run(&arguments, lang),
        Command::Get(arguments) => get::run(&arguments, lang),
        Command::Status(arguments) => status::run(&arguments, lang),
        Command::Refresh(arguments) => refresh::run(&arguments, lang),
        Command::Explain(arguments) => explain::run(&arguments, lang),
        Command::Key(arguments) => key::run(&arguments, lang),
        Command::Export(arguments) => export::run(&arguments, lang),
        Command::Import(arguments) => import::run(&arguments, lang),
        Command::Completions(arguments) => completions::run(&arguments, lang),
    }
}

fn epilogue(lang: Lang) -> &'static str {
    lang.pick(
        "示例：
  wxtoken demo                          # 一条命令看到完整效果，不需要微信账号
  wxtoken init                          # 写出配置和密钥，并说明接下来做什么
  wxtoken check                         # 哪里不对、怎么改
  wxtoken explain 40164                 # 错误码是什么意思

线上正在报 40001：先 `wxtoken status`（令牌是否有效、出了什么问题），再 `wxtoken check`（AppSecret、白名单、
网络哪里不对），`wxtoken explain 40001` 说明它的三种含义。不要急着 --force：它会让所有人手里的令牌失效。

密钥从不作为参数：放进环境变量、文件，或在终端输入。结果写到标准输出，其余写到标准错误；
退出码 0 成功，1 失败，2 用法或配置有误。",
        "Examples:
  wxtoken demo                          # see all of it in one command; no WeChat account needed
  wxtoken init                          # write a configuration and keys; says what comes next
  wxtoken check                         # what is wrong, and how to put it right
  wxtoken explain 40164                 # what an error code means

Getting 40001 right now? `wxtoken status` says whether a live token is there and what went wrong,
`wxtoken check` whether AppSecret, whitelist and network are right, `wxtoken explain 40001` which of
three things it means. Don't force: that ends the token everybody holds.

Keys are never arguments: they come from the environment, a file or a prompt. Results go to
standard output, all else to standard error; exit 0 done, 1 failed, 2 wrong use or configuration.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_well_formed_in_both_languages() {
        for lang in [Lang::Zh, Lang::En] {
            command(lang).debug_assert();
        }
    }

    #[test]
    fn every_subcommand_has_an_epilogue_with_an_example() {
        for one in command(Lang::En)
            .get_subcommands()
            .filter(|one| !one.is_hide_set())
        {
            let text = one
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            let named = format!("wxtoken {}", one.get_name());
            assert!(text.contains(&named), "{} shows no example", one.get_name());
        }
    }
}
