//! Replicas in network namespaces of their own, and cables that are pulled: packets are lost in silence, connections hang, nobody
//! is refused. Nobody who reads notices, and nothing is fetched for it.
//!
//! Where no namespace can be made the same is played with a cutting proxy alone, in `partitions`.

use crate::netns::Networks;
use crate::partitions::{for_a_while, without_wechat};
use crate::replicas::Redis;
use crate::scene::{REPLICAS, Scene, ordinary};
use crate::wires::Cut;

/// Three replicas, each in a network of its own; none where there is no right to make them, which is said.
async fn scene() -> Option<Scene<Networks>> {
    if let Some(why) = Networks::impossible() {
        println!(
            "NOT RUN: no right to make network namespaces here ({why}); the proofs in `partitions` play the same with a proxy"
        );
        return None;
    }
    let wechat = ordinary().await;
    let networks = Networks::new(Redis::start(&[]).await, &wechat, REPLICAS);
    Some(Scene::between(networks, wechat).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn namespaces_that_lose_redis_in_turn_read_on_and_fetch_nothing() {
    let Some(scene) = scene().await else { return };
    for at in 0..REPLICAS {
        let what = format!("replica {at}, its cable to Redis pulled");
        for_a_while(&scene, &[at], Cut::Everything, &what).await;
    }
    scene.end("the cable to Redis pulled at each in turn").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn namespaces_that_all_lose_redis_read_on_and_fetch_nothing() {
    let Some(scene) = scene().await else { return };
    let what = "all cables to Redis pulled";
    for_a_while(&scene, &[0, 1, 2], Cut::Everything, what).await;
    scene.end(what).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_hears_no_answers_of_redis_reads_on_and_fetches_nothing() {
    let Some(scene) = scene().await else { return };
    let what = "no route for Redis's answers";
    for_a_while(&scene, &[1], Cut::Answers, what).await;
    scene.end(what).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_loses_wechat_reads_on_and_hears_of_what_the_others_fetch() {
    let Some(mut scene) = scene().await else {
        return;
    };
    without_wechat(&mut scene, 1, Cut::Everything).await;
    scene.end("the cable to WeChat pulled at one").await;
}
