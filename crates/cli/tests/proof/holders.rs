//! The holder of a lease dies: how long until another does its work.

use std::collections::BTreeMap;
use std::time::Duration;

use wxtoken_simulator::{Call, Fault, FaultScope, Lane, Rules, SimTime, generated_app};

use crate::place::{CALLER, wechat};
use crate::replicas::{Redis, Replicas, generated};
use crate::server::{PATIENCE, until, until_asked};
use crate::wires::Wires;

const REPLICAS: usize = 3;
const APPS: usize = 9;
const CLASSIC: &str = "/cgi-bin/token";
const STABLE: &str = "/cgi-bin/stable_token";
/// A note of a classic fetch ends so long after the call left.
const DEADLINE: Duration = Duration::from_secs(20);

/// Three replicas that fetch so many apps for the first time, while WeChat does this to what they ask.
async fn fetching(lines: &str, path: &str, fault: Fault) -> Replicas<Wires> {
    let wechat = wechat(Rules::default(), APPS).await;
    wechat
        .world()
        .set_fault(FaultScope::path(path), fault, None);
    let wires = Wires::new(Redis::start(&[]).await, &wechat, REPLICAS);
    let lines = format!("{}{CALLER}", generated(APPS, lines));
    let mut replicas = Replicas::over(wires, wechat, REPLICAS, &lines);
    replicas.start_all().await;
    replicas
}

/// Calls of the apps on a path: when, and by which replica.
fn calls(replicas: &Replicas<Wires>, path: &str) -> BTreeMap<String, Vec<(SimTime, usize)>> {
    let mut calls = BTreeMap::<_, Vec<_>>::new();
    let is = |call: &&std::sync::Arc<Call>| *call.path == *path;
    for call in replicas.world().log().iter().filter(is) {
        let by = replicas.redis.caller(call.header("host").unwrap());
        let app = call.appid.as_deref().unwrap().to_owned();
        calls.entry(app).or_default().push((call.at, by));
    }
    calls
}

/// Kills who called last for most of the apps; gives which it is, whose work is left, and when it died.
fn kill_the_busiest(replicas: &mut Replicas<Wires>, path: &str) -> (usize, Vec<String>, SimTime) {
    let mut work = vec![Vec::new(); REPLICAS];
    for (app, calls) in calls(replicas, path) {
        work[calls.last().unwrap().1].push(app);
    }
    let busiest = (0..REPLICAS).max_by_key(|at| work[*at].len()).unwrap();
    replicas.kill(busiest);
    (busiest, work.swap_remove(busiest), replicas.world().now())
}

/// Waits until another than the dead one has called for each; gives how long that took, after this moment of each app.
async fn followed(
    replicas: &Replicas<Wires>,
    path: &str,
    dead: usize,
    left: &[String],
    since: impl Fn(&str) -> SimTime,
) -> Vec<Duration> {
    let mut took = Vec::new();
    until_asked("others do its work", DEADLINE + PATIENCE, async || {
        let calls = calls(replicas, path);
        let next = |app: &String| {
            let since = since(app);
            let mut after = calls[app].iter();
            let next = after.find(|(at, by)| *by != dead && *at >= since)?;
            Some(next.0.since(since))
        };
        took = left.iter().filter_map(next).collect();
        took.len() == left.len()
    })
    .await;
    took.sort();
    took
}

fn tell(what: &str, took: &[Duration]) {
    println!(
        "{what}: {} apps, min {:.2?}, median {:.2?}, max {:.2?}",
        took.len(),
        took[0],
        took[took.len() / 2],
        took[took.len() - 1]
    );
}

async fn all_agree_and_each_is_live(replicas: &Replicas<Wires>) {
    for at in 0..APPS {
        let app = generated_app(at).appid;
        let token = replicas.agree(&app).await;
        assert!(replicas.world().is_live(&app, &token), "{app}");
    }
}

/// It has minted, and says so later.
const HOLD: Fault = Fault::Hold { before: false };
/// A lease lives for 2.5 seconds; then the next one asks.
const SOON: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_killed_in_the_middle_of_a_stable_fetch_is_followed_within_three_seconds() {
    let mut all = Vec::new();
    for _ in 0..3 {
        let mut replicas = fetching("", STABLE, HOLD).await;
        until("every fetch is under way", || {
            replicas.world().held() == APPS
        })
        .await;
        let (dead, left, died) = kill_the_busiest(&mut replicas, STABLE);
        all.extend(followed(&replicas, STABLE, dead, &left, |_| died).await);
        replicas.world().clear_faults();
        all_agree_and_each_is_live(&replicas).await;
        for at in 0..APPS {
            let app = generated_app(at).appid;
            assert_eq!(replicas.world().minted(&app, Lane::Stable), 1, "{app}");
        }
    }
    all.sort();
    tell("killed in the middle of a stable fetch", &all);
    assert!(*all.last().unwrap() <= SOON, "{all:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_killed_while_a_token_is_due_and_nothing_under_way_is_followed_within_three_seconds()
 {
    let mut all = Vec::new();
    for _ in 0..3 {
        // What is busy is asked again after a while; until then its lease is kept, and nothing is under way.
        let mut replicas = fetching("", STABLE, Fault::Busy).await;
        until("everything was asked for", || {
            calls(&replicas, STABLE).len() == APPS
        })
        .await;
        let (dead, left, died) = kill_the_busiest(&mut replicas, STABLE);
        all.extend(followed(&replicas, STABLE, dead, &left, |_| died).await);
        replicas.world().clear_faults();
        all_agree_and_each_is_live(&replicas).await;
    }
    all.sort();
    tell("killed while tokens were due", &all);
    assert!(*all.last().unwrap() <= SOON, "{all:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_killed_in_the_middle_of_a_classic_fetch_is_followed_when_its_note_has_ended() {
    let lines = "lanes = [\"classic\"]\ntake_over = true";
    let mut replicas = fetching(lines, CLASSIC, HOLD).await;
    until("every fetch is under way", || {
        replicas.world().held() == APPS
    })
    .await;
    let sent = calls(&replicas, CLASSIC);
    let (dead, left, _) = kill_the_busiest(&mut replicas, CLASSIC);
    // What the others asked for is answered.
    replicas.world().clear_faults();
    let took = followed(&replicas, CLASSIC, dead, &left, |app| sent[app][0].0).await;
    tell(
        "killed in the middle of a classic fetch, since it was sent",
        &took,
    );
    let second = Duration::from_secs(1);
    // A note is made a moment before the call is sent, and waited out from when it was heard of.
    assert!(
        took[0] + second >= DEADLINE,
        "its call may still mint: {took:?}"
    );
    assert!(*took.last().unwrap() <= DEADLINE + second, "{took:?}");
    all_agree_and_each_is_live(&replicas).await;
    for at in 0..APPS {
        let app = generated_app(at).appid;
        let fetched = replicas.world().calls(&app, CLASSIC);
        assert_eq!(fetched, 1 + u64::from(left.contains(&app)), "{app}");
    }
}
