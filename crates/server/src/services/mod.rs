//! Builds every part from the configuration and hands them round. No logic of its own: what is decided is decided elsewhere.

mod app_secrets;
mod backbone;
mod census;
mod condition;
mod doors;
mod reaching;
mod running;
mod specs;
mod standing;
mod taking_over;
mod users;

pub use backbone::{Backbone, Footing};
pub use doors::Doors;
pub use running::{Reloaded, Running};

use crate::gateway::GatewayError;
use crate::http::listen::ListenError;
use crate::http::listen::tls::TlsError;
use crate::store::configured::NoStore;
use crate::wechat::{BuildError, NoBase};
use crate::words::InChinese;
use wxtoken_core::store::StoreError;

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store, its folder or its key cannot be used.
    #[error(transparent)]
    NoStore(#[from] NoStore),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An upstream address is unusable.
    #[error(transparent)]
    Upstream(#[from] NoBase),
    /// The gateway cannot be made.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// The client to WeChat cannot be made.
    #[error(transparent)]
    Client(#[from] BuildError),
    /// An address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// A certificate or key is unusable.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The process is going down while it starts.
    #[error("interrupted while starting; start it again")]
    Interrupted,
}

impl InChinese for StartError {
    fn in_chinese(&self) -> String {
        match self {
            Self::NoStore(why) => why.in_chinese(),
            Self::Store(why) => why.in_chinese(),
            Self::Upstream(why) => why.in_chinese(),
            Self::Gateway(why) => why.in_chinese(),
            Self::Client(why) => why.in_chinese(),
            Self::Listen(why) => why.in_chinese(),
            Self::Tls(why) => why.in_chinese(),
            Self::Interrupted => "启动到一半被打断；再启动一次".to_owned(),
        }
    }
}

impl InChinese for GatewayError {
    fn in_chinese(&self) -> String {
        match self {
            Self::Upstream(why) => why.in_chinese(),
            Self::Key => "密码库不接受虚拟令牌的密钥；这是程序缺陷，请报告".to_owned(),
        }
    }
}
