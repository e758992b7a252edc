//! The listeners of one server: bound first, opened when there is something to hand out, changed by a reload.

use std::sync::Arc;

use arc_swap::ArcSwap;
use futures_util::future::join_all;
use tokio::task::JoinSet;
use wxtoken_core::app::AppId;
use wxtoken_core::store::StoreError;

use super::StartError;
use super::backbone::Groundwork;
use super::{app_secrets, condition, standing};
use crate::config::{Config, Listen, Tls};
use crate::http::admin::{self, AdminServices, KeepRevocation};
use crate::http::callers::{Caller, Callers};
use crate::http::condition::Condition;
use crate::http::counters::{Outcome, Surface};
use crate::http::listen::tls::TlsDoor;
use crate::http::listen::{Limits, Site, Socket, serve};
use crate::http::public::{self, PublicServices, TellSignIn};
use crate::http::services::{Behind, RequestLimits, Services};
use crate::http::stop::Stop;
use crate::relay::RelayKeys;
use crate::store::{Ledger, Revocations};
use crate::telemetry::Metrics;

/// Connections to the admin listeners that may be open at once.
const ADMIN_CONNECTIONS: usize = 64;
/// Connections to the public listeners: strangers leave the API room.
const PUBLIC_CONNECTIONS: usize = 8192;

/// Listeners of one kind, bound, and what TLS they speak.
struct Side {
    sockets: Vec<Socket>,
    tls: Option<Arc<TlsDoor>>,
    places: Vec<String>,
}

impl Side {
    async fn bind(listen: &[Listen], tls: Option<&Tls>, stop: &Stop) -> Result<Self, StartError> {
        let mut sockets = Vec::new();
        for place in listen {
            sockets.push(Socket::bind(place).await?);
        }
        let scheme = if tls.is_some() { "https" } else { "http" };
        let named =
            sockets
                .iter()
                .zip(listen)
                .map(|(socket, place)| match (socket.address(), place) {
                    (Some(address), _) => format!("{scheme}://{address}"),
                    (None, Listen::Unix { path, .. }) => format!("unix:{}", path.display()),
                    (None, Listen::Tcp(address)) => format!("{scheme}://{address}"),
                });
        let places = named.collect();
        let tls = tls
            .map(|files| TlsDoor::open(files, stop))
            .transpose()?
            .map(Arc::new);
        Ok(Self {
            sockets,
            tls,
            places,
        })
    }

    fn open(
        self,
        site: &Site,
        limits: &Limits,
        stop: &Stop,
        open: &mut JoinSet<()>,
    ) -> Option<Arc<TlsDoor>> {
        for socket in self.sockets {
            open.spawn(serve(
                socket,
                self.tls.clone(),
                site.clone(),
                limits.clone(),
                stop.clone(),
            ));
        }
        self.tls
    }
}

/// Sockets that are bound but not served yet.
pub(super) struct Bound {
    api: Side,
    admin: Side,
    public: Side,
}

/// The listeners at work.
pub struct Doors {
    /// Where the API is reached: URLs, and `unix:` with a path.
    pub api: Vec<String>,
    /// Where the admin's pages are reached.
    pub admin: Vec<String>,
    /// Where browsers and WeChat come in; none where that is closed.
    pub public: Vec<String>,
    pub(super) services: Arc<Services>,
    admin_services: Arc<AdminServices>,
    ledger: Arc<dyn Ledger>,
    api_tls: Option<Arc<TlsDoor>>,
    admin_tls: Option<Arc<TlsDoor>>,
    public_tls: Option<Arc<TlsDoor>>,
    open: JoinSet<()>,
}

impl Bound {
    /// Binds every address, so that one that is taken is told before anything else is done.
    pub(super) async fn bind(config: &Config, stop: &Stop) -> Result<Self, StartError> {
        let api = Side::bind(&config.server.listen, config.server.tls.as_ref(), stop).await?;
        let admin = Side::bind(&config.admin.listen, config.admin.tls.as_ref(), stop).await?;
        let public = Side::bind(&config.public.listen, config.public.tls.as_ref(), stop).await?;
        Ok(Self { api, admin, public })
    }

    /// Opens the doors.
    pub(super) fn open(
        self,
        config: &Arc<ArcSwap<Config>>,
        laid: &Groundwork,
        revoked: Revocations,
        metrics: &Arc<Metrics>,
        condition: Condition,
        stop: &Stop,
    ) -> Doors {
        let now = config.load_full();
        if let Some(shared) = laid.store.shared.clone() {
            metrics.watch_store(move || condition::sharing(shared.as_ref()));
        }
        let services = Services::new(
            laid.keeper.clone(),
            Callers::revoked(&now.callers, revoked),
            RequestLimits::from(&now.server),
            app_secrets::shown(config),
            condition,
            stop.clone(),
            Behind {
                gateway: Arc::clone(&laid.gateway),
                users: Arc::clone(&laid.users),
                relay: RelayKeys::new(&laid.store.keys),
            },
        );
        count_reads(metrics, &services);
        let limits = Limits::from(&now.server);
        let mut open = JoinSet::new();
        let admin_services = admin_services(config, metrics, &services, &laid.store.ledger);
        let (api, admin) = (self.api.places.clone(), self.admin.places.clone());
        let api_tls = self
            .api
            .open(&Site::api(&services), &limits, stop, &mut open);
        let admin_tls = self.admin.open(
            &admin::site(&admin_services),
            &limits.apart(ADMIN_CONNECTIONS),
            stop,
            &mut open,
        );
        let public = self.public.places.clone();
        let counted = Arc::clone(metrics);
        let tell: TellSignIn = Arc::new(move |app, outcome| counted.sign_in(app, outcome));
        let strangers = PublicServices::new(config, Arc::clone(&services), tell);
        let public_tls = strangers.and_then(|services| {
            let limits = limits.apart(PUBLIC_CONNECTIONS);
            let site = public::site(&services);
            self.public.open(&site, &limits, stop, &mut open)
        });
        Doors {
            api,
            admin,
            public,
            services,
            admin_services,
            ledger: Arc::clone(&laid.store.ledger),
            api_tls,
            admin_tls,
            public_tls,
            open,
        }
    }
}

fn admin_services(
    config: &Arc<ArcSwap<Config>>,
    metrics: &Arc<Metrics>,
    services: &Arc<Services>,
    ledger: &Arc<dyn Ledger>,
) -> Arc<AdminServices> {
    let (metrics, apps) = (Arc::clone(metrics), Arc::clone(config));
    let page = Arc::new(move || metrics.render());
    let name =
        Arc::new(move |app: &AppId| apps.load().app(app)?.name.as_deref().map(str::to_owned));
    let ledger = Arc::clone(ledger);
    let keep_revocation: KeepRevocation = Arc::new(move |caller, epoch| {
        let ledger = Arc::clone(&ledger);
        Box::pin(async move { ledger.revoke(caller, epoch).await })
    });
    AdminServices::new(
        &config.load().admin,
        Arc::clone(services),
        page,
        name,
        keep_revocation,
    )
}

/// The counters of the read path are added up when the metrics page is asked for. The metrics do not own them: by way of the
/// gateway, which counts its calls, they are owned by the services themselves.
fn count_reads(metrics: &Metrics, services: &Arc<Services>) {
    let services = Arc::downgrade(services);
    metrics.count_reads(move |tell| {
        let Some(services) = services.upgrade() else {
            return;
        };
        for surface in Surface::ALL {
            for outcome in Outcome::ALL {
                tell(
                    surface.name(),
                    outcome.name(),
                    services.counters.total(surface, outcome),
                );
            }
        }
    });
}

/// What to tell of a caller whose removal could not be saved.
fn not_kept(name: &str, kept: Result<(), StoreError>) -> Option<String> {
    let error = kept.err()?;
    Some(format!(
        "that the caller {name} is gone could not be saved: {error}; if it comes back after a restart within three hours, \
         revoke it (wxtoken key --revoke)"
    ))
}

impl Doors {
    /// Callers and certificates change; connections stay. What it gives has to be awaited: by then a restart knows who is gone.
    pub(super) fn reload(
        &self,
        new: &Config,
        troubles: &mut Vec<String>,
    ) -> impl Future<Output = Vec<String>> + use<> {
        let kept = self.replace_callers(new);
        self.admin_services.change_access(&new.admin);
        let sides = [
            (&self.api_tls, &new.server.tls),
            (&self.admin_tls, &new.admin.tls),
            (&self.public_tls, &new.public.tls),
        ];
        for (door, files) in sides {
            if let (Some(door), Some(files)) = (door, files)
                && let Err(error) = door.reload(files)
            {
                troubles.push(format!("{error}; the certificate in force stays"));
            }
        }
        kept
    }

    /// Who is gone is revoked: what it was handed stays dead if it comes back, over a restart too. At once here, whatever
    /// becomes of the store.
    fn replace_callers(&self, new: &Config) -> impl Future<Output = Vec<String>> + use<> {
        let now = self.services.keeper.now();
        let gone = self.services.callers.replace(&new.callers);
        let keep = |caller: Arc<Caller>| {
            let kept = (self.admin_services.keep_revocation)(caller.mark().0, caller.revoke(now));
            async move { not_kept(caller.name(), kept.await) }
        };
        let kept: Vec<_> = gone.into_iter().map(keep).collect();
        let noted = standing::after_reload(&self.ledger, &new.callers);
        async {
            // What is written together costs one fsync.
            let mut troubles: Vec<String> = join_all(kept).await.into_iter().flatten().collect();
            // Who could not be revoked for good is left for the next start to miss.
            if troubles.is_empty()
                && let Err(error) = noted.await
            {
                troubles.push(format!(
                    "which callers there are could not be saved: {error}; if one of them is removed while no server runs and \
                     comes back within three hours, revoke it (wxtoken key --revoke)"
                ));
            }
            troubles
        }
    }

    /// Returns when every listener has finished.
    pub(super) async fn closed(&mut self) {
        while self.open.join_next().await.is_some() {}
    }
}
