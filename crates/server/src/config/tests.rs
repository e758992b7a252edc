//! What people get wrong and what they are told; what they get right and what comes of it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;
use wxtoken_core::app::AppType;
use wxtoken_core::budget::BudgetKind;
use wxtoken_core::credential::Kind;

use crate::words::InChinese;

use super::{
    App, AppScope, CompatExpiresIn, Config, ConfigErrors, FileFormat, KeyHash, Lanes, Listen,
    Permission, ProxyKind,
};

const ADMIN: &str = "[admin]\nkey = \"an-admin-key-for-tests\"\n";
const CANARY: &str = "5ecre7c4n4ry5ecre7c4n4ry5ecre7c4";
const CALLER_KEY: &str = "0123456789abcdef0123456789abcdef";

fn env(name: &str) -> Option<String> {
    match name {
        "SECRET" => Some(CANARY.to_owned()),
        "PORT" => Some("7300".to_owned()),
        "YES" => Some("true".to_owned()),
        "MANY" => Some("128".to_owned()),
        _ => None,
    }
}

/// Checks a text; the admin section stands below it.
fn parse(text: &str) -> Result<Config, ConfigErrors> {
    super::parse(&format!("{text}\n{ADMIN}"), Path::new("/nowhere"), &env)
}

/// What is said about a text.
fn wrong(text: &str) -> String {
    match parse(text) {
        Ok(_) => "nothing is wrong".to_owned(),
        Err(errors) => errors.to_string(),
    }
}

fn app(rest: &str) -> String {
    format!("[[app]]\nappid = \"wx1\"\nsecret = \"s\"\n{rest}\n")
}

fn caller(rest: &str) -> String {
    format!("{}[[caller]]\nname = \"orders\"\n{rest}\n", app(""))
}

fn with_key(rest: &str) -> String {
    caller(&format!("key = \"{CALLER_KEY}\"\n{rest}"))
}

#[expect(clippy::too_many_lines, reason = "a table, read line by line")]
fn cases() -> Vec<(&'static str, String)> {
    let two_apps = format!("{}{}", app(""), app(""));
    let two_callers = format!(
        "{}[[caller]]\nname = \"orders\"\nkey = \"{CALLER_KEY}\"\napps = [\"*\"]\n",
        with_key("apps = [\"*\"]")
    );
    let files = |first: &str, second: &str| {
        app(&format!(
            "[[app.file]]\npath = \"{first}\"\nformat = \"json\"\n[[app.file]]\npath = \"{second}\"\nformat = \"dotenv\""
        ))
    };
    vec![
        ("unknown keys, near and far", "includ = []\n[server]\nlissen = \"127.0.0.1:1\"\nzzzzzzzz = 1\n[sever]\n".into()),
        ("a section that is no table", "server = 1\napp = 2\n".into()),
        ("one app written as a table", "[app]\nappid = \"wx1\"\n".into()),
        ("not TOML", "[[app]\nappid = \"wx1\"\nsecret = hush-hush-hush\n".into()),
        ("one key twice", "[server]\nplain_http = true\nplain_http = true\n".into()),
        ("wrong types", "[server]\nlisten = 7200\nplain_http = \"yes\"\nfirst_token_wait = 4\nmax_connections = 0\nbody_limit = \"1KB\"\n".into()),
        ("addresses", "[server]\nlisten = [\":7200\", \"example.com:1\", \"127.0.0.1:7200\", \"127.0.0.1:7200\", { pth = \"x\" }]\n".into()),
        ("an empty list of addresses", "[server]\nlisten = []\n".into()),
        ("plain HTTP for everyone", "[server]\nlisten = [\"127.0.0.1:1\", \"0.0.0.0:7200\"]\n".into()),
        ("sockets", "[server]\nlisten = { path = \"s\", mode = \"rw\", group = \"no-such-group-here\" }\n".into()),
        ("API and admin in one place", "[server]\nlisten = \"127.0.0.1:7201\"\n".into()),
        ("certificates that are not there", "[server]\ntls = { cert = \"cert.pem\", key = \"key.pem\" }\n".into()),
        ("a certificate without its key", "[server]\ntls = { cert = \"/dev/null\" }\n".into()),
        ("variables", "[server]\nfirst_token_wait = \"${NONE}\"\nlisten = \"${PORT\"\n[log]\nlevel = \"${SECRET}\"\nformat = \"${}\"\n".into()),
        ("spans of time", "[refresh]\nstable_before = \"10m\"\nclassic_before = \"1h\"\nprobe_every = \"soon\"\nmax_in_flight = -1\n".into()),
        ("upstream", "[upstream]\nbase_url = \"http://api.weixin.qq.com\"\nfallback_urls = [\"https://u:p@x\", \"x\"]\nproxy = \"proxy:3128\"\n".into()),
        ("store", "[store]\nkind = \"rediss\"\nurl = \"redis://x\"\npath = \"/dev/null\"\nmaster_key = \"short\"\n".into()),
        ("a copy in Redis and no store", format!("[store]\nkind = \"redis\"\n{}[[app.redis]]\nurl = \"redis://h\"\nformat = \"wxjava-mp\"\n", with_key("apps = [\"*\"]")).replace("[[app.redis]]", "[[app]]\nappid = \"wx2\"\nsecret = \"s\"\n[[app.redis]]")),
        ("a public listener lacks its address", "[public]\nlisten = \"0.0.0.0:80\"\n".into()),
        ("a public listener", "[public]\nlisten = \"127.0.0.1:7201\"\nbase_url = \"http://wx.example.com\"\nverify_files = \"/dev/null\"\nrate = \"often\"\nforwarded_from = [\"proxy\"]\ntls = true\n[upstream]\nopen_url = \"http://open.weixin.qq.com\"\n".into()),
        ("a folder that is not there", "[public]\nverify_files = \"/no-such-folder-here\"\n".into()),
        ("pages to come back to", with_key("apps = [\"*\"]\nallow = [\"read\"]\nreturn_to = [\"http://shop.example.com/\", \"https://shop.example.com\", \"https://shop.example.com/?state=1\", \"https://shop.example.com/back\", \"https://shop.example.com/back\"]")),
        ("a page of two callers", format!("{}return_to = \"https://shop.example.com/back\"\n[[caller]]\nname = \"billing\"\nkey = \"{}\"\napps = [\"wx1\"]\nallow = \"users\"\nreturn_to = [\"https://shop.example.com/other\", \"https://shop.example.com/back\"]\n", with_key("apps = [\"*\"]\nallow = [\"users\"]\n"), "b".repeat(32))),
        ("a store in Redis lacks what it needs", "[store]\nkind = \"redis\"\n".into()),
        ("a store in Redis", "[store]\nkind = \"redis\"\nurl = \"redis://:s3cr3t/@h\"\nmaster_key = \"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"\n".into()),
        ("a store in Redis has its own keys", "[store]\nkind = \"redis\"\nurl = \"redis://h\"\nprefix = \"a*\"\nca = \"ca.pem\"\nsentinel_password = 7\nmaster_key = \"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"\n".into()),
        ("copies in Redis", app("[[app.redis]]\nurl = \"http://h\"\nformat = \"raw\"\n[[app.redis]]\nurl = \"redis://u:s3cr3t@h/x\"\n[[app.redis]]\nformat = \"wxjava\"\nkind = \"jsapi_ticket\"\n[[app.redis]]\nurl = 1\nformat = 1\n")),
        ("what a format has and has not", app("[[app.redis]]\nurl = \"redis://h\"\nformat = \"wxjava-mp\"\nkey = \"x\"\nmodule = \"mini\"\nstable_mode = true\ncache = \"serialize\"\nvalue_field = \"v\"\nsecret_from = \"caller:x\"\nsentinel_password = \"s\"\nca = \"ca.pem\"\n[[app.redis]]\nurl = \"redis://h\"\nformat = \"hash\"\nprefix = \"p\"\nvalue_field = \"\"\nexpires_unit = \"m\"\n[[app.redis]]\nurl = \"redis://h\"\nformat = \"raw\"\nkey = \"{app}\"\n[[app.redis]]\nurl = \"redis://h\"\nformat = \"wxjava-cp\"\n")),
        ("formats with a secret", with_key("apps = [\"*\"]").replace("[[caller]]", "[[app.redis]]\nurl = \"redis://h\"\nformat = \"easywechat6\"\n[[app.redis]]\nurl = \"redis://h\"\nformat = \"senparc\"\nsecret_from = \"orders\"\n[[app.redis]]\nurl = \"redis://h\"\nformat = \"powerwechat\"\nsecret_from = \"caller:hush\"\n[[app.redis]]\nurl = \"redis://h\"\nformat = \"easywechat5\"\nsecret_from = \"caller:orders\"\nreveal_app_secret = true\n[[app.redis]]\nurl = \"redis://h\"\nformat = \"raw\"\nkey = \"{secret}\"\n[[caller]]")),
        ("a secret that is known as a hash alone", format!("{}[[app.redis]]\nurl = \"redis://h\"\nformat = \"easywechat6\"\nsecret_from = \"caller:orders\"\n[[caller]]\nname = \"orders\"\nkey_sha256 = \"{}\"\napps = [\"*\"]\n", app(""), "a".repeat(64))),
        ("kinds a format has no place for", app("kinds = [\"card_ticket\"]\n[[app.redis]]\nurl = \"redis://h\"\nformat = \"silenceper\"\nkind = \"card_ticket\"\n[[app.redis]]\nurl = \"redis://h\"\nformat = \"easywechat6\"\nkind = \"card_ticket\"\n[[app.redis]]\nurl = \"redis://h\"\nformat = \"wechatpy\"\nkind = \"jsapi_ticket\"\n")),
        ("two copies at one key", format!("{}[[app]]\nappid = \"wx2\"\nsecret = \"s\"\n[[app.redis]]\nurl = \"redis://localhost/1\"\nformat = \"raw\"\nkey = \"token\"\n", app("[[app.redis]]\nurl = \"redis://127.0.0.1:6379/1\"\nformat = \"raw\"\nkey = \"token\"\n[[app.redis]]\nurl = \"redis://h\"\nformat = \"wxjava-miniapp\"\n[[app.redis]]\nurl = \"redis://h\"\nformat = \"wxjava-mp\"\nprefix = \"wa\"\n[[app.redis]]\nurl = \"redis://h/1\"\nformat = \"wxjava-miniapp\"\n[[app.redis]]\nurl = \"redis://h\"\nformat = \"easywechat6\"\nreveal_app_secret = true\n[[app.redis]]\nurl = \"redis-cluster://g,h\"\nformat = \"easywechat6\"\nreveal_app_secret = true\n"))),
        ("a copy among the keys of the store", format!("[store]\nkind = \"redis\"\nurl = \"redis://localhost/1\"\nmaster_key = \"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"\n{}", app("[[app.redis]]\nurl = \"redis://:x@127.0.0.1/1\"\nformat = \"wxjava-mp\"\nprefix = \"wxtoken\"\n[[app.redis]]\nurl = \"redis://127.0.0.1/2\"\nformat = \"wxjava-mp\"\nprefix = \"wxtoken\""))),
        ("gateway", "[gateway]\nreplay_memory = \"1TiB\"\n".into()),
        ("gateway sizes that do not fit", "[gateway]\nreplay_memory = \"2GiB\"\n".into()),
        ("users", "[users]\nretention = \"1h\"\nretain = \"30d\"\n".into()),
        ("log", "[log]\nformat = \"jsn\"\nlevel = \"verbose\"\n".into()),
        ("an app without anything", "[[app]]\n".into()),
        ("an app with everything wrong", "[[app]]\nappid = \"wx 1\"\nname = 1\ntype = \"offical\"\nsecret = 5\nprevious_secret = { fil = \"x\" }\nlanes = []\nkinds = [\"jsapi_tiket\"]\ntake_over = 1\ninitial_token = \"\"\nbase_url = \"http://example.com\"\nbudget = { clasic = 1, forced = 21 }\n".into()),
        ("a secret with a space", "[[app]]\nappid = \"wx1\"\nsecret = \"has a space\"\n".into()),
        ("a secret in quotes of its own", "[[app]]\nappid = \"wx1\"\nsecret = '\"quoted\"'\n".into()),
        ("a secret file that is not there", "[[app]]\nappid = \"wx1\"\nsecret = { file = \"secret.txt\" }\n".into()),
        ("kinds an app cannot have", format!("{}[[app]]\nappid = \"wx2\"\nsecret = \"s\"\ntype = \"website\"\nkinds = [\"access_token\"]\nlanes = [\"stable\"]\n", app("type = \"mini\"\nkinds = [\"access_token\", \"jsapi_ticket\", \"access_token\"]"))),
        ("lanes", app("lanes = [\"stable\", \"stable\"]\nkinds = []")),
        ("two apps with one AppID", two_apps),
        ("sinks", app("[[app.file]]\npath = \"/tmp\"\n[[app.file]]\nformat = \"xml\"\nkind = \"token\"\nmode = \"999\"\nowner = \"no-such-user-here\"\n")),
        (
            "a file of what is not kept",
            app("[[app.file]]\npath = \"/srv/t\"\nformat = \"json\"\nkind = \"jsapi_ticket\""),
        ),
        ("two sinks in one file", files("/srv/a/token", "/srv/b/../a/./token")),
        (
            "two sinks in one file, one of them wrong otherwise too",
            files("/srv/a/token", "/srv/a/token").replace("format = \"json\"\n", "").replace("\"dotenv\"", "\"env\""),
        ),
        ("sinks in places that are ours", files("data/token", "wxtoken.toml")),
        ("a caller without anything", "[[caller]]\n".into()),
        ("a caller key of the wrong form", caller("key = \"hush-hush-hush-hush\"\napps = [\"*\"]")),
        ("a caller with key and hash", with_key("key_sha256 = \"abc\"\napps = [\"*\"]")),
        ("a hash that is none", caller("key_sha256 = \"abc\"\napps = [\"*\"]")),
        ("apps nobody configured", with_key("apps = [\"wx2\", \"wx1\", \"wx1\", \"w-x\"]")),
        ("apps, all and some", with_key("apps = [\"*\", \"wx1\"]")),
        ("a caller with everything wrong", with_key("apps = []\nallow = [\"reed\"]\ncall_paths = [\"cgi-bin\", \"/a/../b\"]\nhands_out = \"reel\"\ncompat_expires_in = 9000\nrate = \"200\"\nconcurrency = 0\nfrom = [\"10.0.0.1/8\", \"home\"]\npath_key = 1\n")),
        ("compat_expires_in as a table", with_key("apps = [\"*\"]\ncompat_expires_in = { ad = 1 }")),
        ("two callers with one key and name", two_callers),
        (
            "no needless word about an app that is there but wrong",
            with_key("apps = [\"wx1\"]").replace("secret = \"s\"\n", ""),
        ),
    ]
}

#[test]
fn every_mistake_is_told_with_its_place_and_cure() {
    let mut all = String::new();
    for (title, text) in cases() {
        let told = wrong(&text);
        all.push_str(&format!("# {title}\n{text}--\n{told}\n\n"));
    }
    insta::assert_snapshot!("mistakes", all);
}

#[test]
fn every_mistake_is_told_in_chinese_as_well() {
    let mut all = String::new();
    for (title, text) in cases() {
        let told = parse(&text).unwrap_err().in_chinese();
        all.push_str(&format!("# {title}\n{told}\n\n"));
    }
    insta::assert_snapshot!("mistakes_in_chinese", all);
}

fn is_chinese(text: &str) -> bool {
    text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c))
}

/// What stands in braces, sorted.
fn fields(text: &str) -> Vec<String> {
    let text = text.replace("{{", "").replace("}}", "");
    let mut found: Vec<String> = text
        .split('{')
        .skip(1)
        .filter_map(|rest| Some(rest.split_once('}')?.0.to_owned()))
        .collect();
    found.sort();
    found.dedup();
    found
}

#[test]
fn every_sentence_says_the_same_things_in_both_languages() {
    let all = [
        super::flaw::Flaw::WORDS,
        super::flaw::Remark::WORDS,
        super::phrase::Wanted::WORDS,
        super::phrase::Is::WORDS,
        super::phrase::Cure::WORDS,
        super::phrase::Why::WORDS,
        super::phrase::Shown::WORDS,
        super::phrase::Where::WORDS,
        super::phrase::Near::WORDS,
    ];
    for (name, en, zh) in all.into_iter().flatten() {
        assert_eq!(fields(en), fields(zh), "{name}");
        assert!(!is_chinese(en), "{name}: {en}");
        // What is code and nothing else, or a value alone, is the same in both.
        let is_code = en.trim() == zh.trim() || *name == "CompatExpiresIn";
        let no_word = fields(en)
            .iter()
            .fold(en.to_string(), |rest, field| rest.replace(field, ""))
            .chars()
            .all(|c| !c.is_alphabetic());
        assert!(is_chinese(zh) || is_code || no_word, "{name}: {zh}");
        assert!(!zh.contains("; "), "{name}: {zh}");
    }
}

#[test]
fn every_reason_a_value_is_refused_has_both_languages() {
    use super::words::InWords;
    use super::{network::InvalidNet, quantity::InvalidQuantity, secret::InvalidKeyHash};
    use crate::store::InvalidMasterKey;
    use wxtoken_core::app::InvalidAppId;
    use wxtoken_core::credential::InvalidToken;
    let host_bits = "10.1.2.3/8".parse::<super::IpNet>().unwrap_err();
    let all: [&dyn InWords; 15] = [
        &InvalidQuantity::Span,
        &InvalidQuantity::Rate,
        &InvalidQuantity::Size,
        &InvalidQuantity::Mode,
        &InvalidNet::Form,
        &host_bits,
        &InvalidAppId::Empty,
        &InvalidAppId::TooLong(24),
        &InvalidAppId::Character(3),
        &InvalidToken::Empty,
        &InvalidToken::TooLong(513),
        &InvalidToken::Character,
        &InvalidKeyHash,
        &InvalidMasterKey::Shape,
        &InvalidMasterKey::Placeholder,
    ];
    let numbers = |text: &str| -> String { text.chars().filter(char::is_ascii_digit).collect() };
    for one in all {
        let (en, zh) = (one.en(), one.zh());
        assert!(is_chinese(&zh) && !is_chinese(&en), "{en}: {zh}");
        assert_eq!(numbers(&en), numbers(&zh), "{en}: {zh}");
    }
}

fn file(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn the_app(config: &Config) -> &App {
    let [app] = config.apps.as_slice() else {
        panic!("{} apps", config.apps.len());
    };
    app
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table, read line by line")]
fn an_app_and_a_caller_become_what_was_written() {
    let config = parse(
        r#"
        [server]
        listen = ["127.0.0.1:${PORT}", { path = "api.sock", mode = "0666", group = 0 }]
        plain_http = "${YES}"
        [refresh]
        max_in_flight = "${MANY}"
        [upstream]
        base_url = "http://127.0.0.1:7202/"
        proxy = "socks5://u:p@127.0.0.1"
        [[app]]
        appid = "wxb"
        secret = "${SECRET}"
        type = "test"
        lanes = ["stable", "classic"]
        kinds = ["jsapi_ticket"]
        take_over = true
        budget = { classic = 100 }
        [[app.file]]
        path = "token.json"
        format = "json"
        mode = "640"
        kind = "jsapi_ticket"
        [[app]]
        appid = "wxa"
        secret = "s"
        [[caller]]
        name = "orders"
        key = "0123456789abcdef0123456789abcdef"
        apps = ["wxb", "wxa"]
        allow = ["read", "report"]
        call_paths = ["/", "/cgi-bin/message/"]
        compat_expires_in = { add = 1500 }
        rate = "200/s"
        concurrency = 7
        from = "10.0.0.0/8"
        "#,
    )
    .unwrap();
    assert_eq!(
        config.server.listen[0],
        Listen::Tcp(([127, 0, 0, 1], 7300).into())
    );
    let socket = Listen::Unix {
        path: "/nowhere/api.sock".into(),
        mode: 0o666,
        group: Some(0),
    };
    assert_eq!(config.server.listen[1], socket);
    assert!(config.server.plain_http);
    assert_eq!(config.refresh.max_in_flight, 128);
    assert_eq!(config.upstream.base_url.as_str(), "http://127.0.0.1:7202");
    assert!(
        config.upstream.fallback_urls.is_empty(),
        "a test must not fall back to WeChat"
    );
    assert_eq!(
        config.upstream.proxy.as_ref().unwrap().kind,
        ProxyKind::Socks5
    );
    assert_eq!(
        config.admin.key,
        Some(KeyHash::of("an-admin-key-for-tests"))
    );
    let ids: Vec<&str> = config.apps.iter().map(|app| app.appid.as_str()).collect();
    assert_eq!(ids, ["wxa", "wxb"]);
    let app = config.app(&"wxb".parse().unwrap()).unwrap();
    assert_eq!(app.secret.expose(), CANARY);
    assert_eq!(
        (app.app_type, app.lanes),
        (AppType::Test, Lanes::StableThenClassic)
    );
    assert_eq!(app.kinds.iter().collect::<Vec<_>>(), [Kind::JsapiTicket]);
    assert_eq!(app.limits().of(BudgetKind::Classic), 100);
    assert_eq!(app.limits().of(BudgetKind::Stable), 2000);
    let sink = &app.files()[0];
    assert_eq!(
        (&*sink.path, sink.format, sink.mode),
        (
            Path::new("/nowhere/token.json"),
            FileFormat::Json,
            Some(0o640)
        )
    );
    let caller = &config.callers[0];
    assert_eq!(caller.key, Some(KeyHash::of(CALLER_KEY)));
    assert!(
        matches!(&caller.apps, AppScope::Some(apps) if apps.len() == 2 && caller.apps.contains(&app.appid))
    );
    for permission in Permission::ALL {
        let wanted = matches!(permission, Permission::Read | Permission::Report);
        assert_eq!(caller.allow.allows(permission), wanted, "{permission:?}");
    }
    assert_eq!(
        caller
            .call_paths
            .iter()
            .map(|path| &**path)
            .collect::<Vec<_>>(),
        ["/", "/cgi-bin/message"]
    );
    assert_eq!(caller.compat_expires_in, CompatExpiresIn::Add(1500));
    assert_eq!(
        caller.rate.map(|rate| (rate.count.get(), rate.per)),
        Some((200, Duration::from_secs(1)))
    );
    assert!(caller.from[0].contains([10, 9, 8, 7].into()));
}

#[test]
fn an_app_is_small_because_a_hundred_thousand_are_held() {
    assert!(size_of::<App>() <= 80, "{} bytes", size_of::<App>());
}

#[test]
fn a_shadow_needs_something_to_watch_and_takes_no_token_of_others() {
    let told = wrong(&app("mode = \"shadow\""));
    assert!(told.contains("[[app.redis]]"), "{told}");
    let ticket = "[[app.redis]]\nurl = \"redis://localhost/0\"\nformat = \"wxjava-mp\"\nkind = \"jsapi_ticket\"";
    let kinds = "kinds = [\"access_token\", \"jsapi_ticket\"]";
    let told = wrong(&app(&format!("mode = \"shadow\"\n{kinds}\n{ticket}")));
    assert!(told.contains("no [[app.redis]] here holds one"), "{told}");
    let sink = "[[app.redis]]\nurl = \"redis://localhost/0\"\nformat = \"wxjava-mp\"";
    let lines = format!("mode = \"shadow\"\nlanes = [\"classic\"]\n{sink}");
    let config = parse(&app(&lines)).unwrap();
    assert!(the_app(&config).shadow);
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
}

#[test]
fn a_token_of_an_app_with_classic_lane_alone_is_not_taken_silently() {
    let config = parse(&app("lanes = [\"classic\"]")).unwrap();
    assert_eq!(the_app(&config).lanes, Lanes::Classic);
    assert!(
        config.warnings[0].en.contains("take_over = true"),
        "{:?}",
        config.warnings
    );
    assert!(
        parse(&app("lanes = [\"classic\"]\ntake_over = true"))
            .unwrap()
            .warnings
            .is_empty()
    );
}

#[test]
fn a_caller_may_not_have_the_admin_key() {
    let text = with_key("apps = [\"*\"]") + &format!("[admin]\nkey = \"{CALLER_KEY}\"\n");
    let errors = super::parse(&text, Path::new("/nowhere"), &env)
        .unwrap_err()
        .to_string();
    assert!(
        errors.contains("caller.key: is the admin key too"),
        "{errors}"
    );
}

#[test]
fn the_admin_key_must_be_somewhere() {
    let told = |text: &str, key: Option<&'static str>| {
        let env = move |name: &str| {
            key.filter(|_| name == "WXTOKEN_ADMIN_KEY")
                .map(str::to_owned)
        };
        super::parse(text, Path::new("/nowhere"), &env)
            .map(|c| c.admin.key)
            .map_err(|e| e.to_string())
    };
    let missing = told("", None).unwrap_err();
    assert!(
        missing.starts_with("wxtoken.toml:1:1: admin.key: is missing; make one with `wxtoken key`"),
        "{missing}"
    );
    assert_eq!(
        told("", Some("long-enough-key")),
        Ok(Some(KeyHash::of("long-enough-key")))
    );
    assert!(told("", Some("short")).unwrap_err().contains("too short"));
    assert!(
        told("[admin]\nkey = \"short\"", None)
            .unwrap_err()
            .contains("too short")
    );
    let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(
        told(&format!("[admin]\nkey_sha256 = \"{hash}\""), None),
        Ok(Some(KeyHash::of("abc")))
    );
    let both = told(
        &format!("[admin]\nkey = \"long-enough\"\nkey_sha256 = \"{hash}\""),
        None,
    );
    assert!(both.unwrap_err().contains("keep one of the two"));
}

#[test]
fn what_is_right_only_with_the_gateway_is_told() {
    let warned = |text: &str| -> String {
        let warnings = parse(text).unwrap().warnings;
        warnings.into_iter().map(|warning| warning.en).collect()
    };
    assert!(
        warned(&with_key("apps = [\"*\"]\ncompat_expires_in = 7200"))
            .contains("longer than they live")
    );
    assert!(
        warned(&caller("apps = [\"*\"]\nfrom = [\"10.0.0.0/8\"]")).contains("at the gateway alone")
    );
    assert_eq!(warned(&with_key("apps = [\"*\"]")), "");
}

#[test]
fn the_admin_listener_stays_on_this_machine() {
    let text = "[admin]\nlisten = \"0.0.0.0:7201\"\nkey = \"an-admin-key-for-tests\"\n[server]\nplain_http = true\n";
    let told = super::parse(text, Path::new("/nowhere"), &env)
        .unwrap_err()
        .to_string();
    assert!(
        told.contains("the admin listener stays on this machine"),
        "{told}"
    );
}

#[test]
fn secrets_are_read_from_files_and_open_ones_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let secret = file(folder.path(), "secret", &format!("{CANARY}\r\n"));
    let main = file(
        folder.path(),
        "wxtoken.toml",
        &format!("{ADMIN}[[app]]\nappid = \"wx1\"\nsecret = {{ file = \"secret\" }}\n"),
    );
    let config = super::load(&main, &env).unwrap();
    assert_eq!(the_app(&config).secret.expose(), CANARY);
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    assert_eq!(config.file.as_deref(), Some(main.as_path()));
    for path in [&secret, &main] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    }
    let warnings = super::load(&main, &env).unwrap().warnings;
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(
        warnings.iter().all(|warning| [&warning.zh, &warning.en]
            .iter()
            .all(|text| text.contains("chmod o-rwx"))),
        "{warnings:?}"
    );
    file(folder.path(), "secret", "\n");
    let empty = super::load(&main, &env).unwrap_err().to_string();
    assert!(empty.contains("app.secret: the secret is empty"), "{empty}");
}

#[test]
fn included_files_bring_apps_and_callers_and_their_mistakes() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let main = file(
        root,
        "wxtoken.toml",
        &format!("include = [\"apps.d/*.toml\", \"*.toml\"]\n{ADMIN}"),
    );
    for (name, id) in [("b", "wx2"), ("a", "wx1"), ("c", "wx3")] {
        file(
            root,
            &format!("apps.d/{name}.toml"),
            &format!("[[app]]\nappid = \"{id}\"\nsecret = {{ file = \"s\" }}\n"),
        );
    }
    file(root, "apps.d/s", "beside-the-file-that-names-it");
    file(
        root,
        "apps.d/d.toml",
        &format!("[[caller]]\nname = \"x\"\nkey = \"{CALLER_KEY}\"\napps = [\"wx1\", \"wx3\"]\n"),
    );
    let config = super::load(&main, &env).unwrap();
    assert_eq!((config.apps.len(), config.callers.len()), (3, 1));
    assert_eq!(
        config.apps[0].secret.expose(),
        "beside-the-file-that-names-it"
    );
    file(
        root,
        "apps.d/e.toml",
        "[server]\n[[app]]\nappid = \"wx1\"\nsecret = \"s\"\n",
    );
    fs::write(root.join("apps.d/f.toml"), b"# \xff\n").unwrap();
    let told = super::load(&main, &env).unwrap_err().to_string();
    let wanted = format!(
        "{0}/e.toml:1:2: there is no key \"server\" at the top of the file; there are app and caller\n\
         {0}/e.toml:3:9: app.appid: wx1 is an app already at {0}/a.toml:2; an AppID has one [[app]]\n\
         {0}/f.toml: is not UTF-8 text: line 1 holds something else; save it as UTF-8\n\
         3 mistakes in the configuration",
        root.join("apps.d").display()
    );
    assert_eq!(told, wanted);
}

#[test]
fn a_file_is_found_by_name_by_variable_or_not_at_all() {
    let nothing = |_: &str| None;
    let variable = |name: &str| (name == "WXTOKEN_CONFIG").then(|| "/var.toml".to_owned());
    assert_eq!(
        super::find(Some(Path::new("named.toml")), &variable),
        Some("named.toml".into())
    );
    assert_eq!(super::find(None, &variable), Some("/var.toml".into()));
    let told = super::open(Some(Path::new("/no/such.toml")), &nothing)
        .unwrap_err()
        .to_string();
    assert!(
        told.starts_with("/no/such.toml: cannot be read: "),
        "{told}"
    );
    let told = super::open(Some(Path::new("/tmp")), &nothing)
        .unwrap_err()
        .to_string();
    assert!(told.starts_with("/tmp: is a folder"), "{told}");
}

#[test]
fn a_certificate_must_fit_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let make = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (one, other) = (make(), make());
    file(folder.path(), "cert.pem", &one.cert.pem());
    file(folder.path(), "key.pem", &one.signing_key.serialize_pem());
    file(
        folder.path(),
        "other.pem",
        &other.signing_key.serialize_pem(),
    );
    let tls = |cert: &str, key: &str, ca: &str| {
        let text = format!(
            "{ADMIN}[server]\nlisten = \"0.0.0.0:1\"\ntls = {{ cert = \"{cert}\", key = \"{key}\"{ca} }}\n"
        );
        super::parse(&text, folder.path(), &env).map_err(|errors| errors.to_string())
    };
    assert!(tls("cert.pem", "key.pem", "").unwrap().server.tls.is_some());
    for (told, wanted) in [
        (
            tls("cert.pem", "other.pem", ""),
            "does not belong to the certificate",
        ),
        (tls("key.pem", "key.pem", ""), "holds no certificate"),
        (tls("cert.pem", "cert.pem", ""), "holds no private key"),
        (
            tls("cert.pem", "key.pem", ", client_ca = \"key.pem\""),
            "client_ca: ",
        ),
    ] {
        let told = told.unwrap_err();
        assert!(told.contains(wanted), "{told}");
        assert!(told.ends_with("1 mistake in the configuration"), "{told}");
    }
}

/// Wherever a secret may be put by mistake.
const PLACES: [&str; 14] = [
    "[server]\nlisten = \"@\"",
    "[server]\nfirst_token_wait = \"@\"",
    "[server]\n@ = 1",
    "[server]\n\"@ x\" = 1",
    "[upstream]\nproxy = \"ftp://user:@@host\"",
    "[upstream]\nbase_url = \"http://user:@@host\"",
    "[log]\nlevel = \"@\"",
    "[store]\nmaster_key = \"@\"",
    "[[app]]\nappid = \"@\"\nsecret = [\"@\"]\ntype = \"@\"",
    "[[app]]\nappid = \"wx1\"\nsecret = { fil = \"@\" }\ninitial_token = { \"@\" = 1 }",
    "[[app]]\nappid = \"wx1\"\nsecret = @",
    "[[app]]\nappid = \"wx1\"\nsecret = \"@ @\"\nkinds = [\"@\"]\nbudget = \"@\"",
    "[[caller]]\nname = \"x\"\nkey = \"@x\"\nkey_sha256 = \"@\"\napps = [\"@\"]\nallow = [\"@\"]\nrate = \"@\"\nfrom = [\"@\"]",
    "[[app]]\nappid = \"wx1\"\nsecret = \"${@}\"\nname = \"${SECRET}\\u0007\"\nlanes = [\"${SECRET}\"]",
];

#[test]
fn no_mistake_repeats_a_secret_wherever_it_was_put() {
    for secret in [
        CANARY,
        "0123456789abcdef0123456789abcdef",
        "correct-horse-battery-staple",
    ] {
        for place in PLACES {
            let told = wrong(&place.replace('@', secret));
            assert!(told.contains("mistake"), "{place}: {told}");
            for piece in secret.as_bytes().windows(12) {
                let piece = std::str::from_utf8(piece).unwrap();
                assert!(!told.contains(piece), "{place}: {told}");
            }
        }
    }
}

#[test]
fn debug_of_a_whole_configuration_shows_no_secret() {
    let text = format!(
        "[upstream]\nproxy = \"http://u:{CANARY}@h:1\"\n{}",
        app(&format!(
            "previous_secret = \"{CANARY}\"\ninitial_token = \"{CANARY}\""
        ))
    )
    .replace("secret = \"s\"", "secret = \"${SECRET}\"");
    let shown = format!("{:?}", parse(&text).unwrap());
    assert!(!shown.contains(&CANARY[..12]), "{shown}");
}

/// Bits of configuration to be put together in any order.
fn piece() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "[server]",
        "[[app]]",
        "[[app.file]]",
        "[[caller]]",
        "[admin]",
        "[store]",
        "[upstream]",
        "listen",
        "appid",
        "secret",
        "tls",
        "key",
        "apps",
        "path",
        "kind",
        "kinds",
        "lanes",
        "budget",
        "include",
        "=",
        "=",
        "=",
        "{",
        "}",
        "[",
        "]",
        ",",
        ".",
        "\"",
        "'",
        "\n",
        "\n",
        "${",
        "${SECRET}",
        "}",
        "\"*\"",
        "\"wx1\"",
        "\"90s\"",
        "1",
        "-1",
        "9999999999999999999999",
        "true",
        "1.5",
        "2026-01-01",
        "\"/\"",
        "\"é密\"",
        "#",
        "\u{feff}",
        "\r",
    ]);
    prop_oneof![8 => words.prop_map(str::to_owned), 1 => ".{0,6}"]
}

proptest! {
    #[test]
    fn no_text_at_all_makes_the_reader_panic(pieces in prop::collection::vec(piece(), 0..60)) {
        if let Err(errors) = super::parse(&pieces.join(" "), Path::new("/nowhere"), &env) {
            let told = format!("{errors}{}", errors.in_chinese());
            prop_assert!(!told.contains(&CANARY[..12]), "{}", told);
        }
    }

    #[test]
    fn no_value_at_all_makes_the_reader_panic(key in "[a-z_]{1,12}", value in ".{0,40}") {
        for section in ["[server]", "[[app]]", "[[caller]]", "[upstream]", "[refresh]", "[[app]]\n[[app.file]]"] {
            for known in [key.as_str(), "listen", "appid", "path", "from", "rate", "base_url", "proxy", "call_paths"] {
                let quoted = format!("{section}\n{known} = {value:?}\n");
                let _either_way = super::parse(&quoted, Path::new("/nowhere"), &env);
            }
        }
    }
}

/// So many apps that the file is read in portions; the third name spans two lines, the second of which looks like a header.
fn many_apps() -> String {
    let named = |n: usize| match n {
        3 => "\"\"\"a\\\n[[app]]\"\"\"".to_owned(),
        n => format!("\"app {n}\""),
    };
    let text = |n| {
        let files = format!("[app.budget]\nstable = {}\n", n + 1);
        format!(
            "[[app]]\nappid = \"wx{n:04}\"\nname = {}\nsecret = \"s{n}\"\n{files}",
            named(n)
        )
    };
    (0..2_000).map(text).collect()
}

#[test]
fn a_large_file_means_the_same_read_in_portions_and_as_a_whole() {
    let folder = Path::new("/nowhere");
    let ordinary = many_apps().replace("\"\"\"a\\\n[[app]]\"\"\"", "\"a[[app]]\"");
    let in_portions = super::parse(&format!("{ADMIN}{ordinary}"), folder, &env).unwrap();
    // A section below the apps, or a header inside a text, makes it be read as a whole.
    let below = super::parse(&format!("{ordinary}{ADMIN}"), folder, &env).unwrap();
    let inside = super::parse(&format!("{ADMIN}{}", many_apps()), folder, &env).unwrap();
    assert_eq!(in_portions.apps.len(), 2_000);
    assert_eq!(in_portions.apps, below.apps);
    assert_eq!(in_portions.apps, inside.apps);
    assert_eq!(in_portions.admin.key, below.admin.key);
}

#[test]
fn a_mistake_far_down_a_large_file_has_its_own_line() {
    let folder = Path::new("/nowhere");
    let text = format!("{ADMIN}{}", many_apps());
    let line = text.lines().count() + 2;
    for (more, said) in [
        (
            "[[app]]\nappid = \"wx0005\"\nsecret = \"s\"\n",
            "already at wxtoken.toml:",
        ),
        ("[[app]]\nappid = 7\nsecret = \"s\"\n", "must be"),
        ("[[app]]\nappid = = 7\n", "this is not TOML"),
    ] {
        let errors = super::parse(&format!("{text}{more}"), folder, &env).unwrap_err();
        let mistake = &errors.mistakes()[0];
        assert!(errors.to_string().contains(said), "{errors}");
        assert_eq!(mistake.place.unwrap().0 as usize, line, "{errors}");
    }
}
