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
            if format == Format::WxjavaCp {
                continue;
            }
            for stable_mode in [false, true] {
                let own = match format {
                    Format::Raw => Some("raw:{appid}:access_token".parse::<Template>().unwrap()),
                    Format::Hash => Some("token:{appid}".parse::<Template>().unwrap()),
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
    let before = redis.ask(&[b"DEBUG", b"DIGEST"]);

    let said = Run::of(&["adopt", "--redis", &redis.url()]).said();

    assert_eq!(redis.ask(&[b"DEBUG", b"DIGEST"]), before);
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

/// What is in the keys and values below, and in nothing that is printed.
const CANARIES: [&str; 9] = [
    "98fjqwKd03mZpQ7xLb2T",
    "550e8400-e29b-41d4-a716-446655440000",
    "0cc175b9c0f1b6a831c399e269772661",
    "D41D8CD98F00B204E9800998ECF8427E",
    "eyJzdWIiOiIxMjM0NTY3ODkwIn0",
    "Zk8-rT2_qW9xYv4Nb7Lm1Pc6",
    "68_h7Kq2VxW9zRt4YpLm8Nc3Bd5Fg6Js1A",
    "5ecre75ecre75ecre75ecre75ecre700",
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
];

/// Keys as SDKs, people and other systems make them, with a secret in each.
fn planted(redis: &Redis) {
    let app = APPS[0];
    let kept: [&dyn Fn(&str) -> String; 13] = [
        &|secret| format!("oauth:access_token:{secret}"),
        &|secret| format!("access_token:{secret}"),
        &|secret| format!("shop_access_token_{secret}_v2"),
        &|secret| format!("{secret}:access_token:{app}"),
        &|secret| format!("wx:access_token:{app}:{secret}"),
        &|secret| format!("{app}:ticket:{secret}"),
        &|secret| format!("my.wechat.{secret}.thing"),
        &|secret| format!("{secret}:ticket:key:{app}:jsapi"),
        &|secret| format!("{secret}gowechat_officialaccount__access_token_{app}"),
        &|secret| format!("x:official_account.access_token.{app}.{secret}.0"),
        &|secret| format!("work.access_token.{secret}"),
        &|secret| format!("wechatpy:{app}_{secret}_access_token"),
        &|secret| format!("{secret}:wechat_component_access_token:{app}"),
    ];
    let bodies: [&dyn Fn(&str) -> String; 4] = [
        &|secret| secret.to_owned(),
        &|secret| format!("{{\"accessToken\":\"{secret}\",\"expireTime\":4000000000000}}"),
        &|secret| format!("s:{}:\"{secret}\";", secret.len()),
        &|secret| format!("\"{secret}\""),
    ];
    for secret in CANARIES {
        for (number, key) in kept.iter().enumerate() {
            for (other, body) in bodies.iter().enumerate() {
                // One key has one value: each body goes to a key of its own.
                let key = format!("n{other}:{}", key(secret));
                redis.ask(&[b"SET", key.as_bytes(), body(secret).as_bytes()]);
                if number == other {
                    redis.ask(&[b"SET", &key.as_bytes()[3..], body(secret).as_bytes()]);
                }
            }
        }
        let key = format!("token:{secret}:ticket");
        redis.ask(&[
            b"HSET",
            key.as_bytes(),
            b"value",
            secret.as_bytes(),
            b"expire",
            b"4000000000000",
        ]);
        redis.ask(&[
            b"RPUSH",
            format!("{secret}:ticket").as_bytes(),
            secret.as_bytes(),
        ]);
    }
}

#[test]
fn no_secret_in_keys_or_values_is_ever_printed() {
    let (redis, _) = filled();
    planted(&redis);
    let url = redis.url();
    for more in [
        &["--lang", "en"][..],
        &["--lang", "zh"],
        &["--json"],
        &["--json", "--lang", "zh"],
    ] {
        let said = Run::of(&[&["adopt", "--redis", &url][..], more].concat()).said();
        said.shows(&["***", "[[app.redis]]"]);
        for secret in CANARIES {
            for at in 0..=secret.len() - 10 {
                let piece = &secret[at..at + 10];
                let shown = said
                    .out
                    .lines()
                    .chain(said.err.lines())
                    .find(|line| line.contains(piece));
                assert_eq!(shown, None, "{piece} of {secret}");
            }
        }
    }
}

#[test]
fn who_may_read_some_keys_sees_those_and_who_may_not_look_is_told_what_it_takes() {
    let (redis, _) = filled();
    let rights = "on >letmein resetchannels ~wx:* -@all +scan +type +pttl +getrange +hlen +hgetall";
    let words: Vec<&[u8]> = rights.split(' ').map(str::as_bytes).collect();
    redis.ask(&[&[&b"ACL"[..], b"SETUSER", b"reader"], &words[..]].concat());
    let url = format!("redis://reader@127.0.0.1:{}", redis.port);
    let look = |lang: &str| {
        let run = Run::of(&["adopt", "--redis", &url, "--lang", lang]);
        run.env("WXTOKEN_REDIS_PASSWORD", "letmein").said()
    };
    let said = look("en");
    said.shows(&[
        "wx:access_token:wx00000000000000aa",
        "may not be read by this user",
        "+scan +type +pttl +getrange +hlen +hgetall",
        "url = \"redis://reader:${REDIS_PASSWORD}@127.0.0.1:",
        "and REDIS_PASSWORD (percent-encoded",
    ]);
    look("zh").shows(&["这个 Redis 用户读不了", "以及 REDIS_PASSWORD（"]);
    redis.ask(&[b"ACL", b"SETUSER", b"reader", b"-scan"]);
    let said = look("en");
    said.fails(1, &["+scan +type +pttl +getrange +hlen +hgetall"]);
    assert!(!said.err.contains("PREFIX"), "{said:?}");
}
