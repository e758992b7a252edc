//! `GET|POST /cgi-bin/ticket/getticket`, as WeChat answers it. The token in `access_token` says which app is meant, but
//! never alone who asks.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use http::header::AUTHORIZATION;
use http::{HeaderMap, Response};
use utoipa::ToSchema;
use wxtoken_core::app::AppId;
use wxtoken_core::credential::Kind;

use super::super::callers::{Caller, OpenRequest};
use super::super::error::ApiError;
use super::super::input::Query;
use super::super::services::Services;
use super::super::{door, render};
use super::current::current;
use super::refusal::Refusal;
use super::{Visit, identify, told_expires_in, wechat_json};
use crate::config::AppScope;

/// Names the app where no token of ours does.
const APP_HEADER: &str = "wxtoken-app";

/// WeChat's own answer to a ticket request.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the form of an answer that is written by hand")]
pub(crate) struct WechatTicket {
    /// Always 0.
    errcode: i64,
    /// Always `ok`.
    errmsg: String,
    /// The ticket.
    ticket: String,
    /// Seconds until it ends.
    expires_in: u64,
}

/// As WeChat's getticket: HTTP 200 always, refusals as `errcode` and `errmsg`. Say who asks with a Bearer key, a key in
/// the path or a `from` address.
#[utoipa::path(get, path = "/cgi-bin/ticket/getticket", tag = "wechat-compatible",
    params(
        ("access_token" = String, Query, description = "The app's token, as handed out here"),
        ("type" = String, Query, description = "jsapi (or 1), or wx_card"),
    ),
    responses((status = 200, body = WechatTicket, description = "Or a refusal, WechatRefusal")))]
pub(crate) async fn ticket(
    State(services): State<Arc<Services>>,
    visit: Visit,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response<Body> {
    let query = Query::new(query.as_deref().unwrap_or_default());
    let reply = match found(&services, &visit, &query, &headers).await {
        Ok(body) => wechat_json(body),
        Err(refusal) => refusal.reply(visit.id.as_str()),
    };
    reply.map(Body::from)
}

/// The same by POST, as some SDKs ask; the parameters stand in the query all the same.
#[utoipa::path(post, path = "/cgi-bin/ticket/getticket", tag = "wechat-compatible",
    params(
        ("access_token" = String, Query, description = "The app's token, as handed out here"),
        ("type" = String, Query, description = "jsapi (or 1), or wx_card"),
    ),
    responses((status = 200, body = WechatTicket, description = "Or a refusal, WechatRefusal")))]
pub(crate) async fn ticket_by_post(
    services: State<Arc<Services>>,
    visit: Visit,
    query: RawQuery,
    headers: HeaderMap,
) -> Response<Body> {
    ticket(services, visit, query, headers).await
}

async fn found(
    services: &Services,
    visit: &Visit,
    query: &Query<'_>,
    headers: &HeaderMap,
) -> Result<Vec<u8>, Refusal> {
    let token = query.get("access_token").filter(|token| !token.is_empty());
    let token = token.ok_or(Refusal::NO_TOKEN)?;
    let (open, app) = who_and_what(services, visit, headers, &token)?;
    let kind = match query.get("type").as_deref() {
        Some("jsapi" | "1") => Kind::JsapiTicket,
        Some("wx_card") => Kind::CardTicket,
        _ => return Err(Refusal::TICKET_TYPE),
    };
    let caller = open.caller();
    let key = door::may_read(caller, app.as_str(), kind.name())?;
    let value = current(services, caller, key, false).await?;
    let told = told_expires_in(
        caller.config().compat_expires_in,
        &value,
        services.keeper.now(),
    );
    let mut body = Vec::with_capacity(640);
    render::wechat_ticket(&mut body, value.token.expose(), told);
    Ok(body)
}

fn who_and_what(
    services: &Services,
    visit: &Visit,
    headers: &HeaderMap,
    token: &str,
) -> Result<(OpenRequest, AppId), Refusal> {
    let open = if let Some(key) = &visit.path_key {
        identify::by_path_key(services, visit, key)?
    } else if headers.contains_key(AUTHORIZATION) {
        door::admit(services, door::bearer(headers)?, visit.peer)?
    } else {
        return by_address(services, visit, token);
    };
    let app = app_of(services, open.caller(), headers, token)?;
    Ok((open, app))
}

/// Without a key: one of the callers of this address, and the token must be the current one of an app of its.
fn by_address(
    services: &Services,
    visit: &Visit,
    token: &str,
) -> Result<(OpenRequest, AppId), Refusal> {
    let callers = identify::by_address(services, visit);
    let first = callers.first().ok_or(Refusal::NO_CALLER)?;
    let known = callers
        .iter()
        .find_map(|caller| Some((caller, identify::app_of_token(services, caller, token)?)));
    let (caller, app) = known.map_or((first, None), |(caller, app)| (caller, Some(app)));
    let open = door::open(caller, visit.peer, services.keeper.now())?;
    Ok((open, app.ok_or(Refusal::TOKEN)?))
}

/// With a key: the token's app; else the one that is named; else the only one the caller has.
fn app_of(
    services: &Services,
    caller: &Caller,
    headers: &HeaderMap,
    token: &str,
) -> Result<AppId, Refusal> {
    if let Some(app) = identify::app_of_token(services, caller, token) {
        return Ok(app);
    }
    if let Some(named) = headers.get(APP_HEADER) {
        let named = named.to_str().ok().and_then(|text| text.parse().ok());
        return named.ok_or_else(|| ApiError::UnknownApp.into());
    }
    match &caller.config().apps {
        AppScope::Some(apps) if apps.len() == 1 => Ok(apps[0]),
        AppScope::Some(_) | AppScope::All => Err(Refusal::TOKEN),
    }
}
