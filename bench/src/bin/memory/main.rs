//! `memory`: what apps cost to hold, and how soon a started server answers.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark: its result goes to standard output and it measures real time"
)]

mod beside_nginx;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use wxtoken_bench::ask::Peer;
use wxtoken_bench::engine::{self, Asking, Pace, Plan};
use wxtoken_bench::exchange::Exchange;
use wxtoken_bench::host::{self, Cores, Memory};
use wxtoken_bench::hub::{Hub, Settings, World};
use wxtoken_bench::process::{self, Server};
use wxtoken_bench::report::{self, Finding};
use wxtoken_bench::wire::Protocol;

/// Memory of many apps, time from start to the first answer, and both beside nginx. Goals are told, never enforced.
///
/// Example: cargo build --release --workspace && target/release/memory
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The binary to measure; default: wxtoken beside this program
    #[arg(long)]
    wxtoken: Option<PathBuf>,
    /// Apps in the big server
    #[arg(long, default_value_t = 100_000)]
    apps: usize,
    /// Cold starts of each kind
    #[arg(long, default_value_t = 15)]
    starts: usize,
    /// Where to write the findings as JSON
    #[arg(long)]
    json: Option<PathBuf>,
    /// A smoke run of seconds: few apps, figures without meaning
    #[arg(long)]
    quick: bool,
}

const MIB: f64 = 1024.0;

fn main() -> ExitCode {
    wxtoken_bench::end(run(Arguments::parse()))
}

fn run(mut arguments: Arguments) -> anyhow::Result<()> {
    if arguments.quick {
        (arguments.apps, arguments.starts) = (1_000, 1);
    }
    let scratch = tempfile::tempdir()?;
    let cores = Cores::pick()?;
    let binary = process::wxtoken_binary(arguments.wxtoken.as_deref())?;
    println!("# Memory and start\n\n{}.\n", host::describe());
    let size = fs::metadata(&binary)?.len();
    let world = World::new(binary, scratch.path(), arguments.apps.max(1_000), 100);
    host::pin_to(cores.load)?;
    let mut found = vec![binary_size(size)];
    many_apps(&arguments, &world, cores, &mut found)?;
    beside_nginx::compare(&arguments, &world, cores, &mut found)?;
    println!("{}", report::findings(&found));
    if let Some(file) = &arguments.json {
        fs::write(file, serde_json::to_vec_pretty(&found)?)?;
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
fn mib(kib: u64) -> f64 {
    kib as f64 / MIB
}

fn binary_size(bytes: u64) -> Finding {
    let megabytes = mib(bytes / 1024) * 1.048_576;
    Finding::judged(
        "binary",
        format!("{megabytes:.1} MB"),
        "release, stripped: ≤ 20 MB",
        megabytes <= 20.0,
    )
}

/// What an empty server holds, then one with all apps.
fn many_apps(
    arguments: &Arguments,
    world: &World,
    cores: Cores,
    found: &mut Vec<Finding>,
) -> anyhow::Result<()> {
    let (simulator, upstream) = world.simulator(cores.load, None)?;
    let empty = {
        let hub = Hub::start(world, &Settings::new("empty", upstream, 0), cores.server)?;
        settled(&hub)?
    };
    let settings = Settings::new("many", upstream, arguments.apps);
    let apps = &world.apps[..arguments.apps];
    let begin = Instant::now();
    let mut hub = Hub::start(world, &settings, cores.server)?;
    hub.tokens(apps, Duration::from_secs(1_800))?;
    let filled_in = begin.elapsed();
    read_each_once(&hub, world, arguments.apps)?;
    let full = settled(&hub)?;
    let beyond = mib(full.rss.saturating_sub(empty.rss));
    #[expect(clippy::cast_precision_loss, reason = "an app count")]
    let apart = beyond * MIB * 1024.0 / arguments.apps as f64;
    found.push(Finding::told(
        "empty server",
        format!("{:.1} MiB resident", mib(empty.rss)),
    ));
    found.push(Finding::judged(
        &format!("{} apps, each read once, metrics scraped", arguments.apps),
        format!("{beyond:.1} MiB resident beyond the empty server, {apart:.0} bytes an app"),
        "100,000 apps ≤ 64 MiB",
        beyond <= 64.0,
    ));
    found.push(Finding::told(
        "first tokens of all apps",
        format!(
            "{:.1} s through 64 calls in flight",
            filled_in.as_secs_f64()
        ),
    ));
    let stopped = hub.server.stop()?;
    found.push(Finding::told(
        "graceful stop",
        format!("{:.2} s", stopped.as_secs_f64()),
    ));
    // With upstream gone, an answer can only come from the store.
    simulator.stop()?;
    start_again(world, &settings, cores, found)
}

/// How soon a server answers whose store holds all apps.
fn start_again(
    world: &World,
    settings: &Settings,
    cores: Cores,
    found: &mut Vec<Finding>,
) -> anyhow::Result<()> {
    let apps = &world.apps[..settings.apps];
    let (command, api, admin) = Hub::prepare(world, settings)?;
    let server = Server::start_bare(settings.name, command, cores.server, &world.folder)?;
    // Records are read in the order of the apps: half of all apps are answered before this one, half after it.
    let path = |index: usize| format!("/v1/apps/{}/access_token", apps[index].0);
    let limit = Duration::from_secs(120);
    let first_answer = until_answered(&server, &api, &path(apps.len() / 2), limit)?;
    let last_answer = until_answered(&server, &api, &path(apps.len() - 1), limit)?;
    found.push(Finding::judged(
        &format!(
            "start with {} stored credentials to the first answer, for an app in the middle of the store, upstream down",
            apps.len()
        ),
        format!("{first_answer:.2} s"),
        "≤ 1 s",
        first_answer <= 1.0,
    ));
    found.push(Finding::told(
        "… and to the answer for the app that is read last",
        format!("{last_answer:.2} s"),
    ));
    let all = Instant::now();
    Hub { server, api, admin }.tokens(apps, Duration::from_secs(120))?;
    found.push(Finding::told(
        "… and until all of them were read",
        format!("{:.2} s more", all.elapsed().as_secs_f64()),
    ));
    Ok(())
}

/// Memory after the metrics were looked at and nothing more happens for a moment.
fn settled(hub: &Hub) -> anyhow::Result<Memory> {
    for _ in 0..3 {
        hub.admin.ask("/metrics", None)?;
    }
    let mut last = host::memory_of(hub.server.pid())?;
    host::wait_until(Duration::from_secs(5), || {
        std::thread::sleep(Duration::from_millis(200));
        let now = host::memory_of(hub.server.pid()).unwrap_or(last);
        let still = now.rss == last.rss;
        last = now;
        still
    });
    Ok(last)
}

fn read_each_once(hub: &Hub, world: &World, apps: usize) -> anyhow::Result<()> {
    let exchange = |((appid, _), key): (&(String, String), &String)| {
        let expect = format!("\"{appid}\"").into_bytes();
        Exchange::http(
            &format!("/v1/apps/{appid}/access_token"),
            Some(key),
            None,
            vec![expect],
        )
    };
    let exchanges: Vec<Exchange> = world.apps[..apps]
        .iter()
        .zip(world.keys.iter().cycle())
        .map(exchange)
        .collect();
    let mut plan = Plan {
        address: hub.api.address,
        tls: None,
        protocol: Protocol::Http,
        connections: 16,
        pace: Pace::Closed,
        gentle: false,
        warm_up: Duration::ZERO,
        measure: Duration::from_millis(500),
        exchanges: &exchanges,
        asking: Asking::InTurn,
        first: 0,
    };
    let mut read = 0;
    while read < exchanges.len() {
        plan.exchanges = &exchanges[read..];
        let outcome = engine::run(&plan, &mut |_| ())?;
        if let Some(complaint) = outcome.first_complaint {
            anyhow::bail!("a read went wrong: {complaint}");
        }
        // What was in flight at the end is asked for again.
        read += usize::try_from(outcome.reads)?
            .saturating_sub(plan.connections)
            .max(1);
    }
    Ok(())
}

/// Seconds from the start of the process to its first good answer to this question.
fn until_answered(
    server: &Server,
    peer: &Peer,
    path: &str,
    limit: Duration,
) -> anyhow::Result<f64> {
    while !peer.is_fine(path) {
        anyhow::ensure!(
            server.started().elapsed() < limit,
            "{path}: no answer after {limit:?}; {}",
            server.last_words()
        );
        std::thread::yield_now();
    }
    Ok(server.started().elapsed().as_secs_f64())
}
