//! Lines that are cut: between one, two or all of three replicas and Redis, in both directions or in one; and between one and
//! WeChat. Nobody who reads notices, and nothing is fetched for it.

use std::time::Duration;

use crate::replicas::Redis;
use crate::scene::{REPLICAS, Scene, ordinary};
use crate::server::now;
use crate::wires::{Cut, Line, Wires};

/// Longer than any lease.
const A_WHILE: Duration = Duration::from_secs(5);

/// Cuts these off from Redis like this, and joins them again.
async fn cut_off(those: &[usize], cut: Cut, what: &str) {
    let wechat = ordinary().await;
    let wires = Wires::new(Redis::start(&[]).await, &wechat, REPLICAS);
    let scene = Scene::between(wires, wechat).await;
    for at in those {
        scene.replicas.redis.set(*at, Line::Redis, cut);
    }
    let begun = now();
    scene.stir();
    let troubles = scene.troubled(those).await;
    let noticed = begun.elapsed();
    scene.lasts(A_WHILE).await;
    for at in (0..REPLICAS).filter(|at| !those.contains(at)) {
        assert_eq!(
            scene.replicas.store_trouble(at).await,
            None,
            "it is not cut off"
        );
    }
    for at in those {
        scene.replicas.redis.set(*at, Line::Redis, Cut::Nothing);
    }
    let well = scene.all_well().await;
    println!("{what}: {troubles:?} after {noticed:.1?}; well {well:.1?} after the line was whole");
    scene.end(what).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_replica_that_is_cut_off_from_redis_reads_on_and_fetches_nothing() {
    cut_off(&[1], Cut::Everything, "one cut off from Redis").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_that_are_cut_off_from_redis_read_on_and_fetch_nothing() {
    cut_off(&[0, 2], Cut::Everything, "two cut off from Redis").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_cut_off_from_all_is_missed_by_no_reader() {
    cut_off(&[0, 1, 2], Cut::Everything, "all cut off from Redis").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_whose_answers_are_lost_is_missed_by_no_reader() {
    cut_off(&[0], Cut::Answers, "one hears no answers of Redis").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_cut_off_from_wechat_reads_on_and_hears_of_what_the_others_fetch() {
    let wechat = ordinary().await;
    let wires = Wires::new(Redis::start(&[]).await, &wechat, REPLICAS);
    let mut scene = Scene::between(wires, wechat).await;
    scene.replicas.redis.set(1, Line::WeChat, Cut::Everything);
    scene.renew().await;
    scene.lasts(A_WHILE).await;
    scene.replicas.redis.set(1, Line::WeChat, Cut::Nothing);
    scene.end("one cut off from WeChat").await;
}
