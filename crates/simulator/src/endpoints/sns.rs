//! Web OAuth: `/sns/oauth2/*`, `/sns/userinfo`, `/sns/auth`; pages of `webdev/access`.

use std::sync::MutexGuard;

use serde_json::{Value, json};

use super::{Door, Names, Route};
use crate::{
    errcode::{Family, Refusal},
    http::{Answer, Asked},
    people::{People, Person, Purpose, UserGrant},
    rules::Grant,
};

pub(super) static ROUTES: &[Route] = &[
    Route::new(
        "/sns/oauth2/access_token",
        Door::Secret(Names::Query),
        Family::Sns,
        exchange,
    ),
    Route::new(
        "/sns/oauth2/refresh_token",
        Door::User,
        Family::Sns,
        refresh,
    ),
    Route::new("/sns/userinfo", Door::User, Family::Sns, userinfo),
    Route::new("/sns/auth", Door::User, Family::Sns, auth),
];

fn exchange(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let (mut people, person, scope) = by_code(asked, "code", Purpose::Web)?;
    let openid = people.openid(&person);
    let supersedes = asked.rules.readings.base_ends_refresh_token;
    let granted = people.grant(person, scope, supersedes, asked.now);
    let mut answer = describe(&granted, &openid);
    if granted.shows_profile() {
        put_unionid(&mut answer, asked, &people, &granted.person);
    }
    if granted.person.snapshot {
        answer["is_snapshotuser"] = 1.into();
    }
    Ok(Answer::json(&answer))
}

/// The union id, where the app is bound to an open-platform account and the person has one.
pub(super) fn put_unionid(answer: &mut Value, asked: &Asked<'_>, people: &People, person: &Person) {
    let app = asked.shared.apps.at(person.app);
    let bound = app.is_some_and(|app| app.lock().users().bound);
    if let Some(unionid) = people.unionid(person).filter(|_| bound) {
        answer["unionid"] = unionid.into();
    }
}

/// Whom a one-time code, shown with the app's secret in the query, stands for, and what they agreed to.
pub(super) fn by_code<'a>(
    asked: &Asked<'a>,
    name: &str,
    purpose: Purpose,
) -> Result<(MutexGuard<'a, People>, Person, String), Refusal> {
    let params = &asked.ask.params;
    let app = asked.named_app(Names::Query)?;
    let grant = Grant {
        given: params.get("grant_type"),
        right: "authorization_code",
    };
    app.lock().admit(
        &asked.secret_ask(params.get("secret"), Some(grant)),
        asked.rules,
        asked.now,
    )?;
    let code = params.filled(name).ok_or_else(|| Refusal::of(41008))?;
    let index = app.lock().index;
    let mut people = asked.shared.people();
    let (person, scope) = people.redeem(index, code, purpose, asked.now)?;
    Ok((people, person, scope))
}

fn refresh(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let params = &asked.ask.params;
    let app = asked.named_app(Names::Query)?;
    if params.get("grant_type") != Some("refresh_token") {
        return Err(Refusal::of(40002));
    }
    let refresh_token = params
        .filled("refresh_token")
        .ok_or_else(|| Refusal::of(41003))?;
    let index = app.lock().index;
    let mut people = asked.shared.people();
    let granted = people.refresh(index, refresh_token, asked.now)?;
    let openid = people.openid(&granted.person);
    Ok(Answer::json(&describe(&granted, &openid)))
}

fn describe(granted: &UserGrant, openid: &str) -> Value {
    json!({
        "access_token": granted.access_token,
        "expires_in": 7200,
        "refresh_token": granted.refresh_token,
        "openid": openid,
        "scope": granted.scope,
    })
}

fn userinfo(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let (granted, openid) = shown(asked)?;
    if !granted.shows_profile() {
        return Err(Refusal::of(48001));
    }
    let people = asked.shared.people();
    let profile = people.profile(&granted.person);
    let mut answer = json!({
        "openid": openid,
        "nickname": profile.nickname,
        "province": profile.province,
        "city": profile.city,
        "country": profile.country,
        "privilege": [],
    });
    if let Some(sex) = profile.sex {
        answer["sex"] = sex.into();
    }
    if let Some(picture) = profile.headimgurl {
        answer["headimgurl"] = picture.into();
    }
    put_unionid(&mut answer, asked, &people, &granted.person);
    Ok(Answer::of_people(&answer, &asked.rules.dress))
}

fn auth(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    match shown(asked) {
        // Here a bad token has another number than everywhere else.
        Err(refusal) if refusal.code == 40001 => Err(Refusal::of(40014)),
        shown => shown.map(|_| Answer::ok()),
    }
}

/// The grant whose web token is shown, and its user's open id, which must be the one asked for.
fn shown(asked: &Asked<'_>) -> Result<(UserGrant, String), Refusal> {
    let params = &asked.ask.params;
    let token = params
        .filled("access_token")
        .ok_or_else(|| Refusal::of(41001))?;
    let mut people = asked.shared.people();
    let granted = people.granted(token, asked.now)?.clone();
    let openid = people.openid(&granted.person);
    let wanted = params.filled("openid").ok_or_else(|| Refusal::of(41009))?;
    if wanted == openid {
        Ok((granted, openid))
    } else {
        Err(Refusal::of(40003))
    }
}
