//! `wxtoken demo`: a simulated WeChat and a server that uses it, on loopback, with nothing left behind.

mod tour;

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use tempfile::TempDir;
use wxtoken_server::config::quantity::Span;
use wxtoken_server::config::{Config, Secret, new_key, parse};
use wxtoken_server::services::{Running, StartError};
use wxtoken_server::telemetry;
use wxtoken_simulator::{AppKind, AppSpec, Options, Rules, Upstream};

use crate::ending::Stop;
use crate::failure::Failure;
use crate::lang::Lang;
use crate::simulate::NoSimulator;
use crate::{term, threads};

/// The sample 公众号.
pub(super) const SHOP: &str = "wx5a0c0ffee0123456";
/// The sample 小程序.
pub(super) const MINI: &str = "wx7b0ba0bab0123456";

/// Where the example site is, `examples/website.py`.
pub(super) const SITE: &str = "http://127.0.0.1:8000";

/// What follows the options in `--help`.
pub(crate) fn epilogue(lang: Lang) -> &'static str {
    lang.pick(
        "示例：
  wxtoken demo
  wxtoken demo --lifetime 1m              # 令牌只活一分钟，很快就能看到自动刷新

启动后会打印可以直接粘贴的 curl 命令和管理密钥。Ctrl-C 结束，临时文件随之删除。",
        "Examples:
  wxtoken demo
  wxtoken demo --lifetime 1m              # tokens live a minute, so that renewals are soon seen

It prints curl commands to paste, and the admin key. Ctrl-C ends it and removes its temporary folder.",
    )
}

/// The arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How long the simulated WeChat lets a token live
    #[arg(long, value_name = "SPAN", default_value = "2h")]
    lifetime: Span,
}

/// Where everything is, and the keys to it.
struct Places {
    wechat: String,
    api: u16,
    admin: u16,
    public: u16,
    caller_key: Secret,
    admin_key: Secret,
    /// Ports that were to be used and are taken.
    taken: Vec<u16>,
}

/// Runs until it is told to stop.
pub(crate) fn run(arguments: &Arguments, lang: Lang) -> Result<(), Failure> {
    threads()?.block_on(demo(arguments, lang))
}

async fn demo(arguments: &Arguments, lang: Lang) -> Result<(), Failure> {
    let mut stop = Stop::new()?;
    let apps = [
        AppSpec::new(SHOP, new_key()?.expose(), AppKind::Official),
        AppSpec::new(MINI, new_key()?.expose(), AppKind::Mini),
    ];
    let mut taken = Vec::new();
    let wechat = |port: u16| Options {
        listen: (Ipv4Addr::LOCALHOST, port).into(),
        rules: Rules::with_token_lifetime(arguments.lifetime.0),
        apps: apps.to_vec(),
        ..Options::default()
    };
    let upstream = match Upstream::start(wechat(usual_or_any(7202, &mut taken))).await {
        Ok(upstream) => upstream,
        // Somebody was quicker.
        Err(_) => Upstream::start(wechat(0)).await.map_err(NoSimulator)?,
    };
    let mut places = Places {
        wechat: upstream.base_url(),
        api: usual_or_any(7200, &mut taken),
        admin: usual_or_any(7201, &mut taken),
        public: named(usual_or_any(7203, &mut taken))?,
        caller_key: new_key()?,
        admin_key: new_key()?,
        taken,
    };
    let folder = TempDir::with_prefix("wxtoken-demo-")?;
    let config = configuration(&places, &apps, folder.path())?;
    telemetry::init(&config.log, term::colours_welcome())?;
    let running = match Running::start(config).await {
        Err(StartError::Listen(_)) => {
            (places.api, places.admin, places.public) = (0, 0, named(0)?); // somebody was quicker
            Running::start(configuration(&places, &apps, folder.path())?).await?
        }
        other => other?,
    };
    places.api = port_of(&running.doors().api).unwrap_or(places.api);
    places.admin = port_of(&running.doors().admin).unwrap_or(places.admin);
    term::result(tour::guide(&places, lang)?)?;
    stop.asked().await;
    running.stop().await;
    upstream.stop().await;
    // Says so if it cannot be removed, which a drop would not.
    Ok(folder.close()?)
}

/// The usual port, or 0 for any free one if somebody has that.
fn usual_or_any(usual: u16, taken: &mut Vec<u16>) -> u16 {
    if TcpListener::bind((Ipv4Addr::LOCALHOST, usual)).is_ok() {
        return usual;
    }
    taken.push(usual);
    0
}

/// The port itself, or a free one by its number: links name it before anything listens there.
fn named(port: u16) -> io::Result<u16> {
    if port != 0 {
        return Ok(port);
    }
    let found = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(found.local_addr()?.port())
}

/// The port of the first of these URLs.
fn port_of(places: &[String]) -> Option<u16> {
    places.first()?.rsplit(':').next()?.parse().ok()
}

/// The configuration a user would write, so that the demo shows what a real one does.
fn configuration(places: &Places, apps: &[AppSpec; 2], folder: &Path) -> Result<Config, Failure> {
    let text = format!(
        r#"
[server]
listen = "127.0.0.1:{api}"
[admin]
listen = "127.0.0.1:{admin}"
key = "${{ADMIN_KEY}}"
[store]
path = "data"
[public]
listen = "127.0.0.1:{public}"
base_url = "http://127.0.0.1:{public}"
[upstream]
base_url = "{wechat}"
open_url = "{wechat}"
[log]
format = "text"
[[app]]
appid = "{SHOP}"
name = "shop"
type = "official"
secret = "${{SHOP_SECRET}}"
kinds = ["access_token", "jsapi_ticket"]
[[app]]
appid = "{MINI}"
name = "mini"
type = "mini"
secret = "${{MINI_SECRET}}"
[[caller]]
name = "demo"
key = "${{CALLER_KEY}}"
apps = ["*"]
allow = ["read", "report", "call", "users", "login", "sign"]
return_to = ["{SITE}/back"]
sign_origins = ["{SITE}"]
"#,
        api = places.api,
        admin = places.admin,
        public = places.public,
        wechat = places.wechat,
    );
    let secrets = |name: &str| match name {
        "ADMIN_KEY" => Some(places.admin_key.expose().to_owned()),
        "CALLER_KEY" => Some(places.caller_key.expose().to_owned()),
        "SHOP_SECRET" => Some(apps[0].secret.clone()),
        "MINI_SECRET" => Some(apps[1].secret.clone()),
        _ => None,
    };
    Ok(parse(&text, folder, &secrets)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_gives_way_to_any_and_is_remembered() {
        let held = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = held.local_addr().unwrap().port();
        let mut taken = Vec::new();
        assert_eq!(usual_or_any(port, &mut taken), 0);
        assert_eq!(taken, [port]);
        assert_eq!(port_of(&["http://127.0.0.1:7200".to_owned()]), Some(7200));
    }

    #[test]
    fn the_demos_configuration_is_sound_and_keeps_its_secrets_out_of_debug() {
        let key = |digit: &str| Secret::new(&digit.repeat(32));
        let places = Places {
            wechat: "http://127.0.0.1:7202".into(),
            api: 7200,
            admin: 7201,
            public: 7203,
            caller_key: key("a"),
            admin_key: key("b"),
            taken: Vec::new(),
        };
        let apps = [
            AppSpec::new(SHOP, "c".repeat(32), AppKind::Official),
            AppSpec::new(MINI, "d".repeat(32), AppKind::Mini),
        ];
        let folder = tempfile::tempdir().unwrap();
        let config = configuration(&places, &apps, folder.path()).unwrap();
        assert_eq!(config.apps.len(), 2);
        assert!(config.warnings.is_empty(), "{:?}", config.warnings);
        for secret in ["aaaaaa", "bbbbbb", "cccccc", "dddddd"] {
            assert!(!format!("{config:?}").contains(secret));
        }
    }
}
