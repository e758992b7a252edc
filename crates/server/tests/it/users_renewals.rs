//! Web tokens are renewed, or not: what WeChat refuses for now harms no token that lives, and nobody waits for nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::join;
use serde_json::json;
use wxtoken_core::app::{AppId, AppType};
use wxtoken_core::clock::Clock;
use wxtoken_server::users::{Happening, Language, Parts, UserError, Users};
use wxtoken_server::wechat::{AppUpstream, Options, WeChat};
use wxtoken_simulator::{Fault, FaultScope, UserCode};

use crate::harness::APP;
use crate::users_world::{Place, RENEW, USERINFO};

const OVER: Duration = Duration::from_secs(7201);

/// Another replica over the same store.
fn replica(place: &Place) -> Arc<Users> {
    telling(place, |_| {})
}

/// The same, which tells this of what happens.
fn telling(place: &Place, tell: impl Fn(Happening) + Send + Sync + 'static) -> Arc<Users> {
    let config = place.server.config();
    let keeper = place.server.keeper().clone();
    let hash = keeper.clone();
    let of = Arc::clone(&config);
    let directory = move |app: &AppId| {
        Some(AppUpstream {
            base_url: None,
            secret: of.app(app)?.secret.clone(),
            previous_secret: None,
        })
    };
    let options = Options::try_from(&config.upstream).unwrap();
    let wechat = WeChat::new(options, directory, Arc::new(move |value| hash.id_of(value)));
    Users::new(Parts {
        store: Arc::clone(place.server.users().store()),
        api: wechat.unwrap().users(),
        keeper,
        type_of: Arc::new(|_| Some(AppType::Official)),
        remember: Arc::new(|_, _| {}),
        tell: Arc::new(move |_, happening| tell(happening)),
        token_wait: Duration::from_secs(2),
        retention: Duration::from_secs(30 * 86_400),
        grace: Duration::from_secs(5),
        clock: Arc::clone(&place.clock) as Arc<dyn Clock>,
    })
}

/// Two replicas ask for the profile of the same user, while time goes on for those who wait.
async fn both_ask(place: &Place, openid: &str) -> [Result<(), UserError>; 2] {
    let (one, other) = (replica(place), replica(place));
    let (app, openid) = (APP.parse().unwrap(), openid.parse().unwrap());
    let ask = |users: Arc<Users>| {
        let (app, openid): (AppId, wxtoken_core::user::OpenId) = (app, Clone::clone(&openid));
        async move {
            let asked = users.profile(&app, &openid, Language::default()).await;
            asked.map(|_| ())
        }
    };
    let asked = async { join!(ask(one), ask(other)) };
    tokio::pin!(asked);
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    loop {
        tokio::select! {
            biased;
            (one, other) = &mut asked => return [one, other],
            _ = tick.tick() => place.pass(Duration::from_millis(100)),
        }
    }
}

#[tokio::test]
async fn two_replicas_that_need_the_same_token_make_one_call() {
    let place = Place::open().await;
    let alice = place.consent(APP, "alice", UserCode::Web).await;
    place.pass(OVER);
    let told = both_ask(&place, &alice).await;
    assert!(told.iter().all(Result::is_ok), "{told:?}");
    assert_eq!(place.calls(APP, RENEW), 1);
}

#[tokio::test]
async fn a_renewal_that_panicked_keeps_nobody_from_the_next_one() {
    let place = Place::open().await;
    let alice = place.consent(APP, "alice", UserCode::Web).await.parse();
    let (app, alice) = (APP.parse().unwrap(), alice.unwrap());
    let first = AtomicBool::new(true);
    let users = telling(&place, move |happening| {
        let renewed = matches!(happening, Happening::Renewed);
        assert!(!renewed || !first.swap(false, Ordering::Relaxed), "a bug");
    });
    place.pass(OVER);
    let ask = async || users.profile(&app, &alice, Language::default()).await;
    let told = ask().await.map(|_| ());
    assert!(matches!(told, Err(UserError::Away)), "{told:?}");
    place.pass(Duration::from_secs(16)); // the note that keeps replicas apart is over
    let told = ask().await.map(|_| ());
    assert!(told.is_ok(), "{told:?}");
}

#[tokio::test]
async fn a_replica_that_waited_for_one_that_was_refused_renews_by_itself() {
    let place = Place::open().await;
    let alice = place.consent(APP, "alice", UserCode::Web).await;
    place.pass(OVER);
    let refuse = Fault::Errcode { code: 45009 };
    let world = place.wechat.world();
    world.set_fault(FaultScope::path(RENEW), refuse, Some(1));
    let told = both_ask(&place, &alice).await;
    let good = told.iter().filter(|told| told.is_ok()).count();
    let refused = told
        .iter()
        .filter(|told| matches!(told, Err(UserError::Refused(45009))))
        .count();
    assert_eq!((good, refused), (1, 1), "{told:?}");
    assert_eq!(place.calls(APP, RENEW), 2);
}

#[tokio::test]
async fn a_refusal_that_is_not_the_grants_harms_no_token_that_lives_and_keeps_nobody_waiting() {
    let place = Place::open().await;
    let alice = place.consent(APP, "alice", UserCode::Web).await;
    let world = place.wechat.world();
    place.pass(Duration::from_secs(7000));
    for code in [45009, 40164, 40013, 45011] {
        world.set_fault(FaultScope::path(RENEW), Fault::Errcode { code }, None);
        let told = place.profile(&alice).await;
        assert_eq!(told.status, 200, "{code}: {}", told.body);
        world.clear_faults();
    }
    place.pass(Duration::from_secs(300));
    let refuse = Fault::Errcode { code: 45009 };
    world.set_fault(FaultScope::path(RENEW), refuse, None);
    let told = place.profile(&alice).await;
    assert_eq!((told.status, told.name.as_str()), (502, "wechat-refused"));
    world.clear_faults();
    assert_eq!(place.profile(&alice).await.status, 200);
}

#[tokio::test]
async fn whatever_ends_a_grant_is_named_as_the_reason_to_ask_the_user_again() {
    let place = Place::open().await;
    let world = place.wechat.world();
    for (user, code, reason) in [
        ("alice", 40030, "invalid"),
        ("bob", 42002, "expired"),
        ("carol", 42007, "revoked"),
    ] {
        let openid = place.consent(APP, user, UserCode::Web).await;
        place.pass(OVER);
        world.set_fault(FaultScope::path(RENEW), Fault::Errcode { code }, Some(1));
        for _ in 0..2 {
            let told = place.profile(&openid).await;
            assert_eq!((told.status, told.name.as_str()), (409, "ask-user-again"));
            assert_eq!(told.body["reason"], reason, "{}", told.body);
        }
    }
    assert_eq!(place.calls(APP, RENEW), 3);
}

#[tokio::test]
async fn a_consent_that_comes_while_the_older_one_is_refused_is_used() {
    let place = Place::open().await;
    let alice = place.consent(APP, "alice", UserCode::Web).await;
    place.pass(OVER);
    let world = place.wechat.world();
    world.revoke(APP, "alice").unwrap();
    let hold = Fault::Hold { before: false };
    world.set_fault(FaultScope::path(RENEW), hold, Some(1));
    let meanwhile = async {
        world.held_reach(1).await;
        place.consent(APP, "alice", UserCode::Web).await;
        world.release_held();
    };
    let (told, ()) = join!(place.profile(&alice), meanwhile);
    assert_eq!(told.status, 200, "{}", told.body);
    assert_eq!(told.body["user"]["openid"], alice);
}

#[tokio::test]
async fn an_account_that_lacks_the_call_is_not_taken_for_a_scope_that_is_too_small() {
    let place = Place::open().await;
    let alice = place.consent(APP, "alice", UserCode::Web).await;
    let world = place.wechat.world();
    let lacks = Fault::Errcode { code: 48001 };
    world.set_fault(FaultScope::path(USERINFO), lacks, None);
    let told = place.profile(&alice).await;
    assert_eq!((told.status, told.name.as_str()), (502, "wechat-refused"));
    assert_eq!(told.body["errcode"], 48001);
    assert!(told.body["detail"].as_str().unwrap().contains("48001"));
    world.clear_faults();
    let busy = Fault::Rate;
    world.set_fault(FaultScope::path(USERINFO), busy, None);
    let told = place.profile(&alice).await;
    assert_eq!((told.status, told.name.as_str()), (503, "wechat-away"));
    assert_eq!(told.headers["retry-after"], "60");
}

#[tokio::test]
async fn control_characters_in_a_name_come_through_as_they_are() {
    let place = Place::open().await;
    let world = place.wechat.world();
    world.change_rules(|rules| rules.dress.raw_control_characters = true);
    world.change_profile("alice", |profile| {
        profile.nickname = "a\u{1}\n\"b\\".to_owned();
    });
    let alice = place.consent(APP, "alice", UserCode::Web).await;
    let told = place.profile(&alice).await;
    assert_eq!(told.body["user"]["nickname"], json!("a\u{1}\n\"b\\"));
}
