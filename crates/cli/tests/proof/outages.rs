//! WeChat is away for one and a half lifetimes around a due time, as three hours are for a token of two.

use std::time::Duration;

use wxtoken_simulator::{Fault, FaultScope, Lane, Rules, World, generated_app};

use crate::place::{APP, CALLER, Place, app, wechat};
use crate::server::{PATIENCE, Server, now, until_asked};

const LIFETIME: Duration = Duration::from_secs(12);
const OUTAGE: Duration = Duration::from_secs(18);
/// Tried again after at most a second at first, then less and less often: far fewer calls than this in such a time.
const CALLS: u64 = 40;

#[tokio::test(flavor = "multi_thread")]
async fn wechat_away_for_three_hours_around_a_due_time_is_told_costs_few_calls_and_heals() {
    let rules = Rules {
        stable_renewal: Duration::from_secs(4),
        ..Rules::with_token_lifetime(LIFETIME)
    };
    let wechat = wechat(rules, 1).await;
    let world = wechat.world();
    let stable = generated_app(0);
    let mut place = Place::new(&wechat);
    place.server = "first_token_wait = \"100ms\"";
    place.configure(&format!(
        "{}[[app]]\nappid = \"{}\"\nsecret = \"{}\"\n{CALLER}",
        app("lanes = [\"classic\"]\ntake_over = true"),
        stable.appid,
        stable.secret
    ));
    let server = Server::start(&place).await;
    let apps = [APP, stable.appid.as_str()];
    for app in apps {
        until_asked("there is a first token", PATIENCE, async || {
            read(&server, world, app).await.is_ok()
        })
        .await;
    }
    world.set_fault(FaultScope::everywhere(), Fault::DropBeforeMint, None);
    let (seen, begun) = (world.call_count(), now());
    let (mut served, mut absent) = ([0, 0], [0, 0]);
    while begun.elapsed() < OUTAGE {
        for (at, app) in apps.into_iter().enumerate() {
            match read(&server, world, app).await {
                // A token ends for good: nothing live comes back while WeChat is away.
                Ok(()) if absent[at] == 0 => served[at] += 1,
                Ok(()) => panic!("{app} has a token out of nowhere"),
                Err(reason) => {
                    assert_eq!(reason, "upstream-trouble");
                    absent[at] += 1;
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(
        served.iter().chain(&absent).all(|reads| *reads > 20),
        "{served:?} {absent:?}"
    );
    let calls = world.call_count() - seen;
    assert!(
        (4..=CALLS).contains(&calls),
        "{calls} calls while WeChat was away"
    );
    server.says("upstream-trouble").await;
    println!(
        "{OUTAGE:.0?} without WeChat: {calls} calls, {served:?} reads of live tokens, {absent:?} refused"
    );

    world.clear_faults();
    for app in apps {
        let took = until_asked("there is a token again", PATIENCE, async || {
            read(&server, world, app).await.is_ok()
        })
        .await;
        println!("a live token {took:.1?} after WeChat was back");
    }
    server.says("over: upstream-trouble").await;
    // Every call that left is in the budget: what may have minted counts.
    let shown = server.admin("GET /admin/apps").await.json();
    for (app, kind, path) in [
        (APP, "classic", "/cgi-bin/token"),
        (stable.appid.as_str(), "stable", "/cgi-bin/stable_token"),
    ] {
        let of_app = shown["apps"]
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["appid"] == app);
        let budgets = of_app.unwrap()["budgets"].as_array().unwrap();
        let used = budgets.iter().find(|one| one["kind"] == kind).unwrap()["used"].as_u64();
        assert!(used.unwrap() >= world.calls(app, path), "{app}: {used:?}");
    }
    assert!(
        world.minted(APP, Lane::Classic) <= 3,
        "one before, and those of the healing"
    );
    assert!(server.stop().await.success());
    assert!(
        !place.logs().contains("same AppSecret"),
        "nobody is accused"
    );
}

/// What is read is live, or refused for a reason.
async fn read(server: &Server, world: &World, app: &str) -> Result<(), String> {
    let reply = server
        .ask(&format!("GET /v1/apps/{app}/access_token"), "")
        .await;
    if let Some(token) = reply.token() {
        assert!(world.is_live(app, &token), "a dead token was served");
        return Ok(());
    }
    assert_eq!(reply.status, 503, "{reply:?}");
    Err(reply.json()["reason"]
        .as_str()
        .unwrap_or_default()
        .to_owned())
}
