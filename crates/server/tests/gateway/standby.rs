//! Two lanes: when the token that is handed out dies, the other lane's answers in the same call.

use wxtoken_core::credential::{CredentialKey, Kind, Lane};

use crate::harness::{APP, PATIENCE, World};

const STABLE: &str = "/cgi-bin/stable_token";
const CLASSIC: &str = "/cgi-bin/token";

/// A world in which both lanes hold a token, and the first one's is handed out.
async fn world(lanes: &str, primary: Lane) -> World {
    let app = format!("lanes = {lanes}\ntake_over = true");
    let world = World::with(&app, &crate::harness::callers()).await;
    let both = async {
        // Which of the two comes first is chance, and the first to come is handed out until the other is there.
        handed_out_from(&world, primary).await;
        while !held_both(&world).await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, both).await.unwrap();
    world
}

/// Waits until the token that is handed out comes from a lane.
async fn handed_out_from(world: &World, lane: Lane) {
    let key = CredentialKey {
        app: APP.parse().unwrap(),
        kind: Kind::AccessToken,
    };
    let keeper = world.server.keeper();
    let mut held = keeper.get(&key, PATIENCE).await.unwrap();
    while held.lane != Some(lane) {
        let next = keeper.changed(&key, held.id, PATIENCE).await.unwrap();
        held = next.expect("the other lane's");
    }
}

async fn held_both(world: &World) -> bool {
    let keeper = world.server.keeper();
    let apps = keeper.status(keeper.apps()).await.unwrap();
    apps[0].lanes.iter().filter(|lane| lane.live).count() == 2
}

async fn answered_from_the_standby(lanes: &str, primary: Lane, minting: &str) {
    let world = world(lanes, primary).await;
    let before = world.token().await;
    let fetches = world.calls(minting);
    // Nothing of ours is minted on the dead lane until we say so.
    let hold = format!("{{\"name\":\"hold\",\"before\":true,\"path\":\"{minting}\"}}");
    assert_eq!(world.control("faults", &hold).await.status, 200);
    let kill = format!("{{\"lane\":\"{}\"}}", primary.name());
    world.control(&format!("apps/{APP}/kill"), &kill).await;
    let told = world.post("/cgi-bin/menu/create", r#"{"button":[]}"#).await;
    assert_eq!(told.errcode(), 0, "{}", told.errmsg());
    assert_eq!(told.headers["wxtoken-replayed"], "1");
    let standby = world.token().await;
    assert_ne!(standby, before);
    // Behind it, the dead one is repaired, and handed out again.
    world.wechat.world().held_reach(1).await;
    world.wechat.world().clear_faults();
    let repaired = handed_out_from(&world, primary);
    tokio::time::timeout(PATIENCE, repaired).await.unwrap();
    assert_ne!(world.token().await, before);
    assert_eq!(world.calls(minting) - fetches, 1);
    let told = world.get("/cgi-bin/menu/get").await;
    assert!(!told.headers.contains_key("wxtoken-replayed"));
}

#[tokio::test]
async fn a_dead_stable_token_is_answered_from_the_classic_one_before_any_fetch() {
    answered_from_the_standby("[\"stable\", \"classic\"]", Lane::Stable, STABLE).await;
}

#[tokio::test]
async fn a_dead_classic_token_is_answered_from_the_stable_one_before_any_fetch() {
    answered_from_the_standby("[\"classic\", \"stable\"]", Lane::Classic, CLASSIC).await;
}
