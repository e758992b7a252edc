//! Secrets stay in one place: planted ones are searched, in every encoding, wherever the program leaves a trace.

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use wxtoken_simulator::{
    AppKind, AppSpec, Fault, FaultScope, Lane, Options, Rules, TicketKind, Upstream, World,
};

use crate::formatting::shows_nothing;
use crate::http::{ask, exchange};
use crate::needles::Needles;
use crate::place::{ADMIN_KEY, APP, KEY, Place, SECRET};
use crate::server::{PATIENCE, Server, until_asked};
use crate::user_canary::{Sender, users};

pub(crate) const PREVIOUS: &str = "01db3f03e1a2c4d6e8f709182736455a";
/// A caller whose tokens are good at the gateway alone.
const VIRTUAL_KEY: &str = "51e6e0a7b8c9dadbecfd0e1f20314253";
const OTHER_KEY: &str = "0b5e55ed00112233445566778899aabb";
pub(crate) const MASTER: &str = "q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k=";
const PHRASE: &str = "correct horse battery staple canary";

fn configuration(format: &str) -> String {
    format!(
        "[refresh]\nprobe_every = \"1s\"\n[log]\nlevel = \"trace\"\nformat = \"{format}\"\n\
         [[app]]\nappid = \"{APP}\"\nsecret = \"{SECRET}\"\nprevious_secret = \"{PREVIOUS}\"\n\
         lanes = [\"stable\", \"classic\"]\ntake_over = true\nkinds = [\"access_token\", \"jsapi_ticket\", \"card_ticket\"]\n\
         [[caller]]\nname = \"reader\"\nkey = \"{KEY}\"\napps = [\"*\"]\nallow = [\"read\", \"report\"]\n\
         path_key = true\naccept_app_secret = true\n\
         [[caller]]\nname = \"stranger\"\nkey = \"{OTHER_KEY}\"\napps = [\"{APP}\"]\nallow = [\"call\"]\n\
         [[caller]]\nname = \"shop\"\nkey = \"{VIRTUAL_KEY}\"\napps = [\"{APP}\"]\nhands_out = \"virtual\"\n\
         allow = [\"read\", \"call\", \"report\"]\n"
    )
}

/// The values in force at WeChat, planted as they change.
fn plant_tokens(needles: &mut Needles, world: &World) {
    for lane in [
        Lane::Stable,
        Lane::Classic,
        Lane::Ticket(TicketKind::Jsapi),
        Lane::Ticket(TicketKind::WxCard),
    ] {
        if let Some(token) = world.current_token(APP, lane) {
            // The first characters of every token are alike and no secret.
            needles.plant(lane.name(), &token.as_bytes()[3..]);
        }
    }
}

fn near(key: &str) -> String {
    format!(
        "{}{}",
        &key[..31],
        if key.ends_with('0') { '1' } else { '0' }
    )
}

/// Requests that must be refused, in every way a key can be carried; whole secrets and near ones.
fn refused() -> Vec<String> {
    let mut lines = Vec::new();
    for key in [
        near(KEY),
        near(ADMIN_KEY),
        near(SECRET),
        OTHER_KEY.to_owned(),
        ADMIN_KEY.to_owned(),
        PREVIOUS.to_owned(),
    ] {
        for path in [
            format!("GET /v1/apps/{APP}/access_token|Bearer {key}"),
            format!("GET /v1/apps/{APP}/{key}|Bearer {key}"),
            format!("GET /v1/apps/{key}/access_token|Bearer {key}"),
            format!("GET /nowhere/{key}?secret={key}|Bearer {key}"),
            format!("DELETE /v1/apps/{APP}/access_token?key={key}|Basic {key}"),
            format!("GET /k/{key}/cgi-bin/token?appid={key}|"),
            format!("GET /cgi-bin/ticket/getticket?type=jsapi&access_token={key}|"),
            format!("POST /v1/apps/{APP}/access_token/dead|Bearer {key}"),
        ] {
            lines.push(path);
        }
    }
    for wrong in [near(SECRET), near(KEY), OTHER_KEY.to_owned()] {
        lines.push(format!(
            "GET /cgi-bin/token?grant_type=client_credential&appid={APP}&secret={wrong}|"
        ));
        lines.push(format!(
            "GET /cgi-bin/token?grant_type={wrong}&appid={APP}{wrong}&secret={wrong}|"
        ));
    }
    // The right key on wrong requests: a body that is no JSON, a route that is none, a kind that is none.
    for path in [
        format!("GET /v1/apps/{APP}/{KEY}"),
        format!("GET /v1/{KEY}"),
        format!("POST /v1/apps/{APP}/access_token/dead?{KEY}"),
        format!("GET /k/{KEY}/cgi-bin/nothing"),
        format!("GET /cgi-bin/token?grant_type=x&appid=wxffffffffffffffff&secret={KEY}"),
    ] {
        lines.push(format!("{path}|Bearer {KEY}"));
    }
    lines
}

async fn provoke(place: &Place, needles: &Needles) {
    for request in refused() {
        let (line, auth) = request.split_once('|').unwrap();
        let header = [("Authorization", auth)];
        let headers = if auth.is_empty() {
            &header[..0]
        } else {
            &header[..]
        };
        let body = if line.starts_with("POST") {
            format!("{{\"token\": {KEY}{SECRET}")
        } else {
            String::new()
        };
        for (address, right) in [(&place.api, KEY), (&place.admin, ADMIN_KEY)] {
            let reply = ask(address, line, headers, &body).await.unwrap();
            let text = String::from_utf8_lossy(&reply.body).into_owned();
            let was_let_in =
                reply.status == 200 && !text.contains("errcode") && auth.contains(right);
            assert!(!was_let_in, "{line}: {reply:?}");
            needles.none_in(line, &reply.whole());
        }
    }
    for raw in [
        format!("GET /{KEY} HTTP/9.9\r\n\r\n"),
        format!("{KEY}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: x\r\n{KEY}\r\n\r\n"),
        format!(
            "POST /v1/read HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Length: {KEY}\r\n\r\n"
        ),
    ] {
        let answer = exchange(&place.api, raw.as_bytes())
            .await
            .unwrap_or_default();
        needles.none_in(&raw, &answer);
    }
}

/// What anybody may look at; of the API only where that is spoken to without TLS.
pub(crate) async fn pages(server: &Server, plain_api: bool, needles: &Needles) {
    for line in [
        "GET /metrics",
        "GET /admin/apps",
        "GET /admin/status",
        "GET /admin/openapi.json",
        "GET /readyz?apps",
        "GET /healthz",
    ] {
        let reply = server.admin(line).await;
        assert_eq!(reply.status, 200, "{line}: {reply:?}");
        needles.none_in(line, &reply.whole());
    }
    if plain_api {
        for line in ["GET /v1/openapi.json", "GET /v1/apps", "GET /readyz"] {
            let reply = server.ask(line, "").await;
            needles.none_in(line, &reply.whole());
        }
    }
    let command = std::fs::read(format!("/proc/{}/cmdline", server.pid())).unwrap();
    needles.none_in("the command line", &command);
    let environment = std::fs::read(format!("/proc/{}/environ", server.pid())).unwrap();
    needles.none_in("the environment", &environment);
}

/// Every file below a folder, but those in which secrets belong.
pub(crate) fn files(folder: &Path, needles: &Needles, searched: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            files(&path, needles, searched);
        } else if !["wxtoken.toml", "master", "phrase"].contains(&name.as_str())
            && !name.ends_with(".key")
        {
            needles.none_in(&name, &std::fs::read(&path).unwrap());
            searched.push(name);
        }
    }
}

async fn changes(server: &Server, world: &World, needles: &mut Needles) {
    until_asked("every credential is there", PATIENCE, async || {
        server.admin("GET /readyz?apps").await.json()["complete"] == 1
    })
    .await;
    plant_tokens(needles, world);
    let old = server.token().await;
    // A token that dies, is reported and replaced; another by force; one by hand.
    world.foreign_force(APP).unwrap();
    plant_tokens(needles, world);
    world.void(APP, Lane::Stable).unwrap();
    server.report(&old).await;
    plant_tokens(needles, world);
    world.kill(APP, Lane::Classic).unwrap();
    plant_tokens(needles, world);
    server
        .admin(&format!("POST /admin/apps/{APP}/access_token/refresh"))
        .await;
    plant_tokens(needles, world);
    // WeChat tells every request back, and misbehaves in ways that make the program talk.
    for fault in [
        Fault::Echo { code: -1 },
        Fault::Echo { code: 40001 },
        Fault::Echo { code: 40125 },
        Fault::Echo { code: 77_777 },
        Fault::TornJson,
        Fault::ControlToken,
        Fault::DuplicateKeys,
        Fault::AllTokensBad,
    ] {
        let name = format!("{fault:?}");
        world.set_fault(FaultScope::everywhere(), fault, None);
        let seen = world.call_count();
        // Some of them are answered only when WeChat is well again; here only the calls they cause count.
        let moment = Duration::from_millis(700);
        let token = format!("POST /admin/apps/{APP}/access_token/refresh");
        let ticket = format!("POST /admin/apps/{APP}/jsapi_ticket/refresh");
        let current = world.current_token(APP, Lane::Stable).unwrap_or_default();
        let nudges = async {
            tokio::join!(
                server.admin(&token),
                server.admin(&ticket),
                server.report(&current)
            )
        };
        let _late = tokio::time::timeout(moment, nudges).await;
        let called = world.call_since(seen, wxtoken_simulator::CallMatch::any());
        let called = tokio::time::timeout(PATIENCE, called).await;
        assert!(called.is_ok(), "{name}: WeChat was not asked\n");
        world.clear_faults();
        plant_tokens(needles, world);
    }
}

/// Virtual tokens: handed out, used, changed by a character, reported; none of it is told by anything but the answer that
/// hands one out.
async fn virtual_calls(place: &Place, needles: &mut Needles) {
    let key = format!("Bearer {VIRTUAL_KEY}");
    let shop = [("Authorization", key.as_str())];
    let read = format!("GET /v1/apps/{APP}/access_token");
    let handed_out = ask(&place.api, &read, &shop, "").await.unwrap();
    let token = handed_out.token().unwrap();
    let rest = String::from_utf8(handed_out.whole()).unwrap();
    let rest = rest.replace(&token, "");
    needles.none_in("the answer with a virtual token", rest.as_bytes());
    // Its first characters say what it is, and are the same in all.
    needles.plant("virtual token", &token.as_bytes()[12..]);
    let used = format!("GET /cgi-bin/menu/get?access_token={token}");
    let answer = ask(&place.api, &used, &[], "").await.unwrap();
    assert_eq!(
        answer.json()["errcode"].as_i64().unwrap_or(0),
        0,
        "{answer:?}"
    );
    needles.none_in("the answer to a virtual token", &answer.whole());
    let body = serde_json::json!({ "token": token }).to_string();
    let mut broken = token.clone();
    broken.pop();
    for (line, headers, body) in [
        (
            format!("GET /cgi-bin/menu/get?access_token={broken}"),
            &shop[..0],
            "",
        ),
        (
            format!("GET /sns/userinfo?access_token={token}&openid=o"),
            &shop[..0],
            "",
        ),
        (format!("GET /v1/nowhere/{token}"), &shop[..], ""),
        (
            format!("POST /v1/apps/{APP}/access_token/dead?{token}"),
            &shop[..],
            body.as_str(),
        ),
    ] {
        let told = ask(&place.api, &line, headers, body).await.unwrap();
        if told.token().is_none() && told.json()["current"].is_null() {
            needles.none_in("a refusal of a virtual token", &told.whole());
        }
    }
}

async fn start() -> (Upstream, Place) {
    let options = Options {
        apps: vec![AppSpec::new(APP, SECRET, AppKind::Official)],
        rules: Rules::default(),
        ..Options::default()
    };
    let wechat = Upstream::start(options).await.unwrap();
    let mut place = Place::new(&wechat);
    place.store = "master_key = { file = \"FOLDER/master\" }".into();
    std::fs::write(place.folder.path().join("master"), MASTER).unwrap();
    std::fs::write(place.folder.path().join("phrase"), PHRASE).unwrap();
    (wechat, place)
}

/// What is configured: as written, and keys as the bytes they stand for as well.
pub(crate) fn plant_secrets(needles: &mut Needles) {
    for (name, key) in [
        ("AppSecret", SECRET),
        ("previous AppSecret", PREVIOUS),
        ("caller key", KEY),
        ("other caller's key", OTHER_KEY),
        ("admin key", ADMIN_KEY),
        ("virtual caller's key", VIRTUAL_KEY),
    ] {
        needles.plant_key(name, key, &bytes_of(key));
    }
    needles.plant_key("master key", MASTER, &STANDARD.decode(MASTER).unwrap());
    needles.plant("passphrase", PHRASE.as_bytes());
    let master = wxtoken_server::store::MasterKey::from_base64(MASTER).unwrap();
    let sealing = master.derive("virtual token");
    needles.plant("the key virtual tokens are sealed with", &*sealing);
}

pub(crate) fn bytes_of(hex: &str) -> Vec<u8> {
    let pairs = (0..hex.len()).step_by(2).map(|at| &hex[at..at + 2]);
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_piece_of_a_secret_is_anywhere_in_any_encoding() {
    let (wechat, place) = start().await;
    let world = wechat.world();
    let mut needles = Needles::default();
    plant_secrets(&mut needles);
    for format in ["text", "json"] {
        place.configure(&configuration(format));
        let server = Server::start(&place).await;
        changes(&server, world, &mut needles).await;
        provoke(&place, &needles).await;
        virtual_calls(&place, &mut needles).await;
        let sender = Sender {
            place: &place,
            key: VIRTUAL_KEY,
        };
        users(&sender, world, &mut needles).await;
        pages(&server, true, &needles).await;
        let log = server.log();
        assert!(log.lines().count() > 20, "the log says something: {log}");
        // Killed: what the journal holds is searched as well. Stopped: what a good end leaves.
        if format == "text" {
            server.kill()
        } else {
            assert!(server.stop().await.success())
        }
        needles.none_in("the log", place.logs().as_bytes());
    }
    let exported = std::process::Command::new(env!("CARGO_BIN_EXE_wxtoken"))
        .args(["export", "--config"])
        .arg(place.config())
        .arg("--to")
        .arg(place.folder.path().join("export"))
        .env_clear()
        .env(
            "WXTOKEN_PASSPHRASE_FILE",
            place.folder.path().join("phrase"),
        )
        .output()
        .unwrap();
    assert!(exported.status.success(), "{exported:?}");
    needles.none_in(
        "what export says",
        &[exported.stdout, exported.stderr].concat(),
    );
    let config = wxtoken_server::config::load(&place.config(), &|_| None).unwrap();
    shows_nothing(&needles, "the configuration", &config);
    let mut searched = Vec::new();
    files(place.folder.path(), &needles, &mut searched);
    for name in ["wxtoken.db", "wxtoken.lock", "log-0", "log-1", "export"] {
        assert!(
            searched.iter().any(|file| file == name),
            "{name} is not among {searched:?}"
        );
    }
    // The positive control: the same search finds what does belong in the configuration.
    let held = needles.in_text(&std::fs::read(place.config()).unwrap());
    assert!(held.len() >= 5, "{held:?}");
}
