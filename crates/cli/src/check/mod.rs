//! `wxtoken check`: looks at everything a running server needs, and says what is wrong and how to cure it.

pub(crate) mod apps;
mod books;
mod copies;
mod files;
mod finding;
mod of_public;
mod of_redis;
mod public;
mod shared;
mod way;
mod words;

use std::path::PathBuf;

use serde_json::json;
use wxtoken_core::app::AppId;
use wxtoken_server::config::{App, Config};
use wxtoken_server::words::InChinese;

use crate::failure::Failure;
use crate::lang::Lang;
use crate::{runtime, settings, term};

use books::Books;
use finding::{Finding, Level, Setup, Way};
use term::Ink;

/// What follows the options in `--help`.
pub(crate) fn epilogue(lang: Lang) -> &'static str {
    lang.pick(
        "示例：
  wxtoken check
  wxtoken check --config /etc/wxtoken/wxtoken.toml --app wx0123456789abcdef
  wxtoken check --offline                 # 只看配置和文件，例如在 CI 里
  wxtoken check --json | jq '.findings[] | select(.level == \"bad\")'

检查不会伤害任何人：对每个应用只调用一次普通模式的 stable_token 和一次探测，从不获取普通令牌，从不强制刷新。
退出码：0 没有问题，1 有问题，2 配置有误。",
        "Examples:
  wxtoken check
  wxtoken check --config /etc/wxtoken/wxtoken.toml --app wx0123456789abcdef
  wxtoken check --offline                 # only configuration and files, as in CI
  wxtoken check --json | jq '.findings[] | select(.level == \"bad\")'

It harms nobody: for each app one stable_token call in normal mode and one probe; never a classic
fetch, never a force. Exits with 0 if all is well, 1 if something is bad, 2 if the configuration is
wrong.",
    )
}

/// The arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The configuration [default: ./wxtoken.toml, then /etc/wxtoken/wxtoken.toml; $WXTOKEN_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Ask WeChat only about this app; may be repeated
    #[arg(long = "app", value_name = "APPID")]
    apps: Vec<AppId>,
    /// Leave the network alone
    #[arg(long)]
    offline: bool,
    /// Print the findings for a script
    #[arg(long)]
    json: bool,
}

/// `--app` names one that is not configured.
#[derive(Debug, thiserror::Error)]
#[error("the configuration has no app {0}; name one of its [[app]] tables")]
pub(crate) struct NoSuchApp(pub(crate) AppId);

impl InChinese for NoSuchApp {
    fn in_chinese(&self) -> String {
        format!("配置里没有应用 {}；写某个 [[app]] 的 appid", self.0)
    }
}

/// Checks.
pub(crate) fn run(arguments: &Arguments, lang: Lang) -> Result<(), Failure> {
    let config = settings::open(arguments.config.as_deref())?;
    let chosen = chosen(&config, &arguments.apps)?;
    let mut found: Vec<Finding> = files::look(&config)
        .into_iter()
        .map(Finding::Setup)
        .collect();
    let public = public::look(&config).into_iter();
    found.extend(public.map(Setup::Public).map(Finding::Setup));
    if arguments.offline {
        found.extend(Books::trouble(&config).map(Finding::Setup));
        found.push(Finding::Way(Way::NotAsked));
    } else {
        found.extend(runtime()?.block_on(online(&config, &chosen))?);
    }
    report(&found, lang, arguments.json)
}

async fn online(config: &Config, chosen: &[&App]) -> Result<Vec<Finding>, Failure> {
    let (books, of_store) = Books::open(config).await;
    let mut found: Vec<Finding> = of_store.into_iter().map(Finding::Setup).collect();
    let copies = copies::look(config).await;
    found.extend(copies.into_iter().map(Setup::Copies).map(Finding::Setup));
    let public = public::resolve(config).await;
    found.extend(public.map(Setup::Public).map(Finding::Setup));
    let way = way::look(&config.upstream).await;
    found.extend(way.into_iter().map(Finding::Way));
    let apps = apps::look(config, chosen, &books).await?;
    found.extend(apps.into_iter().map(Finding::App));
    Ok(found)
}

fn chosen<'c>(config: &'c Config, wanted: &[AppId]) -> Result<Vec<&'c App>, Failure> {
    if wanted.is_empty() {
        return Ok(config.apps.iter().collect());
    }
    let find = |appid: &AppId| {
        config
            .app(appid)
            .ok_or_else(|| Failure::misuse(NoSuchApp(*appid)))
    };
    wanted.iter().map(find).collect()
}

fn report(found: &[Finding], lang: Lang, as_json: bool) -> Result<(), Failure> {
    if as_json {
        term::result(for_scripts(found, lang))?;
    } else {
        for finding in found {
            term::result(for_people(finding, lang, term::coloured()))?;
        }
    }
    if found.iter().any(|finding| finding.level() == Level::Bad) {
        Err(Failure::Said)
    } else {
        Ok(())
    }
}

fn for_scripts(found: &[Finding], lang: Lang) -> serde_json::Value {
    let ok = found.iter().all(|finding| finding.level() < Level::Bad);
    let findings: Vec<_> = found
        .iter()
        .map(|finding| {
            let words = words::of(finding, lang);
            let mut one = finding.details();
            one["level"] = finding.level().name().into();
            one["name"] = finding.name().into();
            one["text"] = words.what.into();
            one["cure"] = words.cure.into();
            one
        })
        .collect();
    json!({ "ok": ok, "findings": findings })
}

fn for_people(finding: &Finding, lang: Lang, coloured: bool) -> String {
    let (sign, ink) = match finding.level() {
        Level::Good => ("ok  ", Ink::Green),
        Level::Note => ("note", Ink::Dim),
        Level::Warning => ("warn", Ink::Yellow),
        Level::Bad => ("BAD ", Ink::Red),
    };
    let words = words::of(finding, lang);
    let cure = words
        .cure
        .map_or_else(String::new, |cure| format!("\n       -> {cure}"));
    format!(
        "{}   {}{cure}",
        term::paint(coloured, ink, sign),
        words.what
    )
}
