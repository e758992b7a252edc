//! Tokens of a user who came through the relay, and codes, each where another belongs: called by its name, and WeChat is not asked.

use serde_json::{Value, json};
use wxtoken_core::user::Grant;
use wxtoken_simulator::UserCode;

use crate::harness::APP;
use crate::oauth_world::{Answer, MINI, Relay, SHOP_KEY};

const FETCHES: [&str; 3] = [
    "/cgi-bin/token",
    "/cgi-bin/stable_token",
    "/cgi-bin/ticket/getticket",
];

impl Relay {
    /// What is kept of a user after a sign-in through the relay.
    async fn kept(&self) -> Grant {
        let code = self.sign_in().await;
        let user = self.redeem(SHOP_KEY, &code).await.json();
        let openid = user["openid"].as_str().unwrap().parse().unwrap();
        let store = self.server.users().store();
        let held = store.read(&APP.parse().unwrap(), &openid).await.unwrap();
        held.unwrap().record.grant.unwrap()
    }

    async fn app_token(&self) -> String {
        let line = format!("GET /v1/apps/{APP}/access_token");
        let answer = self.call(SHOP_KEY, &line, "").await.json();
        answer["access_token"].as_str().unwrap().to_owned()
    }

    async fn login(&self, code: &str) -> Answer {
        let line = format!("POST /v1/apps/{MINI}/login");
        let body = json!({ "code": code }).to_string();
        self.call(SHOP_KEY, &line, &body).await
    }

    /// How often WeChat was asked for anything but the credentials that every start fetches.
    fn asked(&self) -> u64 {
        let all = self.wechat.world().calls_by_path();
        let others = all
            .iter()
            .filter(|(path, _)| !FETCHES.contains(&path.as_str()));
        others.map(|(_, calls)| calls).sum()
    }
}

/// A problem that says what a text was, in both languages, and does not repeat it.
fn is_mixed_up(answer: &Answer, reason: &str, text: &str) {
    assert_eq!(answer.status, 400, "{}", answer.body);
    let told = answer.json();
    assert_eq!(told["type"], "urn:wxtoken:problem:mixed-up", "{told}");
    assert_eq!(told["reason"], reason, "{told}");
    assert!(
        told["detail_zh"]
            .as_str()
            .unwrap()
            .contains("`code`：这里放的")
    );
    assert!(!answer.body.contains(text), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_users_tokens_are_named_at_the_gateway_where_the_apps_belongs() {
    let relay = Relay::start().await;
    let grant = relay.kept().await;
    let before = relay.asked();
    let tokens = [
        (grant.web_token.expose(), "user's web OAuth access_token"),
        (grant.refresh_token.expose(), "user's refresh_token"),
    ];
    for (token, name) in tokens {
        for (line, body) in [
            ("GET /cgi-bin/user/info?openid=o1&", ""),
            ("GET /cgi-bin/menu/get?", ""),
            ("GET /cgi-bin/ticket/getticket?type=jsapi&", ""),
            ("POST /cgi-bin/message/custom/send?", r#"{"touser":"o1"}"#),
            ("POST /cgi-bin/user/info/batchget?", r#"{"user_list":[]}"#),
        ] {
            let line = format!("{line}access_token={token}");
            let told = relay.call(SHOP_KEY, &line, body).await;
            assert_eq!(told.json()["errcode"], 40001, "{name}: {}", told.body);
            let message = told.json()["errmsg"].as_str().unwrap().to_owned();
            assert!(message.contains(&format!("this is a {name}")), "{message}");
            assert!(message.contains("这是用户网页授权的"), "{message}");
            assert!(message.contains("leave access_token out"), "{message}");
            assert!(!told.body.contains(token), "{message}");
        }
    }
    let userinfo = format!(
        "GET /sns/userinfo?access_token={}&openid={}",
        grant.refresh_token.expose(),
        grant.openid.as_str()
    );
    let told = relay.call(SHOP_KEY, &userinfo, "").await;
    assert_eq!(told.json()["errcode"], 40001, "{}", told.body);
    assert!(told.body.contains("user's refresh_token"), "{}", told.body);
    assert_eq!(relay.asked(), before, "WeChat was asked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_users_tokens_that_are_reported_dead_are_named_and_change_nothing() {
    let relay = Relay::start().await;
    let grant = relay.kept().await;
    let current = relay.app_token().await;
    let before = relay.asked();
    for token in [grant.web_token.expose(), grant.refresh_token.expose()] {
        for kind in ["access_token", "jsapi_ticket"] {
            let line = format!("POST /v1/apps/{APP}/{kind}/dead");
            let body = json!({ "token": token }).to_string();
            let told = relay.call(SHOP_KEY, &line, &body).await;
            let said = told.json();
            assert_eq!((told.status, &said["verdict"]), (200, &"wrong_kind".into()));
            assert!(said["advice"]["en"].as_str().unwrap().contains("/profile"));
            assert!(said["advice"]["zh"].is_string());
            assert_eq!(said.get("current").unwrap_or(&Value::Null), &Value::Null);
        }
    }
    assert_eq!(relay.app_token().await, current);
    assert_eq!(relay.asked(), before, "WeChat was asked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_code_of_the_relays_is_named_and_a_code_that_waits_is_still_good() {
    let relay = Relay::start().await;
    let grant = relay.kept().await;
    let app_token = relay.app_token().await;
    let waiting = relay.sign_in().await;
    let code = |app, purpose| {
        let world = relay.wechat.world();
        world.user_code(app, "alice", purpose).unwrap()
    };
    let (login, web) = (code(MINI, UserCode::Login), code(APP, UserCode::Web));
    let before = relay.asked();
    for (text, reason) in [
        (app_token.as_str(), "app_token"),
        (grant.web_token.expose(), "web_token"),
        (grant.refresh_token.expose(), "web_token"),
        (&login, "wechat_code"),
        (&web, "wechat_code"),
    ] {
        is_mixed_up(&relay.redeem(SHOP_KEY, text).await, reason, text);
    }
    for (text, reason) in [
        (app_token.as_str(), "app_token"),
        (grant.web_token.expose(), "web_token"),
        (grant.refresh_token.expose(), "web_token"),
        (&waiting, "redeem_code"),
    ] {
        is_mixed_up(&relay.login(text).await, reason, text);
    }
    assert_eq!(relay.asked(), before, "WeChat was asked");
    assert_eq!(relay.redeem(SHOP_KEY, &waiting).await.status, 200);
    assert_eq!(relay.login(&login).await.status, 200);
}
