//! Virtual tokens that are over before their time: revoked, their caller gone, their app lost, their master key gone.

use http::Method;
use wxtoken_server::config::{AppScope, Config};
use wxtoken_server::store::MasterKey;

use crate::harness::{APP, Told, VIRTUAL_KEY, World};

const PROBE: &str = "/cgi-bin/get_api_domain_ip";

async fn token(world: &World) -> String {
    let told = world
        .plain(&format!(
            "/cgi-bin/token?grant_type=client_credential&appid={APP}&secret={VIRTUAL_KEY}"
        ))
        .await;
    told.json()["access_token"].as_str().unwrap().to_owned()
}

async fn call(world: &World, token: &str) -> Told {
    let target = format!("/cgi-bin/menu/get?access_token={token}");
    world.plain(&target).await
}

#[track_caller]
fn is_over(told: &Told) {
    assert_eq!(told.errcode(), 40001, "{}", told.errmsg());
    assert!(told.errmsg().contains("revoked"), "{}", told.errmsg());
}

fn kiosk(config: &mut Config) -> &mut wxtoken_server::config::Caller {
    let mut callers = config.callers.iter_mut();
    callers.find(|caller| &*caller.name == "kiosk").unwrap()
}

#[tokio::test]
async fn a_revoked_token_is_dead_at_once_at_every_door_and_over_a_restart() {
    let callers = crate::harness::callers().replace(
        "allow = [\"read\", \"call\"]\n",
        "allow = [\"read\", \"call\", \"report\", \"ticket\"]\n",
    );
    let kinds = "kinds = [\"access_token\", \"jsapi_ticket\"]";
    let world = World::with(kinds, &callers).await;
    let old = token(&world).await;
    assert_eq!(call(&world, &old).await.errcode(), 0);
    let told = world.admin("/admin/callers/kiosk/revoke").await;
    assert_eq!(told.status, 200);
    assert_eq!(told.json()["hands_out"], "virtual");
    let probes = world.calls(PROBE);
    is_over(&call(&world, &old).await);
    is_over(
        &world
            .plain(&format!(
                "/cgi-bin/ticket/getticket?type=jsapi&access_token={old}"
            ))
            .await,
    );
    let new = token(&world).await;
    assert_ne!(new, old);
    let dead = world
        .request(Method::POST, &format!("/v1/apps/{APP}/access_token/dead"))
        .header("authorization", format!("Bearer {VIRTUAL_KEY}"));
    let told = world.send(dead, format!("{{\"token\":\"{old}\"}}")).await;
    assert_eq!(told.json()["verdict"], "replaced");
    assert_eq!(told.json()["current"]["access_token"], new.as_str());
    assert_eq!(
        world.calls(PROBE),
        probes,
        "it says nothing of the real one"
    );
    assert_eq!(call(&world, &new).await.errcode(), 0);
    let world = world.restarted(|_| {}).await;
    is_over(&call(&world, &old).await);
    assert_eq!(call(&world, &new).await.errcode(), 0);
}

#[tokio::test]
async fn the_tokens_of_a_caller_that_is_removed_are_dead_at_once() {
    let world = World::new().await;
    let token = token(&world).await;
    world
        .reload(|config| config.callers.retain(|caller| &*caller.name != "kiosk"))
        .await;
    is_over(&call(&world, &token).await);
}

#[tokio::test]
async fn a_caller_that_is_removed_and_comes_back_finds_its_old_tokens_dead_over_a_restart_too() {
    let world = World::new().await;
    let old = token(&world).await;
    let before = world.server.config().callers.clone();
    world
        .reload(|config| config.callers.retain(|caller| &*caller.name != "kiosk"))
        .await;
    world.reload(|config| config.callers = before).await;
    is_over(&call(&world, &old).await);
    let new = token(&world).await;
    assert_eq!(call(&world, &new).await.errcode(), 0);
    let world = world.restarted(|_| {}).await;
    is_over(&call(&world, &old).await);
    assert_eq!(call(&world, &new).await.errcode(), 0);
}

#[tokio::test]
async fn a_caller_that_was_removed_while_the_server_was_stopped_finds_its_old_tokens_dead() {
    let world = World::new().await;
    let old = token(&world).await;
    let before = world.server.config().callers.clone();
    let world = world.restarted(|_| {}).await;
    assert_eq!(call(&world, &old).await.errcode(), 0, "nobody was removed");
    let gone = |config: &mut Config| config.callers.retain(|caller| &*caller.name != "kiosk");
    let world = world.restarted(gone).await;
    is_over(&call(&world, &old).await);
    let world = world.restarted(|config| config.callers = before).await;
    is_over(&call(&world, &old).await);
    let new = token(&world).await;
    assert_eq!(call(&world, &new).await.errcode(), 0);
    let world = world.restarted(|_| {}).await;
    assert_eq!(call(&world, &new).await.errcode(), 0);
}

#[tokio::test]
async fn a_caller_that_a_reload_brought_is_missed_when_the_next_start_has_none_of_it() {
    let world = World::new().await;
    let all = world.server.config().callers.clone();
    let gone = |config: &mut Config| config.callers.retain(|caller| &*caller.name != "kiosk");
    let world = world.restarted(gone).await;
    let back = all.clone();
    world.reload(|config| config.callers = back).await;
    let old = token(&world).await;
    assert_eq!(call(&world, &old).await.errcode(), 0);
    let world = world.restarted(gone).await;
    world.reload(|config| config.callers = all).await;
    is_over(&call(&world, &old).await);
}

#[tokio::test]
async fn the_tokens_for_an_app_that_a_caller_loses_are_dead_at_once() {
    let world = World::new().await;
    let token = token(&world).await;
    let other = AppScope::Some(Box::new(["wxother".parse().unwrap()]));
    world.reload(|config| kiosk(config).apps = other).await;
    is_over(&call(&world, &token).await);
}

#[tokio::test]
async fn the_tokens_for_an_app_that_is_removed_are_dead_at_once_for_callers_of_all_apps_too() {
    let own = format!("apps = [\"{APP}\"]");
    let callers = crate::harness::callers().replace(&own, "apps = [\"*\"]");
    let world = World::with("", &callers).await;
    let token = token(&world).await;
    assert_eq!(call(&world, &token).await.errcode(), 0);
    let calls = world.wechat.world().call_count();
    world.reload(|config| config.apps.clear()).await;
    let told = call(&world, &token).await;
    assert_eq!(told.errcode(), 40013, "{}", told.errmsg());
    assert_eq!(world.wechat.world().call_count(), calls);
}

#[tokio::test]
async fn tokens_of_the_previous_master_key_are_good_while_it_is_configured() {
    let world = World::new().await;
    let old = token(&world).await;
    let folder = world.server.config().store.path.clone();
    let previous = MasterKey::read_file(&folder.join("master.key")).unwrap();
    let current = MasterKey::generate().unwrap();
    let world = world
        .restarted(|config| {
            config.store.previous_master_key = Some(previous);
            config.store.master_key = Some(current);
        })
        .await;
    assert_eq!(call(&world, &old).await.errcode(), 0);
    let new = token(&world).await;
    assert_ne!(new, old);
    let world = world
        .restarted(|config| config.store.previous_master_key = None)
        .await;
    let told = call(&world, &old).await;
    assert_eq!(told.errcode(), 40001);
    assert!(told.errmsg().contains("not made here"), "{}", told.errmsg());
    assert_eq!(call(&world, &new).await.errcode(), 0);
}
