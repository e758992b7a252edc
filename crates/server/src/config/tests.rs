//! What people get wrong and what they are told; what they get right and what comes of it.

use std::path::Path;

use super::{Config, ConfigErrors};

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

#[test]
fn every_mistake_is_told_with_its_place_and_cure() {
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
    let cases: Vec<(&str, String)> = vec![
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
        ("what is not built yet", format!("[public]\nlisten = \"0.0.0.0:80\"\n[store]\nkind = \"redis\"\n{}[[app.redis]]\nurl = \"redis://h\"\nformat = \"wxjava-mp\"\n", with_key("apps = [\"*\"]\nhands_out = \"virtual\"").replace("secret = \"s\"\n", "secret = \"s\"\n")).replace("[[app.redis]]", "[[app]]\nappid = \"wx2\"\nsecret = \"s\"\n[[app.redis]]")),
        ("redis sinks have a form all the same", app("[[app.redis]]\nurl = \"http://h\"\nformat = \"raw\"")),
        ("gateway", "[gateway]\nreplay_memory = \"1TiB\"\n".into()),
        ("gateway sizes that do not fit", "[gateway]\nreplay_memory = \"2GiB\"\n".into()),
        ("log", "[log]\nformat = \"jsn\"\nlevel = \"verbose\"\n".into()),
        ("an app without anything", "[[app]]\n".into()),
        ("an app with everything wrong", "[[app]]\nappid = \"wx 1\"\nname = 1\ntype = \"offical\"\nsecret = 5\nprevious_secret = { fil = \"x\" }\nlanes = []\nkinds = [\"jsapi_tiket\"]\ntake_over = 1\ninitial_token = \"\"\nbase_url = \"http://example.com\"\nbudget = { clasic = 1, forced = 21 }\n".into()),
        ("a secret with a space", "[[app]]\nappid = \"wx1\"\nsecret = \"has a space\"\n".into()),
        ("a secret file that is not there", "[[app]]\nappid = \"wx1\"\nsecret = { file = \"secret.txt\" }\n".into()),
        ("kinds an app cannot have", format!("{}[[app]]\nappid = \"wx2\"\nsecret = \"s\"\ntype = \"website\"\nkinds = [\"access_token\"]\nlanes = [\"stable\"]\n", app("type = \"mini\"\nkinds = [\"access_token\", \"jsapi_ticket\", \"access_token\"]"))),
        ("lanes", app("lanes = [\"stable\", \"stable\"]\nkinds = []")),
        ("two apps with one AppID", two_apps),
        ("sinks", app("[[app.file]]\npath = \"/tmp\"\n[[app.file]]\nformat = \"xml\"\nkind = \"token\"\nmode = \"999\"\nowner = \"no-such-user-here\"\n")),
        ("two sinks in one file", files("/srv/a/token", "/srv/b/../a/./token")),
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
        ("a caller with the admin's key", format!("{}[x]\n", with_key("apps = [\"*\"]")).replace("[x]\n", "")),
    ];
    let mut all = String::new();
    for (title, text) in cases {
        let told = wrong(&text);
        all.push_str(&format!("# {title}\n{text}--\n{told}\n\n"));
    }
    insta::assert_snapshot!("mistakes", all);
}
