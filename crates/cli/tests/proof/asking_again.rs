//! Readers that report nothing: SDKs that ask again after a 40001, and programs that read a file.

use std::time::Duration;

use wxtoken_simulator::{Lane, Rules, Upstream};

use crate::place::{APP, CALLER, Place, app, wechat};
use crate::server::{Server, until, until_asked};

/// A `probe_every` of 5 s stands for the usual 60 s; the bound is this and 2 s, as it is 60 s and 2 s.
const BOUND: Duration = Duration::from_secs(5 + 2);
/// Hearsay is probed at most once in 10 s, and its reader waits 2 s for it.
const HEARSAY_BOUND: Duration = Duration::from_secs(10 + 2);

async fn start(wechat: &Upstream, probe_every: &str, lines: &str) -> (Place, Server) {
    let place = Place::new(wechat);
    let refresh = format!("[refresh]\nprobe_every = \"{probe_every}\"\n");
    // The ordinary budget of 5000 probes a day would stretch so short an interval.
    let lines = format!("budget = {{ probe = 50000 }}\n{lines}");
    place.configure(&format!("{refresh}{}{CALLER}", app(&lines)));
    let server = Server::start(&place).await;
    (place, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_sdk_that_only_asks_again_gets_a_live_token() {
    let wechat = wechat(Rules::default(), 0).await;
    let (_place, server) = start(&wechat, "1h", "").await;
    let world = wechat.world();
    let old = server.sdk_token().await.unwrap();
    world.void(APP, Lane::Stable).unwrap();
    let mut asked = 0;
    let took = until_asked("it has a live token", HEARSAY_BOUND, async || {
        asked += 1;
        let token = server.sdk_token().await.unwrap_or_default();
        token != old && world.is_live(APP, &token)
    })
    .await;
    println!("a live token {took:.1?} after its predecessor's death, asked for {asked} times");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_classic_token_is_found_by_the_regular_probe() {
    let wechat = wechat(Rules::default(), 0).await;
    let lines = "lanes = [\"classic\"]\ntake_over = true";
    let (_place, server) = start(&wechat, "5s", lines).await;
    let world = wechat.world();
    server.token().await;
    world.kill(APP, Lane::Classic).unwrap();
    let took = until_asked("its probe has found it", BOUND, async || {
        world.is_live(APP, &server.token().await)
    })
    .await;
    println!("found and replaced {took:.1?} after its death");
    server.says("same AppSecret").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_of_a_file_whose_token_died_get_a_live_one() {
    let wechat = wechat(Rules::default(), 0).await;
    let sink = "[[app.file]]\npath = \"FOLDER/token.properties\"\nformat = \"properties\"\nkind = \"access_token\"";
    let (place, server) = start(&wechat, "5s", sink).await;
    let world = wechat.world();
    let first = server.token().await;
    let file = place.folder.path().join("token.properties");
    let held = || {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("access_token="));
        line.map(str::to_owned)
    };
    until("the file holds the first token", || {
        held().as_ref() == Some(&first)
    })
    .await;
    world.void(APP, Lane::Stable).unwrap();
    let took = until_asked("the file holds a live token", BOUND, async || {
        held().is_some_and(|token| world.is_live(APP, &token))
    })
    .await;
    println!("the file held a live token {took:.1?} after its predecessor's death");
}
