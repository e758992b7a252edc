//! Holds `wxtoken.example.toml` against the code: it loads, it names every key, it states the true defaults.

use std::path::Path;

use wxtoken_core::budget::Limits;

use super::{
    Caller, Config, KeyHash, app_read, caller_read, gateway, listen, log, public, redis_sink,
    refresh, sections, server, sink, store, tls, upstream, users,
};

const EXAMPLE: &str = include_str!("../../../../wxtoken.example.toml");
const KEY: &str = "0123456789abcdef0123456789abcdef";

fn env(name: &str) -> Option<String> {
    match name {
        "WXTOKEN_ADMIN_KEY" => Some("an-admin-key-for-tests".to_owned()),
        "SHOP_SECRET" | "SHOP_OLD_SECRET" => Some("s".to_owned()),
        "SHOP_PUSH_TOKEN" => Some("pushTOKEN1".to_owned()),
        "ORDERS_KEY" => Some(KEY.to_owned()),
        _ => None,
    }
}

fn load(text: &str, folder: &Path) -> Config {
    super::parse(text, folder, &env).unwrap_or_else(|errors| panic!("{errors}"))
}

/// The example with every optional key switched on, but for those that exclude another.
fn all_switched_on() -> String {
    let lines = EXAMPLE.lines().map(|line| {
        let optional = line
            .strip_prefix("# ")
            .filter(|rest| key_of(rest).is_some());
        optional
            .filter(|rest| !rest.starts_with("key_sha256"))
            .unwrap_or(line)
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The key a line sets: `key = …`.
fn key_of(line: &str) -> Option<&str> {
    let (key, _) = line.split_once(" = ")?;
    let plain = key
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    (plain && !key.is_empty()).then_some(key)
}

#[test]
fn the_example_loads_as_it_stands() {
    let config = load(EXAMPLE, Path::new("/nowhere"));
    assert_eq!((config.apps.len(), config.callers.len()), (1, 1));
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
}

#[test]
fn the_example_loads_with_every_optional_key_switched_on() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let master = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    for (name, text) in [
        ("cert.pem", made.cert.pem()),
        ("ca.pem", made.cert.pem()),
        ("key.pem", made.signing_key.serialize_pem()),
        ("master.key", master.to_owned()),
        ("old-master.key", master.to_owned()),
        ("token.txt", "68_TOKEN\n".to_owned()),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let config = load(&all_switched_on(), folder.path());
    assert!(config.server.tls.is_some() && config.admin.tls.is_some());
    assert!(config.store.previous_master_key.is_some());
    assert!(config.apps[0].initial_token().is_some());
    assert_eq!(config.apps[0].limits(), Limits::ORDINARY);
    assert!(config.callers[0].rate.is_some());
}

#[test]
#[expect(clippy::too_many_lines, reason = "most of it lists the sections")]
fn the_example_names_every_key() {
    let mut section = "";
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for line in EXAMPLE.lines() {
        let line = line.trim_start_matches("#! ").trim_start_matches("# ");
        if line.starts_with('[') && !line.contains(" = ") {
            let end = line.rfind(']').unwrap() + 1;
            section = line[..end].trim_matches(['[', ']']);
        } else if let Some(key) = key_of(line) {
            seen.push((section, key));
        }
    }
    let known: [(&str, &[&str]); 12] = [
        ("", &["include"]),
        ("server", &server::KEYS),
        ("admin", &super::admin::KEYS),
        ("public", &public::KEYS),
        ("store", &store::KEYS),
        ("upstream", &upstream::KEYS),
        ("refresh", &refresh::KEYS),
        ("gateway", &gateway::KEYS),
        ("users", &users::KEYS),
        ("log", &log::KEYS),
        ("app.file", &sink::FILE_KEYS),
        ("app.redis", &redis_sink::KEYS),
    ];
    let app: Vec<&str> = app_read::KEYS
        .into_iter()
        .filter(|key| !["file", "redis"].contains(key))
        .collect();
    let tables: [(&str, &[&str]); 2] = [("app", &app), ("caller", &caller_read::KEYS)];
    let known = known.into_iter().chain(tables);
    let wanted: Vec<(&str, &str)> = known
        .flat_map(|(section, keys)| keys.iter().map(move |key| (section, *key)))
        .collect();
    for key in &wanted {
        assert!(seen.contains(key), "{key:?} is missing in the example");
    }
    for key in &seen {
        assert!(
            wanted.contains(key),
            "{key:?} is in the example, but nobody reads it"
        );
    }
    for key in sections::KEYS {
        let named = [
            format!("[{key}]"),
            format!("[[{key}]]"),
            format!("{key} = "),
        ];
        assert!(
            named.iter().any(|form| EXAMPLE.contains(form)),
            "[{key}] is missing"
        );
    }
    let inline = [
        &listen::SOCKET_KEYS[..],
        &tls::KEYS,
        &app_read::BUDGET_KEYS,
        &caller_read::ADD_KEYS,
    ]
    .concat();
    for key in inline {
        assert!(
            EXAMPLE.contains(&format!("{key} = ")),
            "{key} is missing in the example"
        );
    }
}

#[test]
fn the_defaults_the_example_states_are_the_true_ones() {
    let stated = load(EXAMPLE, Path::new("/nowhere"));
    let smallest = format!(
        "[[app]]\nappid = \"wx0123456789abcdef\"\nsecret = \"s\"\n[[app.file]]\npath = \"/srv/shop/token.properties\"\nformat = \"properties\"\n\
         [[caller]]\nname = \"orders\"\nkey = \"{KEY}\"\napps = [\"wx0123456789abcdef\"]\n"
    );
    let silent = load(&smallest, Path::new("/nowhere"));
    assert_eq!(stated.diff(&silent), super::Changes::default());
    assert_eq!(stated.gateway, silent.gateway);
    assert_eq!(stated.users, silent.users);
    assert_eq!(stated.apps, silent.apps);
    assert_eq!(stated.callers, silent.callers);
    assert_eq!(stated.server, super::Server::default());
    assert_eq!(stated.upstream, super::Upstream::default());
    let caller = Caller {
        apps: stated.callers[0].apps.clone(),
        ..Caller::new("orders", KeyHash::of(KEY))
    };
    assert_eq!(stated.callers, [caller]);
}
