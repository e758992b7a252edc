//! What the client is told: how WeChat is reached, and what each app has to show there.
//!
//! Must not know: calls, answers.

use std::time::Duration;

use wxtoken_core::app::AppId;

use crate::config::{Proxy, Secret, Upstream};

use super::base::{Base, NoBase};
use super::connect::Roots;

/// What the client needs to know about an app.
#[derive(Debug, Clone)]
pub struct AppUpstream {
    /// The app's own base URL instead of the common one; it has no fallbacks.
    pub base_url: Option<Base>,
    /// The AppSecret.
    pub secret: Secret,
    /// The AppSecret before it, while a change is under way: tried when WeChat calls the other one wrong.
    pub previous_secret: Option<Secret>,
}

/// Looks apps up. Any `Fn(&AppId) -> Option<AppUpstream>` is one.
pub trait Directory: Send + Sync {
    /// What is configured for an app now; none if it is not ours (any more).
    fn upstream(&self, app: &AppId) -> Option<AppUpstream>;
}

impl<F: Fn(&AppId) -> Option<AppUpstream> + Send + Sync> Directory for F {
    fn upstream(&self, app: &AppId) -> Option<AppUpstream> {
        self(app)
    }
}

/// How WeChat is reached.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where calls go first.
    pub base_url: Base,
    /// Where they go, in this order, when no connection could be made there.
    pub fallback_urls: Vec<Base>,
    /// An outbound proxy.
    pub proxy: Option<Proxy>,
    /// Whose certificates are trusted.
    pub roots: Roots,
    /// How long one host may take to be connected to, TLS and proxy included.
    pub connect_timeout: Duration,
}

/// How long a host may take to be connected to, unless told otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

impl TryFrom<&Upstream> for Options {
    type Error = NoBase;

    fn try_from(upstream: &Upstream) -> Result<Self, NoBase> {
        let fallbacks = upstream.fallback_urls.iter().map(Base::try_from);
        Ok(Self {
            base_url: Base::try_from(&upstream.base_url)?,
            fallback_urls: fallbacks.collect::<Result<_, _>>()?,
            proxy: upstream.proxy.clone(),
            roots: Roots::System,
            connect_timeout: CONNECT_TIMEOUT,
        })
    }
}
