//! How WeChat is reached, and as whom: the same for credentials, for users and for calls that are forwarded.
//!
//! Must not know: what is asked.

use std::sync::Arc;

use arc_swap::ArcSwap;
use wxtoken_core::app::AppId;

use crate::config::Config;
use crate::gateway::{Gateway, GatewayError, Tell};
use crate::store::ServerStore;
use crate::wechat::{AppUpstream, Base, Directory, Options};

/// What forwards calls, on the same way to WeChat.
pub(super) fn gateway(
    options: &Options,
    config: &Arc<ArcSwap<Config>>,
    store: &ServerStore,
    tell: Tell,
) -> Result<Gateway, GatewayError> {
    let now = config.load();
    let folder = now.store.path.clone();
    let apps = directory(config);
    Gateway::new(options, apps, &now.gateway, folder, &store.keys, tell)
}

/// Looks apps up in the configuration in force.
pub(super) fn directory(config: &Arc<ArcSwap<Config>>) -> Arc<dyn Directory> {
    let apps = Arc::clone(config);
    Arc::new(move |app: &AppId| {
        let config = apps.load();
        let app = config.app(app)?;
        // An address of its own that cannot be used must not send its secret to the common one.
        let base_url = app.base_url().map(Base::try_from).transpose().ok()?;
        Some(AppUpstream {
            base_url,
            secret: app.secret.clone(),
            previous_secret: app.previous_secret().cloned(),
        })
    })
}
