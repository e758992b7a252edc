//! Against real servers: what is written, what is noticed, and what happens when Redis is away.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::super::Events;
use super::world::{Watch, World, app, calls, holds, until, value, wanted};
use crate::redis::testing::{Cluster, Server};
use crate::sdk::Format;

/// Tells of everything.
const TELLING: &[&str] = &["--notify-keyspace-events", "Kg$hxe"];

async fn listens(world: &World) {
    until("it listens", async || world.status().events == Events::On).await;
}

#[tokio::test]
async fn a_value_is_written_with_the_rest_of_its_life() {
    let server = Server::start().await;
    let world = World::with(&server, 1);
    world.publish_for(1, "first", Duration::from_secs(100));
    holds(&server, 1, "first").await;
    let key = format!("wx:access_token:{}", app(1));
    let left: i64 = server.ask(&["PTTL", &key]).await;
    assert!((90_000..=100_000).contains(&left), "{left}");
    world.publish_for(1, "first", Duration::from_secs(7200));
    until("the end that moved", async || {
        server.ask::<i64>(&["PTTL", &key]).await > 7_100_000
    })
    .await;
}

#[tokio::test]
async fn every_format_is_written_and_then_left_alone() {
    let server = Server::start_with(TELLING).await;
    let formats = [
        Format::WxjavaMp,
        Format::Silenceper,
        Format::Wechatpy,
        Format::CoWechatApi,
        Format::RedissonKryo5,
    ];
    let url = server.url();
    let own = |format: &&Format| !format.has_own_key();
    let sinks = formats
        .iter()
        .filter(own)
        .map(|format| wanted(&url, *format, 1));
    let world = World::of(sinks.collect(), 1);
    world.publish(1, "first");
    listens(&world).await;
    let keys = formats.iter().filter(own).count();
    until("all are there", async || {
        server.ask::<usize>(&["DBSIZE"]).await >= keys
    })
    .await;
    let (written, looked) = (calls(&server, "set").await, calls(&server, "pttl").await);
    until("two looks at all", async || {
        calls(&server, "pttl").await >= looked + 2 * keys as u64
    })
    .await;
    assert_eq!(calls(&server, "set").await, written);
    assert_eq!((world.reported(), world.told()), (0, Vec::new()));
}

#[tokio::test]
async fn a_deletion_is_noticed_within_a_second_where_the_server_tells() {
    let server = Server::start_with(TELLING).await;
    let world = World::with(&server, 2);
    for number in [1, 2] {
        world.publish(number, "first");
        holds(&server, number, "first").await;
    }
    listens(&world).await;
    // As WxJava does on a 40001.
    let key = format!("wx:access_token:{}", app(1));
    let deleted = Watch::start();
    let _: i64 = server.ask(&["PEXPIRE", &key, "0"]).await;
    until("a report", async || world.reported() == 1).await;
    assert!(deleted.millis() < 1_000, "{} ms", deleted.millis());
    holds(&server, 1, "first").await;
    let told = world.told();
    assert!(
        matches!(&told[..], [("sink-changed", text)] if text.contains("was deleted")),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_deletion_is_noticed_within_five_seconds_where_the_server_tells_nothing() {
    let server = Server::start().await;
    let world = World::with(&server, 2);
    for number in [1, 2] {
        world.publish(number, "first");
        holds(&server, number, "first").await;
    }
    until("it was asked", async || {
        world.status().events == Events::Off
    })
    .await;
    let key = format!("wx:access_token:{}", app(1));
    let deleted = Watch::start();
    let _: i64 = server.ask(&["DEL", &key]).await;
    until("a report", async || world.reported() == 1).await;
    assert!(deleted.millis() < 5_000, "{} ms", deleted.millis());
    holds(&server, 1, "first").await;
    let unchanged: Vec<String> = server
        .ask(&["CONFIG", "GET", "notify-keyspace-events"])
        .await;
    assert_eq!(unchanged[1], "");
}

#[tokio::test]
async fn a_foreign_value_is_reported_and_stays_while_ours_is_not_known_to_live() {
    let server = Server::start_with(TELLING).await;
    let world = World::with(&server, 1);
    world.publish(1, "our-first-value");
    holds(&server, 1, "our-first-value").await;
    listens(&world).await;
    world.alive.store(false, Ordering::SeqCst);
    let key = format!("wx:access_token:{}", app(1));
    let _: String = server
        .ask(&["SET", &key, "their-value", "EX", "7200"])
        .await;
    until("it is reported again", async || world.reported() > 1).await;
    assert_eq!(value(&server, 1).await.as_deref(), Some("their-value"));
    let told = world.told();
    let [("sink-changed", text)] = &told[..] else {
        panic!("{told:?}");
    };
    assert!(
        text.contains("WxJava's format") && text.contains(&key),
        "{text}"
    );
    assert!(!text.contains("their-value") && !text.contains("our-first-value"));
    world.publish(1, "our-next-value");
    holds(&server, 1, "our-next-value").await;
}

#[tokio::test]
async fn a_foreign_value_is_replaced_once_ours_is_known_to_live() {
    let server = Server::start_with(TELLING).await;
    let world = World::with(&server, 1);
    world.publish(1, "ours");
    holds(&server, 1, "ours").await;
    listens(&world).await;
    let key = format!("wx:access_token:{}", app(1));
    let _: String = server.ask(&["SET", &key, "theirs"]).await;
    holds(&server, 1, "ours").await;
    assert_eq!(world.reported(), 1);
}

#[tokio::test]
async fn a_redis_that_was_emptied_or_restarted_is_filled_without_a_report() {
    let mut server = Server::start().await;
    let world = World::with(&server, 5);
    for number in 1..=5 {
        world.publish(number, "first");
    }
    for number in 1..=5 {
        holds(&server, number, "first").await;
    }
    let _: String = server.ask(&["FLUSHALL"]).await;
    for number in 1..=5 {
        holds(&server, number, "first").await;
    }
    server.restart().await;
    for number in 1..=5 {
        holds(&server, number, "first").await;
    }
    assert_eq!(world.reported(), 0);
}

#[tokio::test]
async fn while_redis_is_away_it_is_told_once_and_the_newest_value_is_there_when_it_is_back() {
    let mut server = Server::start().await;
    let world = World::with(&server, 1);
    world.publish(1, "first");
    holds(&server, 1, "first").await;
    server.kill();
    world.publish(1, "second");
    until("it is noticed", async || world.status().trouble.is_some()).await;
    let (trouble, _) = world.status().trouble.unwrap();
    assert!(
        trouble.to_string().contains("cannot be reached"),
        "{trouble}"
    );
    world.publish(1, "third");
    server.restart().await;
    holds(&server, 1, "third").await;
    until("it is over", async || world.status().trouble.is_none()).await;
}

#[tokio::test]
async fn every_trouble_has_its_name_and_ends_by_itself() {
    let server = Server::start().await;
    let _: String = server.ask(&["CONFIG", "SET", "requirepass", "right"]).await;
    let wrong = format!("redis://:wrong-word@127.0.0.1:{}", server.port);
    let world = World::of(vec![wanted(&wrong, Format::WxjavaMp, 1)], 1);
    world.publish(1, "first");
    until("it is refused", async || world.status().trouble.is_some()).await;
    let (trouble, _) = world.status().trouble.unwrap();
    let told = format!("{trouble} {trouble:?} {:?}", world.status());
    assert!(
        told.contains("refuses user or password") && !told.contains("wrong-word"),
        "{told}"
    );

    let server = Server::start().await;
    let world = World::with(&server, 1);
    world.publish(1, "first");
    holds(&server, 1, "first").await;
    let _: String = server.ask(&["REPLICAOF", "127.0.0.1", "1"]).await;
    world.publish(1, "second");
    until("it is read-only", async || {
        let trouble = world.status().trouble;
        trouble.is_some_and(|(trouble, _)| trouble.to_string().contains("read-only"))
    })
    .await;
    let _: String = server.ask(&["REPLICAOF", "NO", "ONE"]).await;
    holds(&server, 1, "second").await;
}

#[tokio::test]
async fn a_thousand_sinks_share_two_connections_and_are_rewritten_together() {
    const MANY: usize = 1_000;
    let server = Server::start().await;
    let world = World::with(&server, MANY);
    for number in 1..=MANY {
        world.publish(number, "first");
    }
    for number in 1..=MANY {
        holds(&server, number, "first").await;
    }
    let began = Watch::start();
    for number in 1..=MANY {
        world.publish(number, "second");
    }
    until("the last", async || {
        value(&server, MANY).await.as_deref() == Some("second")
    })
    .await;
    eprintln!("1,000 sinks were rewritten within {} ms", began.millis());
    for number in 1..=MANY {
        holds(&server, number, "second").await;
    }
    let clients: String = server.ask(&["CLIENT", "LIST"]).await;
    assert!(
        clients.lines().count() <= 3,
        "ours, who listens, and who asks this:\n{clients}"
    );
    assert_eq!(world.reported(), 0);
}

#[tokio::test]
async fn sinks_come_and_go_with_the_configuration_and_leave_what_they_wrote() {
    let server = Server::start().await;
    let url = server.url();
    let world = World::with(&server, 2);
    for number in [1, 2] {
        world.publish(number, "first");
        holds(&server, number, "first").await;
    }
    world.sinks.keep(
        [wanted(&url, Format::WxjavaMp, 2)].into_iter(),
        &HashSet::new(),
    );
    world.publish(1, "second");
    world.publish(2, "second");
    holds(&server, 2, "second").await;
    assert_eq!(value(&server, 1).await.as_deref(), Some("first"));
    world.sinks.keep(std::iter::empty(), &HashSet::new());
    assert!(world.sinks.status().is_empty());
}

#[tokio::test]
async fn in_a_cluster_keys_that_lie_apart_are_written_one_by_one_and_watched_all_the_same() {
    let cluster = Cluster::start().await;
    let url = cluster.url();
    let both = [Format::Wechatpy, Format::WxjavaMp].map(|format| wanted(&url, format, 1));
    let world = World::of(both.into(), 1);
    world.publish(1, "first");
    let keys = [
        "wechatpy:APP_access_token",
        "wechatpy:APP_access_token_expires_at",
        "wx:access_token:APP",
    ]
    .map(|key| key.replace("APP", app(1).as_str()));
    for key in &keys {
        until(key, async || {
            cluster.ask::<i64>(&["PTTL", key]).await > 7_000_000
        })
        .await;
    }
    assert_eq!(world.status().events, Events::Cluster);
    let _: i64 = cluster.ask(&["DEL", &keys[0]]).await;
    until("a report", async || world.reported() == 1).await;
    until("ours again", async || {
        cluster.ask::<i64>(&["EXISTS", &keys[0]]).await == 1
    })
    .await;
}

#[tokio::test]
async fn a_user_that_may_write_some_keys_alone_keeps_those_and_the_other_is_told_once() {
    let server = Server::start_with(TELLING).await;
    let mine = format!("~wx:access_token:{}", app(1));
    let rights = ["+@all", "-config", ">a-password", "on"];
    let setuser = [&["ACL", "SETUSER", "copies", &mine, "&*"], &rights[..]].concat();
    let _: String = server.ask(&setuser).await;
    let url = format!("redis://copies:a-password@127.0.0.1:{}", server.port);
    let both = [1, 2].map(|number| wanted(&url, Format::WxjavaMp, number));
    let world = World::of(both.into(), 2);
    for number in [1, 2] {
        world.publish(number, "first");
    }
    holds(&server, 1, "first").await;
    until("it is told", async || {
        !world.told().into_iter().all(|(name, text)| {
            let other = name != "sink-failed" || !text.contains(app(2).as_str());
            assert!(!text.contains("a-password"));
            other
        })
    })
    .await;
    for number in [1, 2] {
        world.publish(number, "second");
    }
    holds(&server, 1, "second").await;
    assert_eq!((world.told(), value(&server, 2).await), (Vec::new(), None));
    assert!(world.status().trouble.is_none());
}

/// What the documentation says that a user of copies needs.
const DOCUMENTED: &str = "+ping +select +get +pttl +set +multi +exec +subscribe +config|get";

async fn user(server: &Server, rights: &str) -> String {
    let rights = rights.split(' ');
    let base = ["ACL", "SETUSER", "copies", "on", ">a-password", "resetkeys"];
    let keys = ["~wx:access_token:*", "&__keyspace@*"];
    let all: Vec<&str> = base.into_iter().chain(keys).chain(rights).collect();
    let _: String = server.ask(&all).await;
    format!("redis://copies:a-password@127.0.0.1:{}/3", server.port)
}

async fn in_third(server: &Server, command: &[&str]) -> Option<String> {
    let lua = "redis.call('select', 3) return redis.call(unpack(ARGV))";
    let all: Vec<&str> = ["EVAL", lua, "0"].iter().chain(command).copied().collect();
    server.try_ask(&all).await.unwrap_or_default()
}

#[tokio::test]
async fn a_user_with_the_documented_rights_keeps_entries_in_another_database_and_hears_of_changes()
{
    let server = Server::start_with(TELLING).await;
    let url = user(&server, DOCUMENTED).await;
    let world = World::of(vec![wanted(&url, Format::WxjavaMp, 1)], 1);
    world.publish(1, "first");
    let key = format!("wx:access_token:{}", app(1));
    let is_there = async || in_third(&server, &["GET", &key]).await.as_deref() == Some("first");
    until("it is written", is_there).await;
    listens(&world).await;
    // Another sort of thing: as text nobody can read it, and no right is needed to say so.
    in_third(&server, &["DEL", &key]).await;
    in_third(&server, &["RPUSH", &key, "a list"]).await;
    until("ours is there again", is_there).await;
    let told = world.told();
    assert!(
        told.iter().all(|(name, _)| *name == "sink-changed"),
        "{told:?}"
    );
    assert!(world.status().trouble.is_none());
    until("the quiet listener's ping is answered", async || {
        calls(&server, "ping").await > 0
    })
    .await;
    assert_eq!(world.status().events, Events::On);
}

#[tokio::test]
async fn a_user_that_may_not_subscribe_is_served_by_looks_and_does_not_connect_again_and_again() {
    let server = Server::start_with(TELLING).await;
    let url = user(&server, &DOCUMENTED.replace(" +subscribe", "")).await;
    let world = World::of(vec![wanted(&url, Format::WxjavaMp, 1)], 1);
    world.publish(1, "first");
    until("it is known", async || world.status().events == Events::Off).await;
    let connections = async || -> u64 {
        let stats: String = server.ask(&["INFO", "stats"]).await;
        let line = stats
            .lines()
            .find_map(|line| line.strip_prefix("total_connections_received:"));
        line.and_then(|number| number.trim().parse().ok()).unwrap()
    };
    let (before, looked) = (connections().await, calls(&server, "pttl").await);
    let asked = std::cell::Cell::new(0);
    until("three looks", async || {
        asked.set(asked.get() + 1);
        calls(&server, "pttl").await >= looked + 3
    })
    .await;
    // Each question of this test may be a connection of its own.
    let ours = connections().await - before;
    assert!(
        ours <= asked.get() + 2,
        "{ours} connections for {} questions",
        asked.get()
    );
}

#[tokio::test]
async fn a_user_that_may_not_read_is_told_what_copies_need() {
    let server = Server::start().await;
    let url = user(&server, &DOCUMENTED.replace(" +get", "")).await;
    let world = World::of(vec![wanted(&url, Format::WxjavaMp, 1)], 1);
    world.publish(1, "first");
    let seen = std::cell::RefCell::new(Vec::new());
    until("it is told", async || {
        seen.borrow_mut().extend(world.told());
        !seen.borrow().is_empty()
    })
    .await;
    for (name, text) in seen.take() {
        assert!(
            name == "sink-failed" && text.contains("+ping +select +get"),
            "{text}"
        );
    }
}
