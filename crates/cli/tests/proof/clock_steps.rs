//! The machine's wall clock is stepped a day forward and a day back: tokens live by boot time, and none is lost or fetched.

use wxtoken_simulator::{Lane, Rules};

use crate::meddler::Meddler;
use crate::place::{APP, CALLER, Place, app, wechat};
use crate::server::{PATIENCE, Server, until_asked};

const DAY: i64 = 86_400;

async fn held(server: &Server) -> serde_json::Value {
    let line = format!("GET /v1/apps/{APP}/access_token");
    server.ask(&line, "").await.json()
}

fn number(json: &serde_json::Value, key: &str) -> i64 {
    json[key]
        .as_i64()
        .unwrap_or_else(|| panic!("{key}: {json}"))
}

async fn refresh(server: &Server) {
    let line = format!("POST /admin/apps/{APP}/access_token/refresh");
    assert_eq!(server.admin(&line).await.json()["outcome"], "unchanged");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_stepped_a_day_forward_and_back_costs_no_token_and_is_told() {
    let wechat = wechat(Rules::default(), 0).await;
    let world = wechat.world();
    let place = Place::new(&wechat);
    place.configure(&format!("{}{CALLER}", app("")));
    let meddler = Meddler::new(&place);
    let server = Server::start_by(&place, meddler.program()).await;
    let first = held(&server).await;
    for by in [DAY, -DAY] {
        meddler.step_clock(by);
        let now = held(&server).await;
        assert_eq!(now["access_token"], first["access_token"], "{by}");
        let (left, before) = (number(&now, "expires_in"), number(&first, "expires_in"));
        assert!((before - 30..=before).contains(&left), "{by}: {now}");
        // That the step reached the program at all shows in the end it tells, which is a time of day.
        let told = number(&now, "expires_at") - number(&first, "expires_at");
        assert!((told - by).abs() <= 2, "{by}: {now}");
        let told = server.report(now["access_token"].as_str().unwrap()).await;
        assert_eq!(told["verdict"], "alive", "{by}: {told}");
        // WeChat's Date says that our clock is wrong.
        refresh(&server).await;
        server.says("this machine's clock is").await;
        meddler.step_clock(0);
        refresh(&server).await;
        server.says("over: clock-off").await;
    }
    assert_eq!(world.minted(APP, Lane::Stable), 1);
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_stepped_while_the_server_is_down_loses_no_live_token() {
    let wechat = wechat(Rules::default(), 0).await;
    let world = wechat.world();
    let place = Place::new(&wechat);
    place.configure(&format!("{}{CALLER}", app("")));
    let meddler = Meddler::new(&place);
    let server = Server::start_by(&place, meddler.program()).await;
    let token = server.token().await;
    server.kill();
    for by in [DAY, -DAY, 0] {
        meddler.step_clock(by);
        let server = Server::start_by(&place, meddler.program()).await;
        until_asked("the token is served", PATIENCE, async || {
            server.sdk_token().await.as_ref() == Some(&token)
        })
        .await;
        assert!(world.is_live(APP, &token), "{by}");
        server.kill();
    }
    assert_eq!(world.minted(APP, Lane::Stable), 1);
}
