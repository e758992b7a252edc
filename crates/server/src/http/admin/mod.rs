//! The admin listener: metrics, health by name, the state of every app, refreshes by hand, revocations.
//!
//! Always needs its key; answers only under a loopback name unless it has TLS; never to pages of other sites.
//! Must not know: how anything is refreshed, what the numbers on the metrics page mean.

pub mod routes;

pub(super) mod apps;
pub(super) mod callers;
pub(super) mod health;
pub(super) mod refresh;
pub(super) mod status;

mod guard;

use std::sync::Arc;

use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;
use wxtoken_core::app::AppId;
use wxtoken_core::store::StoreError;

use super::listen::Site;
use super::services::Services;
use crate::config::{Admin, KeyHash};

/// Writes the metrics page.
pub type MetricsPage = Arc<dyn Fn() -> String + Send + Sync>;

/// What people call an app.
pub type AppName = Arc<dyn Fn(&AppId) -> Option<String> + Send + Sync>;

/// Keeps a revocation over restarts: a caller's mark, and the epoch its virtual tokens must be of.
pub type KeepRevocation =
    Arc<dyn Fn(u64, u64) -> BoxFuture<'static, Result<(), StoreError>> + Send + Sync>;

/// Who is let in.
struct Access {
    key: Option<KeyHash>,
    open_metrics: bool,
}

impl Access {
    const fn of(admin: &Admin) -> Self {
        Self {
            key: admin.key,
            open_metrics: admin.open_metrics,
        }
    }
}

/// What the admin handlers work with.
pub struct AdminServices {
    services: Arc<Services>,
    access: ArcSwap<Access>,
    has_tls: bool,
    metrics: MetricsPage,
    name: AppName,
    pub(crate) keep_revocation: KeepRevocation,
}

impl AdminServices {
    /// Joins the parts.
    #[must_use]
    pub fn new(
        admin: &Admin,
        services: Arc<Services>,
        metrics: MetricsPage,
        name: AppName,
        keep_revocation: KeepRevocation,
    ) -> Arc<Self> {
        Arc::new(Self {
            services,
            access: ArcSwap::from_pointee(Access::of(admin)),
            has_tls: admin.tls.is_some(),
            metrics,
            name,
            keep_revocation,
        })
    }

    /// The configuration says anew who is let in.
    pub fn change_access(&self, admin: &Admin) {
        self.access.store(Arc::new(Access::of(admin)));
    }
}

/// What is served on an admin listener.
#[must_use]
pub fn site(admin: &Arc<AdminServices>) -> Site {
    Site::routed(
        routes::router(Arc::clone(admin)),
        admin.services.keeper.clone(),
    )
}
