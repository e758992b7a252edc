//! The one list of admin routes. The router is built from it, and the OpenAPI document is held against it.

use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::routing::{MethodRouter, get, post};
use http::Method;

use super::super::error::ApiError;
use super::super::openapi;
use super::guard::guard;
use super::{AdminServices, apps, callers, health, refresh, status};

/// A route of the admin listeners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdminRoute {
    /// Alive.
    Health,
    /// Ready.
    Ready,
    /// The metrics.
    Metrics,
    /// The server at a glance.
    Status,
    /// Every app.
    Apps,
    /// A refresh by hand.
    Refresh,
    /// A caller's virtual tokens are ended.
    Revoke,
    /// The OpenAPI document of these routes.
    OpenApi,
}

impl AdminRoute {
    /// Every route.
    pub const ALL: [Self; 8] = [
        Self::Health,
        Self::Ready,
        Self::Metrics,
        Self::Status,
        Self::Apps,
        Self::Refresh,
        Self::Revoke,
        Self::OpenApi,
    ];

    /// Its method.
    #[must_use]
    pub const fn method(self) -> Method {
        match self {
            Self::Refresh | Self::Revoke => Method::POST,
            Self::Health
            | Self::Ready
            | Self::Metrics
            | Self::Status
            | Self::Apps
            | Self::OpenApi => Method::GET,
        }
    }

    /// Its path.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Health => "/healthz",
            Self::Ready => "/readyz",
            Self::Metrics => "/metrics",
            Self::Status => "/admin/status",
            Self::Apps => "/admin/apps",
            Self::Refresh => "/admin/apps/{appid}/{kind}/refresh",
            Self::Revoke => "/admin/callers/{name}/revoke",
            Self::OpenApi => "/admin/openapi.json",
        }
    }

    fn handler(self) -> MethodRouter<Arc<AdminServices>> {
        match self {
            Self::Health => get(health::alive),
            Self::Ready => get(health::ready),
            Self::Metrics => get(health::metrics),
            Self::Status => get(status::show),
            Self::Apps => get(apps::list),
            Self::Refresh => post(refresh::refresh),
            Self::Revoke => post(callers::revoke),
            Self::OpenApi => get(openapi::admin_document),
        }
    }
}

/// The routes of the admin listeners, behind their guard.
pub(super) fn router(admin: Arc<AdminServices>) -> Router {
    let mut router = Router::new();
    for route in AdminRoute::ALL {
        router = router.route(route.path(), route.handler());
    }
    router
        .fallback(async || ApiError::NoSuchPath(AdminRoute::OpenApi.path()))
        .method_not_allowed_fallback(async || ApiError::WrongMethod)
        .layer(middleware::from_fn_with_state(Arc::clone(&admin), guard))
        .with_state(admin)
}
