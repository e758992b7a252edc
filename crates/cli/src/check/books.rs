//! The calls `check` makes count against each app's budgets like all others: looked up first, and written down in the store
//! before the call leaves. While a server holds the store, that server's figures bound them.

use std::sync::Arc;

use wxtoken_core::budget::{BudgetKind, Limits};
use wxtoken_core::clock::{Clock, Wall};
use wxtoken_core::store::{RecordStore, StoreError};
use wxtoken_server::clock::SystemClock;
use wxtoken_server::config::{App, Config};
use wxtoken_server::store::{EmbeddedStore, OpenError, lease_in_time};
use wxtoken_server::words::{InChinese, Sentence};

use super::finding::{AppState, Setup};
use super::shared;
use crate::client::{Door, Server};
use crate::status;
use crate::surroundings;
use wxtoken_server::store::configured::{self as stored, NoStore};

/// The store, if there is one yet.
fn store(config: &Config) -> Result<Option<Arc<EmbeddedStore>>, Setup> {
    if !stored::exists(&config.store) {
        return Ok(None);
    }
    match stored::open(&config.store, Arc::new(SystemClock)) {
        Ok(stored) => Ok(Some(Arc::new(stored.store))),
        Err(NoStore::Open(OpenError::Held { holder, .. })) => Err(Setup::StoreInUse(holder)),
        Err(error) => Err(Setup::StoreBroken(Sentence::of(&error))),
    }
}

/// What one app costs: a stable call and a probe.
const COST: [BudgetKind; 2] = [BudgetKind::Stable, BudgetKind::Probe];

/// Where the calls of today are counted.
pub(super) enum Books {
    /// Nowhere yet: no server has run here.
    None,
    /// In the store, which is ours now.
    Open(Arc<dyn RecordStore>),
    /// By a running server, as far as it tells.
    Server(Vec<status::App>),
}

impl Books {
    /// Opens them, and says what there is to say of the store.
    pub(super) async fn open(config: &Config) -> (Self, Vec<Setup>) {
        if let Some((settings, keys)) = stored::shared(&config.store) {
            let (store, found) = shared::look(settings, keys).await;
            return (store.map_or(Self::None, |store| Self::Open(store)), found);
        }
        match store(config) {
            Ok(store) => (
                store.map_or(Self::None, |store| Self::Open(store)),
                Vec::new(),
            ),
            Err(trouble @ Setup::StoreInUse(_)) => {
                (Self::Server(told_by_server().await), vec![trouble])
            }
            Err(trouble) => (Self::None, vec![trouble]),
        }
    }

    /// What is wrong with the store, if anything is; nobody is asked.
    pub(super) fn trouble(config: &Config) -> Option<Setup> {
        if config.store.redis.is_some() {
            return None;
        }
        store(config).err()
    }

    /// Counts what one app is about to cost; says why not, if its budget does not allow it.
    pub(super) async fn spend(&self, app: &App) -> Result<(), AppState> {
        match self {
            Self::None => Ok(()),
            Self::Open(store) => note(store.as_ref(), app).await,
            Self::Server(apps) => {
                let known = apps.iter().find(|known| known.appid == app.appid.as_str());
                let full = known.and_then(|known| {
                    let budget = COST.map(|kind| known.budget(kind.name()));
                    budget
                        .into_iter()
                        .find(|one| one.limit > 0 && one.used >= one.limit)
                });
                full.map_or(Ok(()), |full| {
                    Err(AppState::NoBudget {
                        used: full.used,
                        limit: full.limit,
                    })
                })
            }
        }
    }
}

/// The running server's own figures; none without its key, or when it does not answer.
async fn told_by_server() -> Vec<status::App> {
    let Some(key) = surroundings::text(Door::Admin.key_name()) else {
        return Vec::new();
    };
    let url = surroundings::text(Door::Admin.url_name())
        .unwrap_or_else(|| Door::Admin.default_url().to_owned());
    let Ok(server) = Server::new(Door::Admin, url, &key) else {
        return Vec::new();
    };
    status::apps_of(&server).await.unwrap_or_default()
}

async fn note(store: &dyn RecordStore, app: &App) -> Result<(), AppState> {
    let now = SystemClock.now().wall;
    spent(store, app, now)
        .await
        .map_err(|error| AppState::Passing {
            errcode: None,
            why: Sentence::new(
                format!("{}；没有再去问微信", error.in_chinese()),
                format!("{error}; WeChat was not asked"),
            ),
        })?
}

async fn spent(
    store: &dyn RecordStore,
    app: &App,
    now: Wall,
) -> Result<Result<(), AppState>, StoreError> {
    let (fence, record) = lease_in_time(store, &app.appid).await?;
    let mut record = record.map_or_else(Default::default, |record| *record);
    let limits: Limits = app.limits();
    for kind in COST {
        let (used, limit) = (record.budgets.used(kind, now), limits.of(kind).into());
        if used >= limit {
            store.release(&app.appid, fence).await;
            return Ok(Err(AppState::NoBudget { used, limit }));
        }
        record.budgets.spend(kind, now);
    }
    record.saved_at = now;
    store.write(&app.appid, &record, fence).await?;
    store.release(&app.appid, fence).await;
    Ok(Ok(()))
}
