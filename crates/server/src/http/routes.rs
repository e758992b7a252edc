//! The one list of routes. The routers are built from it, and the OpenAPI document is held against it.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, delete, get, post};
use http::{Method, Request, Response};

use super::compat::{self, ticket, token};
use super::error::ApiError;
use super::jssdk::{card, page};
use super::native::{apps, batch, credential, dead, health, stream};
use super::oauth;
use super::openapi;
use super::peer::Peer;
use super::request_id::RequestId;
use super::services::Services;
use super::users::{decrypt, forget, info, login, phone, profile};
use crate::gateway;

/// A route of the API listeners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// One credential.
    Credential,
    /// Many at once.
    Batch,
    /// A token is reported dead.
    Dead,
    /// Changes as events.
    Stream,
    /// A page is signed for the JS-SDK.
    SignPage,
    /// A card is signed.
    SignCard,
    /// A code that a user brought back is redeemed.
    Redeem,
    /// A follower.
    User,
    /// Many of them.
    Users,
    /// A user who consented on a page.
    Profile,
    /// Everything kept of a user goes.
    Forget,
    /// A mini program's user signs in.
    Login,
    /// A mini program's encrypted data.
    Decrypt,
    /// Whether a session still holds.
    CheckSession,
    /// A user's phone number.
    PhoneNumber,
    /// What a caller may see.
    Apps,
    /// The OpenAPI document.
    OpenApi,
    /// Alive.
    Health,
    /// Ready.
    Ready,
    /// WeChat's getAccessToken.
    Token,
    /// WeChat's getStableAccessToken.
    StableToken,
    /// WeChat's getticket.
    Ticket,
    /// The same by POST.
    TicketByPost,
}

impl Route {
    /// Every route.
    pub const ALL: [Self; 23] = [
        Self::Credential,
        Self::Batch,
        Self::Dead,
        Self::Stream,
        Self::SignPage,
        Self::SignCard,
        Self::Redeem,
        Self::User,
        Self::Users,
        Self::Profile,
        Self::Forget,
        Self::Login,
        Self::Decrypt,
        Self::CheckSession,
        Self::PhoneNumber,
        Self::Apps,
        Self::OpenApi,
        Self::Health,
        Self::Ready,
        Self::Token,
        Self::StableToken,
        Self::Ticket,
        Self::TicketByPost,
    ];

    /// Its method.
    #[must_use]
    pub const fn method(self) -> Method {
        match self {
            Self::Batch
            | Self::Dead
            | Self::SignPage
            | Self::SignCard
            | Self::Redeem
            | Self::StableToken
            | Self::Users
            | Self::Login
            | Self::Decrypt
            | Self::CheckSession
            | Self::PhoneNumber
            | Self::TicketByPost => Method::POST,
            Self::Forget => Method::DELETE,
            Self::Credential
            | Self::Stream
            | Self::User
            | Self::Profile
            | Self::Apps
            | Self::OpenApi
            | Self::Health
            | Self::Ready
            | Self::Token
            | Self::Ticket => Method::GET,
        }
    }

    /// Its path.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Credential => "/v1/apps/{appid}/{kind}",
            Self::Batch => "/v1/read",
            Self::Dead => "/v1/apps/{appid}/{kind}/dead",
            Self::Stream => "/v1/stream",
            Self::SignPage => "/v1/apps/{appid}/jssdk-signature",
            Self::SignCard => "/v1/apps/{appid}/card-signature",
            Self::Redeem => "/v1/oauth/redeem",
            Self::User | Self::Forget => "/v1/apps/{appid}/users/{openid}",
            Self::Users => "/v1/apps/{appid}/users/batch",
            Self::Profile => "/v1/apps/{appid}/users/{openid}/profile",
            Self::Login => "/v1/apps/{appid}/login",
            Self::Decrypt => "/v1/apps/{appid}/users/{openid}/decrypt",
            Self::CheckSession => "/v1/apps/{appid}/users/{openid}/checksession",
            Self::PhoneNumber => "/v1/apps/{appid}/phone-number",
            Self::Apps => "/v1/apps",
            Self::OpenApi => "/v1/openapi.json",
            Self::Health => "/healthz",
            Self::Ready => "/readyz",
            Self::Token => "/cgi-bin/token",
            Self::StableToken => "/cgi-bin/stable_token",
            Self::Ticket | Self::TicketByPost => "/cgi-bin/ticket/getticket",
        }
    }

    /// Whether it speaks WeChat's language; those also stand behind `/k/{key}`.
    #[must_use]
    pub const fn is_compat(self) -> bool {
        matches!(
            self,
            Self::Token | Self::StableToken | Self::Ticket | Self::TicketByPost
        )
    }

    fn handler(self) -> MethodRouter<Arc<Services>> {
        match self {
            Self::Credential => get(credential::show),
            Self::Batch => post(batch::read_many),
            Self::Dead => post(dead::report_dead),
            Self::Stream => get(stream::listen),
            Self::SignPage => post(page::sign_page),
            Self::SignCard => post(card::sign_card),
            Self::Redeem => post(oauth::redeem),
            Self::User => get(info::show),
            Self::Users => post(info::batch),
            Self::Profile => get(profile::show),
            Self::Forget => delete(forget::forget),
            Self::Login => post(login::login),
            Self::Decrypt => post(decrypt::decrypt),
            Self::CheckSession => post(login::check),
            Self::PhoneNumber => post(phone::number),
            Self::Apps => get(apps::list),
            Self::OpenApi => get(openapi::api_document),
            Self::Health => get(health::alive),
            Self::Ready => get(health::ready),
            Self::Token => get(token::token).fallback(compat::wrong_method),
            Self::StableToken => post(token::stable_token).fallback(compat::wrong_method),
            Self::Ticket => get(ticket::ticket),
            Self::TicketByPost => post(ticket::ticket_by_post),
        }
    }
}

/// The routes of the API listeners.
pub(crate) fn router(services: Arc<Services>) -> Router {
    let mut router = Router::new();
    for route in Route::ALL {
        router = router.route(route.path(), route.handler());
        if route.is_compat() {
            for prefix in ["/k/{key}", "/k/{key}/{appid}"] {
                router = router.route(&format!("{prefix}{}", route.path()), route.handler());
            }
        }
    }
    router
        .fallback(forward)
        .method_not_allowed_fallback(async || ApiError::WrongMethod)
        .with_state(services)
}

/// What browsers ask for, on the public listener alone: here it is not answered, and is not WeChat's.
pub(super) const FOR_BROWSERS: [&str; 3] = ["/oauth", "/jssdk", "/push"];

/// What is not ours is WeChat's.
async fn forward(State(services): State<Arc<Services>>, request: Request<Body>) -> Response<Body> {
    match request.uri().path().split('/').nth(1) {
        Some("v1" | "healthz" | "readyz" | "") => {
            return ApiError::NoSuchPath(Route::OpenApi.path()).into_response();
        }
        Some(first) if FOR_BROWSERS.iter().any(|path| path[1..] == *first) => {
            return ApiError::OnPublicListener(Route::OpenApi.path()).into_response();
        }
        Some(_) | None => {}
    }
    let extensions = request.extensions();
    let (Some(peer), Some(id)) = (
        extensions.get::<Peer>().copied(),
        extensions.get::<RequestId>().cloned(),
    ) else {
        return ApiError::Internal.into_response();
    };
    gateway::answer(&services, peer, &id, request).await
}
