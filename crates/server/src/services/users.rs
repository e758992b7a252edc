//! What looks after apps' users, put together.
//!
//! Must not know: what it does with its parts.

use std::sync::Arc;

use arc_swap::ArcSwap;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Clock;

use crate::config::Config;
use crate::gateway::Gateway;
use crate::keeper::Keeper;
use crate::store::ServerStore;
use crate::users::{Parts, Tell, Users};
use crate::wechat::UserApi;

/// Joins the parts. Web tokens that are met are known to the gateway.
pub(super) fn build(
    config: &Arc<ArcSwap<Config>>,
    store: &ServerStore,
    api: UserApi,
    keeper: &Keeper,
    gateway: &Arc<Gateway>,
    (clock, tell): (Arc<dyn Clock>, Tell),
) -> Arc<Users> {
    let apps = Arc::clone(config);
    let (known, hash) = (Arc::clone(gateway), keeper.clone());
    Users::new(Parts {
        store: Arc::clone(&store.users),
        api,
        keeper: keeper.clone(),
        type_of: Arc::new(move |app: &AppId| apps.load().app(app).map(|app| app.app_type)),
        remember: Arc::new(move |app, grant| {
            let [web, refresh] = [grant.web_token.expose(), grant.refresh_token.expose()];
            known.remember_user_tokens(*app, hash.id_of(web), hash.id_of(refresh));
        }),
        tell,
        token_wait: config.load().server.first_token_wait,
        retention: config.load().users.retention,
        grace: config.load().server.shutdown_grace,
        clock,
    })
}
