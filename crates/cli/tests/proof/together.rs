//! Thousands of calls through the gateway that WeChat refuses at one moment, for one dead token.

use std::sync::Arc;

use wxtoken_simulator::{Fault, FaultScope, Lane, Rules};

use crate::http::ask;
use crate::place::{APP, KEY, Place, app, wechat};
use crate::server::{Server, until};

const STABLE: &str = "/cgi-bin/stable_token";
const PROBE: &str = "/cgi-bin/get_api_domain_ip";
const MENU: &str = "/cgi-bin/menu/get";
const CALLS: usize = 5000;

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_calls_that_fail_together_cost_one_fetch_and_all_succeed() {
    let wechat = wechat(Rules::default(), 0).await;
    let place = Place::new(&wechat);
    let caller = format!(
        "[[caller]]\nname = \"shop\"\nkey = \"{KEY}\"\napps = [\"{APP}\"]\nallow = [\"read\", \"call\"]\n"
    );
    place.configure(&format!("{}{caller}", app("")));
    let server = Server::start(&place).await;
    server.token().await;
    let world = wechat.world();
    let (probes, fetches) = (world.calls(APP, PROBE), world.calls(APP, STABLE));

    world.void(APP, Lane::Stable).unwrap();
    let once = u32::try_from(CALLS).ok();
    world.set_fault(FaultScope::path(MENU), Fault::Hold { before: false }, once);
    let address: Arc<str> = place.api.as_str().into();
    let calls: Vec<_> = (0..CALLS)
        .map(|_| {
            let address = Arc::clone(&address);
            tokio::spawn(async move {
                let key = format!("Bearer {KEY}");
                ask(
                    &address,
                    &format!("GET {MENU}"),
                    &[("Authorization", &key)],
                    "",
                )
                .await
            })
        })
        .collect();
    until("every call has been refused", || world.held() == CALLS).await;
    world.release_held();

    for call in calls {
        let told = call.await.unwrap();
        let told = told.unwrap_or_else(|why| panic!("{why}\n{}", server.log()));
        assert!(told.json().get("errcode").is_none(), "{told:?}");
        assert!(told.head.contains("wxtoken-replayed: 1"), "{told:?}");
    }
    // The value is younger than ten seconds, so its death is looked at twice (rule 8).
    assert!((1..=2).contains(&(world.calls(APP, PROBE) - probes)));
    assert_eq!(world.calls(APP, STABLE) - fetches, 1);
    assert_eq!(world.calls(APP, MENU), 2 * CALLS as u64);
}
