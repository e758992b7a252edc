//! What survives a stop: everything that was handed out.

use std::time::Duration;

use wxtoken_core::clock::Boot;
use wxtoken_core::credential::Kind;

use crate::harness::World;

const STABLE: &str = "/cgi-bin/stable_token";

#[tokio::test]
async fn a_restart_with_upstream_down_serves_what_was_saved_and_fetches_nothing() {
    let mut world = World::with_app("kinds = [\"access_token\", \"jsapi_ticket\"]").await;
    let before = (
        world.get(Kind::AccessToken).await,
        world.get(Kind::JsapiTicket).await,
    );
    world.stop().await;
    world.wechat.world().go_down().await.unwrap();
    world.pass(Duration::from_secs(600));
    world.clock.set_boot(Boot(10_000));
    world.start().await;
    let after = (
        world.get(Kind::AccessToken).await,
        world.get(Kind::JsapiTicket).await,
    );
    assert_eq!(before.0.token.expose(), after.0.token.expose());
    assert_eq!(before.1.token.expose(), after.1.token.expose());
    assert_eq!(
        before.0.generation, after.0.generation,
        "the same value keeps its generation"
    );
    assert_eq!(world.calls(STABLE), 1);
}

#[tokio::test]
async fn a_restart_after_the_end_fetches_once() {
    let mut world = World::with_app("").await;
    let before = world.get(Kind::AccessToken).await;
    world.stop().await;
    world.pass(Duration::from_secs(8000));
    world.start().await;
    let after = world.get(Kind::AccessToken).await;
    assert_ne!(before.token.expose(), after.token.expose());
    assert!(after.generation > before.generation);
    assert_eq!(world.calls(STABLE), 2);
}

#[tokio::test]
async fn an_app_that_was_removed_and_comes_back_has_its_token_still() {
    let world = World::with_app("name = \"shop\"").await;
    let before = world.token().await;
    let empty = world.keeper().status(world.keeper().apps()).await.unwrap();
    assert_eq!(empty.len(), 1);
    world.reload("name = \"again\"").await;
    assert_eq!(world.token().await, before);
    assert_eq!(world.calls(STABLE), 1);
}
