//! What is served on a listener: which routes, and whether plain reads take the hot path.
//!
//! Must not know: connections.

use std::sync::Arc;

use super::super::front::Front;
use super::super::routes;
use super::super::services::Services;
use crate::keeper::Keeper;

/// What is served on a listener.
#[derive(Clone)]
pub struct Site {
    pub(super) front: Arc<Front>,
    /// With these, plain reads take the hot path.
    pub(super) hot: Option<Arc<Services>>,
}

impl Site {
    /// The API: native and WeChat-compatible routes.
    #[must_use]
    pub fn api(services: &Arc<Services>) -> Self {
        let front = Front {
            router: routes::router(Arc::clone(services)),
            keeper: services.keeper.clone(),
            services: Some(Arc::clone(services)),
        };
        Self {
            front: Arc::new(front),
            hot: Some(Arc::clone(services)),
        }
    }

    /// The API without the hot path: what answers are compared with.
    #[cfg(test)]
    pub(crate) fn api_by_hyper(services: &Arc<Services>) -> Self {
        Self::api(services).patient()
    }

    /// The same without the hot path, which ends at a stop what has not spoken.
    pub(super) fn patient(&self) -> Self {
        Self {
            hot: None,
            ..self.clone()
        }
    }

    /// Other routes, without a hot path.
    pub(crate) fn routed(router: axum::Router, keeper: Keeper) -> Self {
        let front = Front {
            router,
            keeper,
            services: None,
        };
        Self {
            front: Arc::new(front),
            hot: None,
        }
    }
}
