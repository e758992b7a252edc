//! Tokens reported dead over HTTP, by many at once, late and falsely.

use wxtoken_simulator::{Lane, Rules};

use crate::place::{APP, CALLER, Place, app, wechat};
use crate::server::{PATIENCE, Server, until_asked};

const STABLE: &str = "/cgi-bin/stable_token";
const PROBE: &str = "/cgi-bin/get_api_domain_ip";
/// A 40001 on a value younger than 10 s is looked at twice (rule 8); these stories are about one of which at most so many
/// of its 7200 s are left, as told to the nearest second.
const GROWN: u64 = 7200 - 11;

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_reports_of_one_dead_token_cost_one_probe_and_one_fetch() {
    let wechat = wechat(Rules::default(), 0).await;
    let place = Place::new(&wechat);
    place.configure(&format!("{}{CALLER}", app("")));
    let server = Server::start(&place).await;
    let world = wechat.world();
    let old = server.token().await;
    let line = format!("GET /v1/apps/{APP}/access_token");
    until_asked("the value is no longer young", PATIENCE, async || {
        let left = server.ask(&line, "").await.json()["expires_in"].as_u64();
        left.is_some_and(|left| left <= GROWN)
    })
    .await;

    let told = server.report(&old).await;
    assert_eq!(told["verdict"], "alive", "a false report: {told}");
    let (probes, fetches) = (world.calls(APP, PROBE), world.calls(APP, STABLE));
    assert_eq!((probes, fetches), (1, 1));

    world.void(APP, Lane::Stable).unwrap();
    let reports = futures_util::future::join_all((0..300).map(|_| server.report(&old))).await;
    for told in &reports {
        let verdict = told["verdict"].as_str().unwrap();
        assert!(["refreshed", "replaced"].contains(&verdict), "{told}");
        let token = told["current"]["access_token"].as_str().unwrap();
        assert!(world.is_live(APP, token), "{told}");
    }
    assert_eq!(
        (world.calls(APP, PROBE), world.calls(APP, STABLE)),
        (probes + 1, fetches + 1)
    );

    let late = server.report(&old).await;
    assert_eq!(late["verdict"], "replaced", "a late report");
    assert_eq!(
        (world.calls(APP, PROBE), world.calls(APP, STABLE)),
        (probes + 1, fetches + 1)
    );
    let stranger = server
        .report("98_nobody-here-ever-had-this-value-in-hand")
        .await;
    assert_eq!(stranger["verdict"], "unknown");
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_budgets_that_are_shown_are_the_calls_that_wechat_counted() {
    let wechat = wechat(Rules::default(), 0).await;
    let place = Place::new(&wechat);
    place.configure(&format!("{}{CALLER}", app("")));
    let server = Server::start(&place).await;
    let token = server.token().await;
    server.report(&token).await;
    let apps = server.admin("GET /admin/apps").await.json();
    let shown = |kind: &str| {
        let budgets = apps["apps"][0]["budgets"].as_array().unwrap();
        let budget = budgets.iter().find(|budget| budget["kind"] == kind);
        budget.unwrap()["used"].as_u64().unwrap()
    };
    let world = wechat.world();
    assert_eq!(shown("stable"), world.calls(APP, STABLE));
    assert_eq!(shown("probe"), world.calls(APP, PROBE));
    assert_eq!((shown("classic"), shown("forced")), (0, 0));
}
