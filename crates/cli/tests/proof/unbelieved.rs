//! A path of WeChat's that always answers 40001, though the token is alive: no token is thrown away for it.

use wxtoken_simulator::{Fault, FaultScope, Lane, Rules};

use crate::place::{APP, KEY, Place, app, wechat};
use crate::server::Server;

const STABLE: &str = "/cgi-bin/stable_token";
const PROBE: &str = "/cgi-bin/get_api_domain_ip";
const BROKEN: &str = "/cgi-bin/menu/get";

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_always_answers_40001_costs_one_probe_and_no_token() {
    let wechat = wechat(Rules::default(), 0).await;
    let world = wechat.world();
    let place = Place::new(&wechat);
    let caller = format!(
        "[[caller]]\nname = \"shop\"\nkey = \"{KEY}\"\napps = [\"{APP}\"]\nallow = [\"read\", \"call\"]\n"
    );
    place.configure(&format!("{}{caller}", app("")));
    let server = Server::start(&place).await;
    let token = server.token().await;
    world.set_fault(FaultScope::path(BROKEN), Fault::PathAlways40001, None);
    for many in [1, 20, 1] {
        let line = format!("GET {BROKEN}");
        let calls = futures_util::future::join_all((0..many).map(|_| server.ask(&line, ""))).await;
        for reply in calls {
            assert_eq!(
                reply.json()["errcode"],
                40001,
                "WeChat's own answer: {reply:?}"
            );
        }
    }
    assert_eq!(world.calls(APP, STABLE), 1, "only the first fetch");
    assert_eq!(
        world.calls(APP, PROBE),
        1,
        "looked at once, then not believed"
    );
    assert_eq!(world.minted(APP, Lane::Stable), 1);
    assert_eq!(server.token().await, token);
    assert!(world.is_live(APP, &token));
    let elsewhere = server.ask("GET /cgi-bin/getcallbackip", "").await.json();
    assert_eq!(elsewhere["errcode"].as_i64().unwrap_or(0), 0, "{elsewhere}");
    world.clear_faults();
    let healed = server.ask(&format!("GET {BROKEN}"), "").await.json();
    assert_ne!(healed["errcode"], 40001, "{healed}");
    assert!(server.stop().await.success());
}
