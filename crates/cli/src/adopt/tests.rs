//! The lines that are printed, read back as configuration.

use std::path::Path;

use wxtoken_core::app::AppId;
use wxtoken_core::clock::Wall;
use wxtoken_core::credential::{Kind, Token};
use wxtoken_server::config::{self, Config, Secret};
use wxtoken_server::sdk::{
    Body, Candidate, Content, Format, Found, HashFields, Kept, Module, PhpCache, Place, Reading,
    Spec, Template, Ttl, Value, recognise,
};
use wxtoken_server::survey::{Find, Survey};

use super::lines::{self, Server};
use super::{json, listing};
use crate::lang::Lang;

const NOW: Wall = Wall(1_795_000_000_000);
const SECRET: &str = "5ecre75ecre75ecre75ecre75ecre700";
const URL: &str = "redis://127.0.0.1:6379/0";

fn app() -> AppId {
    "wx0123456789abcdef".parse().unwrap()
}

fn token() -> Token {
    Token::new("98_c4n4ryQx7mPz2kLw9").unwrap()
}

fn survey(finds: Vec<Find>) -> Survey {
    Survey {
        keys: 1,
        whole: true,
        finds,
        clashes: Vec::new(),
        unnamed: Vec::new(),
        unreadable: 0,
    }
}

fn server() -> Server {
    Server::new(URL, false, false, None)
}

/// What lies there once a place was written.
fn written(place: &Place) -> Found {
    let token = token();
    let value = Value::new(&token, NOW.plus(7_000_000), NOW).unwrap();
    let entry = place.entries(&value).into_iter().next().unwrap();
    let ttl = entry.ttl.map_or(Ttl::Unset, |left| Ttl::Left(left.get()));
    match entry.body {
        Body::Text(content) => Found::Text(content, ttl),
        Body::Fields(fields) => {
            let fields = fields.into_iter();
            let fields = fields.map(|(name, content)| (name.as_bytes().to_vec(), content));
            Found::Fields(fields.collect(), ttl)
        }
    }
}

/// What is found of one key.
fn find(key: &[u8], found: &Found) -> Option<Find> {
    let candidates = recognise(key, found, NOW);
    let app = candidates.first()?.app;
    Some(Find { app, candidates })
}

fn read(lines: &str) -> Config {
    let text = format!("[admin]\nkey = \"an-admin-key-for-tests\"\n{lines}\n");
    let env = |name: &str| match name {
        "REDIS_PASSWORD" => Some("let%40me".to_owned()),
        "REDIS_SENTINEL_PASSWORD" => Some("sentinels-own".to_owned()),
        name => name.ends_with("_SECRET").then(|| SECRET.to_owned()),
    };
    config::parse(&text, Path::new("/nowhere"), &env).unwrap_or_else(|why| panic!("{why}\n{lines}"))
}

/// Reads the lines of one key: whether there are any; they would keep the same credential in the same form at this very key.
fn is_taken_over(key: &[u8], found: &Found) -> bool {
    let Some(one) = find(key, found) else {
        return false;
    };
    let likeliest = one.candidates[0].clone();
    let mut lines = lines::of(&survey(vec![one]), &server(), Lang::En);
    if likeliest.app.is_none() && lines.contains("[[app.redis]]") {
        lines = below_an_app(&lines, &likeliest);
    }
    let config = read(&lines);
    let sinks: Vec<_> = config.apps.iter().flat_map(|app| app.redis()).collect();
    let Some(sink) = sinks.first() else {
        let shown = likeliest.key.to_string();
        assert!(!lines.contains("[[app.redis]]"), "{lines}");
        assert!(lines.is_empty() || lines.contains(&shown), "{lines}");
        return false;
    };
    let [key_again, ..] = sink.place.keys() else {
        panic!("{lines}");
    };
    assert_eq!(key_again.as_bytes(), key, "{lines}");
    assert_eq!(sinks.len(), 1, "{lines}");
    assert_eq!(
        (sink.place.format(), Kept::Credential(sink.kind)),
        (likeliest.format, likeliest.kept)
    );
    // How long it is used is another matter: the end of some lies at a second key.
    let all = [found.clone(), Found::Absent];
    let again = sink.place.read(&all[..sink.place.keys().len()], NOW);
    assert_eq!(value(&again), value(&likeliest.reading), "{lines}");
    true
}

fn value(reading: &Reading) -> Option<&Token> {
    match reading {
        Reading::Held(held) => Some(&held.token),
        Reading::Absent | Reading::Foreign => None,
    }
}

/// Does what the remark above lines of nobody's says.
fn below_an_app(lines: &str, one: &Candidate) -> String {
    let Kept::Credential(kind) = one.kept else {
        panic!("{lines}");
    };
    let name = |c: char| c.is_ascii_lowercase() || c == '_';
    let is_line = |line: &&str| {
        let key = line.split_once(" = ").map_or("", |(key, _)| key);
        line.starts_with("[[") || (!key.is_empty() && key.chars().all(name))
    };
    let lines = lines.lines().map(|line| line.trim_start_matches("# "));
    let lines: Vec<&str> = lines.filter(is_line).collect();
    let app = app();
    let head = format!("[[app]]\nappid = \"{app}\"\nsecret = \"{SECRET}\"\nkinds = [\"{kind}\"]");
    format!("{head}\n{}\n", lines.join("\n"))
}

/// Every place of every format, with prefixes and keys as people and frameworks make them.
fn every_place(look: &mut dyn FnMut(Place)) {
    let secret = Secret::new(SECRET);
    let keys = ["keep:{appid}:access_token", "${{x}}:{appid}:$token:ticket"];
    let keys = keys.map(|key| key.parse::<Template>().unwrap());
    let prefixes = [
        None,
        Some(""),
        Some("mine:"),
        Some("a $b ${X} {c} \"d\" \\e"),
        Some("店"),
    ];
    let modules = [Module::Official, Module::Mini];
    let fields = HashFields::default();
    for format in Format::ALL
        .into_iter()
        .filter(|one| *one != Format::WxjavaCp)
    {
        for (module, kind) in modules
            .into_iter()
            .flat_map(|m| Kind::ALL.map(|kind| (m, kind)))
        {
            for prefix in prefixes {
                for number in 0..4 {
                    let spec = Spec {
                        prefix,
                        key: format.has_own_key().then_some(&keys[number / 2]),
                        stable_mode: number % 2 == 1 && format.has_stable_mode(),
                        cache: if number % 2 == 1 && format.has_php_cache() {
                            PhpCache::Think5
                        } else {
                            PhpCache::Serialize
                        },
                        fields: Some(&fields),
                        secret: Some(&secret),
                        ..Spec::new(format, app(), module, kind)
                    };
                    if let Ok(place) = Place::new(&spec) {
                        look(place);
                    }
                }
            }
        }
    }
}

#[test]
fn the_lines_for_a_key_keep_the_same_thing_at_that_very_key() {
    let (mut places, mut taken) = (0, 0);
    every_place(&mut |place| {
        places += 1;
        let found = written(&place);
        let key = place.keys()[0].as_bytes();
        taken += usize::from(is_taken_over(key, &found));
    });
    assert!(
        places > 300 && taken * 10 > places * 9,
        "{taken} of {places}"
    );
}

/// What may stand before a key.
const PREFIXES: &[&str] = &[
    "",
    "wa",
    "wh",
    "wx",
    "wx:ma",
    "wx:ma:multi",
    "wx:channel",
    "null",
    "a\u{1b}[2J",
    "a\nb",
    "a\u{7f}",
    "a\u{9b}",
    "${HOME}",
    "a b",
    "shop:",
    ":shop",
    "0123456789abcdef0123456789abcdef",
    "SenparcWeixin:x:Container:y",
];

/// Keys as SDKs have them, and nearly so.
const TAILS: &[&str] = &[
    ":access_token:wx0123456789abcdef",
    ":access_token:wx0123456789abcdef:x",
    ":ticket:key:wx0123456789abcdef:jsapi",
    "wechat_ma_access_token_key:wx0123456789abcdef",
    ":wechat_ma_access_token_key:wx0123456789abcdef",
    "::wechat_ma_access_token_key:wx0123456789abcdef:7",
    ":wx_channel_access_token_key:wx0123456789abcdef",
    "gowechat_officialaccount__access_token_wx0123456789abcdef",
    "gowechat_officialaccount__access_token_wx0123456789abcdef_7",
    "gowechat_miniprogram__jsapi_ticket_wx0123456789abcdef",
    ":wx0123456789abcdef_access_token",
    "powerwechat.access_token.128a5b243de594045a9731e574c395b9",
    "official_account.access_token.wx0123456789abcdef.5ecre75ecre75ecre75ecre75ecre700.0",
    "_access_token",
    "_access_token_0123456789abcdef0123456789abcdef",
    "maConfig:accessToken",
    "maConfig:x:jsapiTicket",
    "BC8A9037BA7A495C80E355FD4600FFED",
];

#[test]
fn the_lines_for_an_odd_key_keep_the_same_thing_at_that_key_or_there_are_none() {
    let kryo = Spec::new(
        Format::RedissonKryo5,
        app(),
        Module::Official,
        Kind::AccessToken,
    );
    let kryo = written(&Place::new(&kryo).unwrap());
    let bare = Found::Text(Content::new(token().expose()), Ttl::Left(7_000_000));
    let quoted = Found::Text(
        Content::new(format!("\"{}\"", token().expose())),
        Ttl::Unset,
    );
    let pairs = |names: [&str; 2], end: &str| {
        let field = |name: &str, text: &str| (name.as_bytes().to_vec(), Content::new(text));
        let fields = vec![field(names[0], token().expose()), field(names[1], end)];
        Found::Fields(fields, Ttl::Left(7_000_000))
    };
    let milliseconds = pairs(["value", "expire"], "1795007000000");
    let ruby = pairs(["access_token", "expired_at"], "1795007000");
    let long = "x".repeat(300);
    let mut taken = 0;
    for prefix in PREFIXES.iter().copied().chain([&*long]) {
        for tail in TAILS {
            for found in [&kryo, &bare, &quoted, &milliseconds, &ruby] {
                let key = format!("{prefix}{tail}");
                taken += usize::from(is_taken_over(key.as_bytes(), found));
            }
        }
    }
    assert!(taken > 300, "{taken}");
}

#[test]
fn kryo_strings_at_a_mini_programs_plain_key_stay_at_that_key() {
    let kryo = Spec::new(
        Format::RedissonKryo5,
        app(),
        Module::Official,
        Kind::AccessToken,
    );
    let kryo = written(&Place::new(&kryo).unwrap());
    for prefix in ["wa", "wh", "wx:ma:multi", "wx:channel"] {
        let key = format!("{prefix}:access_token:wx0123456789abcdef");
        assert!(is_taken_over(key.as_bytes(), &kryo), "{key}");
    }
}

#[test]
fn a_key_that_may_hold_a_secret_gets_a_remark_and_no_lines() {
    let bare = Found::Text(Content::new(token().expose()), Ttl::Left(7_000_000));
    let key = format!("shop:wx0123456789abcdef:access_token:{SECRET}");
    let found = survey(find(key.as_bytes(), &bare).into_iter().collect());
    for (lang, why) in [(Lang::En, "may be a secret"), (Lang::Zh, "可能是密钥")] {
        let lines = lines::of(&found, &server(), lang);
        assert!(
            lines.starts_with("# shop:wx0123456789abcdef:access_token:***: ")
                || lines.contains(why),
            "{lines}"
        );
        assert!(
            lines.contains(why) && lines.lines().all(|line| line.starts_with('#')),
            "{lines}"
        );
        let told = format!(
            "{lines}{}{}",
            listing::of(&found, &server(), lang),
            json::of(&found, &server(), lang)
        );
        assert!(
            !told.contains(SECRET) && !told.contains("reveal_app_secret"),
            "{told}"
        );
    }
}

#[test]
fn the_server_is_named_as_it_was_looked_at_and_what_is_left_to_be_set_is_said() {
    let key = b"wx:access_token:wx0123456789abcdef";
    let bare = Found::Text(Content::new(token().expose()), Ttl::Left(7_000_000));
    let found = survey(find(key, &bare).into_iter().collect());
    for (url, user) in [
        (
            "redis+sentinel://reader@s1,s2:26380/mymaster/3",
            Some("reader"),
        ),
        ("redis+sentinel://s1,s2:26380/mymaster/3", None),
    ] {
        let server = Server::new(url, true, true, None);
        let config = read(&lines::of(&found, &server, Lang::En));
        let there = &config.apps[0].redis()[0].server;
        let meant = url.replace("reader@", "").replace("://", "://:let%40me@");
        let mut meant: wxtoken_server::redis::Address = meant.parse().unwrap();
        meant.user = user.map(str::to_owned);
        assert_eq!(there.address, meant);
        assert!(there.sentinel_password.is_some());
        for lang in [Lang::En, Lang::Zh] {
            let told = listing::of(&found, &server, lang);
            for variable in ["REDIS_PASSWORD", "REDIS_SENTINEL_PASSWORD", "AppSecret"] {
                let title = told
                    .lines()
                    .find(|line| line.contains("wxtoken.toml"))
                    .unwrap();
                assert!(title.contains(variable), "{title}");
            }
        }
    }
    let ca = Path::new("/etc/redis/our \"ca\".pem");
    let server = Server::new("rediss://h/0", false, false, Some(ca));
    let lines = lines::of(&found, &server, Lang::En);
    assert!(
        lines.contains("\nurl = \"rediss://h/0\"\nca = \"/etc/redis/our \\\"ca\\\".pem\"\n"),
        "{lines}"
    );
}

#[test]
fn nothing_that_is_printed_moves_a_terminal() {
    let bare = Found::Text(Content::new(token().expose()), Ttl::Left(7_000_000));
    let keys = [
        "a\u{1b}[2J\nb:access_token",
        "a\u{1b}]0;x\u{7}:access_token:wx0123456789abcdef",
    ];
    let finds = keys.iter().filter_map(|key| find(key.as_bytes(), &bare));
    let found = survey(finds.collect());
    assert_eq!(found.finds.len(), 2);
    for lang in [Lang::En, Lang::Zh] {
        for told in [
            listing::of(&found, &server(), lang),
            json::of(&found, &server(), lang),
        ] {
            let odd = |c: char| c.is_control() && c != '\n';
            assert!(!told.contains(odd) && !told.contains("\nb:"), "{told:?}");
            assert!(told.contains(r"\u{1b}"), "{told}");
        }
    }
}

#[test]
fn both_languages_say_that_at_most_one_value_of_a_lane_lives() {
    let key = b"wx:access_token:wx0123456789abcdef";
    let bare = Found::Text(Content::new(token().expose()), Ttl::Left(7_000_000));
    let mut found = survey(find(key, &bare).into_iter().collect());
    found.clashes.push(wxtoken_server::survey::Clash {
        app: app(),
        kind: Kind::AccessToken,
        finds: vec![0],
    });
    for (lang, said) in [
        (Lang::En, "at most one of a lane lives"),
        (Lang::Zh, "每个通道至多一个有效"),
    ] {
        assert!(listing::of(&found, &server(), lang).contains(said));
    }
}
