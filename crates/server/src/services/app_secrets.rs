//! Whether somebody shows an app's AppSecret.

use std::sync::Arc;

use arc_swap::ArcSwap;
use wxtoken_core::app::AppId;

use crate::config::{App, Config};
use crate::http::services::IsAppSecret;

/// For callers that still send the AppSecret itself: compared in constant time, with the one in force and the one before.
pub(super) fn shown(config: &Arc<ArcSwap<Config>>) -> IsAppSecret {
    let config = Arc::clone(config);
    Arc::new(move |app: &AppId, given: &str| {
        let config = config.load();
        let same = |secret: &crate::config::Secret| {
            aws_lc_rs::constant_time::verify_slices_are_equal(
                secret.expose().as_bytes(),
                given.as_bytes(),
            )
            .is_ok()
        };
        let known = |app: &App| same(&app.secret) || app.previous_secret().is_some_and(same);
        config.app(app).is_some_and(known)
    })
}
