//! What stands behind the doors: store, WeChat client, keeper. Built from the configuration, changed by a reload.
//!
//! No rule and no door in here.

use std::sync::Arc;

use arc_swap::ArcSwap;
use futures_util::future::join_all;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinHandle;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Clock;
use wxtoken_core::source::CredentialSource;
use wxtoken_core::store::{Fence, Lease, Loaded, RecordStore};

use super::StartError;
use super::specs::Specs;
use crate::config::Config;
use crate::gateway::{Gateway, Tell};
use crate::keeper::{
    Command, Control, Copies, CountAlarm, Driver, Forget, HashValue, Keeper, Parts, Shelf, Spec,
};
use crate::store::configured::Stored;
use crate::store::{EmbeddedStore, configured};
use crate::wechat::{AppUpstream, Base, Directory, Options, WeChat};

/// Questions that may wait for the loop at one time.
const COMMANDS: usize = 1024;
/// Changes a slow listener may fall behind.
const NOTICES: usize = 4096;

/// Store, client and keeper at work.
pub struct Backbone {
    keeper: Keeper,
    control: Control,
    hash: HashValue,
    driver: JoinHandle<()>,
    first_round: watch::Receiver<bool>,
    gateway: Arc<Gateway>,
}

/// A backbone whose store is open but not read: nothing is fetched yet, and every app has its place. What the doors need is
/// there: keys and revocations come with the open store.
pub struct Groundwork {
    pub(super) keeper: Keeper,
    control: Control,
    pub(super) store: Arc<EmbeddedStore>,
    hash: HashValue,
    driver: Driver,
    asked: mpsc::Receiver<Command>,
    pub(super) gateway: Arc<Gateway>,
    config: Arc<Config>,
}

impl Groundwork {
    /// Answers for every credential, at once for those that have been read.
    #[must_use]
    pub fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    /// Takes over what the store holds, and starts the loop.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn take_over(mut self) -> Result<Backbone, StartError> {
        take_over(&mut self.driver, &self.store, &self.config, &self.hash).await?;
        let first_round = self.driver.first_round();
        Ok(Backbone {
            keeper: self.keeper,
            control: self.control,
            hash: self.hash,
            driver: tokio::spawn(self.driver.run(self.asked)),
            first_round,
            gateway: self.gateway,
        })
    }
}

/// What the backbone is given besides the configuration.
pub struct Footing {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Files and the like.
    pub copies: Arc<dyn Copies>,
    /// Where chance starts from.
    pub seed: u64,
    /// Counts troubles.
    pub count_alarm: CountAlarm,
    /// Wraps the store: counts its writes.
    pub wrap_store: Box<dyn FnOnce(Arc<EmbeddedStore>) -> Arc<dyn RecordStore> + Send>,
    /// Wraps the client: counts its calls.
    pub wrap: Box<dyn FnOnce(WeChat) -> Arc<dyn CredentialSource> + Send>,
}

impl Backbone {
    /// Answers for every credential.
    #[must_use]
    pub fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    /// Becomes true once every app that started with nothing has been tried.
    pub(super) fn first_round(&self) -> watch::Receiver<bool> {
        self.first_round.clone()
    }

    /// Opens the store and gives every app its place. The server may be asked from here on: who asks for an app whose record
    /// is not read yet waits for it.
    ///
    /// # Errors
    /// The store, its key or the client's settings are unusable; [`StartError`] says which, and the cure.
    pub async fn lay(
        config: &Arc<ArcSwap<Config>>,
        footing: Footing,
        tell: Tell,
    ) -> Result<Groundwork, StartError> {
        let now = config.load_full();
        let (place, clock) = (now.store.clone(), Arc::clone(&footing.clock));
        let opened = tokio::task::spawn_blocking(move || configured::open_or_make(&place, clock));
        let Stored { store, keys } = opened.await.map_err(|_| StartError::Interrupted)??;
        let store = Arc::new(store);
        let hasher = store.value_hasher();
        let hash: HashValue = Arc::new(move |value| hasher.id(value));
        let options = Options::try_from(&now.upstream)?;
        let gateway = Gateway::new(
            &options,
            directory(config),
            &now.gateway,
            now.store.path.clone(),
            &keys,
            tell,
        )?;
        let apps = directory(config);
        let client = WeChat::new(
            options,
            move |app: &AppId| apps.upstream(app),
            Arc::clone(&hash),
        )?;
        let shelf = Arc::new(Shelf::new(footing.clock.now()));
        let (notices, _) = broadcast::channel(NOTICES);
        let parts = Parts {
            clock: Arc::clone(&footing.clock),
            source: (footing.wrap)(client),
            store: (footing.wrap_store)(Arc::clone(&store)),
            forget: forgetting(&store),
            own: Some(own_fence(store.as_ref(), &now).await?),
            shelf: Arc::clone(&shelf),
            notices: notices.clone(),
            count_alarm: footing.count_alarm,
            copies: footing.copies,
            max_in_flight: now.refresh.max_in_flight,
            seed: footing.seed,
        };
        let (mut driver, control) = Driver::new(parts);
        announce(&mut driver, &now, &hash);
        let (commands, asked) = mpsc::channel(COMMANDS);
        let keeper = Keeper::new(shelf, footing.clock, Arc::clone(&hash), commands, notices);
        Ok(Groundwork {
            keeper,
            control,
            store,
            hash,
            driver,
            asked,
            gateway: Arc::new(gateway),
            config: now,
        })
    }

    /// The configuration changed: apps come, go and change without a dropped request.
    pub async fn reload(&self, old: &Config, new: &Config) {
        self.gateway.limit(&new.gateway);
        let mut specs = Specs::new(new, &self.hash);
        let mut specs: Vec<Spec> = new.apps.iter().map(|app| specs.of(app)).collect();
        for spec in &mut specs {
            spec.fresh_secret = match (old.app(&spec.app), new.app(&spec.app)) {
                (Some(old), Some(new)) => old != new,
                _ => false,
            };
        }
        self.control.apps(specs).await;
    }

    /// Lets what is under way end and be saved.
    pub async fn stop(self) {
        self.control.stop().await;
        let _ = self.driver.await;
    }
}

/// Looks apps up in the configuration in force.
fn directory(config: &Arc<ArcSwap<Config>>) -> Arc<dyn Directory> {
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

/// Has the store keep a removed app's record for a day, and no longer.
fn forgetting(store: &Arc<EmbeddedStore>) -> Forget {
    let store = Arc::clone(store);
    Arc::new(move |app| {
        let store = Arc::clone(&store);
        Box::pin(async move { store.forget(&app).await })
    })
}

/// The embedded store is ours alone: its lease outlives the process, so it is asked for once.
async fn own_fence(store: &EmbeddedStore, config: &Config) -> Result<Fence, StartError> {
    let any = config
        .apps
        .first()
        .map_or_else(|| "none".parse(), |app| Ok(app.appid));
    let any = any.map_err(|_| StartError::Interrupted)?;
    match store.lease(&any, std::time::Duration::MAX).await? {
        Lease::Won { fence, .. } => Ok(fence),
        Lease::Taken { .. } => Err(StartError::Interrupted),
    }
}

/// Gives every configured app its place.
fn announce(driver: &mut Driver, config: &Config, hash: &HashValue) {
    driver.reserve_for(config.apps.len());
    let mut specs = Specs::new(config, hash);
    for app in &config.apps {
        driver.announce(&specs.of(app));
    }
}

/// Gives every configured app its record, if it has one; apps without one start empty. A record without an app is forgotten as
/// that of an app which a reload removes: it stays for a day, for its app may have been taken out by mistake.
async fn take_over(
    driver: &mut Driver,
    store: &EmbeddedStore,
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
    store.load_all(&mut each).await?;
    for app in &config.apps {
        if !driver.has(&app.appid) {
            driver.add(specs.of(app), None);
        }
    }
    let mut back = store.forgotten().await?;
    back.retain(|app| config.app(app).is_some());
    mark_records(store, &back, &without_app).await;
    Ok(())
}

/// All together, so that they share what it costs to make them durable. Trouble is told, and the next start tries again.
async fn mark_records(store: &EmbeddedStore, back: &[AppId], gone: &[AppId]) {
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
