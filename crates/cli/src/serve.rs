//! `wxtoken serve`: the server, until it is told to stop. SIGHUP reads the configuration again.

use std::future::ready;
use std::path::{Path, PathBuf};
use std::pin::pin;

use tokio::signal::unix::{Signal, SignalKind, signal};
use wxtoken_server::config::Config;
use wxtoken_server::services::{Running, StartError};
use wxtoken_server::telemetry;
use wxtoken_server::words::InChinese;

use crate::failure::Failure;
use crate::lang::Lang;
use crate::{ending, settings, term, threads};

/// What follows the options in `--help`.
pub(crate) fn epilogue(lang: Lang) -> &'static str {
    lang.pick(
        "示例：
  wxtoken serve
  wxtoken serve --config /etc/wxtoken/wxtoken.toml
  kill -HUP $(pidof wxtoken)              # 重新读取配置，不断开任何请求

SIGTERM 或 Ctrl-C：不再接受新请求，处理完手上的请求后退出；再来一次则立即退出。配置有误时退出码为 2；
重载时配置有误则保持原配置，日志里写明原因。日志写到标准错误，终端上是文本，否则是 JSON。",
        "Examples:
  wxtoken serve
  wxtoken serve --config /etc/wxtoken/wxtoken.toml
  kill -HUP $(pidof wxtoken)              # read the configuration again; no request is dropped

SIGTERM or Ctrl-C: nothing new is taken, requests in flight are answered, then it ends; a second one
ends it at once. A wrong configuration exits with 2; at a reload it changes nothing, and the log
says why. The log goes to standard error, as text on a terminal, else as JSON.",
    )
}

/// The arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The configuration [default: ./wxtoken.toml, then /etc/wxtoken/wxtoken.toml; $WXTOKEN_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// The loop that drives everything has ended by itself.
#[derive(Debug, thiserror::Error)]
#[error(
    "what keeps tokens fresh has failed, see the log; start wxtoken again: nothing that lives is fetched anew"
)]
pub(crate) struct KeeperFailed;

impl InChinese for KeeperFailed {
    fn in_chinese(&self) -> String {
        "负责刷新令牌的部分出了故障，见日志；重新启动 wxtoken：仍然有效的不会重新获取".to_owned()
    }
}

/// Serves.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let config = settings::open(arguments.config.as_deref())?;
    telemetry::init(&config.log, term::colours_welcome())?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let file = config.file.clone();
    let ended = threads()?.block_on(serve(config, file.as_deref()));
    telemetry::last_lines();
    ended
}

async fn serve(config: Config, file: Option<&Path>) -> Result<(), Failure> {
    // Before anything else: a signal that comes during the start must not kill the process half-way.
    let mut hangup = signal(SignalKind::hangup())?;
    let mut stop = ending::Stop::new()?;
    if file.is_none() {
        tracing::warn!(
            "there is no configuration file, so this server holds nothing; `wxtoken init` writes one"
        );
    }
    let mut start = pin!(Running::start(config));
    let running = tokio::select! {
        running = &mut start => running?,
        // Its doors may be open already, and readers in there: it stops as any server does, once it has begun.
        () = stop.asked() => return in_good_order(start, &mut stop).await,
    };
    say_where(&running);
    until_stopped(&running, file, &mut hangup, &mut stop).await?;
    in_good_order(ready(Ok(running)), &mut stop).await
}

/// Lets the server end, unless it is told to stop once more.
async fn in_good_order(
    running: impl Future<Output = Result<Running, StartError>>,
    stop: &mut ending::Stop,
) -> Result<(), Failure> {
    tracing::info!("stopping: requests in flight are answered first");
    let end = async {
        running.await?.stop().await;
        Ok(())
    };
    tokio::select! {
        ended = end => ended.inspect(|()| tracing::info!("stopped")),
        () = stop.asked() => {
            tracing::warn!("stopped at once, as asked");
            Ok(())
        }
    }
}

fn say_where(running: &Running) {
    let config = running.config();
    let version = env!("CARGO_PKG_VERSION");
    let (apps, callers) = (config.apps.len(), config.callers.len());
    tracing::info!(
        apps,
        callers,
        "wxtoken {version} has {apps} apps and {callers} callers"
    );
    for place in &running.doors().api {
        tracing::info!("the API listens on {place}");
    }
    for place in &running.doors().admin {
        tracing::info!("the admin API listens on {place}");
    }
    for place in &running.doors().public {
        tracing::info!("browsers and WeChat are listened to on {place}");
    }
}

async fn until_stopped(
    running: &Running,
    file: Option<&Path>,
    hangup: &mut Signal,
    stop: &mut ending::Stop,
) -> Result<(), Failure> {
    loop {
        tokio::select! {
            () = stop.asked() => return Ok(()),
            // Better no server, which a supervisor starts again, than one whose tokens run out one by one.
            () = running.keeper().gone() => {
                return Err(KeeperFailed.into());
            }
            _ = hangup.recv() => tokio::select! {
                () = reload(running, file) => {}
                // Whatever it waits for: what was handed to the store is written all the same.
                () = stop.asked() => return Ok(()),
            },
        }
    }
}

async fn reload(running: &Running, file: Option<&Path>) {
    let new = match wxtoken_server::config::open(file, &wxtoken_server::config::process_env) {
        Ok(new) => new,
        Err(errors) => {
            let count = errors.mistakes().len();
            let mistakes = if count == 1 { "mistake" } else { "mistakes" };
            for mistake in errors.mistakes() {
                tracing::error!("{mistake}");
            }
            tracing::error!(
                "nothing was reloaded, for the configuration has {count} {mistakes}; the one in force stays"
            );
            return;
        }
    };
    for warning in &new.warnings {
        tracing::warn!("{warning}");
    }
    let (apps, callers) = (new.apps.len(), new.callers.len());
    let done = running.reload(new).await;
    for trouble in &done.troubles {
        tracing::error!("{trouble}");
    }
    for section in &done.needs_restart {
        tracing::warn!("{section} changed, which counts only after a restart");
    }
    tracing::info!(apps, callers, "reloaded: {apps} apps and {callers} callers");
}
