//! What `check` can find, as data: how grave it is, and what a script is told.
//!
//! Must not know: how it was found, in which words a person is told.

use std::net::IpAddr;
use std::path::PathBuf;

use serde_json::{Value, json};
use wxtoken_server::words::Sentence;

use super::of_public::Public;
use super::of_redis::{Copies, Shared};

/// How grave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// As it should be.
    Good,
    /// Worth knowing.
    Note,
    /// Works, but look at it.
    Warning,
    /// Does not work.
    Bad,
}

impl Level {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Bad => "bad",
        }
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finding {
    /// About the configuration and the files it names.
    Setup(Setup),
    /// About the way to WeChat.
    Way(Way),
    /// About one app at WeChat.
    App(OfApp),
}

/// What can be found without asking anyone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Setup {
    /// There is no configuration file.
    NoFile,
    /// The configuration is sound.
    Read {
        file: String,
        apps: usize,
        callers: usize,
    },
    /// The configuration's own remark.
    Remark(Sentence),
    /// Nobody may read.
    NoCallers,
    /// There is nothing to hold.
    NoApps,
    /// The store's folder is not there yet.
    FolderToBeMade(PathBuf),
    /// The store's folder is ours and closed.
    FolderFine(PathBuf),
    /// Others may look into the store's folder.
    FolderOpen { path: PathBuf, mode: u32 },
    /// A running server holds the store.
    StoreInUse(Sentence),
    /// The store cannot be opened.
    StoreBroken(Sentence),
    /// We may not write where we must.
    NotWritable { path: PathBuf, why: Sentence },
    /// About the Redis that replicas share.
    Shared(Shared),
    /// About a Redis that copies are kept in.
    Copies(Copies),
    /// About the public listener.
    Public(Public),
}

/// What can be found on the way to WeChat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Way {
    /// `--offline`.
    NotAsked,
    /// Calls go through a proxy, which is not looked behind.
    Proxied(String),
    /// The name is known.
    Resolved { host: String, addresses: usize },
    /// The name is not known.
    NotResolved { host: String, why: Sentence },
    /// WeChat answers there.
    Reached { url: String, millis: u128 },
    /// Nobody answers there.
    NotReached { url: String, why: Sentence },
    /// TLS failed there.
    NotTrusted { url: String, why: Sentence },
    /// Something else answers there.
    NotWeChat { url: String, status: u16 },
    /// The clocks agree.
    ClockRight,
    /// Ours is so many seconds ahead (or, negative, behind).
    ClockOff(i64),
}

/// What WeChat says of one app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OfApp {
    pub(crate) appid: String,
    pub(crate) name: Option<String>,
    pub(crate) state: AppState,
}

/// How an app stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AppState {
    /// A token is given and accepted; for so many seconds more.
    Fine { left: u64 },
    /// WeChat still takes the AppSecret before the current one.
    PreviousSecret,
    /// The AppSecret is not this account's: 40125, or 40001 on a token endpoint.
    SecretWrong { errcode: i64 },
    /// A fresh token is called bad: 40001, 40014 or 42001 on an API.
    TokenBad { errcode: i64 },
    /// Our address is not on the whitelist.
    NotOnWhitelist {
        errcode: i64,
        ip: Option<IpAddr>,
        with_token: bool,
    },
    /// Any other refusal.
    Refused { errcode: i64, rid: Option<String> },
    /// WeChat's quota for the day is used up.
    QuotaUsedUp,
    /// Trouble that may pass, in words.
    Passing { errcode: Option<i64>, why: Sentence },
    /// Our own budget for the day is used up, so WeChat was not asked.
    NoBudget { used: u32, limit: u32 },
    /// This type of account has no token.
    NoToken,
}

impl Finding {
    /// How grave it is.
    pub(crate) const fn level(&self) -> Level {
        match self {
            Self::Setup(setup) => match setup {
                Setup::Read { .. } | Setup::FolderFine(_) => Level::Good,
                Setup::FolderToBeMade(_) | Setup::StoreInUse(_) => Level::Note,
                // To look at names is one thing, to put a file of one's own there another.
                Setup::FolderOpen { mode, .. } if *mode & 0o022 == 0 => Level::Warning,
                Setup::NoFile | Setup::Remark(_) | Setup::NoCallers | Setup::NoApps => {
                    Level::Warning
                }
                Setup::FolderOpen { .. } | Setup::StoreBroken(_) | Setup::NotWritable { .. } => {
                    Level::Bad
                }
                Setup::Shared(shared) => shared.level(),
                Setup::Copies(copies) => copies.level(),
                Setup::Public(public) => public.level(),
            },
            Self::Way(way) => match way {
                Way::Resolved { .. } | Way::Reached { .. } | Way::ClockRight => Level::Good,
                Way::NotAsked | Way::Proxied(_) => Level::Note,
                Way::NotResolved { .. }
                | Way::NotReached { .. }
                | Way::NotTrusted { .. }
                | Way::NotWeChat { .. }
                | Way::ClockOff(_) => Level::Bad,
            },
            Self::App(app) => match app.state {
                AppState::Fine { .. } => Level::Good,
                AppState::NoToken => Level::Note,
                AppState::PreviousSecret | AppState::NoBudget { .. } => Level::Warning,
                AppState::SecretWrong { .. }
                | AppState::TokenBad { .. }
                | AppState::NotOnWhitelist { .. }
                | AppState::Refused { .. }
                | AppState::QuotaUsedUp
                | AppState::Passing { .. } => Level::Bad,
            },
        }
    }

    /// A stable name for scripts.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Setup(setup) => match setup {
                Setup::NoFile => "no-config",
                Setup::Read { .. } => "config",
                Setup::Remark(_) => "config-remark",
                Setup::NoCallers => "no-callers",
                Setup::NoApps => "no-apps",
                Setup::FolderToBeMade(_) => "store-folder-to-be-made",
                Setup::FolderFine(_) => "store-folder",
                Setup::FolderOpen { .. } => "store-folder-open",
                Setup::StoreInUse(_) => "store-in-use",
                Setup::StoreBroken(_) => "store-broken",
                Setup::NotWritable { .. } => "not-writable",
                Setup::Shared(shared) => shared.name(),
                Setup::Copies(copies) => copies.name(),
                Setup::Public(public) => public.name(),
            },
            Self::Way(way) => match way {
                Way::NotAsked => "offline",
                Way::Proxied(_) => "proxied",
                Way::Resolved { .. } => "dns",
                Way::NotResolved { .. } => "dns-failed",
                Way::Reached { .. } => "reached",
                Way::NotReached { .. } => "not-reached",
                Way::NotTrusted { .. } => "tls-failed",
                Way::NotWeChat { .. } => "not-wechat",
                Way::ClockRight => "clock",
                Way::ClockOff(_) => "clock-off",
            },
            Self::App(app) => match app.state {
                AppState::Fine { .. } => "token",
                AppState::PreviousSecret => "previous-secret",
                AppState::SecretWrong { .. } => "secret-wrong",
                AppState::TokenBad { .. } => "token-bad",
                AppState::NotOnWhitelist { .. } => "not-on-whitelist",
                AppState::Refused { .. } => "refused",
                AppState::QuotaUsedUp => "quota-used-up",
                AppState::Passing { .. } => "upstream-trouble",
                AppState::NoBudget { .. } => "no-budget",
                AppState::NoToken => "no-token",
            },
        }
    }

    /// What a script is told beside level, name and words.
    pub(crate) fn details(&self) -> Value {
        let Self::App(app) = self else {
            return json!({});
        };
        let mut details = json!({ "appid": app.appid });
        let (errcode, ip) = match &app.state {
            AppState::SecretWrong { errcode }
            | AppState::TokenBad { errcode }
            | AppState::Refused { errcode, .. } => (Some(*errcode), None),
            AppState::NotOnWhitelist { errcode, ip, .. } => (Some(*errcode), *ip),
            AppState::Passing { errcode, .. } => (*errcode, None),
            AppState::Fine { .. }
            | AppState::PreviousSecret
            | AppState::QuotaUsedUp
            | AppState::NoBudget { .. }
            | AppState::NoToken => (None, None),
        };
        if let Some(errcode) = errcode {
            details["errcode"] = errcode.into();
        }
        if let Some(ip) = ip {
            details["ip"] = ip.to_string().into();
        }
        details
    }
}
