//! Followers by the app's token: `user/info`, `user/info/batchget`, `user/get`; pages of `usermanage`.

use serde_json::{Value, json};

use super::{Route, require_json, sns::put_unionid};
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

/// WeChat answers so many at once.
const BATCH: usize = 100;

fn info(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let openid = asked
        .ask
        .params
        .filled("openid")
        .ok_or_else(|| Refusal::of(40003))?;
    let index = app_index(asked)?;
    let described = describe(&mut asked.shared.people(), index, openid, asked)?;
    Ok(Answer::of_people(&described, &asked.rules.dress))
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
    let described = json!({"user_info_list": infos?});
    Ok(Answer::of_people(&described, &asked.rules.dress))
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
    let mut answer = if people.profile(&person).follows {
        follower(openid, asked)
    } else {
        json!({"subscribe": 0, "openid": openid})
    };
    put_unionid(&mut answer, asked, people, &person);
    Ok(answer)
}

fn follower(openid: &str, asked: &Asked<'_>) -> Value {
    json!({
        "subscribe": 1,
        "openid": openid,
        "language": "zh_CN",
        "subscribe_time": asked.now.unix_s() - 86_400,
        "remark": "",
        "groupid": 0,
        "tagid_list": [],
        "subscribe_scene": "ADD_SCENE_QR_CODE",
        "qr_scene": 0,
        "qr_scene_str": "",
    })
}

fn followers(people: &mut People, app: u32) -> Vec<String> {
    people
        .followers()
        .iter()
        .map(|name| people.openid(&Person::new(app, name)))
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
