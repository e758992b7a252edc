//! The admin listener: its guard, its reports, refreshes by hand.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use wxtoken_core::budget::BudgetKind;
use wxtoken_core::credential::{Generation, Kind, Lane};
use wxtoken_core::store::StoreError;

use crate::config::{Admin, KeyHash, Server};
use crate::http::admin::routes::AdminRoute;
use crate::http::admin::{self, AdminServices, KeepRevocation};
use crate::http::testing::{APP, Answer, NOW, Running, World, credential_of};
use crate::keeper::{AppStatus, Command, KindStatus, LaneStatus, RefreshOutcome};
use crate::words::Sentence;

const ADMIN_KEY: &str = "an-admin-key-for-tests";

async fn admin(world: &World, open_metrics: bool, key: Option<&str>) -> Running {
    let kept = Arc::new(|_, _| Box::pin(async { Ok(()) }) as BoxFuture<'static, _>);
    admin_with(world, open_metrics, key, kept).await
}

async fn admin_with(
    world: &World,
    open_metrics: bool,
    key: Option<&str>,
    keep_revocation: KeepRevocation,
) -> Running {
    let config = Admin {
        key: key.map(KeyHash::of),
        open_metrics,
        ..Admin::default()
    };
    let services = AdminServices::new(
        &config,
        Arc::clone(&world.services),
        Arc::new(|| "# EOF\n".to_owned()),
        Arc::new(|_| Some("shop".to_owned())),
        keep_revocation,
    );
    world
        .serve_site(admin::site(&services), Server::default())
        .await
}

#[tokio::test]
async fn a_reload_changes_the_key_and_closes_the_metrics() {
    let world = World::new();
    let access = |key: &str, open_metrics| Admin {
        key: Some(KeyHash::of(key)),
        open_metrics,
        ..Admin::default()
    };
    let services = AdminServices::new(
        &access("an-older-key", true),
        Arc::clone(&world.services),
        Arc::new(|| "# EOF\n".to_owned()),
        Arc::new(|_| None),
        Arc::new(|_, _| Box::pin(async { Ok(()) })),
    );
    let site = admin::site(&services);
    let server = world.serve_site(site, Server::default()).await;
    let older = format!("Authorization: Bearer an-older-key\r\n{LOCAL}");
    let metrics = async |headers: &str| ask(&server, "GET /metrics", headers).await.status;
    assert_eq!(metrics(LOCAL).await, 200);
    services.change_access(&access("an-older-key", false));
    assert_eq!(metrics(LOCAL).await, 401);
    assert_eq!(metrics(&keyed(LOCAL)).await, 401);
    assert_eq!(metrics(&older).await, 200);
    services.change_access(&access(ADMIN_KEY, false));
    assert_eq!(metrics(&older).await, 401);
    assert_eq!(metrics(&keyed(LOCAL)).await, 200);
}

async fn ask(server: &Running, line: &str, headers: &str) -> Answer {
    let request = format!("{line} HTTP/1.1\r\nConnection: close\r\n{headers}\r\n");
    Answer::read(&server.raw(request.as_bytes()).await)
}

fn keyed(more: &str) -> String {
    format!("Authorization: Bearer {ADMIN_KEY}\r\n{more}")
}

const LOCAL: &str = "Host: localhost:7201\r\n";

#[tokio::test]
async fn everything_but_the_probes_needs_the_key() {
    let world = World::new();
    let server = admin(&world, false, Some(ADMIN_KEY)).await;
    for route in AdminRoute::ALL {
        let path = route
            .path()
            .replace("{appid}", APP)
            .replace("{kind}", "access_token");
        let line = format!("{} {path}", route.method());
        let answer = ask(&server, &line, LOCAL).await;
        if matches!(route, AdminRoute::Health | AdminRoute::Ready) {
            assert_eq!(answer.status, 200);
        } else {
            assert_eq!(
                (answer.status, answer.problem().as_str()),
                (401, "no-key"),
                "{route:?}"
            );
            let wrong = format!("{LOCAL}Authorization: Bearer an-admin-key-for-test\r\n");
            assert_eq!(ask(&server, &line, &wrong).await.problem(), "bad-key");
        }
    }
    assert_eq!(
        ask(&server, "GET /nothing", LOCAL).await.problem(),
        "no-key"
    );
    let nothing = ask(&server, "GET /nothing", &keyed(LOCAL)).await;
    assert_eq!(nothing.problem(), "no-such-path");
    assert!(nothing.body.contains(AdminRoute::OpenApi.path()));
    assert_eq!(
        ask(&server, "GET /readyz?apps", LOCAL).await.problem(),
        "no-key"
    );
    let closed = admin(&world, true, None).await;
    assert_eq!(
        ask(&closed, "GET /admin/status", &keyed(LOCAL))
            .await
            .problem(),
        "bad-key"
    );
    assert_eq!(ask(&closed, "GET /healthz", "").await.status, 200);
}

#[tokio::test]
async fn a_foreign_name_and_a_foreign_page_are_refused() {
    let world = World::new();
    let server = admin(&world, false, Some(ADMIN_KEY)).await;
    for (headers, status) in [
        ("Host: localhost:7201\r\n", 200),
        ("Host: 127.0.0.1:7201\r\n", 200),
        ("Host: [::1]:7201\r\n", 200),
        (
            "Host: localhost:7201\r\nOrigin: http://localhost:7201\r\n",
            200,
        ),
        ("Host: rebound.example\r\n", 403),
        ("Host: localhost.example\r\n", 403),
        ("Host: localhost\r\nHost: localhost\r\n", 403),
        ("", 403),
        (
            "Host: localhost:7201\r\nOrigin: http://evil.example\r\n",
            403,
        ),
        ("Host: localhost:7201\r\nOrigin: null\r\n", 403),
        (
            "Host: localhost:7201\r\nOrigin: http://localhost:7202\r\n",
            403,
        ),
        (
            "Host: localhost:7201\r\nOrigin: https://localhost:7201\r\n",
            403,
        ),
    ] {
        let answer = ask(&server, "GET /admin/status", &keyed(headers)).await;
        assert_eq!(answer.status, status, "{headers:?}");
    }
}

#[tokio::test]
async fn metrics_may_be_opened_and_nothing_else_with_them() {
    let world = World::new();
    let server = admin(&world, true, Some(ADMIN_KEY)).await;
    let page = ask(&server, "GET /metrics", LOCAL).await;
    assert_eq!((page.status, page.body.as_str()), (200, "# EOF\n"));
    assert!(
        page.header("content-type")
            .unwrap()
            .starts_with("application/openmetrics-text")
    );
    assert_eq!(ask(&server, "GET /admin/apps", LOCAL).await.status, 401);
}

#[tokio::test]
async fn readiness_lists_apps_that_lack_something_to_those_with_the_key() {
    let world = World::new();
    world
        .shelf
        .place("wy1".parse().unwrap(), &[Kind::AccessToken], 1);
    let server = admin(&world, false, Some(ADMIN_KEY)).await;
    let listed = ask(&server, "GET /readyz?apps", &keyed(LOCAL)).await.json();
    assert_eq!(
        (&listed["ready"], &listed["complete"]),
        (&true.into(), &1.into())
    );
    assert_eq!(listed["incomplete"][0]["appid"], "wy1");
    assert_eq!(
        listed["incomplete"][0]["credentials"][0]["state"],
        "starting"
    );
}

#[tokio::test]
async fn the_status_counts_callers_and_answers() {
    let world = World::new();
    let (server, api) = (
        admin(&world, false, Some(ADMIN_KEY)).await,
        world.serve().await,
    );
    let path = format!("/v1/apps/{APP}/access_token");
    api.get(&path, crate::http::testing::KEY).await;
    api.get(&path, "nobody's").await;
    let status = ask(&server, "GET /admin/status", &keyed(LOCAL))
        .await
        .json();
    assert_eq!(status["callers"][0]["name"], "narrow");
    assert_eq!(status["callers"][0]["admitted"], 1);
    assert_eq!(status["apps"], 1);
    let answers = status["answers"].as_array().unwrap();
    assert!(
        answers.contains(&serde_json::json!({"surface": "native", "outcome": "ok", "total": 1}))
    );
    assert!(
        answers
            .contains(&serde_json::json!({"surface": "native", "outcome": "refused", "total": 1}))
    );
}

fn state() -> AppStatus {
    AppStatus {
        app: APP.parse().unwrap(),
        kinds: vec![KindStatus {
            kind: Kind::AccessToken,
            lane: Some(Lane::Stable),
            generation: Some(Generation(7)),
            since: Some(NOW.wall),
            expires_at: Some(NOW.wall.plus(7_200_000)),
            trouble: Some((Sentence::new("微信繁忙", "WeChat was busy"), NOW.wall)),
            next_try: None,
        }],
        lanes: vec![LaneStatus {
            lane: Lane::Stable,
            live: true,
            expires_at: Some(NOW.wall.plus(7_200_000)),
            due_at: Some(NOW.wall.plus(6_900_000)),
            trouble: None,
        }],
        budgets: vec![(BudgetKind::Stable, 3, 2000), (BudgetKind::Forced, 4, 20)],
    }
}

#[tokio::test]
async fn apps_are_listed_with_their_lanes_budgets_and_troubles() {
    let mut world = World::new();
    let server = admin(&world, false, Some(ADMIN_KEY)).await;
    let keeper = async {
        let Some(Command::Status { apps, answer }) = world.commands.recv().await else {
            panic!("no question came");
        };
        assert_eq!(apps, [APP.parse().unwrap()]);
        answer.send(vec![state()]).unwrap();
    };
    let headers = keyed(LOCAL);
    let (answer, ()) = tokio::join!(ask(&server, "GET /admin/apps", &headers), keeper);
    let app = answer.json()["apps"][0].clone();
    assert_eq!((&app["appid"], &app["name"]), (&APP.into(), &"shop".into()));
    assert_eq!(app["kinds"][0]["trouble"]["detail"], "WeChat was busy");
    assert_eq!(app["lanes"][0]["due_at"], NOW.wall.unix_seconds() + 6900);
    assert_eq!(
        app["budgets"][1],
        serde_json::json!({"kind": "forced", "used": 4, "limit": 20})
    );
}

/// A body without the lengths of its chunks.
fn unchunked(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((length, rest)) = body.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap();
        whole.push_str(&rest[..length]);
        body = rest[length..].strip_prefix("\r\n").unwrap();
    }
    whole
}

#[tokio::test]
async fn many_apps_are_asked_for_in_small_parts_and_listed_in_order() {
    let mut world = World::new();
    for number in 0..600 {
        let app = format!("wx{number:06}").parse().unwrap();
        world.shelf.place(app, &[Kind::AccessToken], number + 1);
    }
    let server = admin(&world, false, Some(ADMIN_KEY)).await;
    let keeper = async {
        let mut questions = 0;
        let mut told = 0;
        while told < 601 {
            let Some(Command::Status { apps, answer }) = world.commands.recv().await else {
                panic!("no question came");
            };
            assert!(apps.len() <= 256, "the loop is held up by {}", apps.len());
            told += apps.len();
            questions += 1;
            let states = apps.into_iter().map(|app| AppStatus { app, ..state() });
            answer.send(states.collect()).unwrap();
        }
        questions
    };
    let headers = keyed(LOCAL);
    let (answer, questions) = tokio::join!(ask(&server, "GET /admin/apps", &headers), keeper);
    assert_eq!(questions, 3);
    let listed: serde_json::Value = serde_json::from_str(&unchunked(&answer.body)).unwrap();
    let listed = listed["apps"].as_array().unwrap();
    let appids: Vec<&str> = listed
        .iter()
        .map(|app| app["appid"].as_str().unwrap())
        .collect();
    assert_eq!(appids.len(), 601);
    assert!(appids.is_sorted());
}

#[tokio::test]
async fn a_refresh_says_what_is_left_of_the_forced_quota_and_what_came_of_it() {
    let mut world = World::new();
    let server = admin(&world, false, Some(ADMIN_KEY)).await;
    let keeper = async {
        let Some(Command::Status { answer, .. }) = world.commands.recv().await else {
            panic!("no question came");
        };
        answer.send(vec![state()]).unwrap();
        let Some(Command::Refresh {
            key,
            force: true,
            answer,
            ..
        }) = world.commands.recv().await
        else {
            panic!("no refresh came");
        };
        assert_eq!(key, World::key(Kind::AccessToken));
        let value = Arc::new(credential_of(Kind::AccessToken, "TOKEN-2", 7_200_000));
        answer.send(Ok(RefreshOutcome::Refreshed(value))).unwrap();
    };
    let path = format!("/admin/apps/{APP}/access_token/refresh");
    let (answer, ()) = tokio::join!(server.post(&path, ADMIN_KEY, "{\"force\":true}"), keeper);
    let reply = answer.json();
    assert_eq!(reply["outcome"], "refreshed");
    assert_eq!(
        reply["forced_before"],
        serde_json::json!({"kind": "forced", "used": 4, "limit": 20})
    );
    assert_eq!(reply["generation"], NOW.wall.0);
    assert!(!answer.body.contains("TOKEN-2"));
    let ticket = server
        .post(
            &path.replace("access_token", "jsapi_ticket"),
            ADMIN_KEY,
            "{\"force\":true}",
        )
        .await;
    assert_eq!(ticket.problem(), "malformed");
}

#[tokio::test]
async fn a_revocation_counts_at_once_and_says_when_it_could_not_be_kept() {
    let world = World::new();
    let full = Arc::new(|_, _| {
        let full = StoreError::Unavailable(Sentence::new("磁盘已满", "the disk is full"));
        Box::pin(async { Err(full) }) as BoxFuture<'static, _>
    });
    let server = admin_with(&world, false, Some(ADMIN_KEY), full).await;
    let line = "POST /admin/callers/narrow/revoke";
    let answer = ask(&server, line, &keyed(LOCAL)).await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (503, "not-saved")
    );
    let detail = answer.json()["detail"].to_string();
    assert!(detail.contains("the disk is full"), "{detail}");
    let epoch = |name: &str| world.services.callers.now().by_name(name).unwrap().epoch();
    assert_eq!((epoch("narrow"), epoch("wide")), (NOW.wall.0, 0));
    let server = admin(&world, false, Some(ADMIN_KEY)).await;
    let answer = ask(&server, line, &keyed(LOCAL)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(epoch("narrow"), NOW.wall.0 + 1);
    let answer = ask(&server, "POST /admin/callers/nobody/revoke", &keyed(LOCAL)).await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (404, "unknown-caller")
    );
}
