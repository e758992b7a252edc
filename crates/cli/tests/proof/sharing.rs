//! Replicas over one Redis: what one does, all have; and what becomes of them when Redis is away, or has forgotten.

use std::time::Duration;

use futures_util::future::join_all;
use rustix::process::Signal;
use wxtoken_simulator::{Lane, Rules, generated_app};

use crate::place::{APP, CALLER, app};
use crate::replicas::{Replicas, admin, generated};
use crate::server::{PATIENCE, Server, until, until_asked};

const STABLE: &str = "/cgi-bin/stable_token";

fn one_app() -> String {
    format!("{}{CALLER}", app(""))
}

#[tokio::test(flavor = "multi_thread")]
async fn however_many_replicas_are_asked_for_an_app_it_is_fetched_once() {
    const APPS: usize = 60;
    let lines = format!("{}{CALLER}", generated(APPS, ""));
    let mut replicas = Replicas::new(3, Rules::default(), APPS, &lines).await;
    replicas.start_all().await;
    let apps: Vec<String> = (0..APPS).map(|at| generated_app(at).appid).collect();
    let agreed = join_all(apps.iter().map(|app| replicas.agree(app))).await;
    for (app, token) in apps.iter().zip(agreed) {
        assert!(replicas.world().is_live(app, &token));
        assert_eq!(replicas.world().calls(app, STABLE), 1, "{app}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_one_replaces_is_served_by_all_within_a_second() {
    let mut replicas = Replicas::new(3, Rules::default(), 0, &one_app()).await;
    replicas.start_all().await;
    let old = replicas.agree(APP).await;
    replicas.nobody_holds(APP).await;
    replicas.world().void(APP, Lane::Stable).unwrap();
    let verdict = replicas.at(1).report(&old).await;
    assert_eq!(verdict["verdict"], "refreshed", "{verdict}");
    let new = replicas.at(1).token().await;
    assert_ne!(new, old);
    let took = until_asked("all serve it", Duration::from_secs(1), async || {
        replicas.at(0).token().await == new && replicas.at(2).token().await == new
    })
    .await;
    assert!(took < Duration::from_secs(1));
    assert_eq!(replicas.world().minted_total(Lane::Stable), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_reads_go_on_and_a_restart_serves_from_the_copy_until_it_is_back() {
    let mut replicas = Replicas::new(2, Rules::default(), 0, &one_app()).await;
    replicas.start_all().await;
    let token = replicas.agree(APP).await;
    let fetches = replicas.world().calls(APP, STABLE);
    replicas.stop(1).await;
    replicas.redis.kill();
    replicas.troubled(0, Some("unreachable")).await;
    assert_eq!(replicas.at(0).token().await, token);
    let ready = replicas.at(0).ask("GET /readyz", "").await;
    assert_eq!(ready.status, 200, "Redis's trouble is no replica's");
    replicas.start(1).await;
    assert_eq!(replicas.at(1).token().await, token);
    assert_eq!(
        replicas.world().calls(APP, STABLE),
        fetches,
        "nothing is fetched for it"
    );
    replicas.redis.restart().await;
    for at in 0..2 {
        replicas.troubled(at, None).await;
    }
    // Redis had saved nothing: it is given back what it had, and what one replaces all have.
    until("Redis has the record again", || {
        replicas
            .redis
            .ask(&["HEXISTS", &format!("wxtoken:{{{APP}}}:record"), "b"])
            == "1"
    })
    .await;
    assert_eq!(replicas.world().calls(APP, STABLE), fetches);
    replicas.world().void(APP, Lane::Stable).unwrap();
    let old = replicas.agree(APP).await;
    replicas.at(0).report(&old).await;
    until_asked("both serve the new one", PATIENCE, async || {
        let both = [replicas.token(0, APP).await, replicas.token(1, APP).await];
        both[0] == both[1] && both[0].as_ref().is_some_and(|token| *token != old)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flushed_redis_is_filled_again_and_costs_no_fetch() {
    let mut replicas = Replicas::new(2, Rules::default(), 0, &one_app()).await;
    replicas.start_all().await;
    let token = replicas.agree(APP).await;
    replicas.redis.ask(&["FLUSHALL"]);
    // Whoever is first puts it back, and says so.
    until("one says that it was put back", || {
        let mut running = replicas.running();
        running.any(|server| server.log().contains("put back from memory"))
    })
    .await;
    assert_eq!(replicas.agree(APP).await, token);
    assert_eq!(replicas.world().calls(APP, STABLE), 1);
    let kept = format!("wxtoken:{{{APP}}}:record");
    assert_eq!(replicas.redis.ask(&["HEXISTS", &kept, "b"]), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_stops_gives_its_lease_back_at_once() {
    let mut replicas = Replicas::new(2, Rules::default(), 0, &one_app()).await;
    replicas.start_all().await;
    let old = replicas.agree(APP).await;
    replicas.stop(0).await;
    assert_eq!(
        replicas
            .redis
            .ask(&["EXISTS", &format!("wxtoken:{{{APP}}}:lease")]),
        "0"
    );
    replicas.world().void(APP, Lane::Stable).unwrap();
    replicas.at(1).report(&old).await;
    assert_ne!(replicas.at(1).token().await, old);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_hangs_delays_no_read_and_is_joined_when_it_goes_on() {
    let mut replicas = Replicas::new(2, Rules::default(), 0, &one_app()).await;
    replicas.start_all().await;
    let token = replicas.agree(APP).await;
    replicas.stop(1).await;
    replicas.redis.signal(Signal::STOP);
    replicas.start(1).await;
    assert_eq!(replicas.at(1).token().await, token);
    replicas.troubled(1, Some("slow")).await;
    replicas.redis.signal(Signal::CONT);
    replicas.troubled(1, None).await;
    assert_eq!(replicas.agree(APP).await, token);
    assert_eq!(replicas.world().calls(APP, STABLE), 1);
}

const SHOP_KEY: &str = "51e6e0a7b8c9dadbecfd0e1f20314253";

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_is_revoked_at_one_is_refused_by_all_within_a_second() {
    let shop = format!(
        "[[caller]]\nname = \"shop\"\nkey = \"{SHOP_KEY}\"\napps = [\"{APP}\"]\nhands_out = \"virtual\"\n\
         allow = [\"read\", \"call\"]\n"
    );
    let mut replicas = Replicas::new(2, Rules::default(), 0, &format!("{}{shop}", one_app())).await;
    replicas.start_all().await;
    replicas.agree(APP).await;
    let line =
        format!("GET /cgi-bin/token?grant_type=client_credential&appid={APP}&secret={SHOP_KEY}");
    let token = replicas.at(0).ask(&line, "").await.token().unwrap();
    let call = format!("GET /cgi-bin/menu/get?access_token={token}");
    let errcode = async |replicas: &Replicas, at: usize| {
        let place = &replicas.places[at];
        let told = crate::http::ask(&place.api, &call, &[], "").await.unwrap();
        told.json()["errcode"].as_i64().unwrap_or_default()
    };
    for at in 0..2 {
        assert_eq!(errcode(&replicas, at).await, 0, "any replica checks it");
    }
    let revoked = admin(&replicas.places[0], "POST /admin/callers/shop/revoke").await;
    assert_eq!(revoked.status, 200, "{revoked:?}");
    until_asked("all refuse it", Duration::from_secs(1), async || {
        errcode(&replicas, 0).await == 40001 && errcode(&replicas, 1).await == 40001
    })
    .await;
    // A start knows of it too, with Redis and without.
    replicas.kill(1);
    replicas.start(1).await;
    assert_eq!(errcode(&replicas, 1).await, 40001);
    replicas.stop(1).await;
    replicas.redis.kill();
    replicas.start(1).await;
    assert_eq!(errcode(&replicas, 1).await, 40001);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_one_replica_has_no_more_stays_for_those_that_have_it() {
    let mut replicas = Replicas::new(2, Rules::default(), 0, &one_app()).await;
    replicas.start_all().await;
    let old = replicas.agree(APP).await;
    let kept = format!("wxtoken:{{{APP}}}:record");
    replicas.places[0].configure(CALLER);
    replicas.signal(0, Signal::HUP);
    until("the record is marked", || {
        replicas.redis.ask(&["HEXISTS", &kept, "gone"]) == "1"
    })
    .await;
    replicas.world().void(APP, Lane::Stable).unwrap();
    replicas.at(1).report(&old).await;
    let new = replicas.at(1).token().await;
    assert_ne!(new, old);
    assert_eq!(
        replicas.redis.ask(&["HEXISTS", &kept, "gone"]),
        "0",
        "it is somebody's"
    );
    replicas.places[0].configure(&one_app());
    replicas.signal(0, Signal::HUP);
    until_asked("it is back there too", PATIENCE, async || {
        replicas.token(0, APP).await.as_deref() == Some(new.as_str())
    })
    .await;
    assert_eq!(replicas.world().minted_total(Lane::Stable), 2);
}

/// A command of the program, in the place of the first replica.
fn command(replicas: &Replicas, words: &[&str]) -> (bool, String) {
    let place = &replicas.places[0];
    let phrase = place.folder.path().join("phrase");
    std::fs::write(&phrase, "correct horse battery staple").unwrap();
    let done = Server::program()
        .args(words)
        .arg("--config")
        .arg(place.config())
        .env_clear()
        .env("WXTOKEN_PASSPHRASE_FILE", phrase)
        .output()
        .unwrap();
    let said = [done.stdout, done.stderr].concat();
    (
        done.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_says_what_redis_lacks_and_a_backup_goes_out_and_in_beside_running_servers() {
    let mut replicas = Replicas::new(2, Rules::default(), 0, &one_app()).await;
    replicas.start_all().await;
    let token = replicas.agree(APP).await;
    let (fine, said) = command(&replicas, &["check"]);
    assert!(
        fine && said.contains("its records are this store's"),
        "{said}"
    );
    assert!(
        said.contains("set appendonly yes"),
        "it saves nothing: {said}"
    );
    replicas
        .redis
        .ask(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    let (fine, said) = command(&replicas, &["check", "--lang", "zh"]);
    assert!(!fine && said.contains("noeviction"), "{said}");
    let backup = replicas.places[0].folder.path().join("backup");
    let backup = backup.to_str().unwrap();
    let (fine, said) = command(&replicas, &["export", "--to", backup]);
    assert!(fine && said.contains("exported 1 apps"), "{said}");
    // All of it is lost, and nobody runs who remembers.
    for at in 0..2 {
        replicas.stop(at).await;
        std::fs::remove_dir_all(replicas.places[at].data()).unwrap();
    }
    replicas.redis.ask(&["FLUSHALL"]);
    let (fine, said) = command(&replicas, &["import", "--from", backup]);
    assert!(fine && said.contains("1 new"), "{said}");
    let fetches = replicas.world().calls(APP, STABLE);
    replicas.start_all().await;
    assert_eq!(replicas.agree(APP).await, token);
    assert_eq!(replicas.world().calls(APP, STABLE), fetches);
    let (fine, said) = command(&replicas, &["import", "--from", backup]);
    assert!(
        fine && said.contains("1 kept"),
        "beside running servers: {said}"
    );
}
