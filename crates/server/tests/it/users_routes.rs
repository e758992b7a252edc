//! Users over the API: two kinds of user information, grants that are renewed or over, mini-program sessions, mix-ups.

use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use wxtoken_simulator::{Encrypted, Fault, FaultScope, UserCode};

use crate::harness::APP;
use crate::users_world::{
    KEY, MINI, Place, READER, RENEW, SECONDS, SITE, STRANGER, TRUSTED, USERINFO, sent,
};

#[tokio::test]
async fn a_follower_is_read_with_the_apps_token_and_the_answer_says_so() {
    let place = Place::open().await;
    let alice = place.openid(APP, "alice");
    let told = place.get(APP, &format!("users/{alice}")).await;
    assert_eq!(told.status, 200, "{}", told.body);
    assert_eq!(told.body["source"], "/cgi-bin/user/info");
    assert_eq!(told.body["token"], "app");
    assert_eq!(told.body["user"]["openid"], alice);
    assert_eq!(told.body["user"]["subscribe"], 1);
    assert!(told.body.get("advice").is_none());
    assert_eq!(told.headers["cache-control"], "no-store");
    let dave = place.openid(APP, "dave");
    let told = place
        .get(APP, &format!("users/{dave}?fields=subscribe"))
        .await;
    assert_eq!(told.body["user"], json!({"openid": dave, "subscribe": 0}));
    assert!(
        told.body["advice"]["zh"]
            .as_str()
            .unwrap()
            .contains("profile")
    );
    let stranger = place.openid(SITE, "alice");
    let told = place.get(APP, &format!("users/{stranger}")).await;
    assert_eq!((told.status, told.name.as_str()), (404, "unknown-user"));
    assert!(told.body["detail_zh"].is_string());
}

#[tokio::test]
async fn a_hundred_are_read_at_once_and_no_more() {
    let place = Place::open().await;
    let openids: Vec<String> = (0..100)
        .map(|n| place.openid(APP, &format!("u{n}")))
        .collect();
    let told = place
        .post(APP, "users/batch", json!({ "openids": openids }))
        .await;
    assert_eq!(told.status, 200, "{}", told.body);
    assert_eq!(told.body["users"].as_array().unwrap().len(), 100);
    let more = vec!["o1"; 101];
    let told = place
        .post(APP, "users/batch", json!({ "openids": more }))
        .await;
    assert_eq!((told.status, told.name.as_str()), (400, "malformed"));
}

#[tokio::test]
async fn of_many_it_is_said_too_what_only_the_other_route_has() {
    let place = Place::open().await;
    let ask = |body| place.post(APP, "users/batch", body);
    let stranger = place.openid(APP, "nobody-who-follows");
    let told = ask(json!({"openids": [stranger], "fields": ["subscribe"]})).await;
    assert_eq!(told.status, 200, "{}", told.body);
    assert_eq!(told.body["users"][0]["openid"], stranger);
    assert!(told.body["users"][0].get("unionid").is_none());
    let advice = told.body["advice"]["en"].as_str().unwrap();
    assert!(advice.contains("/profile"), "{advice}");
    let follower = place.openid(APP, "alice");
    let told = ask(json!({"openids": [follower]})).await;
    assert!(told.body.get("advice").is_none(), "{}", told.body);
    let told = ask(json!({"openids": [follower], "fields": ["nickname"]})).await;
    assert_eq!((told.status, told.name.as_str()), (400, "other-route"));
    let told = ask(json!({"openids": [follower], "field": ["subscribe"]})).await;
    assert_eq!((told.status, told.name.as_str()), (400, "malformed"));
}

#[tokio::test]
async fn every_route_wants_a_key_the_app_and_the_permission_before_it_looks_at_anything() {
    let place = Place::open().await;
    let routes = [
        (Method::GET, "users/o%00"),
        (Method::GET, "users/o%00/profile"),
        (Method::DELETE, "users/o%00"),
        (Method::POST, "users/batch"),
        (Method::POST, "login"),
        (Method::POST, "users/o%00/decrypt"),
        (Method::POST, "users/o%00/checksession"),
        (Method::POST, "phone-number"),
    ];
    for (method, rest) in routes {
        let path = format!("/v1/apps/{APP}/{rest}");
        let url = format!("{}{path}", place.server.doors().api[0]);
        let told = sent(method.clone(), &url, None, "nonsense").await;
        assert_eq!((told.status, told.name.as_str()), (401, "no-key"), "{path}");
        for (key, name) in [(STRANGER, "foreign-app"), (READER, "not-allowed")] {
            let told = place.send(method.clone(), &path, key, "nonsense").await;
            assert_eq!((told.status, told.name.as_str()), (403, name), "{path}");
            let mut names = told.headers.keys().map(http::HeaderName::as_str);
            assert!(names.all(|name| !name.starts_with("access-control")));
        }
    }
}

#[tokio::test]
async fn a_token_that_was_killed_elsewhere_is_replaced_and_the_call_made_again() {
    let place = Place::open().await;
    let alice = place.openid(APP, "alice");
    assert_eq!(place.get(APP, &format!("users/{alice}")).await.status, 200);
    place.pass(Duration::from_secs(60));
    place
        .wechat
        .world()
        .void(APP, wxtoken_simulator::Lane::Stable)
        .unwrap();
    let told = place.get(APP, &format!("users/{alice}")).await;
    assert_eq!(told.status, 200, "{}", told.body);
    assert_eq!(place.calls(APP, "/cgi-bin/user/info"), 3);
}

#[tokio::test]
async fn who_consented_is_read_with_their_own_token_and_the_answer_says_so() {
    let place = Place::open().await;
    let alice = place.consent(APP, "alice", UserCode::Web).await;
    let told = place.profile(&alice).await;
    assert_eq!(told.status, 200, "{}", told.body);
    assert_eq!(told.body["source"], "/sns/userinfo");
    assert_eq!(told.body["token"], "web");
    assert_eq!(told.body["user"]["openid"], alice);
    assert_eq!(told.body["grant"]["scope"], "snsapi_userinfo");
    assert_eq!(told.body["grant"]["granted_at"], SECONDS);
    assert_eq!(told.body["grant"]["snapshot_user"], false);
    assert!(told.body["grant"].get("ask_again").is_none());
    let bob = place.consent(SITE, "bob", UserCode::Web).await;
    let told = place.get(SITE, &format!("users/{bob}/profile")).await;
    assert_eq!(told.body["grant"]["scope"], "snsapi_login");
}

#[tokio::test]
async fn a_hundred_that_ask_with_an_ended_web_token_cost_one_renewal() {
    let place = Place::open().await;
    let alice = place.consent(APP, "alice", UserCode::Web).await;
    place.pass(Duration::from_secs(7201));
    let told = join_all((0..100).map(|_| place.profile(&alice))).await;
    assert!(told.iter().all(|told| told.status == 200));
    assert_eq!(place.calls(APP, RENEW), 1);
}

#[tokio::test]
async fn a_web_token_that_lives_is_used_although_it_cannot_be_renewed_now() {
    let place = Place::open().await;
    let alice = place.consent(APP, "alice", UserCode::Web).await;
    let world = place.wechat.world();
    place.pass(Duration::from_secs(7000));
    world.set_fault(FaultScope::path(RENEW), Fault::Busy, None);
    assert_eq!(place.profile(&alice).await.status, 200);
    place.pass(Duration::from_secs(300));
    let told = place.profile(&alice).await;
    assert_eq!((told.status, told.name.as_str()), (503, "wechat-away"));
    assert!(told.headers.contains_key("retry-after"));
    world.clear_faults();
    assert_eq!(place.profile(&alice).await.status, 200);
}

#[tokio::test]
async fn a_grant_that_was_taken_back_is_asked_of_the_user_with_the_reason() {
    let place = Place::open().await;
    let alice = place.consent(APP, "alice", UserCode::Web).await;
    place.wechat.world().revoke(APP, "alice").unwrap();
    for _ in 0..2 {
        let told = place.profile(&alice).await;
        assert_eq!(
            (told.status, told.name.as_str()),
            (409, "ask-user-again"),
            "{}",
            told.body
        );
        assert_eq!(told.body["reason"], "revoked");
        assert_eq!(told.body["since"], SECONDS);
        assert!(told.body["detail_zh"].is_string());
    }
    assert!(place.calls(APP, USERINFO) + place.calls(APP, RENEW) <= 2);
    place.consent(APP, "alice", UserCode::Web).await;
    assert_eq!(place.profile(&alice).await.status, 200);
}

#[tokio::test]
async fn a_grant_near_its_thirty_days_says_so_and_after_them_the_user_is_asked_again() {
    let place = Place::open().await;
    let alice = place.consent(APP, "alice", UserCode::Web).await;
    let day = Duration::from_secs(86_400);
    place.pass(29 * day);
    let told = place.profile(&alice).await;
    assert_eq!(
        told.body["grant"]["ask_again"]["reason"], "expired",
        "{}",
        told.body
    );
    place.pass(day);
    let told = place.profile(&alice).await;
    assert_eq!((told.status, told.name.as_str()), (409, "ask-user-again"));
    assert_eq!(told.body["reason"], "expired");
}

#[tokio::test]
async fn what_only_the_other_route_can_give_is_answered_with_that_advice() {
    let place = Place::open().await;
    let alice = place.openid(APP, "alice");
    let told = place
        .get(APP, &format!("users/{alice}?fields=nickname"))
        .await;
    assert_eq!((told.status, told.name.as_str()), (400, "other-route"));
    let told = place.profile(&alice).await;
    assert_eq!((told.status, told.name.as_str()), (404, "no-grant"));
    place.consent(APP, "alice", UserCode::WebBase).await;
    let told = place.profile(&alice).await;
    assert_eq!((told.status, told.name.as_str()), (403, "scope-too-small"));
    for (app, rest) in [
        (MINI, format!("users/{alice}")),
        (SITE, format!("users/{alice}")),
        (MINI, format!("users/{alice}/profile")),
    ] {
        let told = place.get(app, &rest).await;
        assert_eq!(
            (told.status, told.name.as_str()),
            (400, "wrong-app-type"),
            "{app} {rest}"
        );
    }
    let told = place.post(APP, "login", json!({"code": "0x1"})).await;
    assert_eq!((told.status, told.name.as_str()), (400, "wrong-app-type"));
}

#[tokio::test]
async fn deleting_a_user_deletes_grant_and_session_and_can_be_said_twice() {
    let place = Place::open().await;
    let alice = place.consent(APP, "alice", UserCode::Web).await;
    let path = format!("/v1/apps/{APP}/users/{alice}");
    for _ in 0..2 {
        let told = place.send(Method::DELETE, &path, KEY, "").await;
        assert_eq!(told.status, 204);
    }
    assert_eq!(place.profile(&alice).await.name, "no-grant");
    let told = place.send(Method::DELETE, &path, READER, "").await;
    assert_eq!((told.status, told.name.as_str()), (403, "not-allowed"));
}

#[tokio::test]
async fn a_session_key_stays_here_unless_the_caller_may_have_it() {
    let place = Place::open().await;
    let code = place.code(MINI, "alice", UserCode::Login);
    let told = place.post(MINI, "login", json!({ "code": code })).await;
    assert_eq!(told.body["openid"], place.openid(MINI, "alice"));
    assert!(told.body["unionid"].is_string() && told.body.get("session_key").is_none());
    let told = place.post(MINI, "login", json!({ "code": code })).await;
    assert_eq!((told.status, told.name.as_str()), (400, "bad-code"));
    assert_eq!(told.body["reason"], "used");
    let code = place.code(MINI, "alice", UserCode::Login);
    let body = json!({ "code": code }).to_string();
    let told = place
        .send(
            Method::POST,
            &format!("/v1/apps/{MINI}/login"),
            TRUSTED,
            &body,
        )
        .await;
    let key = place.wechat.world().session_key(MINI, "alice").unwrap();
    assert_eq!(told.body["session_key"].as_str(), key.as_deref());
    let told = place
        .send(
            Method::POST,
            &format!("/v1/apps/{MINI}/login"),
            READER,
            &body,
        )
        .await;
    assert_eq!(told.name, "not-allowed");
}

#[tokio::test]
async fn encrypted_data_is_read_with_the_session_that_is_kept_and_only_if_it_is_this_apps() {
    let place = Place::open().await;
    let alice = place.openid(MINI, "alice");
    let path = format!("users/{alice}/decrypt");
    let body = |data: &wxtoken_simulator::EncryptedData| {
        json!({
            "encrypted_data": data.encrypted_data,
            "iv": data.iv,
            "raw_data": data.raw_data,
            "signature": data.signature,
        })
    };
    let odd = json!({"encrypted_data": "AAAA", "iv": "AAAA"});
    assert_eq!(
        place.post(MINI, &path, odd.clone()).await.name,
        "no-session"
    );
    place.login("alice").await;
    let world = place.wechat.world();
    let data = world
        .encrypted(MINI, "alice", Encrypted::Profile, None)
        .unwrap();
    let told = place.post(MINI, &path, body(&data)).await;
    assert_eq!(told.status, 200, "{}", told.body);
    assert_eq!(told.body["data"]["openId"], alice);
    assert_eq!(told.body["data"]["watermark"]["appid"], MINI);
    let told = place.post(MINI, &path, odd).await;
    assert_eq!(
        (told.name.as_str(), &told.body["reason"]),
        ("bad-data", &json!("encrypted_data"))
    );
    let mut changed = body(&data);
    changed["raw_data"] = "{}".into();
    let told = place.post(MINI, &path, changed).await;
    assert_eq!(told.body["reason"], "signature");
    let mut half = body(&data);
    half["signature"] = Value::Null;
    assert_eq!(place.post(MINI, &path, half).await.name, "malformed");
    let foreign = world
        .encrypted(MINI, "alice", Encrypted::Phone, Some(APP))
        .unwrap();
    let mut foreign = body(&foreign);
    foreign["raw_data"] = Value::Null;
    foreign["signature"] = Value::Null;
    assert_eq!(
        place.post(MINI, &path, foreign).await.name,
        "foreign-watermark"
    );
    world.replace_session(MINI, "alice").unwrap();
    let newer = world
        .encrypted(MINI, "alice", Encrypted::Profile, None)
        .unwrap();
    let plain = json!({"encrypted_data": newer.encrypted_data, "iv": newer.iv});
    let told = place.post(MINI, &path, plain).await;
    assert_eq!(
        (told.status, &told.body["reason"]),
        (400, &json!("session"))
    );
    assert!(told.body["detail"].as_str().unwrap().contains("wx.login"));
}

#[tokio::test]
async fn a_session_is_checked_and_a_phone_number_fetched_with_the_apps_token() {
    let place = Place::open().await;
    let alice = place.login("alice").await;
    let check = format!("users/{alice}/checksession");
    assert_eq!(
        place.post(MINI, &check, json!({})).await.body,
        json!({"valid": true})
    );
    place.wechat.world().replace_session(MINI, "alice").unwrap();
    assert_eq!(
        place.post(MINI, &check, json!({})).await.body,
        json!({"valid": false})
    );
    let code = place.code(MINI, "alice", UserCode::Phone);
    let told = place
        .post(MINI, "phone-number", json!({ "code": code }))
        .await;
    assert_eq!(
        told.body["phone_info"]["watermark"]["appid"], MINI,
        "{}",
        told.body
    );
    let told = place
        .post(MINI, "phone-number", json!({ "code": code }))
        .await;
    assert_eq!((told.status, told.name.as_str()), (400, "bad-code"));
    let settings =
        |users: &mut wxtoken_simulator::UserSettings| users.phone_watermark = Some(APP.to_owned());
    place
        .wechat
        .world()
        .change_user_settings(MINI, settings)
        .unwrap();
    let code = place.code(MINI, "alice", UserCode::Phone);
    let told = place
        .post(MINI, "phone-number", json!({ "code": code }))
        .await;
    assert_eq!(told.name, "foreign-watermark");
}

/// Real ones look like this, and like a code to redeem.
#[tokio::test]
async fn a_phone_code_of_64_hex_digits_is_shown_to_wechat() {
    let place = Place::open().await;
    let path = "/wxa/business/getuserphonenumber";
    let code = "0123456789abcdef".repeat(4);
    let told = place
        .post(MINI, "phone-number", json!({ "code": code }))
        .await;
    assert_eq!((told.status, told.name.as_str()), (400, "bad-code"));
    assert_eq!(place.calls(MINI, path), 1);
}

#[tokio::test]
async fn a_login_whose_answer_is_lost_is_not_made_again() {
    let place = Place::open().await;
    let code = place.code(MINI, "alice", UserCode::Login);
    let path = "/sns/jscode2session";
    let scope = FaultScope::path(path);
    place
        .wechat
        .world()
        .set_fault(scope, Fault::LostAnswer, Some(1));
    let told = place.post(MINI, "login", json!({ "code": code })).await;
    assert_eq!((told.status, told.name.as_str()), (502, "wechat-unclear"));
    assert_eq!(place.calls(MINI, path), 1);
}

#[tokio::test]
async fn one_thing_in_the_place_of_another_is_called_by_its_name() {
    let place = Place::open().await;
    let token = place.get(APP, "access_token").await.body["access_token"].clone();
    let told = place.post(MINI, "login", json!({ "code": token })).await;
    assert_eq!(
        (told.name.as_str(), &told.body["reason"]),
        ("mixed-up", &json!("app_token"))
    );
    let redeem = "0123456789abcdef".repeat(4);
    let told = place.post(MINI, "login", json!({ "code": redeem })).await;
    assert_eq!(told.body["reason"], "redeem_code");
    let alice = place.consent(APP, "alice", UserCode::Web).await;
    let (app, openid) = (APP.parse().unwrap(), alice.parse().unwrap());
    let held = place.server.users().store().read(&app, &openid);
    let grant = held.await.unwrap().unwrap().record.grant.unwrap();
    let web = grant.web_token.expose();
    let told = place
        .post(APP, "access_token/dead", json!({ "token": web }))
        .await;
    assert_eq!(
        (told.status, &told.body["verdict"]),
        (200, &json!("wrong_kind"))
    );
    assert!(
        told.body["advice"]["en"]
            .as_str()
            .unwrap()
            .contains("/profile")
    );
    for wrong in [web, token.as_str().unwrap()] {
        let told = place.get(APP, &format!("users/{wrong}")).await;
        assert_eq!(
            (told.status, told.name.as_str()),
            (400, "mixed-up"),
            "{}",
            told.body
        );
        let told = place
            .post(APP, "users/batch", json!({ "openids": [wrong] }))
            .await;
        assert_eq!(told.name, "mixed-up");
    }
}
