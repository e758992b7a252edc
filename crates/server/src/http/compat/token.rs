//! `GET /cgi-bin/token` (getAccessToken) and `POST /cgi-bin/stable_token` (getStableAccessToken), as WeChat answers them.
//! Both give the one token that is handed out; the hot path answers the plain GET itself.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use http::{Request, Response};
use serde::Deserialize;
use utoipa::ToSchema;
use wxtoken_core::credential::Kind;

use super::super::handout::handed;
use super::super::input::{self, Query};
use super::super::services::Services;
use super::super::{Reply, door, render};
use super::current::current;
use super::refusal::Refusal;
use super::{Visit, identify, told_expires_in, wechat_json};

/// The one grant type there is.
pub(crate) const GRANT_TYPE: &str = "client_credential";

/// What a client asks for a token with.
#[derive(Deserialize, ToSchema)]
pub(crate) struct TokenRequest {
    /// `client_credential`.
    grant_type: Option<String>,
    /// An AppID.
    appid: Option<String>,
    /// A caller key of this server.
    secret: Option<String>,
    /// Says "my last token failed"; it never forces WeChat.
    #[serde(default)]
    force_refresh: bool,
}

/// WeChat's own answer to a token request.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the form of an answer that is written by hand")]
pub(crate) struct WechatToken {
    /// The token.
    access_token: String,
    /// Seconds until it ends.
    expires_in: u64,
}

/// WeChat's own refusal.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the form of an answer that is written by hand")]
pub(crate) struct WechatRefusal {
    /// WeChat's number for it.
    errcode: i64,
    /// What is wrong and how to cure it.
    errmsg: String,
}

/// As WeChat's getAccessToken: HTTP 200 always, refusals as `errcode` and `errmsg`.
#[utoipa::path(get, path = "/cgi-bin/token", tag = "wechat-compatible",
    params(
        ("grant_type" = String, Query, description = "client_credential"),
        ("appid" = String, Query, description = "An AppID"),
        ("secret" = String, Query, description = "A caller key of this server"),
    ),
    responses((status = 200, body = WechatToken, description = "Or a refusal, WechatRefusal")))]
pub(crate) async fn token(
    State(services): State<Arc<Services>>,
    visit: Visit,
    RawQuery(query): RawQuery,
) -> Response<Body> {
    let query = Query::new(query.as_deref().unwrap_or_default());
    let own = |name| query.get(name).map(std::borrow::Cow::into_owned);
    let request = TokenRequest {
        grant_type: own("grant_type"),
        appid: own("appid"),
        secret: own("secret"),
        force_refresh: false,
    };
    answer(&services, &visit, &request).await.map(Body::from)
}

/// As WeChat's getStableAccessToken: HTTP 200 always, refusals as `errcode` and `errmsg`.
#[utoipa::path(post, path = "/cgi-bin/stable_token", tag = "wechat-compatible", request_body = TokenRequest,
    responses((status = 200, body = WechatToken, description = "Or a refusal, WechatRefusal")))]
pub(crate) async fn stable_token(
    State(services): State<Arc<Services>>,
    visit: Visit,
    request: Request<Body>,
) -> Response<Body> {
    let reply = match input::strangers_body(request.into_body(), &services.limits).await {
        Err(error) => Refusal::from(error).reply(visit.id.as_str()),
        Ok(body) => match serde_json::from_slice(&body) {
            Err(_) => Refusal::NOT_JSON.reply(visit.id.as_str()),
            Ok(request) => answer(&services, &visit, &request).await,
        },
    };
    reply.map(Body::from)
}

/// The answer to either.
pub(crate) async fn answer(services: &Services, visit: &Visit, request: &TokenRequest) -> Reply {
    match found(services, visit, request).await {
        Ok(body) => wechat_json(body),
        Err(refusal) => refusal.reply(visit.id.as_str()),
    }
}

async fn found(
    services: &Services,
    visit: &Visit,
    request: &TokenRequest,
) -> Result<Vec<u8>, Refusal> {
    let appid = request.appid.as_deref().filter(|appid| !appid.is_empty());
    let appid = appid.ok_or(Refusal::NO_APPID)?;
    let open = identify::by_secret(services, visit, appid, request.secret.as_deref())?;
    let caller = open.caller();
    let key = door::may_read(caller, appid, Kind::AccessToken.name())?;
    if request.grant_type.as_deref() != Some(GRANT_TYPE) {
        return Err(Refusal::GRANT_TYPE);
    }
    let value = current(services, caller, key, request.force_refresh).await?;
    let value = handed(services, caller, &key, value, services.keeper.now())?;
    let told = told_expires_in(
        caller.config().compat_expires_in,
        &value,
        services.keeper.now(),
    );
    let mut body = Vec::with_capacity(640);
    render::wechat_token(&mut body, value.token.expose(), told);
    Ok(body)
}

impl TokenRequest {
    /// The plain request of the hot path.
    pub(crate) fn plain(appid: &str, secret: &str) -> Self {
        Self {
            grant_type: Some(GRANT_TYPE.to_owned()),
            appid: Some(appid.to_owned()),
            secret: Some(secret.to_owned()),
            force_refresh: false,
        }
    }
}
