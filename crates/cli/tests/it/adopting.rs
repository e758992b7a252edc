//! `adopt`: every format is found in a real Redis, which is only read; what is printed takes it over, and holds no secret.

use std::collections::BTreeSet;
use std::path::Path;

use wxtoken_core::app::AppId;
use wxtoken_core::clock::Wall;
use wxtoken_core::credential::{Kind, Token};
use wxtoken_server::config::{self, Secret};
use wxtoken_server::sdk::{Body, Format, Module, PhpCache, Place, Spec, Template, Value};

use crate::program::Run;
use crate::redis::Redis;

const SECRET: &str = "5ecre75ecre75ecre75ecre75ecre700";
const APPS: [&str; 2] = ["wx00000000000000aa", "wx00000000000000bb"];

fn app(number: usize) -> AppId {
    APPS[number].parse().unwrap()
}

fn token(name: &str) -> Token {
    Token::new(&format!("68_{name}{}", "AbCdEfGh0123456789".repeat(3))).unwrap()
}

/// Writes a credential as its SDK would.
fn write(redis: &Redis, spec: &Spec<'_>, token: &Token) -> Vec<String> {
    let now = Wall(u64::try_from(jiff_now()).unwrap());
    let place = Place::new(spec).unwrap();
    let value = Value::new(token, now.plus(7_000_000), now).unwrap();
    let entries = place.entries(&value);
    for entry in &entries {
        let key = entry.key.as_bytes();
        match &entry.body {
            Body::Text(text) => redis.ask(&[b"SET", key, text.expose()]),
            Body::Fields(fields) => {
                let mut words: Vec<&[u8]> = vec![b"HSET", key];
                for (name, value) in fields {
                    words.extend([name.as_bytes(), value.expose()]);
                }
                redis.ask(&words)
            }
        };
        if let Some(ttl) = entry.ttl {
            redis.ask(&[b"PEXPIRE", key, ttl.to_string().as_bytes()]);
        }
    }
    let keys = entries.iter().map(|entry| entry.key.as_bytes().to_vec());
    keys.map(|key| String::from_utf8(key).unwrap()).collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the server's clock is the machine's"
)]
fn jiff_now() -> u128 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap().as_millis()
}

/// A Redis with every format in it, and all keys that can be taken over.
fn filled() -> (Redis, BTreeSet<String>) {
    let redis = Redis::start(None);
    let (secret, key) = (
        Secret::new(SECRET),
        "shop:{appid}:at".parse::<Template>().unwrap(),
    );
    let mut keys = BTreeSet::new();
    for (number, module) in [(0, Module::Official), (1, Module::Mini)] {
        for format in Format::ALL {
            // A hash is known by two SDKs' names alone.
            if matches!(format, Format::WxjavaCp | Format::Hash) {
                continue;
            }
            for stable_mode in [false, true] {
                let own = match format {
                    Format::Raw => Some("raw:{appid}:access_token".parse::<Template>().unwrap()),
                    _ => format.has_own_key().then(|| key.clone()),
                };
                let spec = Spec {
                    secret: Some(&secret),
                    key: own.as_ref(),
                    stable_mode: stable_mode && format.has_stable_mode(),
                    prefix: (format == Format::Silenceper).then_some("mine:"),
                    cache: PhpCache::Serialize,
                    ..Spec::new(format, app(number), module, Kind::AccessToken)
                };
                // One SDK fetched by itself: its token is another.
                let name = if format == Format::Wechatpy {
                    "other"
                } else {
                    "ours"
                };
                keys.extend(write(&redis, &spec, &token(&format!("{name}{number}"))));
            }
        }
    }
    let ticket = Spec::new(
        Format::WxjavaMp,
        app(0),
        Module::Official,
        Kind::JsapiTicket,
    );
    keys.extend(write(&redis, &ticket, &token("ticket")));
    for number in 0..500 {
        redis.ask(&[b"SET", format!("session:{number}").as_bytes(), b"x"]);
    }
    redis.ask(&[
        b"SET",
        b"wx:open:wechat_component_access_token:wx00000000000000cc",
        b"c0mp0nent-68_AbCdEfGh",
    ]);
    redis.ask(&[b"RPUSH", b"ticket_queue", b"1"]);
    (redis, keys)
}

#[test]
fn every_format_is_found_and_what_is_printed_takes_it_over() {
    let (redis, written) = filled();
    redis.ask(&[b"CONFIG", b"RESETSTAT"]);
    let before = redis.ask(&[b"DEBUG", b"DIGEST"]);

    let said = Run::of(&["adopt", "--redis", &redis.url()]).said();

    assert_eq!(redis.ask(&[b"DEBUG", b"DIGEST"]), before);
    let stats = redis.ask(&[b"INFO", b"commandstats"]);
    let commands = stats
        .lines()
        .filter_map(|line| line.strip_prefix("cmdstat_")?.split(':').next());
    for command in commands {
        let reads = [
            "scan",
            "type",
            "pttl",
            "getrange",
            "hlen",
            "hgetall",
            "hello",
            "select",
            "debug",
            "config|resetstat",
            "info",
            "client|setinfo",
        ];
        assert!(reads.contains(&command), "{stats}");
    }
    said.shows(&[
        "wxjava-mp",
        "different values",
        "component_access_token",
        "ticket_queue",
        "68_o…89",
    ]);
    for hidden in [SECRET, "AbCdEfGh0123"] {
        assert!(
            !said.out.contains(hidden) && !said.err.contains(hidden),
            "{}",
            said.out
        );
    }
    assert_eq!(taken_over(&said.out), written, "{}", said.out);
}

/// The keys that the printed lines would write.
fn taken_over(out: &str) -> BTreeSet<String> {
    let lines = &out[out.find("[[app]]").unwrap()..];
    let text = format!("[admin]\nkey = \"an-admin-key-for-tests\"\n{lines}\n");
    let env = |name: &str| name.ends_with("_SECRET").then(|| SECRET.to_owned());
    let config = config::parse(&text, Path::new("/nowhere"), &env)
        .unwrap_or_else(|why| panic!("{why}\n{lines}"));
    let sinks = config.apps.iter().flat_map(|app| app.redis());
    let keys = sinks.flat_map(|sink| sink.place.keys());
    keys.map(|key| String::from_utf8(key.as_bytes().to_vec()).unwrap())
        .collect()
}

#[test]
fn a_script_gets_json_without_values_and_people_get_their_language() {
    let (redis, _) = filled();
    let said = Run::of(&["adopt", "--redis", &redis.url(), "--json"]).said();
    let told: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(told["whole"], true);
    assert_eq!(told["disagreements"][0]["appid"], APPS[0]);
    assert!(told["config"].as_str().unwrap().contains("[[app.redis]]"));
    assert!(!said.out.contains("AbCdEfGh0123") && !said.out.contains(SECRET));
    Run::of(&["adopt", "--redis", &redis.url(), "--lang", "zh"])
        .said()
        .shows(&["没有任何改动", "不同的值"]);
}

#[test]
fn a_password_is_taken_from_the_environment_and_never_from_the_address() {
    let redis = Redis::start(Some("letmein-4711"));
    let with = format!("redis://:letmein-4711@127.0.0.1:{}", redis.port);
    let refused = Run::of(&["adopt", "--redis", &with]).said();
    refused.fails(2, &["WXTOKEN_REDIS_PASSWORD"]);
    assert!(!refused.err.contains("letmein"), "{refused:?}");
    Run::of(&["adopt", "--redis", &redis.url()])
        .said()
        .fails(1, &["refuses user or password"]);
    let run =
        Run::of(&["adopt", "--redis", &redis.url()]).env("WXTOKEN_REDIS_PASSWORD", "letmein-4711");
    run.said().shows(&["0 keys looked at"]);
}

#[test]
fn what_cannot_be_looked_at_is_told_with_its_cure() {
    Run::of(&["adopt", "--redis", "http://h"])
        .said()
        .fails(2, &["redis://"]);
    Run::of(&["adopt", "--redis", "redis://h", "--ca", "x.pem"])
        .said()
        .fails(2, &["rediss://"]);
    Run::of(&["adopt", "--redis", "redis://127.0.0.1:1"])
        .said()
        .fails(1, &["cannot be reached"]);
}
