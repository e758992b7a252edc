//! `GET /v1/apps/{appid}/users/{openid}` and `POST …/users/batch`: who follows, by the app's token.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use http::{Request, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use wxtoken_core::user::OpenId;

use super::super::advice::Advice;
use super::super::error::{ApiError, Problem};
use super::super::input;
use super::super::particular::Particular;
use super::super::services::Services;
use super::asked::{Allowed, Asks, OfApp, OfUser, openid};
use super::{answered, reply};
use crate::config::Permission;
use crate::users::UserInfo;
use crate::words::Sentence;

/// WeChat answers so many at once.
const MOST: usize = 100;
const WHICH: &str = "app";

/// A follower, or somebody who does not follow. It holds what is known of them, so it has no `Debug`.
#[derive(Serialize, ToSchema)]
pub(crate) struct InfoReply {
    /// WeChat's call.
    #[schema(example = "/cgi-bin/user/info")]
    source: &'static str,
    /// Which kind of `access_token` it was made with.
    #[schema(example = "app")]
    token: &'static str,
    /// WeChat's fields.
    #[schema(value_type = Object)]
    user: Map<String, Value>,
    /// What to do where this says little.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<Advice>,
}

/// Many of them.
#[derive(Serialize, ToSchema)]
pub(crate) struct BatchInfoReply {
    /// WeChat's call.
    #[schema(example = "/cgi-bin/user/info/batchget")]
    source: &'static str,
    /// Which kind of `access_token` it was made with.
    #[schema(example = "app")]
    token: &'static str,
    /// WeChat's fields of each, in the order of its answer.
    #[schema(value_type = Vec<Object>)]
    users: Vec<Map<String, Value>>,
    /// What to do where some do not follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<Advice>,
}

/// Who is asked about.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BatchInfoRequest {
    /// At most 100.
    openids: Vec<String>,
    /// `zh_CN`, `zh_TW` or `en`.
    lang: Option<String>,
    /// These fields of each alone, and the openid.
    fields: Option<Vec<String>>,
}

/// A follower, by the app's access_token (`/cgi-bin/user/info`).
#[utoipa::path(get, path = "/v1/apps/{appid}/users/{openid}", tag = "users", security(("caller_key" = [])),
    params(
        ("appid" = String, Path, description = "An AppID"),
        ("openid" = String, Path, description = "The user, to this app"),
        ("lang" = Option<String>, Query, description = "zh_CN, zh_TW or en"),
        ("fields" = Option<String>, Query, description = "These fields alone, with commas between them"),
    ),
    responses(
        (status = 200, body = InfoReply),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
        (status = 502, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn show(
    State(services): State<Arc<Services>>,
    asked: OfUser,
) -> Result<Response<Body>, ApiError> {
    let Allowed { of, openid, asks } = asked.allowed(Permission::Users, &services)?;
    asks.of_followers()?;
    let asked = services.users.info(&of.app, &openid, asks.language);
    let user = answered(&services, &of.app, "info", asked).await?;
    let advice = (user.follows() == Some(false)).then(|| Advice::from(does_not_follow()));
    Ok(reply(&InfoReply {
        source: "/cgi-bin/user/info",
        token: WHICH,
        user: asks.picked(user.into_fields()),
        advice,
    }))
}

/// Up to 100 followers at once, by the app's access_token (`/cgi-bin/user/info/batchget`).
#[utoipa::path(post, path = "/v1/apps/{appid}/users/batch", tag = "users", security(("caller_key" = [])),
    params(("appid" = String, Path, description = "An AppID")),
    request_body = BatchInfoRequest,
    responses(
        (status = 200, body = BatchInfoReply),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 408, body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
        (status = 502, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn batch(
    State(services): State<Arc<Services>>,
    of: OfApp,
    body: Request<Body>,
) -> Result<Response<Body>, ApiError> {
    of.needs(Permission::Users)?;
    let body = input::body(body.into_body(), &services.limits).await?;
    let asked: BatchInfoRequest = input::json(&body, r#"{"openids":["o…"],"lang":"zh_CN"}"#)?;
    if !(1..=MOST).contains(&asked.openids.len()) {
        return Err(how_many(asked.openids.len()));
    }
    let openids = asked.openids.iter().map(|text| openid(&services, text));
    let openids: Vec<OpenId> = openids.collect::<Result<_, _>>()?;
    let asks = Asks::of(asked.lang.as_deref(), asked.fields)?;
    asks.of_followers()?;
    let asked = services.users.batch(&of.app, &openids, asks.language);
    let users = answered(&services, &of.app, "batch", asked).await?;
    let stranger = users.iter().any(|user| user.follows() == Some(false));
    let fields = users.into_iter().map(UserInfo::into_fields);
    Ok(reply(&BatchInfoReply {
        source: "/cgi-bin/user/info/batchget",
        token: WHICH,
        users: fields.map(|user| asks.picked(user)).collect(),
        advice: stranger.then(|| Advice::from(does_not_follow())),
    }))
}

fn how_many(count: usize) -> ApiError {
    Particular::malformed(Sentence::new(
        format!("`openids` 有 {count} 个；一次 1 到 {MOST} 个"),
        format!("`openids` has {count}; 1 to {MOST} are asked about at once"),
    ))
    .into()
}

fn does_not_follow() -> Sentence {
    Sentence::new(
        "这个用户没有关注，微信只给出 openid；用户在网页上同意过的资料请用 GET /v1/apps/{appid}/users/{openid}/profile",
        "this user does not follow the account, so WeChat gives the openid alone; what they consented to on a page is at GET /v1/apps/{appid}/users/{openid}/profile",
    )
}
