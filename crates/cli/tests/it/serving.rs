//! `serve`, and the subcommands that ask it, against the simulated WeChat.

use std::path::{Path, PathBuf};

use rustix::process::Signal;
use wxtoken_simulator::{Lane, Options, Upstream, generated_app};

use crate::alive::Alive;
use crate::program::Run;

const CALLER_KEY: &str = "5f4dcc3b5aa765d61d8327deb882cf99";
const ADMIN_KEY: &str = "e10adc3949ba59abbe56e057f20f883e";
const VIRTUAL_KEY: &str = "827ccb0eea8a706c4c34a16891f84e7b";

/// A simulated WeChat with two apps and a server that has the first.
struct World {
    folder: tempfile::TempDir,
    upstream: Upstream,
    server: Option<Alive>,
    api: String,
    admin: String,
    _runtime: tokio::runtime::Runtime,
}

impl World {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let options = Options {
            generated_apps: 2,
            ..Options::default()
        };
        let upstream = runtime.block_on(Upstream::start(options)).unwrap();
        let mut world = Self {
            folder: tempfile::tempdir().unwrap(),
            upstream,
            server: None,
            api: String::new(),
            admin: String::new(),
            _runtime: runtime,
        };
        world.configure(&[0]);
        world.start();
        world
    }

    /// The same, with other lines under `[server]`.
    fn listening(server: impl FnOnce(&Path) -> String) -> Self {
        let mut world = Self::new();
        let text = std::fs::read_to_string(world.config()).unwrap();
        let other = server(world.folder.path());
        let text = text.replacen("listen = \"127.0.0.1:0\"", &other, 1);
        std::fs::write(world.config(), text).unwrap();
        world.server().signal(Signal::TERM);
        let (code, said) = world.server.take().unwrap().ended();
        assert_eq!(code, 0, "{said}");
        world.start();
        world
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("wxtoken.toml")
    }

    /// Writes a configuration with these of the simulator's apps.
    fn configure(&self, apps: &[usize]) {
        let mut text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\nkey = \"{ADMIN_KEY}\"\n\
             [upstream]\nbase_url = \"{}\"\n[store]\npath = \"data\"\n\
             [[caller]]\nname = \"orders\"\nkey = \"{CALLER_KEY}\"\napps = [\"*\"]\nallow = [\"read\", \"report\"]\n",
            self.upstream.base_url()
        );
        for app in apps.iter().map(|index| generated_app(*index)) {
            text += &format!(
                "[[app]]\nappid = \"{}\"\nsecret = \"{}\"\n",
                app.appid, app.secret
            );
        }
        std::fs::write(self.config(), text).unwrap();
        let closed = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(self.config(), closed).unwrap();
    }

    fn start(&mut self) {
        let config = self.config();
        let mut server = Alive::start(&["serve", "--config", config.to_str().unwrap()], &[]);
        self.api = place(&server.until("the API listens on"));
        self.admin = place(&server.until("the admin API listens on"));
        self.server = Some(server);
    }

    fn server(&mut self) -> &mut Alive {
        self.server.as_mut().unwrap()
    }

    fn run(&self, words: &[&str]) -> Run {
        Run::of(words)
            .env("WXTOKEN_URL", &self.api)
            .env("WXTOKEN_KEY", CALLER_KEY)
            .env("WXTOKEN_ADMIN_URL", &self.admin)
            .env("WXTOKEN_ADMIN_KEY", ADMIN_KEY)
    }

    /// The server ends as this signal has it, and another starts in its place.
    fn restart_by(&mut self, signal: Signal) {
        self.server().signal(signal);
        self.server.take().unwrap().ended();
        self.start();
    }

    /// What the caller that is handed virtual tokens holds now.
    fn virtual_token(&self) -> String {
        let said = self
            .run(&["get", &appid(0)])
            .env("WXTOKEN_KEY", VIRTUAL_KEY);
        said.said().out.trim_end().to_owned()
    }

    /// What a call through the gateway with this token, and nothing else, is answered.
    fn calls_with(&self, token: &str) -> String {
        let url = format!("{}/cgi-bin/menu/get?access_token={token}", self.api);
        let told = std::process::Command::new("curl")
            .args(["-s", &url])
            .output();
        String::from_utf8(told.unwrap().stdout).unwrap()
    }

    /// `get` prints what WeChat holds live.
    #[track_caller]
    fn gets_a_live_token(&self) {
        let said = self.run(&["get", &appid(0)]).said();
        said.shows(&[]);
        let token = said.out.trim_end();
        let wechat = self.upstream.world();
        assert!(wechat.is_live(&appid(0), token), "{said:?}");
    }
}

/// The URL in a line of the log.
fn place(line: &str) -> String {
    let (_, rest) = line.split_once("listens on ").unwrap();
    rest.chars().take_while(|c| !"\" ".contains(*c)).collect()
}

fn appid(index: usize) -> String {
    generated_app(index).appid
}

#[test]
fn get_prints_the_token_that_wechat_holds_live() {
    let world = World::new();
    world.gets_a_live_token();
    world
        .run(&["get", &appid(0), "--json"])
        .said()
        .shows(&["\"generation\":", "\"lane\":\"stable\""]);
}

#[test]
fn get_says_what_is_wrong_with_the_key_the_app_and_the_kind() {
    let world = World::new();
    world
        .run(&["get", &appid(0)])
        .env("WXTOKEN_KEY", "00000000000000000000000000000000")
        .said()
        .fails(1, &["does not know this key", "WXTOKEN_KEY must hold"]);
    world
        .run(&["get", &appid(1)])
        .said()
        .fails(1, &["404", "wxtoken status"]);
    world
        .run(&["get", &appid(0), "jsapi_ticket"])
        .said()
        .fails(1, &["404", "`kinds`"]);
    world
        .run(&["status"])
        .env("WXTOKEN_ADMIN_KEY", CALLER_KEY)
        .said()
        .fails(1, &["WXTOKEN_ADMIN_KEY must hold"]);
}

#[test]
fn an_app_that_wechat_refuses_is_told_with_its_errcode_everywhere() {
    let world = World::new();
    world
        .upstream
        .world()
        .freeze_secret(&appid(1), true)
        .unwrap();
    let mut world = world;
    world.configure(&[0, 1]);
    world.server().signal(Signal::HUP);
    world.server().until("reloaded:");
    let said = world.run(&["get", &appid(1)]).said();
    said.fails(1, &["no live value", "wxtoken explain 40243"]);
    let status = world.run(&["status"]).said();
    assert_eq!(status.code, 1, "{status:?}");
    assert!(
        status.out.contains("no live value") && status.out.contains("40243"),
        "{status:?}"
    );
}

#[test]
fn status_shows_the_fetches_of_today_and_refresh_says_what_came_of_it() {
    let world = World::new();
    world.run(&["get", &appid(0)]).said().shows(&[]);
    world
        .run(&["status"])
        .said()
        .shows(&[&appid(0), "stable", "1/2000"]);
    world
        .run(&["status", &appid(0), "--json"])
        .said()
        .shows(&["\"budgets\":"]);
    world
        .run(&["status", "wx1"])
        .said()
        .fails(1, &["has no app wx1"]);
    world
        .run(&["refresh", &appid(0)])
        .said()
        .shows(&["unchanged", "generation"]);
    world
        .run(&["refresh", &appid(0), "--force"])
        .said()
        .fails(2, &["no terminal", "--yes"]);
    assert_eq!(world.upstream.world().forced(&appid(0)), 0);
    let forced = world
        .run(&["refresh", &appid(0), "--force", "--yes"])
        .said();
    forced.shows(&["refreshed"]);
    assert!(forced.err.contains("0 are used, 20 are left"), "{forced:?}");
    assert_eq!(world.upstream.world().forced(&appid(0)), 1);
}

#[test]
fn a_reload_brings_a_new_app_and_a_bad_file_changes_nothing() {
    let mut world = World::new();
    world.configure(&[0, 1]);
    world.server().signal(Signal::HUP);
    world.server().until("reloaded:");
    world.run(&["get", &appid(1)]).said().shows(&[]);
    std::fs::write(world.config(), "[servr]\nlisten = 1\n").unwrap();
    world.server().signal(Signal::HUP);
    world.server().until("nothing was reloaded");
    assert!(world.server().said().contains("servr"));
    world.run(&["get", &appid(1)]).said().shows(&[]);
}

#[test]
fn a_stop_is_orderly_and_a_restart_fetches_nothing() {
    let mut world = World::new();
    let before = world.run(&["get", &appid(0)]).said().out;
    world.server().signal(Signal::TERM);
    let (code, said) = world.server.take().unwrap().ended();
    assert_eq!(code, 0, "{said}");
    let calls = world.upstream.world().calls_total("/cgi-bin/stable_token");
    world.start();
    assert_eq!(world.run(&["get", &appid(0)]).said().out, before);
    assert_eq!(
        world.upstream.world().calls_total("/cgi-bin/stable_token"),
        calls
    );
}

#[test]
fn a_unix_socket_is_as_good_as_a_port() {
    let world = World::listening(|folder| {
        format!(
            "listen = {{ path = \"{}/api.sock\", mode = \"0600\" }}",
            folder.display()
        )
    });
    assert!(world.api.starts_with("unix:/"), "{}", world.api);
    world.gets_a_live_token();
}

#[test]
fn a_certificate_is_trusted_only_through_its_authority() {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let mut ca = PathBuf::new();
    let world = World::listening(|folder| {
        let key = folder.join("key.pem");
        ca = folder.join("cert.pem");
        std::fs::write(&ca, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let closed = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&key, closed).unwrap();
        "listen = \"127.0.0.1:0\"\ntls = { cert = \"cert.pem\", key = \"key.pem\" }".to_owned()
    });
    assert!(world.api.starts_with("https://"), "{}", world.api);
    world
        .run(&["get", &appid(0)])
        .said()
        .fails(1, &["is not accepted", "WXTOKEN_CA"]);
    world
        .run(&["get", &appid(0)])
        .env("WXTOKEN_CA", ca.to_str().unwrap())
        .said()
        .shows(&[]);
    world
        .run(&["get", &appid(0)])
        .env("WXTOKEN_CA", world.config().to_str().unwrap())
        .said()
        .fails(1, &["holds no certificate"]);
}

#[test]
fn a_second_server_on_the_same_store_is_told_who_holds_it() {
    let world = World::new();
    let config = world.config();
    let words = ["serve", "--config", config.to_str().unwrap()];
    Run::of(&words)
        .said()
        .fails(1, &["is held by", "stop that process"]);
    let check = Run::of(&["check", "--config", config.to_str().unwrap()]).said();
    check.shows(&["in use by a running server"]);
    let chinese = Run::of(&words).env("LANG", "zh_CN.UTF-8").said();
    chinese.fails(1, &["由另一个进程使用", "进程 ", "始于", "先停掉那个进程"]);
    assert!(!chinese.err.contains("process"), "{chinese:?}");
}

#[test]
fn a_wrong_configuration_exits_with_2_and_names_every_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("wxtoken.toml");
    std::fs::write(&config, "[servr]\n[admin]\nkye = 1\n").unwrap();
    let words = ["serve", "--config", config.to_str().unwrap()];
    Run::of(&words)
        .said()
        .fails(2, &["servr", "kye", "mistakes"]);
    for command in ["serve", "check"] {
        let words = [command, "--config", config.to_str().unwrap()];
        let chinese = Run::of(&words).env("LANG", "zh_CN.UTF-8").said();
        chinese.fails(2, &["servr", "kye", "配置不能用", "是不是想写", "处错误"]);
        assert!(!chinese.err.contains("mistake"), "{chinese:?}");
    }
}

#[test]
fn no_secret_is_in_the_log_or_among_the_arguments() {
    let mut world = World::new();
    let app = generated_app(0);
    world.run(&["get", &app.appid]).said().shows(&[]);
    world
        .run(&["refresh", &app.appid, "--force", "--yes"])
        .said()
        .shows(&["refreshed"]);
    let token = world
        .upstream
        .world()
        .current_token(&app.appid, Lane::Stable)
        .unwrap();
    let arguments = std::fs::read(format!("/proc/{}/cmdline", world.server().id())).unwrap();
    world.server().signal(Signal::TERM);
    let (_, said) = world.server.take().unwrap().ended();
    let shown = format!("{said}{}", String::from_utf8_lossy(&arguments));
    for secret in [&app.secret, CALLER_KEY, ADMIN_KEY, &token] {
        // A piece of twelve characters would be enough to look for the rest.
        for piece in secret.as_bytes().windows(12) {
            let piece = std::str::from_utf8(piece).unwrap();
            assert!(!shown.contains(piece), "{piece} is in:\n{shown}");
        }
    }
}

#[test]
fn a_revoked_virtual_token_stays_dead_when_the_server_is_killed_and_starts_again() {
    let mut world = World::new();
    let text = std::fs::read_to_string(world.config()).unwrap();
    let kiosk = "[[caller]]\nname = \"kiosk 订\"\nhands_out = \"virtual\"\nallow = [\"read\", \"call\"]\napps = [\"*\"]\n";
    let text = format!("{text}{kiosk}key = \"{VIRTUAL_KEY}\"\n");
    std::fs::write(world.config(), text).unwrap();
    world.restart_by(Signal::TERM);
    let token = world.virtual_token();
    assert!(token.starts_with("wxv_"), "{token}");
    assert!(world.calls_with(&token).contains("menu"));
    let revoke = ["key", "--revoke", "kiosk 订", "--lang", "en"];
    world
        .run(&revoke)
        .said()
        .shows(&["kiosk 订 was handed is dead"]);
    assert!(world.calls_with(&token).contains("40001"));
    world.restart_by(Signal::KILL);
    assert!(
        world.calls_with(&token).contains("40001"),
        "after a kill -9"
    );
    let newer = world.virtual_token();
    assert_ne!(newer, token);
    assert!(world.calls_with(&newer).contains("menu"));
    let nobody = world.run(&["key", "--revoke", "nobody"]).said();
    nobody.fails(1, &["no such caller"]);
    let real = world.run(&["key", "--revoke", "orders", "--json"]).said();
    real.shows(&["\"hands_out\":\"real\""]);
}
