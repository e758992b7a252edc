//! Nothing secret is in Redis in the clear, nor in what is said of a Redis that needs a password.

use std::process::Command;

use rustix::process::Signal;
use wxtoken_simulator::{Lane, Rules};

use crate::needles::Needles;
use crate::place::{APP, CALLER, KEY, SECRET, app, wechat};
use crate::replicas::{MASTER, Redis, Replicas};

const PASSWORD: &str = "a-password-for-redis-0123456789";

#[tokio::test(flavor = "multi_thread")]
async fn no_piece_of_a_secret_is_in_redis_or_in_what_is_said_of_it() {
    let redis = Redis::start(&["--requirepass", PASSWORD]).await;
    let lines = format!("[log]\nlevel = \"trace\"\n{}{CALLER}", app(""));
    let mut replicas = Replicas::over(redis, wechat(Rules::default(), 0).await, 2, &lines);
    for place in &mut replicas.places {
        place.store = place
            .store
            .replace("redis://", &format!("redis://:{PASSWORD}@"));
        place.configure(&lines);
    }
    replicas.start_all().await;
    let token = replicas.agree(APP).await;
    let mut needles = Needles::default();
    for (name, secret) in [
        ("AppSecret", SECRET),
        ("caller key", KEY),
        ("password", PASSWORD),
        ("master key", MASTER),
        // The first characters of every token are alike and no secret.
        ("token", &token[3..]),
    ] {
        needles.plant(name, secret.as_bytes());
    }
    let ticks = replicas.world().current_token(APP, Lane::Stable);
    assert_eq!(
        ticks.as_deref(),
        Some(token.as_str()),
        "the right one is looked for"
    );
    // Everything Redis holds, as it would be on its disk.
    let port = replicas.redis.port.to_string();
    let dump = replicas.redis.folder.path().join("dump.rdb");
    let saved = Command::new("redis-cli")
        .args(["-p", &port, "-a", PASSWORD, "SAVE"])
        .output()
        .unwrap();
    assert!(saved.status.success(), "{saved:?}");
    let dump = std::fs::read(dump).unwrap();
    let holds = |text: &str| dump.windows(text.len()).any(|some| some == text.as_bytes());
    assert!(holds(&format!("{{{APP}}}:record")), "the record is in it");
    needles.none_in("what Redis holds", &dump);
    // A wrong password, a Redis that hangs and one that is gone are all told of.
    for place in &mut replicas.places {
        place.store = place.store.replace(PASSWORD, &format!("{PASSWORD}x"));
        place.configure(&lines);
    }
    replicas.stop(1).await;
    replicas.start(1).await;
    replicas.troubled(1, Some("auth")).await;
    replicas.redis.signal(Signal::STOP);
    replicas.troubled(0, Some("slow")).await;
    replicas.redis.kill();
    replicas.troubled(0, Some("unreachable")).await;
    for at in 0..2 {
        for page in ["GET /readyz?apps", "GET /admin/status", "GET /metrics"] {
            needles.none_in(page, &replicas.at(at).admin(page).await.whole());
        }
    }
    for at in 0..2 {
        replicas.stop(at).await;
        needles.none_in("the log", replicas.places[at].logs().as_bytes());
    }
    for words in [&["check", "--offline"][..], &["check", "--json"]] {
        let said = crate::server::Server::program()
            .args(words)
            .arg("--config")
            .arg(replicas.places[0].config())
            .env_clear()
            .output()
            .unwrap();
        needles.none_in("what check says", &[said.stdout, said.stderr].concat());
    }
}
