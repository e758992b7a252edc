//! Asks WeChat about each app without harming anyone: the stable lane in normal mode, which gives everybody the same value,
//! and one probe of that value. Never a classic fetch, never a force, nothing repeated.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use wxtoken_core::app::{AppId, AppType};
use wxtoken_core::credential::{Lane, ValueId};
use wxtoken_core::source::{Ask, Failure, Passing, Reply, Trouble};
use wxtoken_server::config::{App, Config};
use wxtoken_server::wechat::{AppUpstream, Base, Notes, Options, SecretUsed, Told, WeChat};
use wxtoken_server::words::{InChinese, Sentence};

use super::books::Books;
use super::finding::{AppState, OfApp};
use crate::failure::Failure as Ended;

/// How long WeChat may take for one answer.
const WITHIN: Duration = Duration::from_secs(10);
/// How many apps are asked about at a time.
const AT_A_TIME: usize = 8;

/// A check panicked.
#[derive(Debug, thiserror::Error)]
#[error("a check did not finish; this is a defect of wxtoken, please report it")]
pub(crate) struct NotFinished;

/// Without what tokio says, which quotes the panic's message: that is made of values.
impl From<JoinError> for NotFinished {
    fn from(_: JoinError) -> Self {
        Self
    }
}

impl InChinese for NotFinished {
    fn in_chinese(&self) -> String {
        "有一项检查没有做完；这是程序缺陷，请报告".to_owned()
    }
}

/// What WeChat says of each of these apps, in their order.
pub(super) async fn look(
    config: &Config,
    apps: &[&App],
    books: &Books,
) -> Result<Vec<OfApp>, Ended> {
    let wechat = Arc::new(client(config)?);
    let mut asked: Vec<(usize, Vec<AppState>)> = Vec::new();
    let mut asking = JoinSet::new();
    for (at, app) in apps.iter().enumerate() {
        if asking.len() == AT_A_TIME {
            let one = asking.join_next().await.transpose();
            asked.extend(one.map_err(NotFinished::from)?);
        }
        if app.app_type == AppType::Website {
            asked.push((at, vec![AppState::NoToken]));
        } else if let Err(state) = books.spend(app).await {
            asked.push((at, vec![state]));
        } else {
            let (wechat, appid) = (Arc::clone(&wechat), app.appid);
            asking.spawn(async move { (at, ask(&wechat, appid).await) });
        }
    }
    while let Some(one) = asking.join_next().await {
        asked.push(one.map_err(NotFinished::from)?);
    }
    asked.sort_by_key(|(at, _)| *at);
    let found = asked.into_iter().flat_map(|(at, states)| {
        states.into_iter().map(move |state| OfApp {
            appid: apps[at].appid.to_string(),
            name: apps[at].name.as_deref().map(str::to_owned),
            state,
        })
    });
    Ok(found.collect())
}

fn client(config: &Config) -> Result<WeChat, Ended> {
    let known: HashMap<AppId, AppUpstream> = config
        .apps
        .iter()
        .map(|app| Ok((app.appid, upstream_of(app)?)))
        .collect::<Result<_, Ended>>()?;
    let directory = move |app: &AppId| known.get(app).cloned();
    // Values are used once and compared with nothing, so they need no identity.
    let no_identity = Arc::new(|_: &str| ValueId(0));
    Ok(WeChat::new(
        Options::try_from(&config.upstream)?,
        directory,
        no_identity,
    )?)
}

fn upstream_of(app: &App) -> Result<AppUpstream, Ended> {
    Ok(AppUpstream {
        base_url: app.base_url().map(Base::try_from).transpose()?,
        secret: app.secret.clone(),
        previous_secret: app.previous_secret().cloned(),
    })
}

async fn ask(wechat: &WeChat, appid: AppId) -> Vec<AppState> {
    let mut fetched = wechat.ask_in_detail(&appid, &Ask::Stable, WITHIN).await;
    let other_secret =
        |failure: &Failure| failure.trouble == Trouble::Passing(Passing::OtherSecret);
    if fetched.result.as_ref().is_err_and(other_secret) {
        fetched = wechat.ask_in_detail(&appid, &Ask::Stable, WITHIN).await;
    }
    let minted = match fetched.result {
        Ok(answer) => match answer.reply {
            Reply::Minted(minted) => minted,
            // Only a probe is answered so.
            Reply::Alive | Reply::Dead(_) => return Vec::new(),
        },
        Err(failure) => return vec![not_fetched(failure, &fetched.notes)],
    };
    let mut states = Vec::new();
    if fetched.notes.secret == Some(SecretUsed::Previous) {
        states.push(AppState::PreviousSecret);
    }
    let left = minted.expires_in.as_secs();
    let probe = Ask::Probe(Lane::Stable, minted.token);
    let probed = wechat.ask_in_detail(&appid, &probe, WITHIN).await;
    states.push(probed_state(left, &probed));
    states
}

/// What a refusal of a token means: here 40001 is about the AppSecret.
fn not_fetched(failure: Failure, notes: &Notes) -> AppState {
    match failure.trouble {
        Trouble::Refused(errcode @ (40001 | 40125)) => AppState::SecretWrong { errcode },
        Trouble::Refused(errcode) => refused(errcode, notes, false),
        Trouble::TokenBad(errcode) => AppState::SecretWrong { errcode },
        Trouble::QuotaUsedUp => AppState::QuotaUsedUp,
        Trouble::Passing(passing) => passed(passing, notes),
    }
}

/// What the probe of a fresh token means: here 40001 is about the token.
fn probed_state(left: u64, probed: &Told) -> AppState {
    match &probed.result {
        Ok(answer) => match answer.reply {
            Reply::Dead(errcode) => AppState::TokenBad { errcode },
            Reply::Alive | Reply::Minted(_) => AppState::Fine { left },
        },
        Err(failure) => match failure.trouble {
            Trouble::TokenBad(errcode) => AppState::TokenBad { errcode },
            Trouble::Refused(errcode) => refused(errcode, &probed.notes, true),
            Trouble::QuotaUsedUp => AppState::QuotaUsedUp,
            Trouble::Passing(passing) => passed(passing, &probed.notes),
        },
    }
}

fn refused(errcode: i64, notes: &Notes, with_token: bool) -> AppState {
    match errcode {
        40164 | 61004 => AppState::NotOnWhitelist {
            errcode,
            ip: notes.seen_ip,
            with_token,
        },
        _ => AppState::Refused {
            errcode,
            rid: notes.rid.as_ref().map(ToString::to_string),
        },
    }
}

fn passed(passing: Passing, notes: &Notes) -> AppState {
    let why = match passing {
        Passing::Unreachable => {
            let said = notes.unreachable.as_deref();
            Sentence::new(
                said.map_or_else(|| "连不上".to_owned(), |said| format!("连不上（{said}）")),
                said.unwrap_or("no connection"),
            )
        }
        Passing::Cut => Sentence::new("没有及时给出完整的回答", "no complete answer in time"),
        Passing::Status(status) => {
            Sentence::new(format!("HTTP {status}"), format!("HTTP {status}"))
        }
        Passing::Nonsense => Sentence::new("回答看不懂", "an answer that makes no sense"),
        Passing::Busy => Sentence::new("系统繁忙", "system busy"),
        Passing::TooFast => Sentence::new("这一分钟里调用太多", "too many calls in this minute"),
        Passing::OtherSecret => Sentence::new(
            "AppSecret 被判为错误，另一个没有再试",
            "the AppSecret is called wrong, and the other one was not tried",
        ),
    };
    AppState::Passing {
        errcode: notes.errcode,
        why,
    }
}
