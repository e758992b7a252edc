//! What WeChat has counted, and what replicas say that it has: per app and kind of call.
//!
//! Must not know: what is done to the replicas.

use std::collections::BTreeMap;
use std::time::Duration;

use wxtoken_simulator::World;

use crate::place::Place;
use crate::replicas::{Replicas, Shared};
use crate::server::PATIENCE;

/// Of each kind of call the path and its budget.
const KINDS: [(&str, &str); 3] = [
    ("/cgi-bin/token", "classic"),
    ("/cgi-bin/stable_token", "stable"),
    ("/cgi-bin/get_api_domain_ip", "probe"),
];

/// What a replica logs whose note or record the store did not take.
const NOT_TAKEN: &str = "the store did not take a record";

/// Calls of each app, by the budget they count for.
pub(crate) type Counts = BTreeMap<(String, &'static str), u64>;

/// What WeChat has counted.
pub(crate) fn counted(world: &World) -> Counts {
    let apps = world.appids(usize::MAX).into_iter();
    let of = |app: String| KINDS.map(|(path, kind)| ((app.clone(), kind), world.calls(&app, path)));
    apps.flat_map(of).collect()
}

/// What one replica reports.
pub(crate) async fn reported<R: Shared>(replicas: &Replicas<R>, at: usize) -> Counts {
    let json = replicas.at(at).admin("GET /admin/apps").await.json();
    let mut counts = Counts::new();
    for app in json["apps"].as_array().unwrap() {
        let name = app["appid"].as_str().unwrap();
        for budget in app["budgets"].as_array().unwrap() {
            let of = |(_, kind): &&(&str, &'static str)| budget["kind"] == **kind;
            if let Some((_, kind)) = KINDS.iter().find(of) {
                counts.insert((name.to_owned(), kind), budget["used"].as_u64().unwrap());
            }
        }
    }
    counts
}

/// What WeChat has counted until now each of these replicas soon reports, or more.
pub(crate) async fn nothing_uncounted<R: Shared>(replicas: &Replicas<R>, those: &[usize]) {
    let mut counted = counted(replicas.world());
    for at in those {
        let mut lacking = Vec::new();
        let enough = async {
            loop {
                let reported = reported(replicas, *at).await;
                // Apps that are not configured are nobody's.
                counted.retain(|key, _| reported.contains_key(key));
                let less = counted.iter().filter(|(key, calls)| {
                    reported[*key] < **calls
                        && reported[*key] + counted_apart(replicas, key) < **calls
                });
                lacking = less
                    .map(|(key, calls)| (key.clone(), reported[key], *calls))
                    .collect();
                if lacking.is_empty() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let soon = tokio::time::timeout(PATIENCE, enough).await;
        assert!(
            soon.is_ok(),
            "replica {at} reports less than WeChat counted: {lacking:?}\n{}",
            of_app(replicas, &lacking[0].0.0)
        );
    }
}

/// Stable calls of this app that were made though their note was not taken, as logs tell: the one exception that section 7 states.
/// Who made them adds them to the store's count as soon as it can, unless it is killed before.
fn counted_apart<R: Shared>(replicas: &Replicas<R>, (app, kind): &(String, &str)) -> u64 {
    if *kind != "stable" {
        return 0;
    }
    let logs = replicas.places.iter().map(Place::logs);
    let apart = |logs: String| {
        let lines = logs.lines().filter(|line| line.contains(app.as_str()));
        lines.filter(|line| line.contains(NOT_TAKEN)).count() as u64
    };
    logs.map(apart).sum()
}

/// What WeChat and all replicas have to say of an app.
fn of_app<R: Shared>(replicas: &Replicas<R>, app: &str) -> String {
    let log = replicas.world().log();
    let calls = log.iter().filter(|call| call.appid.as_deref() == Some(app));
    let calls = calls.map(|call| {
        let ms = call.passage.began.unix_ms();
        format!("{ms} {} {call:?}\n", call.passage.host)
    });
    let logs = replicas.places.iter().enumerate().flat_map(|(at, place)| {
        let logs = place.logs();
        let lines = logs.lines().filter(|line| line.contains(app));
        lines
            .map(|line| format!("{at}: {line}\n"))
            .collect::<Vec<_>>()
    });
    calls.chain(logs).collect()
}
