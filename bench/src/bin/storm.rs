//! `storm`: many apps due at nearly the same time, time shortened; are fetches bounded, none late, reads not slowed?
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark: its result goes to standard output and it measures real time"
)]

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use wxtoken_bench::engine::{self, Asking, Outcome, Pace, Plan};
use wxtoken_bench::exchange::Exchange;
use wxtoken_bench::host::{self, Cores};
use wxtoken_bench::hub::{Hub, Settings, World};
use wxtoken_bench::process;
use wxtoken_bench::report::{self, Finding};
use wxtoken_bench::tap::Tap;
use wxtoken_bench::wire::Protocol;

/// Many apps due within the same hour, the hour shortened. Goals are told, never enforced.
///
/// Tokens live `--lifetime` seconds instead of 7,200, and all else is shortened with them. All apps get their first
/// token as fast as `--in-flight` calls at once allow, so all are due again within as long a time, which is less than
/// the shortened hour. Upstream stands behind a relay that takes `--delay` milliseconds for each call and counts.
///
/// Example: cargo build --release --workspace && target/release/storm
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The binary to measure; default: wxtoken beside this program
    #[arg(long)]
    wxtoken: Option<PathBuf>,
    /// Apps
    #[arg(long, default_value_t = 100_000)]
    apps: usize,
    /// Seconds a token lives
    #[arg(long, default_value_t = 360)]
    lifetime: u64,
    /// Milliseconds upstream takes for a call
    #[arg(long, default_value_t = 30)]
    delay: u64,
    /// refresh.max_in_flight
    #[arg(long, default_value_t = 64)]
    in_flight: usize,
    /// Reads a second, before and during the storm
    #[arg(long, default_value_t = 2_000.0)]
    rate: f64,
    /// Where to write the findings as JSON
    #[arg(long)]
    json: Option<PathBuf>,
    /// A smoke run of half a minute: few apps, figures without meaning
    #[arg(long)]
    quick: bool,
}

/// WeChat's lifetime of a token, in seconds.
const USUAL_LIFETIME: u32 = 7_200;
/// How long before its end the stable lane gives a new one, in seconds.
const USUAL_RENEWAL: u32 = 300;
/// The least that `refresh.stable_before` may be.
const LEAST_BEFORE: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    wxtoken_bench::end(run(Arguments::parse()))
}

fn run(mut arguments: Arguments) -> anyhow::Result<()> {
    if arguments.quick {
        (
            arguments.apps,
            arguments.lifetime,
            arguments.delay,
            arguments.rate,
        ) = (300, 24, 2, 200.0);
    }
    let scratch = tempfile::tempdir()?;
    let cores = Cores::pick()?;
    let binary = process::wxtoken_binary(arguments.wxtoken.as_deref())?;
    println!("# A storm of refreshes\n\n{}.\n", host::describe());
    let world = World::new(binary, scratch.path(), arguments.apps, 10);
    host::pin_to(cores.load)?;
    let found = storm(&arguments, &world, cores)?;
    println!("{}", report::findings(&found));
    if let Some(file) = &arguments.json {
        fs::write(file, serde_json::to_vec_pretty(&found)?)?;
    }
    Ok(())
}

fn storm(arguments: &Arguments, world: &World, cores: Cores) -> anyhow::Result<Vec<Finding>> {
    let lifetime = Duration::from_secs(arguments.lifetime);
    let renewal = lifetime * USUAL_RENEWAL / USUAL_LIFETIME;
    let (_simulator, upstream) = world.simulator(cores.load, Some(lifetime))?;
    let tap = Tap::start(upstream, Duration::from_millis(arguments.delay))?;
    let mut settings = Settings::new("storm", tap.address(), arguments.apps);
    settings.max_in_flight = arguments.in_flight;
    settings.stable_before = Some(renewal.max(LEAST_BEFORE));
    let begin = Instant::now();
    let mut hub = Hub::start(world, &settings, cores.server)?;
    let first = hub.tokens(&world.apps, lifetime)?;
    let filled = begin.elapsed();
    let due = begin + lifetime - renewal;
    let mut found = vec![Finding::told(
        "first tokens of all apps",
        format!("{:.1} s", filled.as_secs_f64()),
    )];
    anyhow::ensure!(
        Instant::now() + filled < due,
        "filling took {filled:?}: too long for tokens that live {lifetime:?}; raise --lifetime or lower --delay"
    );
    let exchanges = each_app(world);
    let asked_before = tap.passed();
    let most_at_start = tap.take_most_in_flight();
    let quiet_for = (due - Instant::now())
        .mul_f64(0.8)
        .min(Duration::from_secs(30));
    let quiet = read(arguments, &hub, &exchanges, quiet_for)?;
    let calls_in_quiet = tap.passed() - asked_before;
    std::thread::sleep(due.saturating_duration_since(Instant::now()));
    let from = Instant::now();
    let loud = read(arguments, &hub, &exchanges, filled + renewal)?;
    let to = Instant::now();
    let second = hub.tokens(&world.apps, lifetime)?;
    let renewed = first
        .iter()
        .filter(|(appid, token)| second[*appid] != **token)
        .count();
    found.extend(about_upstream(
        arguments,
        &tap,
        from,
        to,
        most_at_start.max(tap.take_most_in_flight()),
    ));
    found.push(Finding::told(
        "calls upstream while all was quiet",
        calls_in_quiet.to_string(),
    ));
    found.push(Finding::judged(
        "apps with a new token at the end",
        format!("{renewed} of {}", arguments.apps),
        "all",
        renewed == arguments.apps,
    ));
    found.extend(about_reads(arguments, &quiet, &loud));
    Ok(found)
}

fn each_app(world: &World) -> Vec<Exchange> {
    let exchange = |((appid, _), key): (&(String, String), &String)| {
        let expect = format!("\"appid\":\"{appid}\"").into_bytes();
        Exchange::http(
            &format!("/v1/apps/{appid}/access_token"),
            Some(key),
            None,
            vec![expect],
        )
    };
    world
        .apps
        .iter()
        .zip(world.keys.iter().cycle())
        .map(exchange)
        .collect()
}

fn read(
    arguments: &Arguments,
    hub: &Hub,
    exchanges: &[Exchange],
    measure: Duration,
) -> anyhow::Result<Outcome> {
    let plan = Plan {
        address: hub.api.address,
        tls: None,
        protocol: Protocol::Http,
        connections: 32,
        pace: Pace::PerSecond(arguments.rate),
        gentle: true,
        warm_up: Duration::from_millis(200),
        measure,
        exchanges,
        asking: Asking::InTurn,
        first: 0,
    };
    engine::run(&plan, &mut |_| ())
}

fn about_upstream(
    arguments: &Arguments,
    tap: &Tap,
    from: Instant,
    to: Instant,
    most: u64,
) -> Vec<Finding> {
    let each = tap.each_second(from, to);
    let (sum, peak) = (
        each.iter().sum::<u64>(),
        each.iter().max().copied().unwrap_or(0),
    );
    let limit = arguments.in_flight as u64;
    vec![
        Finding::judged(
            "most calls upstream at once",
            most.to_string(),
            &format!("≤ refresh.max_in_flight, {limit}"),
            most <= limit,
        ),
        Finding::told(
            "calls upstream during the storm",
            format!("{sum} in {} s, {peak} in the busiest second", each.len()),
        ),
    ]
}

fn about_reads(arguments: &Arguments, quiet: &Outcome, loud: &Outcome) -> Vec<Finding> {
    let p99 = |outcome: &Outcome| outcome.latency.quantile(0.99).as_secs_f64() * 1e6;
    let ratio = p99(loud) / p99(quiet);
    let unanswered = quiet.wrong + loud.wrong + quiet.unsent + loud.unsent;
    let complaint = loud
        .first_complaint
        .as_ref()
        .or(quiet.first_complaint.as_ref());
    vec![
        Finding::judged(
            "reads without a live token (a renewal that came too late)",
            complaint.map_or_else(
                || unanswered.to_string(),
                |first| format!("{unanswered}, the first: {first}"),
            ),
            "0",
            unanswered == 0,
        ),
        Finding::judged(
            &format!(
                "p99 of reads at {:.0}/s, storm against quiet",
                arguments.rate
            ),
            format!(
                "{:.0} µs against {:.0} µs: {ratio:.2}",
                p99(loud),
                p99(quiet)
            ),
            "≤ 2",
            ratio <= 2.0,
        ),
    ]
}
