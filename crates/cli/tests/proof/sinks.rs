//! Entries in Redis as the SDKs see them: read without a pause while tokens come and go.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redis::aio::MultiplexedConnection;
use redis::{Pipeline, Value};
use rustix::process::Signal;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Wall;
use wxtoken_core::credential::Kind;
use wxtoken_server::config::{self, RedisSinkConfig};
use wxtoken_server::sdk::{Content, Format, Found, Module, Reading, Seen, Spec, Ttl};
use wxtoken_simulator::{Fault, FaultScope, Lane, Rules, Upstream, generated_app};

use crate::needles::Needles;
use crate::place::{ADMIN_KEY, APP, CALLER, KEY, Place, SECRET, app, wechat};
use crate::replicas::{Redis, Replicas};
use crate::server::{PATIENCE, Server, now, until_asked};

const LIFETIME: Duration = Duration::from_secs(21);
/// Of a token of two hours: twenty minutes, ten times the two that have to be lived through.
const OUTAGE: Duration = Duration::from_millis(3_500);
/// The first value and three that follow it.
const VALUES: usize = 4;

/// Every format that an official account's token has a place in.
fn formats() -> impl Iterator<Item = Format> {
    let app: AppId = APP.parse().unwrap();
    Format::ALL.into_iter().filter(move |format| {
        let spec = Spec::new(*format, app, Module::Official, Kind::AccessToken);
        use wxtoken_server::sdk::{Place, Unfit};
        !matches!(Place::new(&spec), Err(Unfit::NoPlace { .. }))
    })
}

/// A table for each.
fn tables(url: &str) -> String {
    let table = |format: Format| {
        let mut lines = format!("[[app.redis]]\nurl = \"{url}\"\nformat = \"{format}\"\n");
        // Where WxJava reads over Redisson its entry has the same key as without.
        if format.has_own_key() || format == Format::RedissonKryo5 {
            lines += &format!("key = \"own:{format}:{{appid}}\"\n");
        }
        if format.holds_secret(Kind::AccessToken) {
            lines += "reveal_app_secret = true\n";
        }
        lines
    };
    formats().map(table).collect()
}

/// What a reader asks.
struct Reader {
    connection: MultiplexedConnection,
    sinks: Vec<(String, RedisSinkConfig)>,
    reads: u64,
}

/// One look at one sink.
#[derive(Debug)]
struct Look {
    app: String,
    format: Format,
    reading: Reading,
}

impl Reader {
    async fn of(place: &Place, redis: &Redis) -> Self {
        let config = config::load(&place.config(), &|_| None).unwrap();
        let sinks = config.apps.iter().flat_map(|app| {
            let id = app.appid.to_string();
            app.redis()
                .iter()
                .map(move |sink| (id.clone(), sink.clone()))
        });
        let client = redis::Client::open(redis.url()).unwrap();
        Self {
            connection: client.get_multiplexed_async_connection().await.unwrap(),
            sinks: sinks.collect(),
            reads: 0,
        }
    }

    /// Looks at every entry, as its SDK would.
    async fn look(&mut self) -> Vec<Look> {
        let mut ask = Pipeline::new();
        for (_, sink) in &self.sinks {
            for key in sink.place.keys() {
                let get = if is_hash(sink) { "HGETALL" } else { "GET" };
                ask.cmd(get).arg(key.as_bytes());
                ask.cmd("PTTL").arg(key.as_bytes());
            }
        }
        let answers: Vec<Value> = ask.query_async(&mut self.connection).await.unwrap();
        let mut answers = answers.into_iter();
        let now = wall();
        self.reads += self.sinks.len() as u64;
        let look = |(app, sink): &(String, RedisSinkConfig)| {
            let found: Vec<Found> = sink
                .place
                .keys()
                .iter()
                .map(|_| found(answers.next().unwrap(), answers.next().unwrap()))
                .collect();
            Look {
                app: app.clone(),
                format: sink.place.format(),
                reading: sink.place.read(&found, now),
            }
        };
        self.sinks.iter().map(look).collect()
    }
}

/// Whether the SDK takes a token for expired some ten seconds before its end, and more.
const fn wants_a_minute(format: Format) -> bool {
    matches!(
        format,
        Format::Wechatpy | Format::Senparc | Format::CoWechatApi
    )
}

fn is_hash(sink: &RedisSinkConfig) -> bool {
    sink.place.format() == Format::Hash
}

fn found(value: Value, ttl: Value) -> Found {
    let ttl = match ttl {
        Value::Int(left) => u64::try_from(left).map_or(Ttl::Unset, Ttl::Left),
        other => panic!("{other:?}"),
    };
    let text = |value: Value| match value {
        Value::BulkString(text) => text,
        other => panic!("{other:?}"),
    };
    match value {
        Value::Nil => Found::Absent,
        Value::BulkString(text) => Found::Text(Content::new(text), ttl),
        Value::Array(flat) if flat.is_empty() => Found::Absent,
        Value::Array(flat) => {
            let mut texts = flat.into_iter().map(text);
            let mut fields = Vec::new();
            while let (Some(name), Some(value)) = (texts.next(), texts.next()) {
                fields.push((name, Content::new(value)));
            }
            Found::Fields(fields, ttl)
        }
        other => panic!("{other:?}"),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "black box: embedded ends are by the machine's clock, and so is who reads them"
)]
fn wall() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Wall(u64::try_from(since.as_millis()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn in_every_format_and_both_lanes_the_entry_is_there_through_three_renewals_and_an_outage() {
    let rules = Rules {
        stable_renewal: Duration::from_secs(6),
        ..Rules::with_token_lifetime(LIFETIME)
    };
    let wechat = wechat(rules, 1).await;
    let world = wechat.world();
    let stable = generated_app(0);
    let redis = Redis::start(&["--notify-keyspace-events", "Kg$hxe"]).await;
    let place = Place::new(&wechat);
    let tables = tables(&redis.url());
    place.configure(&format!(
        "[log]\nlevel = \"trace\"\n{}{tables}[[app]]\nappid = \"{}\"\nsecret = \"{}\"\n{tables}{CALLER}",
        app("lanes = [\"classic\"]\ntake_over = true"),
        stable.appid,
        stable.secret,
    ));
    let server = Server::start(&place).await;
    let mut reader = Reader::of(&place, &redis).await;
    assert_eq!(reader.sinks.len(), 2 * formats().count());
    let held = |look: &Look| matches!(look.reading, Reading::Held(_));
    until_asked("every entry is there", PATIENCE, async || {
        reader.look().await.iter().all(held)
    })
    .await;

    let (begun, mut outage) = (now(), None);
    let mut values: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    while values.len() < 2 || values.values().any(|seen| seen.len() < VALUES) {
        assert!(begun.elapsed() < LIFETIME * 8, "{} values", values.len());
        for look in reader.look().await {
            let Reading::Held(held) = &look.reading else {
                panic!(
                    "{:?} of {} after {:?}\n{}",
                    look,
                    look.app,
                    begun.elapsed(),
                    server.log()
                );
            };
            // An SDK that wants more life left than a token has here is not asked for its view.
            assert!(
                held.seen != Seen::Expired || wants_a_minute(look.format),
                "{} finds {}'s entry expired",
                look.format,
                look.app
            );
            let token = held.token.expose();
            values
                .entry(look.app.clone())
                .or_default()
                .insert(token.to_owned());
            assert!(
                world.is_live(&look.app, token),
                "a dead token in {}'s entry of {}\n{}",
                look.format,
                look.app,
                server.log()
            );
        }
        // Both are due at two thirds of their lives.
        let due = LIFETIME * 2 / 3 - Duration::from_millis(500);
        let minted = world.minted(APP, Lane::Classic);
        match outage {
            None if minted == 1 && begun.elapsed() > due => {
                world.set_fault(FaultScope::everywhere(), Fault::DropBeforeMint, None);
                outage = Some(now());
            }
            Some(since) if since.elapsed() > OUTAGE => world.clear_faults(),
            None | Some(_) => {}
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(outage.is_some_and(|since| since.elapsed() > OUTAGE));
    println!(
        "{} reads of {} entries in {:.0?}: never absent, never dead",
        reader.reads,
        reader.sinks.len(),
        begun.elapsed()
    );
    // Nothing shows what lies there.
    let mut needles = Needles::default();
    for (name, secret) in [
        ("the AppSecret", SECRET),
        ("the other AppSecret", stable.secret.as_str()),
        ("the caller's key", KEY),
        ("the admin key", ADMIN_KEY),
    ] {
        needles.plant(name, secret.as_bytes());
    }
    for token in values.values().flatten() {
        needles.plant("a token", &token.as_bytes()[3..]);
    }
    for line in ["GET /metrics", "GET /admin/status", "GET /admin/apps"] {
        needles.none_in(line, &server.admin(line).await.whole());
    }
    assert!(server.stop().await.success());
    needles.none_in("the log", place.logs().as_bytes());
}

const PROBE: &str = "/cgi-bin/get_api_domain_ip";

/// A server that keeps WxJava's entry, and what it keeps first.
async fn kept(lines: &str, redis: &Redis) -> (Upstream, Place, Server, String) {
    let rules = Rules {
        overlap: Duration::ZERO,
        ..Rules::default()
    };
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
