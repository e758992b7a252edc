//! `wxtoken simulate`: a simulated WeChat on this machine, for tests of any program that talks to WeChat.

use std::net::SocketAddr;

use serde_json::json;
use wxtoken_server::config::quantity::Span;
use wxtoken_server::words::InChinese;
use wxtoken_simulator::{Call, CallMatch, Options, Rules, StartError, Upstream, generated_app};

use crate::ending::Stop;
use crate::failure::Failure;
use crate::fault::{Asked, Wanted, listing};
use crate::lang::Lang;
use crate::{term, threads, when};

/// More apps than this are not listed one by one.
const LISTED: usize = 5;

/// What follows the options in `--help`.
pub(crate) fn epilogue(lang: Lang) -> &'static str {
    lang.pick(
        "示例：
  wxtoken simulate                                  # 127.0.0.1:7202，两个应用
  wxtoken simulate --listen 127.0.0.1:0 --json      # 任意空闲端口，地址以 JSON 给出，便于测试脚本
  wxtoken simulate --apps 1000 --lifetime 60s       # 一千个应用，令牌只活一分钟，其他时间按比例缩短
  wxtoken simulate --fault busy,count=3             # 前三次调用回答 -1
  wxtoken simulate --fault help                     # 列出全部故障

把被测程序的 https://api.weixin.qq.com 换成打印出的地址即可。AppID 和 AppSecret 每次运行都相同，是假的。
网页授权的页面（/connect/oauth2/authorize、/connect/qrconnect）可用浏览器打开，有「允许」和「拒绝」按钮。
运行中也可以用 HTTP 控制（杀死令牌、设置故障、修改用户、查看日志）：curl 地址/_sim/",
        "Examples:
  wxtoken simulate                                  # 127.0.0.1:7202, two apps
  wxtoken simulate --listen 127.0.0.1:0 --json      # any free port, told as JSON
  wxtoken simulate --apps 1000 --lifetime 60s       # tokens live a minute, all else in proportion
  wxtoken simulate --fault busy,count=3             # the first three calls are answered -1
  wxtoken simulate --fault help                     # list all faults

Have the program under test call the printed address instead of https://api.weixin.qq.com. AppIDs
and AppSecrets are the same in every run, and made up. A browser can open its pages of web OAuth
(/connect/oauth2/authorize, /connect/qrconnect), with buttons to allow and to deny. While it runs it
is steered over HTTP (kill a token, set a fault, change a user, see what was asked): curl
ADDRESS/_sim/",
    )
}

/// The arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7202")]
    listen: SocketAddr,
    /// How many apps there are
    #[arg(long, value_name = "N", default_value_t = 2)]
    apps: usize,
    /// How long a token lives; all other times shrink with it
    #[arg(long, value_name = "SPAN", default_value = "2h")]
    lifetime: Span,
    /// Break something, as in delay,ms=500,path=/cgi-bin/token,count=3; may be repeated; `--fault help` lists all
    #[arg(long = "fault", value_name = "FAULT")]
    faults: Vec<Asked>,
    /// Print address and apps as JSON, in one line
    #[arg(long)]
    json: bool,
    /// Don't print each call to standard error
    #[arg(long)]
    quiet: bool,
}

/// The simulator does not start.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct NoSimulator(pub(crate) StartError);

impl InChinese for NoSimulator {
    fn in_chinese(&self) -> String {
        match &self.0 {
            StartError::Listen { address, source } => format!(
                "模拟的微信无法监听 {address}：{}；换一个地址或端口",
                source.in_chinese()
            ),
            StartError::Whitelist(entry) => {
                format!(
                    "\"{}\" 不是白名单条目；写 10.0.0.1、172.0.0.* 或 10.0.0.0/8",
                    entry.0
                )
            }
        }
    }
}

/// Runs until it is told to stop.
pub(crate) fn run(arguments: &Arguments, lang: Lang) -> Result<(), Failure> {
    let mut faults = Vec::with_capacity(arguments.faults.len());
    for asked in &arguments.faults {
        match asked {
            Asked::ForHelp => return Ok(term::result(listing(lang))?),
            Asked::For(wanted) => faults.push(wanted.clone()),
        }
    }
    threads()?.block_on(simulate(arguments, faults, lang))
}

async fn simulate(arguments: &Arguments, faults: Vec<Wanted>, lang: Lang) -> Result<(), Failure> {
    let mut stop = Stop::new()?;
    let upstream = Upstream::start(Options {
        listen: arguments.listen,
        rules: Rules::with_token_lifetime(arguments.lifetime.0),
        generated_apps: arguments.apps,
        ..Options::default()
    })
    .await
    .map_err(NoSimulator)?;
    for wanted in faults {
        upstream
            .world()
            .set_fault(wanted.scope, wanted.fault, wanted.times);
    }
    if arguments.json {
        term::result(for_scripts(&upstream, arguments.apps))?;
    } else {
        term::result(for_people(&upstream, arguments.apps, lang))?;
    }
    tokio::select! {
        () = stop.asked() => {}
        () = print_calls(&upstream), if !arguments.quiet => {}
    }
    upstream.stop().await;
    Ok(())
}

/// Prints every call as it is decided. Never ends.
async fn print_calls(upstream: &Upstream) {
    let mut seen = 0;
    loop {
        let call = upstream.world().call_since(seen, CallMatch::any()).await;
        seen = call.seq;
        term::remark(line(&call));
    }
}

fn line(call: &Call) -> String {
    let at = u64::try_from(call.at.unix_s()).unwrap_or_default();
    let app = call.appid.as_deref().unwrap_or("-");
    let answer = match (call.status, call.errcode) {
        (0, _) => "cut".to_owned(),
        (200, Some(0)) => "ok".to_owned(),
        (200, Some(errcode)) => format!("errcode {errcode}"),
        (status, _) => format!("HTTP {status}"),
    };
    let minted = call
        .minted
        .as_ref()
        .map_or_else(String::new, |minted| format!(", minted {:?}", minted.lane));
    format!(
        "{}  {} {} {app} -> {answer}{minted}",
        when::clock_time(at),
        call.method,
        call.path
    )
}

fn for_scripts(upstream: &Upstream, apps: usize) -> serde_json::Value {
    let apps: Vec<_> = (0..apps)
        .map(generated_app)
        .map(|app| json!({ "appid": app.appid, "secret": app.secret }))
        .collect();
    json!({ "base_url": upstream.base_url(), "apps": apps })
}

fn for_people(upstream: &Upstream, apps: usize, lang: Lang) -> String {
    let url = upstream.base_url();
    let mut lines = vec![
        match lang {
            Lang::Zh => format!("模拟的微信在 {url}（Ctrl-C 结束）。它有 {apps} 个应用："),
            Lang::En => {
                format!("A simulated WeChat is at {url} (Ctrl-C ends it). It has {apps} apps:")
            }
        },
        String::new(),
    ];
    let listed = (0..apps.min(LISTED)).map(generated_app);
    lines.extend(listed.map(|app| format!("  appid {}  secret {}", app.appid, app.secret)));
    if apps > LISTED {
        lines.push(
            lang.pick("  …… --json 会列出全部", "  … --json lists them all")
                .to_owned(),
        );
    }
    let first = generated_app(0);
    lines.push(String::new());
    lines.push(lang.pick("试一试：", "Try:").to_owned());
    lines.push(format!(
        "  curl '{url}/cgi-bin/token?grant_type=client_credential&appid={}&secret={}'",
        first.appid, first.secret
    ));
    lines.push(format!(
        "  curl {url}/_sim/        # {}",
        lang.pick("用 HTTP 控制它", "steer it over HTTP")
    ));
    lines.push(String::new());
    lines.push(
        lang.pick(
            "让 wxtoken 用它，在 wxtoken.toml 里写：",
            "For wxtoken to use it, in wxtoken.toml:",
        )
        .to_owned(),
    );
    lines.push(format!(
        "  [upstream]\n  base_url = \"{url}\"\n  open_url = \"{url}\""
    ));
    lines.join("\n")
}
