//! A disk that takes no more writes: tokens go on being handed out, nothing is risked, and it heals by itself.

use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use wxtoken_simulator::{Lane, Rules, generated_app};

use crate::place::{APP, CALLER, Place, app, wechat};
use crate::server::{PATIENCE, Server, until_asked};

const LIFETIME: Duration = Duration::from_secs(12);

/// No file of the process may grow beyond this from now on; what it would write beyond fails, as on a full disk.
fn limit_files(server: &Server, bytes: Option<u64>) {
    let pid = Pid::from_raw(i32::try_from(server.pid()).unwrap());
    let limit = Rlimit {
        current: bytes,
        maximum: None,
    };
    prlimit(pid, Resource::Fsize, limit).unwrap();
}

/// The program, told to take a failed write as an error and not as its end.
fn unharmed_by_full_files() -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"]);
    shell.arg(Server::program().get_program());
    shell
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_costs_no_classic_token_and_heals() {
    let rules = Rules {
        stable_renewal: Duration::from_secs(4),
        ..Rules::with_token_lifetime(LIFETIME)
    };
    let wechat = wechat(rules, 1).await;
    let world = wechat.world();
    let stable = generated_app(0);
    let place = Place::new(&wechat);
    place.configure(&format!(
        "{}[[app]]\nappid = \"{}\"\nsecret = \"{}\"\n{CALLER}",
        app("lanes = [\"classic\"]\ntake_over = true"),
        stable.appid,
        stable.secret
    ));
    let server = Server::start_by(&place, unharmed_by_full_files()).await;
    let line = format!("GET /v1/apps/{}/access_token", stable.appid);
    let (classic, first) = (
        server.token().await,
        server.ask(&line, "").await.token().unwrap(),
    );

    limit_files(&server, Some(1));
    server.says("store-refuses").await;
    assert_eq!(server.token().await, classic, "served while it lives");
    assert!(world.is_live(APP, &classic));
    // The stable token may be fetched: WeChat gives the same one to everybody who asks.
    let mut second = first.clone();
    until_asked("there is a new stable token", PATIENCE, async || {
        second = server.ask(&line, "").await.token().unwrap_or_default();
        second != first
    })
    .await;
    assert!(world.is_live(&stable.appid, &second));
    server.says("unsaved").await;
    // Past its end the classic token is honestly absent; no other was minted, which could not have been noted.
    let line = format!("GET /v1/apps/{APP}/access_token");
    until_asked("the classic token is absent", PATIENCE, async || {
        server.ask(&line, "").await.status != 200
    })
    .await;
    assert_eq!(world.minted(APP, Lane::Classic), 1);
    let metrics = server.admin("GET /metrics").await;
    let metrics = String::from_utf8(metrics.body).unwrap();
    for alarm in ["unsaved", "store-refuses"] {
        let line = format!("wxtoken_alarms_total{{alarm=\"{alarm}\"}}");
        assert!(metrics.contains(&line), "{line} is missing in\n{metrics}");
    }

    limit_files(&server, None);
    until_asked("it heals", PATIENCE, async || {
        server.ask(&line, "").await.status == 200
    })
    .await;
    let healed = server.token().await;
    assert!(world.is_live(APP, &healed));
    server.says("over: store-refuses").await;
    server.says("over: unsaved").await;
    server.kill();
    let server = Server::start(&place).await;
    let again = server.token().await;
    assert!(
        again == healed || world.is_live(APP, &again),
        "what was healed is saved"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_replaced_under_a_running_store_stops_no_reader() {
    let wechat = wechat(Rules::default(), 0).await;
    let place = Place::new(&wechat);
    place.configure(&format!(
        "{}{CALLER}",
        app("lanes = [\"classic\"]\ntake_over = true")
    ));
    let server = Server::start(&place).await;
    let world = wechat.world();
    server.token().await;
    std::fs::rename(place.data(), place.folder.path().join("elsewhere")).unwrap();
    std::fs::create_dir(place.data()).unwrap();
    let reply = server
        .admin(&format!("POST /admin/apps/{APP}/access_token/refresh"))
        .await;
    assert!(reply.status < 500, "{reply:?}");
    assert!(world.is_live(APP, &server.token().await));
    assert!(server.stop().await.success());
}
