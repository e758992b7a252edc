//! Many worlds on all cores; what they lived through; and one of them again, told in full.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::setup::Setup;
use crate::story::{Violation, clock};
use crate::table::Table;
use crate::world::World;

/// A world in which a promise was broken.
#[derive(Debug, Clone)]
pub(crate) struct Broken {
    pub(crate) seed: u64,
    pub(crate) violation: Violation,
}

/// Lives through worlds from a first seed on, until so many years are over or a promise is broken.
pub(crate) fn worlds(
    years: f64,
    first: u64,
    change: &(dyn Fn(&mut Setup) + Sync),
) -> (Table, Option<Broken>) {
    let next = AtomicU64::new(first);
    let stop = AtomicBool::new(false);
    let all = Mutex::new((Table::default(), None::<Broken>));
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let (table, violation, _) = live(seed, change, false);
                    let mut all = all.lock().unwrap();
                    all.0.add(&table);
                    if let Some(violation) = violation {
                        if option("WORLD_ALL").is_some() {
                            eprintln!("{seed}: {}: {}", violation.invariant, violation.detail);
                        }
                        // The smallest seed that breaks, whichever thread was first.
                        if all.1.as_ref().is_none_or(|broken| seed < broken.seed) {
                            all.1 = Some(Broken { seed, violation });
                        }
                        if option("WORLD_ALL").is_none() {
                            stop.store(true, Ordering::Relaxed);
                        }
                    }
                    if all.0.years() >= years {
                        stop.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    all.into_inner().unwrap()
}

fn live(
    seed: u64,
    change: &(dyn Fn(&mut Setup) + Sync),
    traced: bool,
) -> (Table, Option<Violation>, Vec<String>) {
    let mut chance = crate::chance::Chance::new(seed);
    let mut setup = Setup::draw(&mut chance);
    change(&mut setup);
    World::new(seed, Some(setup), traced).run()
}

/// One world again, with its last happenings.
pub(crate) fn replay(seed: u64, change: &(dyn Fn(&mut Setup) + Sync)) -> String {
    let mut chance = crate::chance::Chance::new(seed);
    let mut setup = Setup::draw(&mut chance);
    change(&mut setup);
    let (_, violation, trace) = live(seed, change, true);
    let mut told = format!("world {seed}: {setup:#?}\n");
    for line in &trace {
        told.push_str(line);
        told.push('\n');
    }
    match violation {
        Some(broken) => {
            let at = clock(broken.at);
            told.push_str(&format!("{at}: {}: {}\n", broken.invariant, broken.detail));
        }
        None => told.push_str("every promise was kept\n"),
    }
    told
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test's own options come from its environment"
)]
pub(crate) fn option(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// How many happenings a story holds.
pub(crate) fn lines() -> usize {
    option("WORLD_LINES").map_or(120, |lines| lines as usize)
}

/// Prints what was lived through; fails with the story of the world in which a promise was broken.
fn report(years: f64, first: u64) {
    let start = first;
    let (table, broken) = worlds(years, start, &|_| {});
    eprintln!("{table}");
    if let Some(Broken { seed, violation }) = broken {
        let story = replay(seed, &|_| {});
        panic!(
            "{story}\nin world {seed}: {}: {}\nreplay it alone: WORLD_SEED={seed} cargo test --profile quick -p \
             wxtoken-core --features mutants --test world one_world_again -- --nocapture",
            violation.invariant, violation.detail
        );
    }
    if years >= 1000.0 {
        assert!(
            table.least() >= 1000,
            "a fault was hit in some phase only {} times",
            table.least()
        );
    }
    assert!(
        table.faults() as f64 >= table.years() * 365.0,
        "less than a fault a day"
    );
}

/// A thousand years, one year where it is not optimised. `WORLD_YEARS=100000` for a long
/// run, `WORLD_FIRST=…` to begin elsewhere, `WORLD_ALL=1` to go on after a broken promise and list them all.
#[test]
fn the_promises_hold_in_a_simulated_world() {
    let years = option("WORLD_YEARS").unwrap_or(if cfg!(debug_assertions) { 1 } else { 1000 });
    report(years as f64, option("WORLD_FIRST").unwrap_or(1));
}

/// `WORLD_SEED=…` tells one world's story.
#[test]
fn one_world_again() {
    let story = replay(option("WORLD_SEED").unwrap_or(1), &|_| {});
    eprintln!("{story}");
    assert!(story.ends_with("every promise was kept\n"), "{story}");
}
