//! Lines that are cut: between one, two or all of three replicas and Redis, in both directions or in one; and between one and
//! WeChat. Nobody who reads notices, and nothing is fetched for it.

use std::time::Duration;

use wxtoken_simulator::Lane;

use crate::place::{APP, CALLER, app};
use crate::replicas::{Redis, Replicas};
use crate::scene::{REPLICAS, Scene, ordinary};
use crate::server::{PATIENCE, now, until, until_asked};
use crate::wires::{Cut, Line, Lines, Wires};

/// Longer than any lease.
const A_WHILE: Duration = Duration::from_secs(5);
/// How long a call to WeChat may take.
const ONE_CALL: Duration = Duration::from_secs(10);

/// Cuts these off from Redis like this, and joins them again, between wires of this process.
async fn cut_off(those: &[usize], cut: Cut, what: &str) {
    let wechat = ordinary().await;
    let wires = Wires::new(Redis::start(&[]).await, &wechat, REPLICAS);
    let scene = Scene::between(wires, wechat).await;
    for_a_while(&scene, those, cut, what).await;
    scene.end(what).await;
}

/// Cuts these off from Redis like this, and joins them again.
pub(crate) async fn for_a_while<L: Lines>(scene: &Scene<L>, those: &[usize], cut: Cut, what: &str) {
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
}

/// Cuts this one off from WeChat while the others fetch, and joins it again.
pub(crate) async fn without_wechat<L: Lines>(scene: &mut Scene<L>, at: usize, cut: Cut) {
    scene.replicas.redis.set(at, Line::WeChat, cut);
    scene.renew().await;
    scene.lasts(A_WHILE).await;
    scene.replicas.redis.set(at, Line::WeChat, Cut::Nothing);
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
    without_wechat(&mut scene, 1, Cut::Everything).await;
    scene.end("one cut off from WeChat").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_at_a_healthy_replica_does_not_wait_for_one_that_is_cut_off_from_wechat() {
    let wechat = ordinary().await;
    let wires = Wires::new(Redis::start(&[]).await, &wechat, REPLICAS);
    let lines = format!("{}{CALLER}", app(""));
    let mut replicas = Replicas::over(wires, wechat, REPLICAS, &lines);
    replicas.start_all().await;
    let old = replicas.agree(APP).await;
    let lease = format!("wxtoken:{{{APP}}}:lease");
    let held = |is: &str| replicas.redis.redis.ask(&["EXISTS", &lease]) == is;
    until("the lease is given back", || held("0")).await;
    replicas.redis.set(1, Line::WeChat, Cut::Everything);
    replicas.world().void(APP, Lane::Stable).unwrap();
    let begun = now();
    let report = async |at: usize| {
        let told = replicas.at(at).report(&old).await;
        ["refreshed", "replaced"].contains(&told["verdict"].as_str().unwrap_or_default())
    };
    let cut_off = until_asked(
        "the one that is cut off hears of it",
        PATIENCE,
        async || report(1).await,
    );
    let healthy = async {
        until("the one that is cut off holds the lease", || held("1")).await;
        until_asked("it is replaced", PATIENCE, async || report(0).await).await
    };
    futures_util::join!(cut_off, healthy);
    let took = begun.elapsed();
    println!("reported while the holder is cut off from WeChat: replaced after {took:.1?}");
    assert!(took < ONE_CALL + Duration::from_secs(4), "{took:.1?}");
    assert_eq!(replicas.world().minted(APP, Lane::Stable), 2);
}
