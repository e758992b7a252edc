//! The disk fails at the very moment at which a new token is to be saved, and a folder cannot be written at a start.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use rustix::process::geteuid;
use wxtoken_simulator::{Fault, FaultScope, Lane, Rules};

use crate::meddler::{FULL, Meddler, READ_ONLY};
use crate::place::{APP, CALLER, Place, app, wechat};
use crate::server::{PATIENCE, Server, until_asked};

const TOKEN: &str = "/cgi-bin/token";

/// The answer is on its way, paid for with the old token, when the store stops taking writes.
async fn fails_at_the_moment_of_saving(errno: i64) {
    let wechat = wechat(Rules::default(), 1).await;
    let world = wechat.world();
    let other = wxtoken_simulator::generated_app(0);
    let place = Place::new(&wechat);
    place.configure(&format!(
        "{}[[app]]\nappid = \"{}\"\nsecret = \"{}\"\n{CALLER}",
        app("lanes = [\"classic\"]\ntake_over = true"),
        other.appid,
        other.secret
    ));
    let meddler = Meddler::new(&place);
    let server = Server::start_by(&place, meddler.program()).await;
    let old = server.token().await;
    let others = format!("GET /v1/apps/{}/access_token", other.appid);
    let its = server.ask(&others, "").await.token();
    world.set_fault(
        FaultScope::path(TOKEN),
        Fault::Hold { before: false },
        Some(1),
    );
    let line = format!("POST /admin/apps/{APP}/access_token/refresh");
    let (refreshed, ()) = tokio::join!(server.admin(&line), async {
        tokio::time::timeout(PATIENCE, world.held_reach(1))
            .await
            .expect("the call is on its way");
        meddler.break_disk(errno);
        world.release_held();
    });
    assert_eq!(refreshed.json()["outcome"], "refreshed", "{refreshed:?}");
    let new = server.token().await;
    assert!(
        new != old && world.is_live(APP, &new),
        "published all the same"
    );
    server.says("could not be saved").await;
    assert_eq!(
        server.ask(&others, "").await.token(),
        its,
        "nobody else is harmed"
    );
    let again = server.admin(&line).await.json();
    assert_eq!(
        again["outcome"], "held_back",
        "none is minted that could not be noted: {again}"
    );
    assert_eq!(world.minted(APP, Lane::Classic), 2);
    let metrics = String::from_utf8(server.admin("GET /metrics").await.body).unwrap();
    assert!(
        metrics.contains("wxtoken_alarms_total{alarm=\"unsaved\"}"),
        "{metrics}"
    );

    meddler.break_disk(0);
    server.says("over: unsaved").await;
    server.kill();
    let server = Server::start(&place).await;
    assert_eq!(server.token().await, new, "what was healed is saved");
    assert_eq!(world.minted(APP, Lane::Classic), 2);
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_at_the_moment_of_saving_loses_nothing_that_was_minted() {
    fails_at_the_moment_of_saving(FULL).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_turns_read_only_at_the_moment_of_saving_loses_nothing_that_was_minted() {
    fails_at_the_moment_of_saving(READ_ONLY).await;
}

/// The program, bound by modes also where the test runs as root.
fn bound_by_modes() -> Command {
    if !geteuid().is_root() {
        return Server::program();
    }
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set", "-all", "--inh-caps", "-all"]);
    command.arg(Server::program().get_program());
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_folder_made_read_only_harms_no_running_server_and_is_told_at_the_next_start() {
    let wechat = wechat(Rules::default(), 0).await;
    let world = wechat.world();
    let place = Place::new(&wechat);
    place.configure(&format!(
        "{}{CALLER}",
        app("lanes = [\"classic\"]\ntake_over = true")
    ));
    let server = Server::start_by(&place, bound_by_modes()).await;
    let first = server.token().await;
    let modes = |folder, file| {
        std::fs::set_permissions(place.data(), Permissions::from_mode(folder)).unwrap();
        for entry in std::fs::read_dir(place.data()).unwrap() {
            std::fs::set_permissions(entry.unwrap().path(), Permissions::from_mode(file)).unwrap();
        }
    };
    modes(0o500, 0o400);
    let line = format!("POST /admin/apps/{APP}/access_token/refresh");
    let refreshed = server.admin(&line).await.json();
    assert_eq!(
        refreshed["outcome"], "refreshed",
        "what is open stays open: {refreshed}"
    );
    let second = server.token().await;
    assert!(second != first && world.is_live(APP, &second));
    server.kill();

    let refused = Server::spawn(&place, bound_by_modes());
    refused.says("cannot be opened").await;
    assert_eq!(refused.ended().await.code(), Some(1));
    assert!(place.logs().contains("ermission"), "{}", place.logs());

    modes(0o700, 0o600);
    let server = Server::start_by(&place, bound_by_modes()).await;
    assert_eq!(server.token().await, second, "what was published is there");
    assert_eq!(world.minted(APP, Lane::Classic), 2);
    until_asked("it is ready", PATIENCE, async || {
        server.ask("GET /readyz", "").await.status == 200
    })
    .await;
    assert!(server.stop().await.success());
}
