//! What stands behind the doors: store, WeChat client, keeper. Built from the configuration, changed by a reload.
//!
//! No rule and no door in here.

use std::sync::Arc;

use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinHandle;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Clock;
use wxtoken_core::refresh::event::Event;
use wxtoken_core::source::CredentialSource;
use wxtoken_core::store::RecordStore;

use super::StartError;
use super::reaching::{directory, gateway};
use super::specs::Specs;
use super::taking_over::take_over;
use super::users;
use crate::config::Config;
use crate::gateway::virtual_token::CallerMark;
use crate::gateway::{Gateway, Tell};
use crate::http::services::Services;
use crate::keeper::{
    Command, Control, Copies, CountAlarm, Driver, Forget, HandedOut, HashValue, Keeper, Parts,
    Shelf, Spec,
};
use crate::sink::AskAbout;
use crate::store::{Belongings, Ears, News, ServerStore, Shared, configured};
use crate::users::Users;
use crate::wechat::{Options, WeChat};

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
    users: Arc<Users>,
    shared: Option<Arc<dyn Shared>>,
}

/// A backbone whose store is open but not read: nothing is fetched yet, and every app has its place. What the doors need is
/// there: keys and revocations come with the open store.
pub struct Groundwork {
    pub(super) keeper: Keeper,
    control: Control,
    pub(super) store: ServerStore,
    hash: HashValue,
    driver: Driver,
    asked: mpsc::Receiver<Command>,
    pub(super) gateway: Arc<Gateway>,
    pub(super) users: Arc<Users>,
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
        let shared = self.store.shared;
        let first_round = self.driver.first_round();
        Ok(Backbone {
            keeper: self.keeper,
            control: self.control,
            hash: self.hash,
            driver: tokio::spawn(self.driver.run(self.asked)),
            first_round,
            gateway: self.gateway,
            users: self.users,
            shared,
        })
    }
}

/// Puts something around a store.
pub(super) type WrapStore = Box<dyn FnOnce(Arc<dyn RecordStore>) -> Arc<dyn RecordStore> + Send>;

/// What the backbone is given besides the configuration.
pub struct Footing {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Files and the like.
    pub copies: Arc<dyn Copies>,
    /// Counts questions about users.
    pub tell_of_users: crate::users::Tell,
    /// Where chance starts from.
    pub seed: u64,
    /// Counts troubles.
    pub count_alarm: CountAlarm,
    /// Wraps the store: counts its writes.
    pub wrap_store: WrapStore,
    /// Wraps the client: counts its calls.
    pub wrap: Box<dyn FnOnce(WeChat) -> Arc<dyn CredentialSource> + Send>,
}

impl Backbone {
    /// Answers for every credential.
    #[must_use]
    pub fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    /// Looks after apps' users.
    #[must_use]
    pub fn users(&self) -> &Arc<Users> {
        &self.users
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
        let store = configured::for_server(&now.store, Arc::clone(&footing.clock)).await?;
        let hasher = store.keys.current.value_hasher();
        let hash: HashValue = Arc::new(move |value| hasher.id(value));
        let options = Options::try_from(&now.upstream)?;
        let gateway = gateway(&options, config, &store, tell)?;
        let apps = directory(config);
        let client = WeChat::new(
            options,
            move |app: &AppId| apps.upstream(app),
            Arc::clone(&hash),
        )?;
        let user_api = client.users();
        let shelf = Arc::new(Shelf::new(footing.clock.now()));
        let (notices, _) = broadcast::channel(NOTICES);
        let parts = Parts {
            clock: Arc::clone(&footing.clock),
            source: (footing.wrap)(client),
            store: (footing.wrap_store)(Arc::clone(&store.records)),
            forget: forgetting(&store.belongings),
            own: store.own,
            handed_out: store.shared.as_ref().map(copying),
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
        let (clock, tell_of_users) = (Arc::clone(&footing.clock), footing.tell_of_users);
        let keeper = Keeper::new(shelf, footing.clock, Arc::clone(&hash), commands, notices);
        let gateway = Arc::new(gateway);
        let users = users::build(
            config,
            &store,
            user_api,
            &keeper,
            &gateway,
            (clock, tell_of_users),
        );
        Ok(Groundwork {
            keeper,
            control,
            store,
            hash,
            driver,
            asked,
            gateway,
            users,
            config: now,
        })
    }

    /// Tells the keeper, and who looks after callers, what other replicas do, as long as it is polled.
    pub(super) fn follow(
        &self,
        callers: &Arc<Services>,
        count_alarm: CountAlarm,
    ) -> Option<BoxFuture<'static, ()>> {
        let shared = Arc::clone(self.shared.as_ref()?);
        let (control, services) = (self.control.clone(), Arc::downgrade(callers));
        let keeper = self.keeper.clone();
        Some(shared.follow(Ears {
            wants: Arc::new(move |app| keeper.shelf().holds(app)),
            hear: Arc::new(move |news| match news {
                News::Learned(app, record) => control.heard(app, Event::Learned(record)),
                News::Freed(app) => control.heard(app, Event::LeaseFreed),
                News::Lost(app, fence) => {
                    // Often: this machine, or Redis, is too slow for what is asked of it.
                    count_alarm("lease-lost");
                    control.heard(app, Event::LeaseLost(fence));
                }
                News::Revoked(caller, epoch) => {
                    if let Some(services) = services.upgrade() {
                        services.callers.revoke(CallerMark(caller), epoch);
                    }
                }
            }),
        }))
    }

    /// Lets the keeper hear what the store that replicas share knows of an app.
    pub(super) fn asking(&self) -> AskAbout {
        let (shared, control) = (self.shared.clone(), self.control.clone());
        Arc::new(move |app| {
            if let Some(shared) = shared.clone() {
                let control = control.clone();
                tokio::spawn(async move {
                    if let Some(record) = shared.ask_about(app).await {
                        control.heard(app, Event::Learned(record));
                    }
                });
            }
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
        self.users.finish().await;
        self.control.stop().await;
        let _ = self.driver.await;
        // What the machines gave back is given back; who is left of them has nothing under way.
        if let Some(shared) = self.shared {
            shared.stop().await;
        }
    }
}

/// Has the store keep a removed app's record for a day, and no longer.
fn forgetting(store: &Arc<dyn Belongings>) -> Forget {
    let store = Arc::clone(store);
    Arc::new(move |app| {
        let store = Arc::clone(&store);
        Box::pin(async move { store.forget(&app).await })
    })
}

/// Has what is handed out kept here as well.
fn copying(shared: &Arc<dyn Shared>) -> HandedOut {
    let shared = Arc::clone(shared);
    Arc::new(move |app, record| shared.handed_out(app, record))
}

/// Gives every configured app its place.
fn announce(driver: &mut Driver, config: &Config, hash: &HashValue) {
    driver.reserve_for(config.apps.len());
    let mut specs = Specs::new(config, hash);
    for app in &config.apps {
        driver.announce(&specs.of(app));
    }
}
