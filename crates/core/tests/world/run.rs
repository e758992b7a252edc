//! Many worlds on all cores; what they lived through; and one of them again, told in full.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

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

/// Many worlds, lived through.
#[derive(Default)]
pub(crate) struct Lived {
    pub(crate) table: Table,
    pub(crate) broken: Option<Broken>,
    /// What each processor gave for it, on average.
    spent: Duration,
}

/// Lives through worlds from a first seed on, until so many years are over or a promise is broken.
pub(crate) fn worlds(years: f64, first: u64, change: &(dyn Fn(&mut Setup) + Sync)) -> Lived {
    let next = AtomicU64::new(first);
    let stop = AtomicBool::new(false);
    let all = Mutex::new(Lived::default());
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let (table, violation, _) = live(seed, change, false);
                    let mut all = all.lock().unwrap();
                    all.table.add(&table);
                    if let Some(violation) = violation {
                        if option("WORLD_ALL").is_some() {
                            eprintln!("{seed}: {}: {}", violation.invariant, violation.detail);
                        }
                        // The smallest seed that breaks, whichever thread was first.
                        if all.broken.as_ref().is_none_or(|broken| seed < broken.seed) {
                            all.broken = Some(Broken { seed, violation });
                        }
                        if option("WORLD_ALL").is_none() {
                            stop.store(true, Ordering::Relaxed);
                        }
                    }
                    if all.table.years() >= years {
                        stop.store(true, Ordering::Relaxed);
                    }
                }
                all.lock().unwrap().spent += processor_time();
            });
        }
    });
    let mut lived = all.into_inner().unwrap();
    lived.spent /= u32::try_from(threads).unwrap();
    lived
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

/// The longest that a thousand years may take of each processor.
const A_THOUSAND_YEARS: Duration = Duration::from_secs(120);

/// What this thread has had of its processor so far.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("a clock that goes forward")
}

/// Prints what was lived through; fails with the story of the world in which a promise was broken.
fn report(years: f64, first: u64) {
    let Lived {
        table,
        broken,
        spent,
    } = worlds(years, first, &|_| {});
    eprintln!("{table}\n{spent:.1?} of each processor");
    if let Some(Broken { seed, violation }) = broken {
        let story = replay(seed, &|_| {});
        panic!(
            "{story}\nin world {seed}: {}: {}\nreplay it alone: WORLD_SEED={seed} cargo test --profile quick -p \
             wxtoken-core --features mutants --test world one_world_again -- --nocapture",
            violation.invariant, violation.detail
        );
    }
    // A world that has grown slow is lived through less and finds less. What counts is the time that its threads ran, which is
    // how long it takes on a machine with nothing else to do: a clock on the wall would fail a busy machine. A short run is
    // mostly beginnings, and one that is not optimised says nothing.
    if years >= 1000.0 && !cfg!(debug_assertions) {
        let most = A_THOUSAND_YEARS.mul_f64(table.years() / 1000.0);
        assert!(spent <= most, "{spent:?} of each processor, not {most:?}");
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
