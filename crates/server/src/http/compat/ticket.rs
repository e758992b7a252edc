//! `GET|POST /cgi-bin/ticket/getticket`, as WeChat answers it. The token in `access_token` says which app is meant, but
//! never alone who asks.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use http::{HeaderMap, Response};
use utoipa::ToSchema;
use wxtoken_core::credential::Kind;

use super::super::callers::Caller;
use super::super::error::ApiError;
use super::super::input::Query;
use super::super::services::Services;
use super::super::{door, render};
use super::current::current;
use super::{Visit, told_expires_in, wechat_json};
use crate::config::CompatExpiresIn;
use crate::gateway::family::Family;
use crate::gateway::identify::{Asking, Prefixed, no_app, who};
use crate::gateway::introduction::Introduction;
use crate::gateway::mix_up::mixed_up;
use crate::gateway::presented::Presented;
use crate::gateway::refusal::Refusal;
use crate::gateway::secrets::Given;

const PATH: &str = "/cgi-bin/ticket/getticket";
const TICKET_TYPE: Refusal = Refusal::Said(
    40097,
    "invalid args: `type` must be jsapi (or 1) or wx_card; other tickets are not kept here",
);

const NOT_ALLOWED: Refusal = Refusal::Said(
    48001,
    "api unauthorized: `allow` in this caller's [[caller]] table lacks \"ticket\"",
);

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
    let reply = match found(&services, &visit, query.as_deref(), &headers).await {
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
    query: Option<&str>,
    headers: &HeaderMap,
) -> Result<Vec<u8>, Refusal> {
    let presented = Presented::in_query(services, query).await?;
    let asking = Asking {
        path: PATH,
        said: Introduction::in_headers(headers),
        known: None,
        presented: &presented,
        given: &Given::default(),
        peer: visit.peer,
        now: services.keeper.now(),
        certified: visit.certified.as_ref(),
    };
    let prefix = Prefixed {
        key: visit.path_key.as_deref(),
        app: visit.path_app,
        path: PATH,
    };
    let kind = match Query::new(query.unwrap_or_default()).get("type").as_deref() {
        Some("jsapi" | "1") => Ok(Kind::JsapiTicket),
        Some("wx_card") => Ok(Kind::CardTicket),
        _ => Err(TICKET_TYPE),
    };
    let may = |caller: &Caller| {
        kind.as_ref()
            .is_ok_and(|kind| caller.lacks_to_read(*kind).is_none())
    };
    let (caller, app) = who(services, &asking, &prefix, may)?;
    let _open = door::open(&caller, visit.peer, asking.now)?;
    mixed_up(Family::App, &presented)?;
    let app = app.ok_or_else(|| no_app(&presented))?;
    let key = door::may_read(&caller, app.as_str(), kind?.name());
    let key = key.map_err(|error| match error {
        ApiError::NotAllowed(_) => NOT_ALLOWED,
        other => other.into(),
    })?;
    let value = current(services, &caller, key, false).await?;
    let told = told_of_ticket(caller.config().compat_expires_in);
    let told = told_expires_in(told, &value, services.keeper.now());
    let mut body = Vec::with_capacity(640);
    render::wechat_ticket(&mut body, value.token.expose(), told);
    Ok(body)
}

/// What a page signed with a ticket meets at WeChat passes no gateway: nobody puts a live one in its place, so a caller is
/// never told a longer life than the ticket has.
const fn told_of_ticket(told: CompatExpiresIn) -> CompatExpiresIn {
    match told {
        CompatExpiresIn::Fixed(_) => CompatExpiresIn::Remaining,
        CompatExpiresIn::Remaining | CompatExpiresIn::Add(_) => told,
    }
}
