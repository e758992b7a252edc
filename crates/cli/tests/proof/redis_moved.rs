//! Redis failed over, by sentinels and in a cluster: three replicas read on, and follow.

use rustix::process::Signal;

use crate::place::APP;
use crate::redis_groups::{Cluster, Watched};
use crate::scene::Scene;
use crate::server::{now, until};

fn record() -> String {
    format!("wxtoken:{{{APP}}}:record")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_is_killed_is_followed_to_its_successor_and_no_reader_notices() {
    let mut scene = Scene::begin(Watched::start().await).await;
    let begun = now();
    scene.replicas.redis.master.kill();
    scene.stir();
    let troubles = scene.all_troubled().await;
    scene.replicas.redis.moved().await;
    let moved = begun.elapsed();
    let well = scene.all_well().await;
    println!(
        "failed over by sentinels: {troubles:?}; a new master after {moved:.1?}, well {well:.1?} after that"
    );
    scene.end("failed over by sentinels").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_that_loses_the_last_writes_is_given_the_newer_tokens() {
    let mut scene = Scene::begin(Watched::start().await).await;
    let version = |redis: &crate::replicas::Redis| redis.ask(&["HGET", &record(), "v"]);
    until("the copy has what the master has", || {
        let redis = &scene.replicas.redis;
        version(&redis.copy) == version(&redis.master)
    })
    .await;
    // From here on the copy hears nothing.
    scene.replicas.redis.copy.signal(Signal::STOP);
    scene.renew().await;
    scene.replicas.redis.master.kill();
    scene.replicas.redis.copy.signal(Signal::CONT);
    scene.stir();
    let troubles = scene.all_troubled().await;
    scene.replicas.redis.moved().await;
    let well = scene.all_well().await;
    println!(
        "a failover that lost writes: {troubles:?}; well {well:.1?} after the new master was there"
    );
    scene.end("a failover that lost writes").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_node_that_is_killed_is_followed_to_its_copy_and_no_reader_notices() {
    let mut scene = Scene::begin(Cluster::start().await).await;
    let lost = scene.replicas.redis.master_of(&record());
    let begun = now();
    scene.replicas.redis.nodes[lost].kill();
    scene.stir();
    let troubles = scene.all_troubled().await;
    scene.replicas.redis.moved(lost).await;
    let moved = begun.elapsed();
    let well = scene.all_well().await;
    println!(
        "a cluster node lost: {troubles:?}; its copy in its place after {moved:.1?}, well {well:.1?} after that"
    );
    scene.end("a cluster node lost").await;
}
