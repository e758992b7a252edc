//! Three replicas of which one is killed or stopped every few seconds, again and again, under tokens that live for half a minute:
//! what is handed out meanwhile, what WeChat is asked, what the budgets say.
//!
//! What happens is drawn from a seed. `STRIKES_SEED=… STRIKES=…` plays another life, or a longer one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use wxtoken_simulator::{Lane, Rules};

use crate::accounts::{Accounts, DEADLINE, Found, path};
use crate::blows::{REPLICAS, Story, apps};
use crate::counts::{counted, nothing_uncounted, reported};
use crate::place::Place;
use crate::readers::{Readers, Seen, told};
use crate::replicas::Replicas;
use crate::server::{PATIENCE, until, until_asked};
use crate::wires::Wires;

const SEED: u64 = 0x5eed_0007;
const STRIKES: usize = 12;

/// A number from the environment.
#[expect(
    clippy::disallowed_methods,
    reason = "who repeats what failed says so from outside"
)]
fn asked_for(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    let hex = text
        .strip_prefix("0x")
        .map(|hex| u64::from_str_radix(hex, 16));
    Some(hex.unwrap_or_else(|| text.parse()).unwrap())
}

/// Apps of which more classic fetches are counted than WeChat saw.
async fn uncalled(replicas: &Replicas<Wires>) -> BTreeSet<String> {
    let (mut counts, called) = (reported(replicas, 0).await, counted(replicas.world()));
    counts.retain(|key, counted| key.1 == Lane::Classic.name() && *counted > called[key]);
    counts.into_keys().map(|(app, _)| app).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_struck_every_few_seconds_hand_out_nothing_dead_and_fetch_one_at_a_time() {
    let seed = asked_for("STRIKES_SEED").unwrap_or(SEED);
    let count = asked_for("STRIKES").map_or(STRIKES, |count| usize::try_from(count).unwrap());
    println!("seed {seed:#x}, {count} strikes");
    let mut story = Story::begin(seed).await;
    let (since, begun) = (story.world().call_count(), story.world().now());
    for (blow, aimed) in story.blows(count) {
        story.deal(blow, aimed).await;
        let here = story.readers.presence().here();
        nothing_uncounted(&story.replicas, &here).await;
        tokio::time::sleep(story.millis(200, 1200)).await;
        story.look_after_the_stalled().await;
    }
    story.followed().await;
    let struck = story.world().now().since(begun);
    story.all_live().await;
    nothing_uncounted(&story.replicas, &[0, 1, 2]).await;
    let Story {
        replicas,
        readers,
        dealt,
        ..
    } = story;
    let presence = readers.presence();
    let seen = readers.stop().await;
    let caller = |host: &str| replicas.redis.caller(host);
    let accounts = Accounts {
        world: replicas.world(),
        presence: &presence,
        caller: &caller,
        since,
        begun,
        uncalled: uncalled(&replicas).await,
    };
    println!("{dealt:?} in {struck:.0?}; {}", told(&seen));
    judge(&accounts, &seen);
    calm(&replicas).await;
}

/// Holds all that was seen against the rules.
fn judge(accounts: &Accounts<'_>, seen: &[Seen]) {
    let lanes: BTreeMap<String, Lane> = apps().into_iter().collect();
    let (mut longest_dead, mut longest_gap) = (Duration::ZERO, Duration::ZERO);
    let (mut dead, mut gaps, mut excused) = (0, 0, 0);
    for (at, seen) in seen.iter().enumerate() {
        assert!(seen.reads > 0, "somebody read at {at}");
        assert!(seen.errors.is_empty(), "at {at}: {:?}", seen.errors);
        excused += seen.excused;
        dead += seen.dead.len();
        gaps += seen.gaps.len();
        for dead in &seen.dead {
            accounts.unavoidable(at, dead, lanes[&dead.app]);
            longest_dead = longest_dead.max(dead.since);
        }
        for gap in &seen.gaps {
            accounts.justified(at, gap, lanes[&gap.app]);
            longest_gap = longest_gap.max(gap.to.since(gap.from));
        }
    }
    println!(
        "{excused} questions to who was away; {dead} reads of tokens whose end nobody knew of, at most {longest_dead:.1?} after \
         it; {gaps} times without a token, at most {longest_gap:.1?}"
    );
    for lane in [Lane::Classic, Lane::Stable] {
        let of = |(_, other): &&(String, Lane)| *other == lane;
        let found = apps()
            .iter()
            .filter(of)
            .fold(Found::default(), |all, (app, _)| {
                all + accounts.one_at_a_time(app, lane)
            });
        println!("{}: {found:?}", lane.name());
        assert!(found.overlaps > 0, "somebody was stalled");
    }
    let forced = apps()
        .iter()
        .map(|(app, _)| accounts.world.forced(app))
        .sum::<u64>();
    assert_eq!(forced, 0, "nobody needs force");
}

/// Nothing more is done: each app's token is replaced once more, by one that lives for hours; then nobody fetches.
async fn calm(replicas: &Replicas<Wires>) {
    let world = replicas.world();
    world.set_rules(Rules::default());
    world.clear_faults();
    let replaced = apps()
        .into_iter()
        .enumerate()
        .map(async |(at, (app, lane))| {
            // A fetch that was under way when lifetimes were put back may have brought one that ends soon.
            for _ in 0..3 {
                let old = replicas.agree(&app).await;
                world.void(&app, lane).unwrap();
                let line = format!("POST /v1/apps/{app}/access_token/dead");
                let body = serde_json::json!({ "token": old }).to_string();
                until_asked("it is replaced", DEADLINE + PATIENCE, async || {
                    let told = replicas.at(at % REPLICAS).ask(&line, &body).await.json();
                    ["refreshed", "replaced"]
                        .contains(&told["verdict"].as_str().unwrap_or_default())
                })
                .await;
                let token = replicas.agree(&app).await;
                let late = world.now().plus(Duration::from_secs(3600));
                if world.ends_at(&app, lane).is_some_and(|ends| ends > late) {
                    return token;
                }
            }
            panic!("{app} has no token that lives for hours")
        });
    let tokens = futures_util::future::join_all(replaced).await;
    let fetches = || {
        let lanes = [Lane::Classic, Lane::Stable].into_iter();
        lanes.map(|lane| world.calls_total(path(lane))).sum::<u64>()
    };
    let leases: Vec<_> = apps()
        .iter()
        .map(|(app, _)| format!("wxtoken:{{{app}}}:lease"))
        .collect();
    let held: Vec<&str> = ["EXISTS"]
        .into_iter()
        .chain(leases.iter().map(String::as_str))
        .collect();
    let redis = &replicas.redis.redis;
    until("every lease is given back", || redis.ask(&held) == "0").await;
    let (before, readers) = (fetches(), Readers::start(replicas, &apps()));
    until_asked("much is read", PATIENCE * 3, async || {
        readers.rounds().iter().all(|rounds| *rounds >= 150)
    })
    .await;
    let seen = readers.stop().await;
    println!("afterwards: {}", told(&seen));
    seen.iter().for_each(Seen::flawless);
    let logs = || replicas.places.iter().map(Place::logs).collect::<String>();
    assert_eq!(fetches(), before, "all is calm\n{}", logs());
    for ((app, _), token) in apps().iter().zip(&tokens) {
        assert_eq!(&replicas.agree(app).await, token, "one value everywhere");
        assert!(world.is_live(app, token), "{app}");
    }
}
