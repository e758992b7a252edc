//! Followers by the app's token: `user/info`, `user/info/batchget`, `user/get`; pages of `usermanage`.

use serde_json::{Value, json};

use super::{Route, require_json};
use crate::{
    errcode::Refusal,
    http::{Answer, Asked},
    people::{People, Person},
};

pub(super) static ROUTES: &[Route] = &[
    Route::api("/cgi-bin/user/info", info),
    Route::api("/cgi-bin/user/info/batchget", batch),
    Route::api("/cgi-bin/user/get", list),
];

/// Those who follow every account.
pub(crate) const FOLLOWERS: [&str; 3] = ["alice", "bob", "carol"];
/// WeChat answers so many at once.
const BATCH: usize = 100;

fn info(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let openid = asked
        .ask
        .params
        .filled("openid")
        .ok_or_else(|| Refusal::of(40003))?;
    let index = app_index(asked)?;
    Ok(Answer::json(&describe(
        &mut asked.shared.people(),
        index,
        openid,
        asked,
    )?))
}

fn batch(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let body = require_json(asked)?;
    let wanted = body["user_list"]
        .as_array()
        .filter(|list| list.len() <= BATCH)
        .ok_or_else(|| Refusal::of(47001))?;
    let index = app_index(asked)?;
    let mut people = asked.shared.people();
    let infos: Result<Vec<Value>, Refusal> = wanted
        .iter()
        .map(|one| {
            describe(
                &mut people,
                index,
                one["openid"].as_str().unwrap_or_default(),
                asked,
            )
        })
        .collect();
    Ok(Answer::json(&json!({"user_info_list": infos?})))
}

fn list(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let openids = followers(&mut asked.shared.people(), app_index(asked)?);
    Ok(Answer::json(&json!({
        "total": openids.len(),
        "count": openids.len(),
        "next_openid": openids.last(),
        "data": {"openid": openids},
    })))
}

/// Somebody who does not follow is only an open id.
fn describe(
    people: &mut People,
    app: u32,
    openid: &str,
    asked: &Asked<'_>,
) -> Result<Value, Refusal> {
    // The followers are known without ever having been met.
    followers(people, app);
    let person = people
        .with_openid(app, openid)
        .ok_or_else(|| Refusal::of(40003))?
        .clone();
    if !FOLLOWERS.contains(&person.name.as_str()) {
        return Ok(
            json!({"subscribe": 0, "openid": openid, "unionid": people.unionid(&person.name)}),
        );
    }
    Ok(json!({
        "subscribe": 1,
        "openid": openid,
        "language": "zh_CN",
        "subscribe_time": asked.now.unix_s() - 86_400,
        "unionid": people.unionid(&person.name),
        "remark": "",
        "groupid": 0,
        "tagid_list": [],
        "subscribe_scene": "ADD_SCENE_QR_CODE",
        "qr_scene": 0,
        "qr_scene_str": "",
    }))
}

fn followers(people: &mut People, app: u32) -> Vec<String> {
    FOLLOWERS
        .iter()
        .map(|name| {
            people.openid(&Person {
                app,
                name: (*name).to_owned(),
            })
        })
        .collect()
}

fn app_index(asked: &Asked<'_>) -> Result<u32, Refusal> {
    asked.token_app().map(|(app, _)| app.lock().index)
}

/// Whether this is somebody an app may write to.
pub(super) fn is_known(asked: &Asked<'_>, openid: &str) -> Result<bool, Refusal> {
    let index = app_index(asked)?;
    let mut people = asked.shared.people();
    followers(&mut people, index);
    Ok(people.with_openid(index, openid).is_some())
}
