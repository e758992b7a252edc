//! Mini-program login: `jscode2session`, session checks, phone numbers; pages of `user-login` and `user-info`.

use aws_lc_rs::hmac;
use serde_json::{Value, json};

use super::sns::{by_code, put_unionid};
use super::{Door, Names, Route, require_json};
use crate::{
    errcode::{Family, Refusal},
    http::{Answer, Asked},
    people::{Profile, Purpose},
    rules::CountryCode,
    token::hex,
};

pub(super) static ROUTES: &[Route] = &[
    Route::new(
        "/sns/jscode2session",
        Door::Secret(Names::Query),
        Family::Sns,
        code_to_session,
    ),
    Route::api("/wxa/checksession", check_session),
    Route::api("/wxa/resetusersessionkey", reset_session),
    Route::api("/wxa/business/getuserphonenumber", phone_number),
];

fn code_to_session(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let (mut people, person, _) =
        by_code(asked, "js_code", Purpose::Login).map_err(only_invalid)?;
    let openid = people.openid(&person);
    let session_key = people.open_session(&openid);
    let mut answer = json!({"openid": openid, "session_key": session_key});
    put_unionid(&mut answer, asked, &people, &person);
    Ok(Answer::json(&answer))
}

/// Outside web OAuth a code that is too old is simply not valid.
fn only_invalid(refusal: Refusal) -> Refusal {
    match refusal.code {
        42003 => Refusal::of(40029),
        _ => refusal,
    }
}

fn check_session(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    signed_openid(asked)?;
    Ok(Answer::ok())
}

fn reset_session(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let openid = signed_openid(asked)?;
    let session_key = asked.shared.people().open_session(openid);
    Ok(Answer::json(
        &json!({"errcode": 0, "errmsg": "ok", "openid": openid, "session_key": session_key}),
    ))
}

/// The open id of a call signed with its session key: HMAC-SHA256 of nothing, the key being the base64 text itself.
fn signed_openid<'a>(asked: &'a Asked<'_>) -> Result<&'a str, Refusal> {
    let params = &asked.ask.params;
    if params.get("sig_method") != Some("hmac_sha256") {
        return Err(Refusal::of(87008));
    }
    let (app, _) = asked.token_app()?;
    let (index, openid) = (
        app.lock().index,
        params.filled("openid").ok_or_else(|| Refusal::of(40003))?,
    );
    let people = asked.shared.people();
    people
        .with_openid(index, openid)
        .ok_or_else(|| Refusal::of(40003))?;
    let key = people
        .session_key(openid)
        .ok_or_else(|| Refusal::of(87009))?;
    if params.get("signature") == Some(&signature(key)) {
        Ok(openid)
    } else {
        Err(Refusal::of(87009))
    }
}

fn signature(session_key: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, session_key.as_bytes());
    hex(hmac::sign(&key, b"").as_ref())
}

fn phone_number(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let body = require_json(asked)?;
    let (app, _) = asked.token_app()?;
    let (index, settings) = {
        let state = app.lock();
        (state.index, state.users())
    };
    let mut people = asked.shared.people();
    let code = body["code"].as_str().unwrap_or_default();
    let (person, _) = people
        .redeem(index, code, Purpose::Phone, asked.now)
        .map_err(|refusal| match refusal.code {
            // One that was used is not valid either.
            40163 => Refusal::of(40029),
            _ => only_invalid(refusal),
        })?;
    if let Some(wanted) = body["openid"].as_str()
        && wanted != people.openid(&person)
    {
        return Err(Refusal::of(40003));
    }
    let appid = settings.phone_watermark.as_deref().unwrap_or(&app.appid);
    let mut phone_info = phone(&people.profile(&person), asked.rules.dress.country_code);
    phone_info["watermark"] = json!({"timestamp": asked.now.unix_s(), "appid": appid});
    Ok(Answer::json(
        &json!({"errcode": 0, "errmsg": "ok", "phone_info": phone_info}),
    ))
}

/// A phone number without its watermark.
pub(crate) fn phone(profile: &Profile, written: CountryCode) -> Value {
    json!({
        "phoneNumber": profile.full_phone(),
        "purePhoneNumber": profile.phone,
        "countryCode": match written {
            CountryCode::Text => Value::from(profile.country_code.to_string()),
            CountryCode::Number => Value::from(profile.country_code),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_signed_with_the_key_as_it_is_written() {
        assert_eq!(
            signature("o0q0otL8aEzpcZL/FT9WsQ=="),
            "46e043c5525c2d817c44be603d30837a808a1d930d038f6fdc3e62a201fed128"
        );
    }
}
