//! `wxtoken status`: every credential of a running server, as a table or as JSON.

mod table;
mod view;

use std::time::Duration;

use wxtoken_core::app::AppId;

use crate::client::{Door, Server, Trouble};
use crate::failure::Failure;
use crate::lang::Lang;
use crate::{runtime, term, when};

pub(crate) use view::App;

/// How long the server may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How often `--watch` looks again.
const WATCH_EVERY: Duration = Duration::from_secs(2);

/// What follows the options in `--help`.
pub(crate) fn epilogue(lang: Lang) -> &'static str {
    lang.pick(
        "示例：
  export WXTOKEN_ADMIN_KEY=…              # 配置里 [admin] 的密钥；或用 WXTOKEN_ADMIN_KEY_FILE
  wxtoken status
  wxtoken status --watch
  wxtoken status --json | jq '.apps[] | select(.kinds[].trouble)'

管理地址取自 WXTOKEN_ADMIN_URL（默认 http://127.0.0.1:7201）。任何凭据没有可用值时退出码为 1，便于脚本监控。",
        "Examples:
  export WXTOKEN_ADMIN_KEY=…              # [admin] key; or a file: WXTOKEN_ADMIN_KEY_FILE
  wxtoken status
  wxtoken status --watch
  wxtoken status --json | jq '.apps[] | select(.kinds[].trouble)'

The server's admin listener is the one at WXTOKEN_ADMIN_URL (default http://127.0.0.1:7201). Exits
with 1 if a credential has no live value, so that a script can watch it.",
    )
}

/// The arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only this app
    #[arg(value_name = "APPID")]
    app: Option<AppId>,
    /// Print what the server answered, for scripts
    #[arg(long)]
    json: bool,
    /// Show it again every two seconds, until Ctrl-C
    #[arg(long, conflicts_with = "json")]
    watch: bool,
}

/// Prints the state.
pub(crate) fn run(arguments: &Arguments, lang: Lang) -> Result<(), Failure> {
    let server = Server::from_environment(Door::Admin, lang)?;
    runtime()?.block_on(show(arguments, lang, &server))
}

async fn show(arguments: &Arguments, lang: Lang, server: &Server) -> Result<(), Failure> {
    if arguments.watch {
        return watch(arguments, lang, server).await;
    }
    let body = server.get("/admin/apps", ANSWER_WITHIN).await?;
    let view::Status { store, apps } = server.read(&body)?;
    let apps = chosen(arguments, apps)?;
    if arguments.json && arguments.app.is_none() {
        // As it came: a script gets fields that this version does not know, too.
        term::result(String::from_utf8_lossy(&body).trim_end())?;
    } else if arguments.json {
        let whole: serde_json::Value = server.read(&body)?;
        term::result(only(&whole, arguments.app))?;
    } else {
        term::result(drawn(&apps, store.as_ref(), lang))?;
    }
    if apps.iter().all(App::is_live) {
        Ok(())
    } else {
        Err(Failure::Said)
    }
}

fn drawn(apps: &[App], store: Option<&view::Trouble>, lang: Lang) -> String {
    let (look, now) = (table::Look::of_terminal(), when::now());
    let table = table::draw(apps, lang, look, now);
    match store {
        Some(trouble) => {
            let told = table::about_store(trouble, lang, look, now);
            format!("{told}\n{table}")
        }
        None => table,
    }
}

async fn watch(arguments: &Arguments, lang: Lang, server: &Server) -> Result<(), Failure> {
    loop {
        let body = server.get("/admin/apps", ANSWER_WITHIN).await?;
        let view::Status { store, apps } = server.read(&body)?;
        let drawn = drawn(&chosen(arguments, apps)?, store.as_ref(), lang);
        let clear = if term::shows_results() {
            "\x1b[H\x1b[2J"
        } else {
            ""
        };
        term::result(format_args!(
            "{clear}{}\n{drawn}",
            when::clock_time(when::now())
        ))?;
        tokio::select! {
            () = tokio::time::sleep(WATCH_EVERY) => {}
            stop = tokio::signal::ctrl_c() => return Ok(stop?),
        }
    }
}

/// Every app of the server, for other subcommands.
pub(crate) async fn apps_of(server: &Server) -> Result<Vec<App>, Trouble> {
    let body = server.get("/admin/apps", ANSWER_WITHIN).await?;
    Ok(server.read::<view::Status>(&body)?.apps)
}

fn chosen(arguments: &Arguments, apps: Vec<App>) -> Result<Vec<App>, Trouble> {
    let Some(wanted) = arguments.app else {
        return Ok(apps);
    };
    let one: Vec<App> = apps
        .into_iter()
        .filter(|app| app.appid == wanted.as_str())
        .collect();
    if one.is_empty() {
        return Err(Trouble::NoApp(wanted.to_string()));
    }
    Ok(one)
}

fn only(whole: &serde_json::Value, app: Option<AppId>) -> serde_json::Value {
    let apps = whole["apps"].as_array().map_or(&[][..], Vec::as_slice);
    let wanted = |one: &&serde_json::Value| app.is_some_and(|app| one["appid"] == app.as_str());
    let mut one = serde_json::json!({ "apps": apps.iter().filter(wanted).collect::<Vec<_>>() });
    if let Some(store) = whole.get("store") {
        one["store"] = store.clone();
    }
    one
}
