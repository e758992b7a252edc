//! A start: every configured app gets its record; records without an app are marked as those of apps that are gone.
//!
//! Must not know: how a record is kept.

use futures_util::future::join_all;
use wxtoken_core::app::AppId;
use wxtoken_core::store::Loaded;

use super::StartError;
use super::specs::Specs;
use crate::config::Config;
use crate::keeper::{Driver, HashValue};
use crate::store::{Belongings, ServerStore};

/// Gives every configured app its record, if it has one; apps without one start empty. A record without an app is forgotten as
/// that of an app which a reload removes: it stays for a day, for its app may have been taken out by mistake.
pub(super) async fn take_over(
    driver: &mut Driver,
    store: &ServerStore,
    config: &Config,
    hash: &HashValue,
) -> Result<(), StartError> {
    let mut specs = Specs::new(config, hash);
    let mut without_app = Vec::new();
    let mut each = |loaded: Loaded| match loaded {
        Loaded::Record(app, record) => match config.app(&app) {
            Some(app) => driver.add(specs.of(app), Some(&record)),
            None => without_app.push(app),
        },
        Loaded::Damaged { app, reason } => {
            let app = app.map(|app| app.to_string());
            tracing::error!(
                app.id = app,
                "a damaged record was set aside: {reason}; it is fetched anew"
            );
        }
    };
    if let Some(shared) = &store.shared {
        let apps: Vec<AppId> = config.apps.iter().map(|app| app.appid).collect();
        shared.expect(&apps);
    }
    store.records.load_all(&mut each).await?;
    for app in &config.apps {
        if !driver.has(&app.appid) {
            driver.add(specs.of(app), None);
        }
    }
    let store = store.belongings.as_ref();
    let mut back = store.forgotten().await?;
    back.retain(|app| config.app(app).is_some());
    mark_records(store, &back, &without_app).await;
    Ok(())
}

/// All together, so that they share what it costs to make them durable. Trouble is told, and the next start tries again.
async fn mark_records(store: &dyn Belongings, back: &[AppId], gone: &[AppId]) {
    if let Some(first) = gone.first() {
        tracing::warn!(
            apps = gone.len(),
            "the store holds records of {} apps that are not configured, {first} for one; each is kept for 24 hours from \
             when that was first seen, and dropped by a start after that",
            gone.len()
        );
    }
    let remembered = join_all(back.iter().map(|app| store.remember(app)));
    let forgotten = join_all(gone.iter().map(|app| store.forget(app)));
    let (remembered, forgotten) = futures_util::join!(remembered, forgotten);
    let marked = remembered.into_iter().chain(forgotten);
    if let Some(Err(error)) = marked.into_iter().find(Result::is_err) {
        tracing::warn!(%error, "records could not be marked as those of apps that are configured, or are not: {error}");
    }
}
