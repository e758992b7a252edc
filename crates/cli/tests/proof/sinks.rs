//! Entries in Redis that SDKs read by themselves: what becomes of them when others write there, and when Redis fails.

use std::time::Duration;

use rustix::process::Signal;
use wxtoken_simulator::{Lane, Rules, Upstream};

use crate::place::{APP, CALLER, Place, app, wechat};
use crate::replicas::{Redis, Replicas};
use crate::server::{PATIENCE, Server, now, until_asked};

const PROBE: &str = "/cgi-bin/get_api_domain_ip";

/// A server that keeps WxJava's entry, and what it keeps first.
async fn kept(lines: &str, redis: &Redis) -> (Upstream, Place, Server, String) {
    let rules = Rules {
        overlap: Duration::ZERO,
        ..Rules::default()
    };
    kept_under(rules, lines, redis).await
}

async fn kept_under(rules: Rules, lines: &str, redis: &Redis) -> (Upstream, Place, Server, String) {
    let wechat = wechat(rules, 0).await;
    let place = Place::new(&wechat);
    let sink = format!(
        "[[app.redis]]\nurl = \"{}\"\nformat = \"wxjava-mp\"",
        redis.url()
    );
    place.configure(&format!("{}{CALLER}", app(&format!("{lines}\n{sink}"))));
    let server = Server::start(&place).await;
    let first = server.token().await;
    holds(redis, &first, PATIENCE).await;
    if redis
        .ask(&["CONFIG", "GET", "notify-keyspace-events"])
        .contains('K')
    {
        until_asked("it listens", PATIENCE, async || {
            redis
                .ask(&["PUBSUB", "NUMSUB", &format!("__keyspace@0__:{}", entry())])
                .ends_with('1')
        })
        .await;
    }
    (wechat, place, server, first)
}

fn entry() -> String {
    format!("wx:access_token:{APP}")
}

async fn holds(redis: &Redis, token: &str, within: Duration) -> Duration {
    until_asked("the entry is ours", within, async || {
        redis.ask(&["GET", &entry()]) == token
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_value_of_another_program_stays_until_our_dead_one_is_replaced_and_it_is_told_who() {
    let redis = Redis::start(&["--notify-keyspace-events", "Kg$hxe"]).await;
    let lines = "lanes = [\"classic\"]\ntake_over = true";
    let (wechat, place, server, first) = kept(lines, &redis).await;
    let world = wechat.world();
    let (theirs, probes) = (world.foreign_fetch(APP).unwrap(), world.calls(APP, PROBE));
    redis.ask(&["SET", &entry(), &theirs, "EX", "7200"]);
    let begun = now();
    let probed = until_asked("it is probed", Duration::from_secs(1), async || {
        world.calls(APP, PROBE) > probes
    })
    .await;
    // Whatever lies there lives: theirs, until ours is another.
    let ours = loop {
        let lies = redis.ask(&["GET", &entry()]);
        if lies != theirs {
            break lies;
        }
        assert!(begun.elapsed() < PATIENCE, "{}", server.log());
    };
    assert!(ours != first && world.is_live(APP, &ours));
    assert_eq!(server.token().await, ours);
    println!(
        "probed {probed:.0?} after another wrote, ours was there {:.0?} after",
        begun.elapsed()
    );
    server
        .says("something that writes WxJava's format wrote a value that is not ours")
        .await;
    server
        .says("another program with the same AppSecret fetched the classic token")
        .await;
    assert!(server.stop().await.success());
    for token in [&theirs, &ours, &first] {
        assert!(!place.logs().contains(token.as_str()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ours_does_not_go_back_over_a_younger_classic_value_in_the_minutes_in_which_both_live() {
    let redis = Redis::start(&["--notify-keyspace-events", "Kg$hxe"]).await;
    let lines = "lanes = [\"classic\"]\ntake_over = true";
    let (wechat, _place, server, first) = kept_under(Rules::default(), lines, &redis).await;
    let world = wechat.world();
    let theirs = world.foreign_fetch(APP).unwrap();
    assert!(world.is_live(APP, &first), "for five minutes");
    redis.ask(&["SET", &entry(), &theirs, "EX", "7200"]);
    let begun = now();
    let ours = loop {
        let lies = redis.ask(&["GET", &entry()]);
        if lies != theirs {
            break lies;
        }
        assert!(begun.elapsed() < PATIENCE, "{}", server.log());
    };
    assert_ne!(ours, first, "which is about to die");
    assert!(world.is_live(APP, &ours));
    assert_eq!(server.token().await, ours);
    server.says("its own lives, seen").await;
    assert_eq!(world.minted(APP, Lane::Classic), 2, "one fetch for theirs");
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_living_value_goes_back_over_a_strangers_and_after_a_deletion_and_costs_no_fetch() {
    let redis = Redis::start(&["--notify-keyspace-events", "Kg$hxe"]).await;
    let (wechat, _place, server, first) = kept("", &redis).await;
    let world = wechat.world();
    let theirs = world.foreign_fetch(APP).unwrap();
    redis.ask(&["SET", &entry(), &theirs, "EX", "7200"]);
    let over = holds(&redis, &first, PATIENCE).await;
    // As WxJava does on a 40001.
    redis.ask(&["PEXPIRE", &entry(), "0"]);
    let after = holds(&redis, &first, PATIENCE).await;
    println!("ours was back {over:.0?} after a stranger's value and {after:.0?} after a deletion");
    server.says("was deleted, or ended before its time").await;
    assert_eq!(world.minted(APP, Lane::Stable), 1);
    assert_eq!(server.token().await, first);
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_keep_the_same_entry_never_take_each_others_values_for_a_strangers() {
    let sinks = Redis::start(&["--notify-keyspace-events", "Kg$hxe"]).await;
    let sink = format!(
        "[[app.redis]]\nurl = \"{}\"\nformat = \"wxjava-mp\"",
        sinks.url()
    );
    let lines = format!("{}{CALLER}", app(&sink));
    let mut replicas = Replicas::new(3, Rules::default(), 0, &lines).await;
    replicas.start_all().await;
    let mut values = vec![replicas.agree(APP).await];
    holds(&sinks, &values[0], PATIENCE).await;
    for round in 0..6 {
        let old = values.last().unwrap();
        replicas.nobody_holds(APP).await;
        replicas.world().void(APP, Lane::Stable).unwrap();
        let verdict = replicas.at(round % 3).report(old).await;
        assert_eq!(verdict["verdict"], "refreshed", "{verdict}");
        let new = replicas.agree(APP).await;
        assert_ne!(&new, old);
        holds(&sinks, &new, PATIENCE).await;
        values.push(new);
    }
    let shown = replicas.at(0).admin("GET /admin/status").await.json();
    assert_eq!(shown["copies"][0]["events"], "on", "{shown}");
    let stats = sinks.ask(&["INFO", "commandstats"]);
    let sets = stats.lines().find(|line| line.starts_with("cmdstat_set:"));
    println!("{} values of three replicas: {sets:?}", values.len());
    for at in 0..3 {
        replicas.stop(at).await;
    }
    for place in &replicas.places {
        let logs = place.logs();
        for word in ["sink-changed", "sink-contended"] {
            assert!(!logs.contains(word), "{logs}");
        }
        for value in &values {
            assert!(!logs.contains(value.as_str()), "a token in the log");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_stands_still_holds_the_newest_value_in_the_end() {
    let redis = Redis::start(&[]).await;
    let (wechat, _place, server, first) = kept("", &redis).await;
    let world = wechat.world();
    redis.signal(Signal::STOP);
    let mut newest = first;
    for _ in 0..2 {
        world.void(APP, Lane::Stable).unwrap();
        let verdict = server.report(&newest).await;
        assert_eq!(verdict["verdict"], "refreshed", "{verdict}");
        newest = server.token().await;
        // Long enough for a write to be given up and tried again.
        until_asked("it is told", PATIENCE, async || {
            let shown = server.admin("GET /admin/status").await.json();
            let detail = shown["copies"][0]["detail"].as_str().unwrap_or_default();
            detail.contains("does not answer in time")
        })
        .await;
    }
    redis.signal(Signal::CONT);
    holds(&redis, &newest, PATIENCE).await;
    // And so it does after whatever was still on its way.
    let looks = || {
        let stats = redis.ask(&["INFO", "commandstats"]);
        let line = stats
            .lines()
            .find_map(|line| line.strip_prefix("cmdstat_pttl:calls="));
        let calls = line.and_then(|rest| rest.split(',').next()?.parse::<u64>().ok());
        calls.unwrap_or_default()
    };
    let before = looks();
    until_asked("it was looked at twice more", PATIENCE, async || {
        looks() >= before + 2
    })
    .await;
    holds(&redis, &newest, PATIENCE).await;
    server.says("are kept true again").await;
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_adds_an_entry_and_leaves_the_one_that_is_kept_no_more() {
    let redis = Redis::start(&[]).await;
    let (wechat, place, server, first) = kept("", &redis).await;
    let sink = format!(
        "[[app.redis]]\nurl = \"{}\"\nformat = \"wxjava-mp\"\nprefix = \"other\"",
        redis.url()
    );
    place.configure(&format!("{}{CALLER}", app(&sink)));
    server.signal(Signal::HUP);
    let other = format!("other:access_token:{APP}");
    until_asked("the new entry is there", PATIENCE, async || {
        redis.ask(&["GET", &other]) == first
    })
    .await;
    wechat.world().void(APP, Lane::Stable).unwrap();
    server.report(&first).await;
    let second = server.token().await;
    until_asked("it is kept", PATIENCE, async || {
        redis.ask(&["GET", &other]) == second
    })
    .await;
    assert_eq!(redis.ask(&["GET", &entry()]), first);
    assert!(server.stop().await.success());
}
