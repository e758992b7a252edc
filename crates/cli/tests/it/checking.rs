//! `check` against the simulated WeChat: every fault is found, named with its cure, and nobody is harmed by looking.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use wxtoken_server::clock::SystemClock;
use wxtoken_server::store::{EmbeddedStore, MasterKey};
use wxtoken_simulator::{
    Fault, FaultScope, Lane, Options, SecretRefusal, SimClock, Upstream, fault_catalog,
    generated_app,
};

use crate::program::{Run, Said};
use crate::redis::Redis;

/// A simulated WeChat with two apps, and a configuration that names it.
struct World {
    folder: tempfile::TempDir,
    upstream: Upstream,
    runtime: tokio::runtime::Runtime,
}

impl World {
    fn new() -> Self {
        Self::with(Options::default())
    }

    fn with(options: Options) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let options = Options {
            generated_apps: 2,
            ..options
        };
        let upstream = runtime.block_on(Upstream::start(options)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let world = Self {
            folder,
            upstream,
            runtime,
        };
        world.write(&generated_app(0).secret);
        world
    }

    /// The configuration of the first app, with this secret.
    fn write(&self, secret: &str) {
        let text = format!(
            "[admin]\nkey = \"0123456789abcdef0123456789abcdef\"\n[upstream]\nbase_url = \"{}\"\n[store]\npath = \"data\"\n\
             [[app]]\nappid = \"{}\"\nname = \"shop\"\nsecret = \"{secret}\"\n\
             [[caller]]\nname = \"orders\"\nkey = \"ffffffffffffffffffffffffffffffff\"\napps = [\"*\"]\nallow = [\"read\"]\n",
            self.upstream.base_url(),
            generated_app(0).appid,
        );
        std::fs::write(self.config(), text).unwrap();
        let closed = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(self.config(), closed).unwrap();
    }

    fn config(&self) -> std::path::PathBuf {
        self.folder.path().join("wxtoken.toml")
    }

    fn check(&self, words: &[&str]) -> Said {
        check(&self.config(), words)
    }

    /// The finding with this name.
    #[track_caller]
    fn finding(&self, name: &str) -> Value {
        let said = self.check(&["--json"]);
        let told: Value = serde_json::from_str(&said.out).unwrap();
        let found = told["findings"]
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["name"] == name);
        found
            .unwrap_or_else(|| panic!("no {name} in {said:?}"))
            .clone()
    }
}

fn check(config: &Path, words: &[&str]) -> Said {
    let mut all = vec!["check", "--config", config.to_str().unwrap()];
    all.extend(words);
    Run::of(&all).said()
}

#[test]
fn all_is_well_after_one_stable_call_and_one_probe_and_nothing_else() {
    let world = World::new();
    let said = world.check(&[]);
    said.shows(&[
        "apps: 1, callers: 1",
        "answers",
        "clock agrees",
        "(shop): WeChat gives a stable token",
    ]);
    let (appid, wechat) = (generated_app(0).appid, world.upstream.world());
    assert_eq!(wechat.calls(&appid, "/cgi-bin/stable_token"), 1);
    assert_eq!(wechat.calls(&appid, "/cgi-bin/get_api_domain_ip"), 1);
    assert_eq!(wechat.calls(&appid, "/cgi-bin/token"), 0);
    assert_eq!(
        (wechat.forced(&appid), wechat.minted(&appid, Lane::Classic)),
        (0, 0)
    );
    assert!(
        !world.folder.path().join("data").exists(),
        "looking makes nothing"
    );
}

#[test]
fn a_wrong_secret_is_told_from_a_bad_token_whichever_code_wechat_uses() {
    for refusal in [SecretRefusal::Code40125, SecretRefusal::Code40001] {
        let world = World::new();
        world
            .upstream
            .world()
            .change_rules(|rules| rules.readings.secret_refusal = refusal);
        world.write("00000000000000000000000000000000");
        let said = world.check(&[]);
        assert_eq!(said.code, 1, "{said:?}");
        assert!(said.out.contains("the AppSecret is wrong"), "{said:?}");
        let chinese = world.check(&["--lang", "zh"]);
        assert!(chinese.out.contains("AppSecret 不对"), "{chinese:?}");
        assert_eq!(world.finding("secret-wrong")["level"], "bad");
    }
}

#[test]
fn an_address_that_is_not_on_the_whitelist_is_named_to_be_added() {
    let world = World::new();
    let appid = generated_app(0).appid;
    world
        .upstream
        .world()
        .set_whitelist(&appid, Some(&["203.0.113.1"]))
        .unwrap();
    let found = world.finding("not-on-whitelist");
    assert_eq!(
        (&found["errcode"], &found["ip"]),
        (&40164.into(), &"127.0.0.1".into())
    );
    let cure = found["cure"].as_str().unwrap();
    assert!(cure.contains("add 127.0.0.1 to the IP whitelist"), "{cure}");
}

#[test]
fn a_fresh_token_that_is_called_bad_is_not_blamed_on_the_secret() {
    for code in [40001, 40014, 42001] {
        let world = World::new();
        let scope = FaultScope::app(generated_app(0).appid).and_path("/cgi-bin/get_api_domain_ip");
        world
            .upstream
            .world()
            .set_fault(scope, Fault::Errcode { code }, None);
        let found = world.finding("token-bad");
        assert_eq!(found["errcode"], code);
        assert!(
            found["text"]
                .as_str()
                .unwrap()
                .contains("The AppSecret is right"),
            "{found}"
        );
    }
}

#[test]
fn every_fault_of_the_simulator_ends_in_a_report_without_a_secret() {
    for info in fault_catalog() {
        let world = World::new();
        let wechat = world.upstream.world();
        let fault: Fault =
            serde_json::from_value(serde_json::json!({ "name": info.name })).unwrap();
        if matches!(
            fault,
            Fault::Hold { .. }
                | Fault::Reorder { .. }
                | Fault::Delay { .. }
                | Fault::SlowBody { .. }
        ) {
            continue; // Only slow: found as no answer in time, after ten seconds.
        }
        wechat.set_fault(FaultScope::everywhere(), fault, None);
        let said = world.check(&["--json"]);
        assert!([0, 1].contains(&said.code), "{}: {said:?}", info.name);
        let told: Value = serde_json::from_str(&said.out).unwrap();
        assert_eq!(told["ok"], said.code == 0, "{}", info.name);
        let app = generated_app(0);
        assert!(
            !said.out.contains(&app.secret[4..16]),
            "{}: {said:?}",
            info.name
        );
        if let Some(token) = wechat.current_token(&app.appid, Lane::Stable) {
            assert!(
                !said.out.contains(&token[token.len() - 12..]),
                "{}: {said:?}",
                info.name
            );
        }
    }
}

#[test]
fn a_frozen_secret_is_a_refusal_by_its_number() {
    let world = World::new();
    world
        .upstream
        .world()
        .freeze_secret(&generated_app(0).appid, true)
        .unwrap();
    let found = world.finding("refused");
    assert_eq!(found["errcode"], 40243);
    assert!(
        found["cure"]
            .as_str()
            .unwrap()
            .contains("wxtoken explain 40243")
    );
}

#[test]
fn an_upstream_that_is_down_is_found_on_the_way_and_for_the_app() {
    let world = World::new();
    world
        .runtime
        .block_on(world.upstream.world().go_down())
        .unwrap();
    assert_eq!(world.finding("not-reached")["level"], "bad");
    assert_eq!(world.finding("upstream-trouble")["level"], "bad");
}

#[test]
fn a_clock_that_disagrees_with_wechats_is_found() {
    let start = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    let world = World::with(Options {
        clock: SimClock::manual(start),
        ..Options::default()
    });
    let found = world.finding("clock-off");
    assert!(
        found["text"].as_str().unwrap().contains("ahead of"),
        "{found}"
    );
}

/// The folder of the store, made as a server makes it.
fn store_folder(world: &World) -> PathBuf {
    let data = world.folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::set_permissions(&data, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    data
}

fn store_in(data: &Path) -> EmbeddedStore {
    let file = data.join("master.key");
    let key = MasterKey::read_or_make_file(&file, &EmbeddedStore::file_in(data)).unwrap();
    EmbeddedStore::open(data, key.into(), Arc::new(SystemClock)).unwrap()
}

#[test]
fn the_calls_of_a_check_are_counted_and_a_spent_budget_stops_them() {
    let world = World::new();
    let limited = std::fs::read_to_string(world.config()).unwrap().replace(
        "name = \"shop\"\n",
        "name = \"shop\"\nbudget = { stable = 2 }\n",
    );
    std::fs::write(world.config(), limited).unwrap();
    drop(store_in(&store_folder(&world)));
    world.check(&[]).shows(&["a stable token"]);
    world.check(&[]).shows(&["a stable token"]);
    world.check(&[]).shows(&["2 of 2 calls are used today"]);
    let appid = generated_app(0).appid;
    assert_eq!(
        world
            .upstream
            .world()
            .calls(&appid, "/cgi-bin/stable_token"),
        2
    );
}

#[test]
fn offline_leaves_wechat_alone() {
    let world = World::new();
    world.check(&["--offline"]).shows(&["--offline"]);
    assert_eq!(world.upstream.world().call_count(), 0);
}

#[test]
fn a_store_whose_master_key_is_gone_or_wrong_is_found_offline_too() {
    let world = World::new();
    let data = store_folder(&world);
    let tells = |what: &str| {
        let said = world.check(&["--offline"]);
        assert!(said.code == 1 && said.out.contains(what), "{said:?}");
    };
    let store = store_in(&data);
    world.check(&["--offline"]).shows(&["process"]); // that it is in use is no mistake
    drop(store);
    world.check(&["--offline"]).shows(&["--offline"]);
    let file = data.join("master.key");
    std::fs::rename(&file, data.join("lost.key")).unwrap();
    tells("master.key");
    MasterKey::read_or_make_file(&file, &data.join("none")).unwrap();
    tells("master key");
}

#[test]
fn an_app_that_is_not_configured_is_wrong_use() {
    World::new()
        .check(&["--app", "wx1"])
        .fails(2, &["has no app wx1"]);
}

#[test]
fn all_mistakes_of_a_configuration_are_told_at_once_and_exit_with_2() {
    let world = World::new();
    std::fs::write(world.config(), "[servr]\n[[app]]\nappid = \"wx/1\"\n").unwrap();
    world.check(&["--offline"]).fails(
        2,
        &["servr", "server", "position 3", "secret", "4 mistakes"],
    );
    let missing = Path::new("/nonexistent/wxtoken.toml");
    check(missing, &[]).fails(2, &["/nonexistent/wxtoken.toml"]);
}

#[test]
fn no_secret_and_no_token_is_shown_in_any_form() {
    let world = World::new();
    let (app, wechat) = (generated_app(0), world.upstream.world());
    for words in [&["--json"][..], &["--lang", "zh"], &[]] {
        let said = world.check(words);
        let token = wechat.current_token(&app.appid, Lane::Stable).unwrap();
        for secret in [
            app.secret.as_str(),
            &token,
            "0123456789abcdef01234567",
            "ffffffffffff",
        ] {
            assert!(
                !said.out.contains(secret) && !said.err.contains(secret),
                "{said:?}"
            );
        }
    }
}

#[test]
fn a_redis_that_copies_are_kept_in_is_asked_whether_it_tells_what_others_do_to_them() {
    let world = World::new();
    let redis = Redis::start(None);
    let copy = |port: u16, kind: &str| {
        format!(
            "[[app.redis]]\nurl = \"redis://127.0.0.1:{port}\"\nformat = \"wxjava-mp\"\nprefix = \"{kind}\"\n"
        )
    };
    let plain = std::fs::read_to_string(world.config()).unwrap();
    let keep = |port| {
        let copies = format!("{}{}[[caller]]", copy(port, "a"), copy(port, "b"));
        std::fs::write(world.config(), plain.replace("[[caller]]", &copies)).unwrap();
    };
    keep(redis.port);
    let silent = world.finding("copies-events-off");
    assert_eq!(silent["level"], "note");
    assert!(silent["text"].as_str().unwrap().contains("copies: 2"));
    let cure = silent["cure"].as_str().unwrap();
    let (_, setting) = cure.split_once("CONFIG SET ").unwrap();
    let setting: Vec<&str> = setting.split([' ', ',']).take(2).collect();
    redis.ask(&[
        b"CONFIG",
        b"SET",
        setting[0].as_bytes(),
        setting[1].as_bytes(),
    ]);
    assert_eq!(world.finding("copies")["level"], "good");
    let port = redis.port;
    drop(redis);
    let gone = world.finding("copies-unusable");
    assert_eq!(gone["level"], "bad");
    let said = world.check(&["--lang", "zh"]);
    assert_eq!(said.code, 1);
    for part in ["无法保持副本", &port.to_string()] {
        assert!(said.out.contains(part), "{said:?}");
    }
}

#[test]
fn what_the_public_listener_lacks_is_found_in_both_languages() {
    let world = World::new();
    let text = std::fs::read_to_string(world.config()).unwrap();
    let page = "return_to = [\"https://shop.example.com/back\"]\n";
    let text = text.replace(
        "allow = [\"read\"]\n",
        &format!("allow = [\"users\"]\n{page}"),
    );
    std::fs::write(world.config(), &text).unwrap();
    assert_eq!(world.finding("public-closed")["level"], "warning");
    let chinese = world.check(&["--offline", "--lang", "zh"]);
    chinese.shows(&["没有人能登录", "orders", "[public]"]);

    std::fs::create_dir(world.folder.path().join("verify")).unwrap();
    let listens = "[public]\nlisten = \"127.0.0.1:7203\"\nbase_url = \"https://wx.invalid\"\nverify_files = \"verify\"\n";
    std::fs::write(world.config(), format!("{text}{listens}")).unwrap();
    assert_eq!(world.finding("public")["level"], "good");
    assert_eq!(world.finding("public-dns-failed")["level"], "warning");
    assert_eq!(world.finding("verify-files-none")["level"], "warning");
    let english = world.check(&["--lang", "en"]);
    english.shows(&[
        "no MP_verify_*.txt is in",
        "wx.invalid of [public] base_url",
    ]);
    let idle = text.replace(page, "");
    std::fs::write(world.config(), format!("{idle}{listens}")).unwrap();
    assert_eq!(world.finding("public-idle")["level"], "warning");
}
