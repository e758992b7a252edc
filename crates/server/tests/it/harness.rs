//! One world per test: a simulator and a server with the same hand-moved time, a store in a temporary folder.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use tempfile::TempDir;
use tokio::sync::broadcast;
use wxtoken_core::clock::{Boot, Clock, Now, Wall};
use wxtoken_core::credential::{Credential, CredentialKey, Kind};
use wxtoken_core::refresh::verdict::Evidence;
use wxtoken_core::store::{Loaded, RecordStore};
use wxtoken_server::clock::{ManualClock, SystemClock};
use wxtoken_server::config::{self, Config};
use wxtoken_server::keeper::{Absent, Keeper, Notice, Report};
use wxtoken_server::services::{Backbone, Footing};
use wxtoken_server::sink::Upkeep;
use wxtoken_server::store::configured;
use wxtoken_server::telemetry::Metrics;
use wxtoken_server::users::Users;
use wxtoken_simulator::{AppKind, AppSpec, Options, SimClock, Upstream};

/// The app every story has.
pub(crate) const APP: &str = "wx0123456789abcdef";
pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";
/// How long anything may take that is not a matter of the hand-moved clock.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
const START: u64 = 1_795_000_000;

/// A world.
pub(crate) struct World {
    pub(crate) wechat: Upstream,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) folder: TempDir,
    config: Arc<ArcSwap<Config>>,
    server: Option<Backbone>,
    sinks: Upkeep,
    metrics: Arc<Metrics>,
}

/// The key of one of the app's credentials.
pub(crate) fn key(kind: Kind) -> CredentialKey {
    CredentialKey {
        app: APP.parse().unwrap(),
        kind,
    }
}

impl World {
    /// A world whose app has these lines in its `[[app]]` table; `FOLDER` stands for the temporary folder.
    pub(crate) async fn with_app(lines: &str) -> Self {
        Self::with(lines, |_| {}).await
    }

    /// The same, with WeChat's rules changed first.
    pub(crate) async fn with(
        lines: &str,
        change: impl FnOnce(&mut wxtoken_simulator::Rules),
    ) -> Self {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(START);
        let mut rules = wxtoken_simulator::Rules::default();
        change(&mut rules);
        let wechat = Upstream::start(Options {
            clock: SimClock::manual(start),
            apps: vec![AppSpec::new(APP, SECRET, AppKind::Official)],
            rules,
            ..Options::default()
        });
        let wechat = wechat.await.unwrap();
        let clock = ManualClock::new(Now {
            wall: Wall(START * 1000),
            boot: Boot(5_000_000),
        });
        let folder = tempfile::tempdir().unwrap();
        let config = parse(lines, &wechat, &folder);
        let metrics = Arc::new(Metrics::new(Arc::new(SystemClock)));
        let (sinks, _) = Upkeep::new(&config, Arc::clone(&metrics));
        let mut world = Self {
            wechat,
            clock: Arc::new(clock),
            folder,
            config: Arc::new(ArcSwap::from_pointee(config)),
            server: None,
            sinks,
            metrics,
        };
        world.start().await;
        world
    }

    /// Starts the server (again).
    pub(crate) async fn start(&mut self) {
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let (sinks, worker) = Upkeep::new(&self.config.load(), Arc::clone(&self.metrics));
        let footing = Footing {
            clock: Arc::clone(&clock),
            copies: Arc::new(sinks.clone()),
            count_alarm: Arc::new(|_| {}),
            tell_of_users: Arc::new(|_, _| {}),
            seed: 7,
            wrap_store: Box::new(|store| store),
            wrap: Box::new(|client| Arc::new(client)),
        };
        let server = Backbone::lay(&self.config, footing, Arc::new(|_| {}))
            .await
            .unwrap();
        let server = server.take_over().await.unwrap();
        tokio::spawn(worker.run(server.keeper().clone(), clock));
        self.sinks = sinks;
        self.server = Some(server);
    }

    /// Stops the server in good order.
    pub(crate) async fn stop(&mut self) {
        self.server.take().unwrap().stop().await;
    }

    /// Changes the app's lines, as a reload does.
    pub(crate) async fn reload(&self, lines: &str) {
        self.take(parse(lines, &self.wechat, &self.folder)).await;
    }

    /// Changes the app's lines while the server is stopped.
    pub(crate) fn configure(&self, lines: &str) {
        let new = parse(lines, &self.wechat, &self.folder);
        self.config.store(Arc::new(new));
    }

    /// Takes the app out of the configuration, as a reload does.
    pub(crate) async fn remove_app(&self) {
        self.take(self.config_without_app()).await;
    }

    /// Takes the app out of the configuration while the server is stopped.
    pub(crate) fn without_app(&self) {
        self.config.store(Arc::new(self.config_without_app()));
    }

    fn config_without_app(&self) -> Config {
        let mut without = self.config.load().as_ref().clone();
        without.apps = Vec::new();
        without
    }

    async fn take(&self, new: Config) {
        let old = self.config.load_full();
        self.config.store(Arc::new(new.clone()));
        self.sinks.configure(&new);
        self.server.as_ref().unwrap().reload(&old, &new).await;
    }

    /// The apps whose records a store holds that is opened now; the server must be stopped.
    pub(crate) async fn stored(&self) -> Vec<String> {
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let opened = configured::open(&self.config.load().store, clock).unwrap();
        let mut apps = Vec::new();
        let mut each = |loaded| match loaded {
            Loaded::Record(app, _) => apps.push(app.to_string()),
            Loaded::Damaged { reason, .. } => panic!("{reason}"),
        };
        opened.store.load_all(&mut each).await.unwrap();
        apps
    }

    pub(crate) fn users(&self) -> &Arc<Users> {
        self.server.as_ref().unwrap().users()
    }

    pub(crate) fn keeper(&self) -> &Keeper {
        self.server.as_ref().unwrap().keeper()
    }

    /// What is handed out, once it is.
    pub(crate) async fn get(&self, kind: Kind) -> Arc<Credential> {
        self.keeper().get(&key(kind), PATIENCE).await.unwrap()
    }

    /// The access token handed out, as text.
    pub(crate) async fn token(&self) -> String {
        self.get(Kind::AccessToken).await.token.expose().to_owned()
    }

    pub(crate) fn peek(&self, kind: Kind) -> Result<Arc<Credential>, Absent> {
        self.keeper().peek(&key(kind))
    }

    /// Waits until something else than this is handed out, while time goes on.
    pub(crate) async fn changed(&self, from: &Credential) -> Arc<Credential> {
        let key = key(from.kind);
        let changed = self.keeper().changed(&key, from.id, PATIENCE);
        self.while_time_passes(changed)
            .await
            .unwrap()
            .expect("a new value within the test's patience")
    }

    /// Time goes on, fifty times as fast as it does, until this is done.
    pub(crate) async fn while_time_passes<R>(&self, done: impl Future<Output = R>) -> R {
        let mut tick = tokio::time::interval(Duration::from_millis(2));
        tokio::pin!(done);
        loop {
            tokio::select! {
                biased;
                result = &mut done => return result,
                _ = tick.tick() => self.pass(Duration::from_millis(100)),
            }
        }
    }

    /// Time passes for everyone.
    pub(crate) fn pass(&self, by: Duration) {
        self.wechat.world().clock().advance(by);
        self.clock.advance(by);
    }

    pub(crate) async fn report(&self, token: &str) -> Report {
        let told =
            self.keeper()
                .report_dead(key(Kind::AccessToken), token, Evidence::Report, PATIENCE);
        told.await.unwrap().unwrap()
    }

    pub(crate) fn notices(&self) -> broadcast::Receiver<Notice> {
        self.keeper().subscribe()
    }

    /// Calls of a path that WeChat saw for the app.
    pub(crate) fn calls(&self, path: &str) -> u64 {
        self.wechat.world().calls(APP, path)
    }

    /// What is counted.
    pub(crate) fn metrics(&self) -> String {
        self.metrics.render()
    }

    /// Whether WeChat takes this token.
    pub(crate) fn lives(&self, token: &str) -> bool {
        self.wechat.world().is_live(APP, token)
    }
}

fn parse(lines: &str, wechat: &Upstream, folder: &TempDir) -> Config {
    let place = folder.path().display();
    let text = format!(
        "[store]\npath = \"{place}/data\"\n[admin]\nkey = \"{SECRET}\"\n[upstream]\nbase_url = \"{}\"\n\
         [[app]]\nappid = \"{APP}\"\nsecret = \"{SECRET}\"\n{}\n",
        wechat.base_url(),
        lines.replace("FOLDER", &place.to_string()),
    );
    config::parse(&text, folder.path(), &|_| None).unwrap_or_else(|errors| panic!("{errors}"))
}

/// Waits for the trouble of this name.
pub(crate) async fn trouble(notices: &mut broadcast::Receiver<Notice>, wanted: &str) -> String {
    let found = async {
        loop {
            if let Notice::Trouble { name, detail, .. } = notices.recv().await.unwrap()
                && name == wanted
            {
                return detail;
            }
        }
    };
    tokio::time::timeout(PATIENCE, found)
        .await
        .unwrap_or_else(|_| panic!("no trouble called {wanted}"))
}

/// Waits until something is no longer handed out.
pub(crate) async fn gone(notices: &mut broadcast::Receiver<Notice>) {
    let found = async { while !matches!(notices.recv().await.unwrap(), Notice::Gone(_)) {} };
    tokio::time::timeout(PATIENCE, found)
        .await
        .expect("something is withdrawn");
}
