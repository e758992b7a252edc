//! Files for programs that cannot ask.

use std::path::PathBuf;
use std::time::Duration;

use wxtoken_core::credential::Kind;
use wxtoken_simulator::{Fault, FaultScope};

use crate::harness::{APP, PATIENCE, World};

const FILE: &str = "[[app.file]]\npath = \"FOLDER/token.properties\"\nformat = \"properties\"\nkind = \"access_token\"";
const PROBE: &str = "/cgi-bin/get_api_domain_ip";

fn path(world: &World) -> PathBuf {
    world.folder.path().join("token.properties")
}

/// Waits, while time passes, until the file holds this; a file has no event to wait for.
async fn until_file_holds(world: &World, wanted: &str) {
    let found = async {
        while !std::fs::read_to_string(path(world)).is_ok_and(|text| text.contains(wanted)) {
            tokio::task::yield_now().await;
        }
    };
    let found = tokio::time::timeout(PATIENCE, world.while_time_passes(found));
    found.await.expect("the file is written");
}

#[tokio::test]
async fn a_file_holds_the_token_and_its_successor() {
    let world = World::with_app(FILE).await;
    let first = world.get(Kind::AccessToken).await;
    until_file_holds(&world, &format!("access_token={}", first.token.expose())).await;
    let left = first.left(world.keeper().now());
    world.pass(Duration::from_millis(left).saturating_sub(Duration::from_secs(239)));
    let second = world.changed(&first).await;
    until_file_holds(&world, &format!("access_token={}", second.token.expose())).await;
}

#[tokio::test]
async fn a_removed_file_is_put_back_after_a_probe_said_alive() {
    let world = World::with_app(FILE).await;
    let token = world.token().await;
    until_file_holds(&world, &token).await;
    let probes = world.calls(PROBE);
    std::fs::remove_file(path(&world)).unwrap();
    until_file_holds(&world, &token).await;
    assert!(world.calls(PROBE) > probes, "not before WeChat was asked");
}

#[tokio::test]
async fn readers_of_a_file_whose_token_died_get_a_live_one_without_reporting() {
    let world = World::with_app(FILE).await;
    let first = world.get(Kind::AccessToken).await;
    until_file_holds(&world, first.token.expose()).await;
    world
        .wechat
        .world()
        .void(APP, wxtoken_simulator::Lane::Stable)
        .unwrap();
    world.pass(Duration::from_secs(62));
    let second = world.changed(&first).await;
    assert!(world.lives(second.token.expose()));
    until_file_holds(&world, second.token.expose()).await;
}

#[tokio::test]
async fn a_changed_file_is_told_of_once_and_again_only_when_it_is_changed_again() {
    let world = World::with_app(FILE).await;
    until_file_holds(&world, &world.token().await).await;
    let probes_say_nothing = FaultScope {
        path: Some(PROBE.to_owned()),
        ..FaultScope::everywhere()
    };
    let wechat = world.wechat.world();
    wechat.set_fault(probes_say_nothing, Fault::Busy, None);
    // The second is what the file holds already.
    for (content, told) in [("one", 1), ("one", 1), ("other", 2)] {
        std::fs::write(path(&world), content).unwrap();
        let probes = world.calls(PROBE);
        let asked_again = async {
            while world.calls(PROBE) < probes + 3 {
                tokio::task::yield_now().await;
            }
        };
        world.while_time_passes(asked_again).await;
        let line = format!("sink=\"file\",outcome=\"changed_by_others\"}} {told}\n");
        let metrics = world.metrics();
        assert!(metrics.contains(&line), "{content}: {metrics}");
    }
}
