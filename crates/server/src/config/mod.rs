//! The configuration: read raw, checked whole, handed out as types that cannot be wrong.
//!
//! Owns: `wxtoken.toml`, the files it includes and the environment they name; every mistake in one run, with its place and
//! cure. Must not know: the parts it configures. A part takes its own section, never the whole.

mod accounts;
pub mod admin;
pub mod app;
mod app_read;
pub mod caller;
mod caller_read;
mod cross;
mod diff;
mod doc;
#[cfg(test)]
mod example_test;
mod field;
mod flaw;
pub mod gateway;
mod include;
pub mod listen;
mod load;
pub mod log;
mod mistake;
pub mod network;
mod part;
mod phrase;
mod portions;
pub mod public;
pub mod quantity;
mod redis_cross;
mod redis_server;
pub mod redis_sink;
pub mod refresh;
mod return_to;
pub mod secret;
mod secret_value;
mod sections;
pub mod server;
mod sign_origins;
pub mod sink;
mod starter;
pub mod store;
mod substitute;
mod table;
#[cfg(test)]
mod tests;
mod tls;
pub mod upstream;
pub mod url;
pub mod users;
mod words;

use std::path::PathBuf;

use wxtoken_core::app::AppId;

pub use crate::words::Sentence;
pub use admin::Admin;
pub use app::{App, Kinds, Lanes};
pub use caller::{AppScope, Caller, CompatExpiresIn, HandsOut, Permission, Permissions};
pub use diff::Changes;
pub use gateway::Gateway;
pub use listen::{Listen, Tls};
pub use load::{find, load, open, parse};
pub use log::{Log, LogFormat, LogLevel};
pub use mistake::{ConfigErrors, Mistake};
pub use network::IpNet;
pub use public::Public;
pub use quantity::Rate;
pub use redis_server::RedisServer;
pub use redis_sink::RedisSinkConfig;
pub use refresh::Refresh;
pub use secret::{KeyHash, NoRandom, Secret, new_key};
pub use server::Server;
pub use sink::{FileFormat, FileSinkConfig};
pub use starter::{ADMIN_KEY, CALLER_KEY, CONFIG, StarterFile, starter};
pub use store::Store;
pub use substitute::{Env, process_env};
pub use upstream::Upstream;
pub use url::{BaseUrl, Proxy, ProxyKind};
pub use users::Users;

/// The whole configuration, checked. The default is what no file at all gives: no apps, no callers.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// `[server]`.
    pub server: Server,
    /// `[admin]`.
    pub admin: Admin,
    /// `[public]`.
    pub public: Public,
    /// `[store]`.
    pub store: Store,
    /// `[upstream]`.
    pub upstream: Upstream,
    /// `[refresh]`.
    pub refresh: Refresh,
    /// `[gateway]`.
    pub gateway: Gateway,
    /// `[users]`.
    pub users: Users,
    /// `[log]`.
    pub log: Log,
    /// Every `[[app]]`, sorted by AppID, each AppID once.
    pub apps: Vec<App>,
    /// Every `[[caller]]`, in the order of the files.
    pub callers: Vec<Caller>,
    /// The file all this came from; `None` when there is none.
    pub file: Option<PathBuf>,
    /// What is not wrong but should be looked at, each a line for people.
    pub warnings: Vec<Sentence>,
}

impl Config {
    /// The app with this AppID.
    #[must_use]
    pub fn app(&self, appid: &AppId) -> Option<&App> {
        let at = self
            .apps
            .binary_search_by(|app| app.appid.cmp(appid))
            .ok()?;
        self.apps.get(at)
    }
}
