//! Web OAuth codes become grants, each at most once.

use std::time::Duration;

use wxtoken_core::app::AppId;
use wxtoken_core::user::{Grant, OpenId, UserRecord};
use wxtoken_server::users::{ExchangeError, OAuthCode};
use wxtoken_simulator::{Fault, FaultScope, UserCode};

use crate::harness::{APP, World};

const EXCHANGE: &str = "/sns/oauth2/access_token";

fn app() -> AppId {
    APP.parse().unwrap()
}

fn code(world: &World, user: &str, scope: &str) -> OAuthCode {
    let code = if scope == "snsapi_base" {
        UserCode::WebBase
    } else {
        UserCode::Web
    };
    let code = world.wechat.world().user_code(APP, user, code).unwrap();
    code.parse().unwrap()
}

async fn record(world: &World, openid: &OpenId) -> UserRecord {
    let held = world.users().store().read(&app(), openid).await.unwrap();
    held.unwrap().record
}

async fn grant(world: &World, openid: &OpenId) -> Grant {
    record(world, openid).await.grant.unwrap()
}

#[tokio::test]
async fn a_code_becomes_a_grant_that_is_kept_and_is_not_good_again() {
    let world = World::with_app("").await;
    let code = code(&world, "alice", "snsapi_userinfo");
    let granted = world.users().exchange(&app(), &code).await.unwrap();
    assert_eq!(
        granted.openid.as_str(),
        world.wechat.world().openid(APP, "alice").unwrap()
    );
    assert_eq!(granted.scope.as_ref(), "snsapi_userinfo");
    assert!(granted.unionid.is_some() && !granted.is_snapshot);
    let kept = grant(&world, &granted.openid).await;
    assert_eq!(kept.granted_at, granted.granted_at);
    assert_eq!(kept.web_expires, granted.granted_at.plus(7_200_000));
    let again = world.users().exchange(&app(), &code).await;
    assert!(matches!(again, Err(ExchangeError::CodeUsed)), "{again:?}");
    assert_eq!(grant(&world, &granted.openid).await, kept);
}

#[tokio::test]
async fn codes_that_are_unknown_or_too_old_say_so() {
    let world = World::with_app("").await;
    let unknown = world
        .users()
        .exchange(&app(), &"nobody".parse().unwrap())
        .await;
    assert!(
        matches!(unknown, Err(ExchangeError::CodeInvalid)),
        "{unknown:?}"
    );
    let old = code(&world, "alice", "snsapi_base");
    world.pass(Duration::from_secs(301));
    let late = world.users().exchange(&app(), &old).await;
    assert!(matches!(late, Err(ExchangeError::CodeExpired)), "{late:?}");
    let nowhere = world.users().exchange(&"wx9".parse().unwrap(), &old).await;
    assert!(
        matches!(nowhere, Err(ExchangeError::UnknownApp)),
        "{nowhere:?}"
    );
}

#[tokio::test]
async fn an_exchange_whose_answer_is_lost_is_not_made_again() {
    let world = World::with_app("").await;
    let code = code(&world, "alice", "snsapi_base");
    let sim = world.wechat.world();
    sim.set_fault(FaultScope::path(EXCHANGE), Fault::LostAnswer, Some(1));
    let lost = world.users().exchange(&app(), &code).await;
    assert!(matches!(lost, Err(ExchangeError::Unclear)), "{lost:?}");
    assert_eq!(world.calls(EXCHANGE), 1);
}

#[tokio::test]
async fn the_previous_secret_is_shown_when_the_first_is_called_wrong_and_the_code_is_spent_once() {
    let world = World::with_app("").await;
    world
        .wechat
        .world()
        .set_secret(APP, &"9".repeat(32))
        .unwrap();
    let code = code(&world, "alice", "snsapi_base");
    let refused = world.users().exchange(&app(), &code).await;
    assert!(
        matches!(refused, Err(ExchangeError::Refused { errcode: 40125 })),
        "{refused:?}"
    );
    world
        .reload(&format!("previous_secret = \"{}\"", "9".repeat(32)))
        .await;
    let before = world.calls(EXCHANGE);
    world.users().exchange(&app(), &code).await.unwrap();
    // One call more, unless the keeper has found out meanwhile which of the two is taken.
    assert!((1..=2).contains(&(world.calls(EXCHANGE) - before)));
    let spent = world.users().exchange(&app(), &code).await;
    assert!(matches!(spent, Err(ExchangeError::CodeUsed)), "{spent:?}");
}

#[tokio::test]
async fn the_base_scope_leaves_a_wider_grant_as_it_is() {
    let world = World::with_app("").await;
    let wide = code(&world, "alice", "snsapi_userinfo");
    let wide = world.users().exchange(&app(), &wide).await.unwrap();
    let base = code(&world, "alice", "snsapi_base");
    let base = world.users().exchange(&app(), &base).await.unwrap();
    assert_eq!(base.scope.as_ref(), "snsapi_base");
    assert_eq!(
        grant(&world, &wide.openid).await.scope.as_ref(),
        "snsapi_userinfo"
    );
}
