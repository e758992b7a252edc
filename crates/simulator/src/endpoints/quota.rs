//! Asking for quotas and clearing them; pages of `apimanage`.

use serde_json::json;

use super::{Door, Names, Route, require_json, require_post};
use crate::{
    errcode::{Family, Refusal},
    http::{Answer, Asked},
};

pub(super) static ROUTES: &[Route] = &[
    Route::api("/cgi-bin/openapi/quota/get", quota_get),
    Route::api("/cgi-bin/clear_quota", clear_by_token),
    Route::new(
        "/cgi-bin/clear_quota/v2",
        Door::Secret(Names::Either),
        Family::Cgi,
        clear_by_secret,
    ),
];

/// What `quota/get` says of a path that has no documented limit.
const NO_LIMIT: u32 = 1_000_000_000;

fn quota_get(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let path = require_json(asked)?["cgi_path"]
        .as_str()
        .unwrap_or_default();
    if path.starts_with("/sns/") {
        return Err(Refusal::of(76022));
    }
    if !path.starts_with('/') || path.len() < 2 {
        return Err(Refusal::of(76021));
    }
    let (app, _) = asked.token_app()?;
    let state = app.lock();
    let (limit, used) = match asked.shared.paths.find(path) {
        Some(id) => state.quota((id, path), asked.rules, asked.now),
        None => (crate::rules::daily_limit(path, state.kind, asked.rules), 0),
    };
    let limit = limit.unwrap_or(NO_LIMIT);
    let mut answer = json!({
        "errcode": 0,
        "errmsg": "ok",
        "quota": {"daily_limit": limit, "used": used, "remain": limit.saturating_sub(used)},
    });
    if path == "/cgi-bin/stable_token" {
        answer["rate_limit"] =
            json!({"call_count": asked.rules.quotas.stable_per_minute, "refresh_second": 60});
    }
    Ok(Answer::json(&answer))
}

fn clear_by_token(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let appid = require_json(asked)?["appid"].as_str().unwrap_or_default();
    let (app, _) = asked.token_app()?;
    if *app.appid != *appid {
        return Err(Refusal::of(40013));
    }
    app.lock().clear_quota(asked.rules, asked.now)?;
    Ok(Answer::ok())
}

/// No token needed; the AppSecret's parameter is called `appsecret`, and the IP whitelist applies.
fn clear_by_secret(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    require_post(asked)?;
    let app = asked.named_app(Names::Either)?;
    let secret = Names::Either.value(asked.ask, "appsecret");
    let mut state = app.lock();
    state.admit(&asked.secret_ask(secret, None), asked.rules, asked.now)?;
    state.clear_quota(asked.rules, asked.now)?;
    Ok(Answer::ok())
}
