//! A code is good once: what it gave is kept, whoever went away while WeChat was asked, and though the server stops.

use std::sync::Arc;

use futures_util::join;
use http::Method;
use serde_json::json;
use wxtoken_core::app::AppId;
use wxtoken_core::user::UserRecord;
use wxtoken_server::users::{OAuthCode, Users};
use wxtoken_simulator::{CallMatch, Fault, FaultScope, UserCode};

use crate::harness::{APP, PATIENCE};
use crate::users_world::{KEY, MINI, Place, sent};

const EXCHANGE: &str = "/sns/oauth2/access_token";
const SESSION: &str = "/sns/jscode2session";

fn hold(place: &Place, path: &str) {
    let hold = Fault::Hold { before: false };
    let world = place.wechat.world();
    world.set_fault(FaultScope::path(path), hold, Some(1));
}

/// A client that sends a login and is gone while WeChat is asked.
async fn gone_while_logging_in(place: &Place) {
    hold(place, SESSION);
    let code = place.code(MINI, "alice", UserCode::Login);
    tokio::select! {
        told = place.post(MINI, "login", json!({ "code": code })) => panic!("{}", told.body),
        () = place.wechat.world().held_reach(1) => {}
    }
}

/// A browser that comes back and is gone while WeChat is asked.
async fn gone_while_exchanging(place: &Place) {
    hold(place, EXCHANGE);
    let code: OAuthCode = place.code(APP, "alice", UserCode::Web).parse().unwrap();
    let app: AppId = APP.parse().unwrap();
    tokio::select! {
        granted = place.server.users().exchange(&app, &code) => panic!("{granted:?}"),
        () = place.wechat.world().held_reach(1) => {}
    }
}

async fn record(users: &Users, app: &str, openid: &str) -> Option<UserRecord> {
    let (app, openid) = (app.parse().unwrap(), openid.parse().unwrap());
    let held = users.store().read(&app, &openid).await.unwrap();
    held.map(|held| held.record)
}

/// The record, once there is one.
async fn kept(place: &Place, app: &str) -> UserRecord {
    let openid = place.openid(app, "alice");
    let found = async {
        loop {
            if let Some(record) = record(place.server.users(), app, &openid).await {
                return record;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, found).await.unwrap()
}

#[tokio::test]
async fn a_session_is_kept_though_the_client_is_gone_while_wechat_is_asked() {
    let place = Place::open().await;
    gone_while_logging_in(&place).await;
    place.wechat.world().release_held();
    assert!(kept(&place, MINI).await.session.is_some());
    assert_eq!(place.calls(MINI, SESSION), 1);
}

#[tokio::test]
async fn a_grant_is_kept_though_the_browser_is_gone_while_wechat_is_asked() {
    let place = Place::open().await;
    gone_while_exchanging(&place).await;
    place.wechat.world().release_held();
    assert!(kept(&place, APP).await.grant.is_some());
    assert_eq!(place.calls(APP, EXCHANGE), 1);
}

#[tokio::test]
async fn a_server_that_stops_keeps_what_codes_give_that_are_being_spent() {
    let place = Place::open().await;
    gone_while_logging_in(&place).await;
    let (mini, official) = (place.openid(MINI, "alice"), place.openid(APP, "alice"));
    let code: OAuthCode = place.code(APP, "alice", UserCode::Web).parse().unwrap();
    let app: AppId = APP.parse().unwrap();
    hold(&place, EXCHANGE);
    tokio::select! {
        granted = place.server.users().exchange(&app, &code) => panic!("{granted:?}"),
        () = place.wechat.world().held_reach(2) => {}
    }
    let users = Arc::clone(place.server.users());
    let world = place.wechat.world();
    // The stop is begun first; it is over when both are kept.
    join!(place.server.stop(), async { world.release_held() });
    let session = record(&users, MINI, &mini).await.unwrap().session;
    let grant = record(&users, APP, &official).await.unwrap().grant;
    assert!(session.is_some() && grant.is_some());
}

#[tokio::test]
async fn a_login_under_way_is_answered_though_the_server_stops() {
    let place = Place::open_with("shutdown_grace = \"10s\"\n").await;
    let slow = Fault::Delay {
        ms: 2500,
        before: false,
    };
    let world = place.wechat.world();
    world.set_fault(FaultScope::path(SESSION), slow, Some(1));
    let code = place.code(MINI, "alice", UserCode::Login);
    let url = format!("{}/v1/apps/{MINI}/login", place.server.doors().api[0]);
    let body = json!({ "code": code }).to_string();
    let login = sent(Method::POST, &url, Some(KEY), &body);
    let stop = async {
        let asked = world.calls_reach(CallMatch::path(SESSION), 1);
        tokio::time::timeout(PATIENCE, asked).await.unwrap();
        place.server.stop().await;
    };
    let (told, ()) = join!(login, stop);
    assert_eq!(told.status, 200, "{}", told.body);
    assert_eq!(
        told.body["openid"],
        place.wechat.world().openid(MINI, "alice").unwrap()
    );
}
