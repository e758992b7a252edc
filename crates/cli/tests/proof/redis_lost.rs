//! Redis killed, emptied, put back to an older state, frozen: three replicas read on, and lose nothing.

use std::time::Duration;

use rustix::process::Signal;
use wxtoken_simulator::{Lane, Rules, generated_app};

use crate::place::{APP, CALLER, app};
use crate::readers::{Readers, told};
use crate::replicas::{Redis, Replicas, generated};
use crate::scene::{REPLICAS, Scene};
use crate::server::{PATIENCE, now, until, until_asked};

/// Longer than any lease, and than what is tried again at once.
const A_WHILE: Duration = Duration::from_secs(5);

fn record() -> String {
    format!("wxtoken:{{{APP}}}:record")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_killed_and_comes_back_empty_is_missed_by_no_reader_and_costs_no_fetch() {
    let mut scene = Scene::begin(Redis::start(&[]).await).await;
    scene.replicas.redis.kill();
    scene.stir();
    let troubles = scene.all_troubled().await;
    scene.lasts(A_WHILE).await;
    scene.replicas.redis.restart().await;
    let well = scene.all_well().await;
    until("what was there is there again", || {
        scene.replicas.redis.ask(&["HEXISTS", &record(), "b"]) == "1"
    })
    .await;
    println!("killed, back empty: {troubles:?}; well {well:.1?} after it was back");
    scene.end("killed, back empty").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_comes_back_with_older_tokens_is_given_the_newer_ones() {
    let mut scene = Scene::begin(Redis::start(&[]).await).await;
    assert_eq!(scene.replicas.redis.ask(&["SAVE"]), "OK");
    scene.renew().await;
    scene.replicas.redis.kill();
    scene.stir();
    let troubles = scene.all_troubled().await;
    scene.replicas.redis.restart().await;
    let well = scene.all_well().await;
    println!("killed, back with older tokens: {troubles:?}; well {well:.1?} after it was back");
    let newer = scene.replicas.agree(APP).await;
    let mut replicas = scene.end("killed, back with older tokens").await;
    // Who knows nothing but what is in Redis has the newest too.
    let held = replicas.agree(APP).await;
    assert_ne!(held, newer, "a token that died has been replaced since");
    replicas.stop(0).await;
    std::fs::remove_dir_all(replicas.places[0].data()).unwrap();
    replicas.start(0).await;
    assert_eq!(replicas.agree(APP).await, held);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flushed_redis_is_filled_again_by_three_replicas_and_missed_by_no_reader() {
    let scene = Scene::begin(Redis::start(&[]).await).await;
    let begun = now();
    scene.replicas.redis.ask(&["FLUSHALL"]);
    until("what was there is there again", || {
        scene.replicas.redis.ask(&["HEXISTS", &record(), "b"]) == "1"
    })
    .await;
    println!("flushed: filled again after {:.1?}", begun.elapsed());
    scene.end("flushed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_freezes_for_a_while_is_missed_by_no_reader_and_costs_no_fetch() {
    let scene = Scene::begin(Redis::start(&[]).await).await;
    scene.replicas.redis.signal(Signal::STOP);
    let troubles = scene.all_troubled().await;
    scene.lasts(A_WHILE).await;
    scene.replicas.redis.signal(Signal::CONT);
    let well = scene.all_well().await;
    println!("frozen: {troubles:?}; well {well:.1?} after it went on");
    scene.end("frozen").await;
}

const CLASSIC: &str = "/cgi-bin/token";

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_the_stable_lane_is_renewed_by_all_alike_and_the_classic_one_waits() {
    const LIFETIME: Duration = Duration::from_secs(24);
    let rules = Rules {
        stable_renewal: LIFETIME / 3,
        ..Rules::with_token_lifetime(LIFETIME)
    };
    let classic = app("lanes = [\"classic\"]\ntake_over = true");
    let lines = format!("{classic}{}{CALLER}", generated(1, ""));
    let mut replicas = Replicas::new(REPLICAS, rules, 1, &lines).await;
    replicas.start_all().await;
    let stable = generated_app(0).appid;
    let (old, _) = (replicas.agree(&stable).await, replicas.agree(APP).await);
    let readers = Readers::start(&replicas, &[(stable.clone(), Lane::Stable)]);
    replicas.redis.kill();
    let new = until_asked("all have renewed it", LIFETIME, async || {
        let held =
            futures_util::future::join_all((0..REPLICAS).map(|at| replicas.token(at, &stable)));
        held.await.iter().flatten().all(|token| *token != old)
    })
    .await;
    let token = replicas.agree(&stable).await;
    assert!(replicas.world().is_live(&stable, &token));
    assert_eq!(replicas.world().minted(&stable, Lane::Stable), 2);
    until_asked("the classic token has ended", LIFETIME, async || {
        let held = futures_util::future::join_all((0..REPLICAS).map(|at| replicas.token(at, APP)));
        held.await.iter().all(Option::is_none)
    })
    .await;
    assert_eq!(replicas.world().calls(APP, CLASSIC), 1, "without a lease");
    replicas.redis.restart().await;
    let begun = now();
    let token = replicas.agree(APP).await;
    println!(
        "without Redis: stable renewed by all {new:.1?} after its death; classic there again {:.1?} after Redis was back",
        begun.elapsed()
    );
    assert!(replicas.world().is_live(APP, &token));
    assert_eq!(replicas.world().calls(APP, CLASSIC), 2);
    let seen = readers.stop().await;
    println!("without Redis, stable: {}", told(&seen));
    seen.iter().for_each(crate::readers::Seen::flawless);
    assert!(begun.elapsed() < PATIENCE);
}
