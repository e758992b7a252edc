//! The gateway: a call to WeChat is sent here instead, goes out with a live token, and is made again if WeChat calls that
//! token bad.
//!
//! Owns: who may call what, what passes and what does not, when a call is made again.
//! Must not know: how tokens are fetched and kept (the keeper does), listeners, routes of ours.

mod answered;
mod body;
mod call;
pub(crate) mod family;
mod forward;
pub(crate) mod headers;
mod hide;
pub(crate) mod identify;
mod inflate;
pub(crate) mod introduction;
mod line;
mod look;
pub(crate) mod mix_up;
pub(crate) mod presented;
mod query;
mod quiet;
pub(crate) mod refusal;
pub(crate) mod relay;
pub(crate) mod replacement;

pub(crate) mod secrets;
pub(crate) mod target;
mod telling;
mod untouched;
mod upstream;
mod verdict;
pub(crate) mod virtual_token;
mod web_tokens;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wxtoken_core::app::AppId;
use wxtoken_core::credential::ValueId;

use crate::config;
use crate::http::callers::{Book, Caller};
use crate::http::services::Services;
use crate::store::MasterKeys;
use crate::wechat::{Base, BuildError, Dialer, Directory, Options};
use body::{Buffers, Share, TapeLimits};
pub(crate) use body::{Portion, nameless, read_back};
use line::MixUps;
pub(crate) use look::HELD;
pub(crate) use quiet::QuietPaths;
pub(crate) use upstream::Failure;
use upstream::Upstream;
use virtual_token::{Claims, VirtualTokens};
use web_tokens::{UserToken, WebTokens};

pub(crate) use forward::answer;
pub use line::{Tell, Told};
pub use mix_up::MixUp;

/// What every forwarded call works with.
pub struct Gateway {
    upstream: Upstream,
    directory: Arc<dyn Directory>,
    buffers: Arc<Buffers>,
    replay_memory: AtomicU64,
    replay_limit: AtomicU64,
    quiet: QuietPaths,
    /// Paths whose answers are not plain.
    odd: QuietPaths,
    web_tokens: WebTokens,
    mix_ups: MixUps,
    tell: Tell,
    pub(crate) virtual_tokens: VirtualTokens,
}

/// Why the gateway cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The way to WeChat cannot be set up.
    #[error(transparent)]
    Upstream(#[from] BuildError),
    /// The library refuses a key.
    #[error("the key of virtual tokens is refused by the cryptographic library")]
    Key,
}

impl Gateway {
    /// A gateway that has forwarded nothing yet. Bodies too large for memory go to files in `folder`.
    ///
    /// # Errors
    /// [`GatewayError`].
    pub fn new(
        options: &Options,
        directory: Arc<dyn Directory>,
        limits: &config::Gateway,
        folder: PathBuf,
        keys: &MasterKeys,
        tell: Tell,
    ) -> Result<Self, GatewayError> {
        let dialer = Dialer::for_calls(&options.roots, options.proxy.as_ref())?;
        let gateway = Self {
            upstream: Upstream::new(options, dialer),
            directory,
            buffers: Buffers::new(0, folder),
            replay_memory: AtomicU64::new(0),
            replay_limit: AtomicU64::new(0),
            quiet: QuietPaths::default(),
            odd: QuietPaths::default(),
            web_tokens: WebTokens::default(),
            mix_ups: MixUps::default(),
            tell,
            virtual_tokens: VirtualTokens::new(keys).ok_or(GatewayError::Key)?,
        };
        gateway.limit(limits);
        Ok(gateway)
    }

    /// Other limits from now on.
    pub fn limit(&self, limits: &config::Gateway) {
        let total = limits.buffers_total.0;
        self.buffers.set_limit(total);
        // No caller keeps more than half of it, unless it is the only one.
        let memory = limits.replay_memory.0.min(total / 2);
        self.replay_memory.store(memory, Ordering::Relaxed);
        self.replay_limit
            .store(limits.replay_limit.0, Ordering::Relaxed);
    }

    /// A user's web token and refresh token are known from now on.
    pub(crate) fn remember_user_tokens(&self, app: AppId, web: ValueId, refresh: ValueId) {
        self.web_tokens.remember((app, UserToken::Web), web);
        self.web_tokens.remember((app, UserToken::Refresh), refresh);
    }

    /// The app whose user's web token, or refresh token, this is; as far as one was met here.
    pub(crate) fn web_token_app(&self, token: ValueId) -> Option<AppId> {
        self.web_tokens.find(token).map(|(app, _)| app)
    }

    /// Bytes of bodies kept now.
    pub fn buffered(&self) -> u64 {
        self.buffers.taken()
    }

    /// Whether no other host may be tried in the place of this one.
    pub(crate) fn has_no_other(&self, base: &Base) -> bool {
        self.upstream.has_no_other(base)
    }

    /// Makes a connection for the relay; none if that cannot be done.
    pub(crate) fn dial(
        &self,
        base: &Base,
    ) -> impl Future<Output = Option<relay::Dialled>> + Send + use<> {
        self.upstream.dial(base)
    }

    /// Room for a call of this caller.
    fn share_of(&self, services: &Services, caller: &Caller) -> Share {
        let has_others = services.callers.now().all().len() > 1;
        self.buffers
            .share(has_others.then(|| caller.portion().clone()))
    }

    fn tape_limits(&self) -> TapeLimits {
        TapeLimits {
            memory: self.replay_memory.load(Ordering::Relaxed),
            total: self.replay_limit.load(Ordering::Relaxed),
        }
    }

    /// The caller a virtual token names, if it is still there, may still see the app, and was not revoked since.
    fn caller_of<'b>(&self, book: &'b Book, claims: &Claims) -> Option<&'b Arc<Caller>> {
        let caller = book.by_mark(claims.caller)?;
        let sees = |app: &AppId| caller.sees(app);
        (claims.epoch >= caller.epoch() && sees(&claims.app)).then_some(caller)
    }
}
