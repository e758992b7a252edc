//! `wxtoken refresh`: has a running server fetch a credential now.

use std::time::Duration;

use serde::Deserialize;
use wxtoken_core::credential::Kind;
use wxtoken_server::words::InChinese;

use crate::client::{Door, Server, Trouble};
use crate::failure::Failure;
use crate::lang::Lang;
use crate::which::Which;
use crate::{runtime, status, term, when};

/// What follows the options in `--help`.
pub(crate) fn epilogue(lang: Lang) -> &'static str {
    lang.pick(
        "示例：
  wxtoken refresh wx0123456789abcdef
  wxtoken refresh wx0123456789abcdef jsapi_ticket
  wxtoken refresh wx0123456789abcdef --force       # 令牌泄露时；先显示今天还剩几次，再询问
  wxtoken refresh wx0123456789abcdef --force --yes # 同上，但不询问；在脚本里必须这样写

不带 --force 时，stable 通道在最后五分钟之前会答复同一个值，这是正常的。微信每天只允许强制刷新 20 次，
两次之间至少 30 秒；令牌泄露时隔 30 秒强制两次，旧值才立即失效。",
        "Examples:
  wxtoken refresh wx0123456789abcdef
  wxtoken refresh wx0123456789abcdef jsapi_ticket
  wxtoken refresh wx0123456789abcdef --force       # after a leak; says what is left, then asks
  wxtoken refresh wx0123456789abcdef --force --yes # the same without asking, as a script must

Without --force the stable lane answers with the same value until its last five minutes: that is
as it should be. WeChat allows 20 forced refreshes a day, 30 s apart; after a leak force twice, so
that the leaked value dies at once.",
    )
}

/// The arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    which: Which,
    /// End the stable token now and mint another: 20 a day
    #[arg(long)]
    force: bool,
    /// Don't ask before forcing; needed where there is no terminal to ask on
    #[arg(long)]
    yes: bool,
    /// Print the server's whole answer
    #[arg(long)]
    json: bool,
}

/// Why nothing is forced.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotForced {
    #[error(
        "--force is for access tokens: a ticket cannot be forced, WeChat answers with the one it has; leave --force out"
    )]
    Ticket,
    #[error(
        "--force ends the token that everybody holds now, and there is no terminal to ask on; add --yes if you mean it"
    )]
    NobodyToAsk,
    #[error(
        "none is left until midnight in Beijing; without --force the server asks for the value WeChat has"
    )]
    NoneLeft,
}

impl InChinese for NotForced {
    fn in_chinese(&self) -> String {
        match self {
            Self::Ticket => "--force 只用于 access_token：ticket 不能强制刷新，微信只给它现有的那个；去掉 --force",
            Self::NobodyToAsk => {
                "--force 会让所有人手里的令牌失效，而这里没有终端可以询问；确定要做就加上 --yes"
            }
            Self::NoneLeft => "今天的次数已用完，到北京时间零点才有；不带 --force 时，服务器取微信现有的值",
        }
        .to_owned()
    }
}

#[derive(Deserialize)]
struct Reply {
    outcome: String,
    detail: Option<String>,
    detail_zh: Option<String>,
    generation: Option<u64>,
    expires_at: Option<u64>,
}

/// Refreshes.
pub(crate) fn run(arguments: &Arguments, lang: Lang) -> Result<(), Failure> {
    if arguments.force && arguments.which.kind != Kind::AccessToken {
        return Err(Failure::misuse(NotForced::Ticket));
    }
    if arguments.force && !arguments.yes && !term::can_ask() {
        return Err(Failure::misuse(NotForced::NobodyToAsk));
    }
    let server = Server::from_environment(Door::Admin, lang)?;
    runtime()?.block_on(refresh(arguments, lang, &server))
}

async fn refresh(arguments: &Arguments, lang: Lang, server: &Server) -> Result<(), Failure> {
    if arguments.force && !may_force(arguments, lang, server).await? {
        term::remark(lang.pick("什么都没有改变", "nothing was changed"));
        return Err(Failure::Said);
    }
    let path = format!("/admin/apps/{}/refresh", arguments.which.path());
    let wish = serde_json::json!({ "force": arguments.force });
    let body = server.post(&path, &wish, Duration::from_secs(45)).await?;
    let reply: Reply = server.read(&body)?;
    if arguments.json {
        term::result(String::from_utf8_lossy(&body).trim_end())?;
    } else {
        term::result(in_words(&reply, lang))?;
    }
    match reply.outcome.as_str() {
        "refreshed" | "unchanged" => Ok(()),
        _ => Err(Failure::Said),
    }
}

/// Says what is left of WeChat's forced quota, and asks unless told not to.
async fn may_force(arguments: &Arguments, lang: Lang, server: &Server) -> Result<bool, Failure> {
    let apps = status::apps_of(server).await?;
    let app = apps
        .iter()
        .find(|app| app.appid == arguments.which.app.as_str())
        .ok_or_else(|| Trouble::NoApp(arguments.which.app.to_string()))?;
    let forced = app.budget("forced");
    let left = forced.limit.saturating_sub(forced.used);
    let (limit, used, app) = (forced.limit, forced.used, arguments.which.app);
    term::remark(match lang {
        Lang::Zh => format!(
            "微信每天允许 {app} 强制刷新 {limit} 次；已用 {used} 次，还剩 {left} 次。强制刷新会让所有人手里的值失效。"
        ),
        Lang::En => format!(
            "WeChat allows {limit} forced refreshes a day for {app}; {used} are used, {left} are left. \
             A forced refresh ends the value that everybody holds now."
        ),
    });
    if left == 0 {
        return Err(NotForced::NoneLeft.into());
    }
    Ok(arguments.yes || term::agrees(lang.pick("要强制刷新吗？", "Force it?"))?)
}

fn in_words(reply: &Reply, lang: Lang) -> String {
    let until = reply.expires_at.map_or_else(String::new, |at| {
        let (at, left) = (
            when::clock_time(at),
            when::span(at.saturating_sub(when::now())),
        );
        match lang {
            Lang::Zh => format!("，有效到 {at}（{left}）"),
            Lang::En => format!(", until {at} ({left})"),
        }
    });
    let generation = reply.generation.map_or_else(String::new, |number| {
        format!("{}{number}", lang.pick("代号 ", " generation "))
    });
    let outcome = match (reply.outcome.as_str(), lang) {
        ("refreshed", Lang::Zh) => "已换成新的：",
        ("refreshed", Lang::En) => "refreshed:",
        ("unchanged", Lang::Zh) => "没有变化，微信给出的就是现有的值：",
        ("unchanged", Lang::En) => "unchanged, WeChat answers with the value we have:",
        (other, lang) => return not_done(other, reply, lang),
    };
    format!("{outcome}{generation}{until}")
}

/// The reason is told in the server's words, which come in both languages.
fn not_done(outcome: &str, reply: &Reply, lang: Lang) -> String {
    let own = match lang {
        Lang::Zh => reply.detail_zh.as_ref().or(reply.detail.as_ref()),
        Lang::En => reply.detail.as_ref(),
    };
    let unsaid = lang.pick("服务器没有说明原因", "the server gave no reason");
    let why = own.map_or(unsaid, String::as_str);
    match (outcome, lang) {
        ("failed", Lang::Zh) => format!("没有成功：{why}"),
        ("over_budget", Lang::Zh) => format!("预算不允许：{why}"),
        ("held_back", Lang::Zh) => format!("现在不能做：{why}"),
        (other, _) => format!("{}: {why}", other.replace('_', " ")),
    }
}
