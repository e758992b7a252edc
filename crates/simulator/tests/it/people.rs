//! What people are, grant and take back; sessions and phone numbers.

use aws_lc_rs::cipher::{AES_128, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use wxtoken_simulator::{CountryCode, EncryptError, Encrypted, Rules, Upstream, UserCode};

use crate::{
    client::{APPID, MINI, Reply, SECRET, classic, get, pass, post, send, upstream},
    features::exchange,
};

async fn grant(up: &Upstream, user: &str, code: UserCode) -> Value {
    let code = up.world().user_code(APPID, user, code).unwrap();
    exchange(up, &code).await
}

fn text<'a>(of: &'a Value, name: &str) -> &'a str {
    of[name].as_str().unwrap_or_else(|| panic!("{name}: {of}"))
}

async fn userinfo(up: &Upstream, granted: &Value) -> Reply {
    let (token, openid) = (text(granted, "access_token"), text(granted, "openid"));
    get(
        up,
        &format!("/sns/userinfo?access_token={token}&openid={openid}&lang=zh_CN"),
    )
    .await
}

async fn refresh(up: &Upstream, appid: &str, granted: &Value) -> Value {
    let token = text(granted, "refresh_token");
    let url = format!(
        "/sns/oauth2/refresh_token?appid={appid}&grant_type=refresh_token&refresh_token={token}"
    );
    get(up, &url).await.json()
}

async fn log_in(up: &Upstream, user: &str) -> Value {
    let code = up.world().user_code(MINI, user, UserCode::Login).unwrap();
    log_in_with(up, &code).await
}

async fn log_in_with(up: &Upstream, code: &str) -> Value {
    let url = format!(
        "/sns/jscode2session?appid={MINI}&secret={SECRET}&js_code={code}&grant_type=authorization_code"
    );
    get(up, &url).await.json()
}

#[tokio::test]
async fn a_refresh_token_is_its_apps_own_lives_for_thirty_days_and_dies_with_the_users_will() {
    let up = upstream(Rules::default()).await;
    let (alices, bobs) = (
        grant(&up, "alice", UserCode::Web).await,
        grant(&up, "bob", UserCode::Web).await,
    );
    assert_eq!(refresh(&up, MINI, &alices).await["errcode"], 40030);
    let revoked = post(
        &up,
        &format!("/_sim/apps/{APPID}/revoke"),
        &json!({"user": "alice"}),
    )
    .await;
    assert_eq!(revoked.json(), json!({"user": "alice", "revoked": 1}));
    assert_eq!(refresh(&up, APPID, &alices).await["errcode"], 42007);
    assert_eq!(userinfo(&up, &alices).await.errcode(), 42007);
    assert_eq!(userinfo(&up, &bobs).await.errcode(), 0);
    let again = grant(&up, "alice", UserCode::Web).await;
    assert_eq!(userinfo(&up, &again).await.errcode(), 0);
    pass(&up, 30 * 86_400 - 1);
    assert!(refresh(&up, APPID, &again).await["errcode"].is_null());
    pass(&up, 1);
    assert_eq!(refresh(&up, APPID, &again).await["errcode"], 42002);
}

#[tokio::test]
async fn a_base_consent_may_end_the_refresh_token_of_an_earlier_one() {
    for ends in [false, true] {
        let up = upstream(Rules::default()).await;
        up.world()
            .change_rules(|rules| rules.readings.base_ends_refresh_token = ends);
        let wide = grant(&up, "alice", UserCode::Web).await;
        grant(&up, "alice", UserCode::WebBase).await;
        assert_eq!(userinfo(&up, &wide).await.errcode(), 0);
        let renewed = refresh(&up, APPID, &wide).await;
        assert_eq!(renewed["errcode"] == 40030, ends, "{renewed}");
    }
}

#[tokio::test]
async fn a_nickname_is_any_text_and_control_characters_may_stand_raw() {
    let up = upstream(Rules::default()).await;
    let name = "\u{1F980}\"\\<b>&amp;'\u{1}\u{7f}\nend";
    let changed = send(
        &up,
        "PUT",
        "/_sim/people/alice",
        json!({"nickname": name, "headimgurl": null, "sex": null})
            .to_string()
            .as_bytes(),
    )
    .await;
    assert_eq!(changed.status, 200);
    let granted = grant(&up, "alice", UserCode::Web).await;
    let info = userinfo(&up, &granted).await;
    assert_eq!(info.header("content-type"), Some("text/plain"));
    let info = info.json();
    assert_eq!(info["nickname"], name);
    assert!(info.get("headimgurl").is_none() && info.get("sex").is_none());
    up.world()
        .change_rules(|rules| rules.dress.raw_control_characters = true);
    let raw = userinfo(&up, &granted).await;
    assert!(serde_json::from_slice::<Value>(&raw.body).is_err());
    assert!(raw.text().contains("'\u{1}\u{7f}\nend\""));
}

#[tokio::test]
async fn union_ids_are_seen_by_apps_that_are_bound_of_people_who_have_one() {
    let up = upstream(Rules::default()).await;
    let token = classic(&up).await.token();
    let carol = up.world().openid(APPID, "carol").unwrap();
    let info = format!("/cgi-bin/user/info?access_token={token}&openid={carol}");
    let world = up.world();
    let changes: [(&dyn Fn(), bool); 3] = [
        (&|| {}, true),
        (
            &|| {
                let unbind =
                    |settings: &mut wxtoken_simulator::UserSettings| settings.bound = false;
                world.change_user_settings(APPID, unbind).unwrap();
            },
            false,
        ),
        (
            &|| {
                let bind = |settings: &mut wxtoken_simulator::UserSettings| settings.bound = true;
                world.change_user_settings(APPID, bind).unwrap();
                world.change_profile("carol", |carol| carol.has_unionid = false);
            },
            false,
        ),
    ];
    for (change, seen) in changes {
        change();
        let granted = grant(&up, "carol", UserCode::Web).await;
        assert_eq!(granted["unionid"].is_string(), seen);
        let profile = userinfo(&up, &granted).await.json();
        assert_eq!(profile["unionid"].is_string(), seen);
        assert_eq!(get(&up, &info).await.json()["unionid"].is_string(), seen);
    }
}

#[tokio::test]
async fn who_stops_following_is_only_an_open_id() {
    let up = upstream(Rules::default()).await;
    up.world()
        .change_profile("alice", |alice| alice.follows = false);
    up.world()
        .change_profile("erin", |erin| erin.follows = true);
    let token = classic(&up).await.token();
    let list = get(&up, &format!("/cgi-bin/user/get?access_token={token}"))
        .await
        .json();
    let openid = |who: &str| json!(up.world().openid(APPID, who).unwrap());
    assert_eq!(
        list["data"]["openid"],
        json!([openid("bob"), openid("carol"), openid("erin")])
    );
    let alice = up.world().openid(APPID, "alice").unwrap();
    let info = format!("/cgi-bin/user/info?access_token={token}&openid={alice}");
    assert_eq!(get(&up, &info).await.json()["subscribe"], 0);
}

#[tokio::test]
async fn a_blocked_users_codes_are_refused() {
    let up = upstream(Rules::default()).await;
    up.world()
        .change_profile("mallory", |mallory| mallory.blocked = true);
    assert_eq!(log_in(&up, "mallory").await["errcode"], 40226);
    assert_eq!(grant(&up, "mallory", UserCode::Web).await["errcode"], 40226);
}

#[tokio::test]
async fn a_login_code_that_was_used_or_is_too_old_is_told_apart() {
    let up = upstream(Rules::default()).await;
    let code = up
        .world()
        .user_code(MINI, "alice", UserCode::Login)
        .unwrap();
    assert!(log_in_with(&up, &code).await["errcode"].is_null());
    assert_eq!(log_in_with(&up, &code).await["errcode"], 40163);
    let late = up
        .world()
        .user_code(MINI, "alice", UserCode::Login)
        .unwrap();
    pass(&up, 300);
    assert_eq!(log_in_with(&up, &late).await["errcode"], 40029);
}

fn decrypted(key: &str, data: &Value) -> Value {
    let bytes = |text: &str| STANDARD.decode(text).unwrap();
    let key = UnboundCipherKey::new(&AES_128, &bytes(key)).unwrap();
    let key = PaddedBlockDecryptingKey::cbc_pkcs7(key).unwrap();
    let iv: [u8; 16] = bytes(text(data, "iv")).try_into().unwrap();
    let mut sealed = bytes(text(data, "encrypted_data"));
    let plain = key
        .decrypt(&mut sealed, DecryptionContext::Iv128(iv.into()))
        .unwrap();
    serde_json::from_slice(plain).unwrap()
}

#[tokio::test]
async fn what_a_phone_encrypts_opens_with_the_session_key_and_carries_a_watermark() {
    let up = upstream(Rules::default()).await;
    assert_eq!(
        up.world()
            .encrypted(MINI, "alice", Encrypted::Profile, None),
        Err(EncryptError::NoSession("alice".to_owned()))
    );
    let session = log_in(&up, "alice").await;
    let url = format!("/_sim/apps/{MINI}/encrypted");
    let data = post(&up, &url, &json!({"user": "alice", "what": "profile"}))
        .await
        .json();
    let plain = decrypted(text(&session, "session_key"), &data);
    assert_eq!(plain["openId"], session["openid"]);
    assert_eq!(plain["unionId"], session["unionid"]);
    assert_eq!(plain["watermark"]["appid"], MINI);
    let raw: Value = serde_json::from_str(text(&data, "raw_data")).unwrap();
    assert_eq!(raw["nickName"], "alice");
    let foreign = up
        .world()
        .encrypted(MINI, "alice", Encrypted::Phone, Some("wxother"))
        .unwrap();
    let plain = decrypted(
        text(&session, "session_key"),
        &serde_json::to_value(foreign).unwrap(),
    );
    assert_eq!(
        (&plain["watermark"]["appid"], &plain["phoneNumber"]),
        (&json!("wxother"), &json!("13800138000"))
    );
    up.world().replace_session(MINI, "alice").unwrap();
    let key = up.world().session_key(MINI, "alice").unwrap().unwrap();
    assert_ne!(key, text(&session, "session_key"));
}

#[tokio::test]
async fn a_phone_number_has_its_country_as_text_or_number_and_belongs_to_one_user() {
    let up = upstream(Rules::default()).await;
    up.world().change_profile("bob", |bob| {
        (bob.phone, bob.country_code) = ("5550100".to_owned(), 1);
    });
    let url = format!(
        "/wxa/business/getuserphonenumber?access_token={}",
        classic(&up).await.token()
    );
    let asked = async |openid: Option<&str>| {
        let code = up.world().user_code(APPID, "bob", UserCode::Phone).unwrap();
        let body = match openid {
            Some(openid) => json!({"code": code, "openid": openid}),
            None => json!({"code": code}),
        };
        post(&up, &url, &body).await.json()
    };
    let bob = up.world().openid(APPID, "bob").unwrap();
    let info = asked(Some(&bob)).await["phone_info"].clone();
    assert_eq!(info["countryCode"], "1");
    assert_eq!(
        (&info["phoneNumber"], &info["purePhoneNumber"]),
        (&json!("15550100"), &json!("5550100"))
    );
    assert_eq!(asked(Some("oother")).await["errcode"], 40003);
    up.world()
        .change_rules(|rules| rules.dress.country_code = CountryCode::Number);
    up.world()
        .change_user_settings(APPID, |app| {
            app.phone_watermark = Some("wxother".to_owned())
        })
        .unwrap();
    let info = asked(None).await["phone_info"].clone();
    assert_eq!(
        (&info["countryCode"], &info["watermark"]["appid"]),
        (&json!(1), &json!("wxother"))
    );
}
