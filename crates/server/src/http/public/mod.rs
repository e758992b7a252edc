//! The public listener: what browsers and WeChat may reach, and nothing else.
//!
//! Owns: its routes, its pages, the headers on every answer, the rate of each address. Nothing is ever built from `Host` or
//! from what a proxy says of it: links begin with `base_url`. Must not know: keys of callers, the API, WeChat's answers.

mod address;
mod guard;
mod jssdk;
mod limiter;
mod oauth;
pub(crate) mod pages;
mod push;
mod verify;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::middleware;
use axum::routing::get;
use http::{HeaderMap, Request, Response};
use wxtoken_core::app::AppId;

use super::listen::Site;
use super::peer::Peer;
use super::services::Services;
use crate::config::{BaseUrl, Config, IpNet};
use limiter::Limiter;
use pages::{Language, Page};

/// Told of each step of a sign-in: the app, empty if it is none of ours, and how the step ended.
pub type TellSignIn = Arc<dyn Fn(&str, &'static str) + Send + Sync>;

/// What the public handlers work with.
pub struct PublicServices {
    /// What the API works with too: callers, keeper, the signal to stop.
    pub services: Arc<Services>,
    /// The configuration in force: apps, and what is set for them.
    pub config: Arc<ArcSwap<Config>>,
    base_url: BaseUrl,
    open_url: BaseUrl,
    verify_files: Option<Box<std::path::Path>>,
    forwarded_from: Box<[IpNet]>,
    limiter: Limiter,
    tell_sign_in: TellSignIn,
}

impl PublicServices {
    /// Joins the parts; none where no public listener is configured.
    #[must_use]
    pub fn new(
        config: &Arc<ArcSwap<Config>>,
        services: Arc<Services>,
        tell_sign_in: TellSignIn,
    ) -> Option<Arc<Self>> {
        let now = config.load();
        let public = &now.public;
        Some(Arc::new(Self {
            services,
            config: Arc::clone(config),
            base_url: public.base_url.clone()?,
            // As at the start, like the server that codes are exchanged at.
            open_url: now.upstream.open_url.clone(),
            verify_files: public.verify_files.as_deref().map(Into::into),
            forwarded_from: public.forwarded_from.clone(),
            limiter: Limiter::new(public.rate),
            tell_sign_in,
        }))
    }

    /// How the world calls this listener, without a slash at its end.
    #[must_use]
    pub fn base_url(&self) -> &BaseUrl {
        &self.base_url
    }

    /// Where WeChat's pages are.
    pub(crate) fn open_url(&self) -> &BaseUrl {
        &self.open_url
    }

    /// Counts a step of a sign-in. What a stranger writes for an app is counted as no app.
    fn count_sign_in(&self, app: &str, outcome: &'static str) {
        let known: Option<AppId> = app.parse().ok();
        let known = known.filter(|app| self.config.load().app(app).is_some());
        (self.tell_sign_in)(known.as_ref().map_or("", AppId::as_str), outcome);
    }

    /// Takes one request off the rate of the address it comes from. Every request is asked this, before its handler is, but
    /// where a page of an app asks to be signed: there the handler asks, and answers in JSON.
    ///
    /// # Errors
    /// How long until the next is allowed.
    pub fn admit(&self, peer: Peer, headers: &HeaderMap) -> Result<(), Duration> {
        let from = address::of(peer, headers, &self.forwarded_from);
        self.limiter.take(from, self.services.keeper.now().boot)
    }
}

/// What is served on a public listener.
#[must_use]
pub fn site(public: &Arc<PublicServices>) -> Site {
    Site::routed(router(public), public.services.keeper.clone())
}

fn router(public: &Arc<PublicServices>) -> Router {
    Router::new()
        .route("/jssdk/{appid}", jssdk::route())
        .route("/push/{appid}", push::route())
        .route("/oauth/{appid}/authorize", get(oauth::authorize))
        .route("/oauth/{appid}/callback", get(oauth::callback))
        .fallback(other)
        .method_not_allowed_fallback(other)
        .layer(middleware::from_fn_with_state(
            Arc::clone(public),
            guard::guard,
        ))
        .with_state(Arc::clone(public))
}

/// WeChat's verification files, and what is not here.
async fn other(
    State(public): State<Arc<PublicServices>>,
    request: Request<Body>,
) -> Response<Body> {
    let language = Language::of_request(&request);
    let (parts, _) = request.into_parts();
    let file = verify::file(&public, &parts.method, parts.uri.path()).await;
    file.unwrap_or_else(|| Page::not_here().answer(language))
}

#[cfg(test)]
mod tests;
