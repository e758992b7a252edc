//! `users`: whether credentials notice a million users that are kept beside them, and how soon one of these is read.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark: its result goes to standard output and it measures real time"
)]

mod people;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use wxtoken_bench::engine::{Asking, Pace, Plan};
use wxtoken_bench::exchange::Exchange;
use wxtoken_bench::host::{self, Cores};
use wxtoken_bench::hub::{Hub, Settings, World};
use wxtoken_bench::process::{self, Server};
use wxtoken_bench::report::{self, Finding, Spread};
use wxtoken_bench::wire::Protocol;

use people::People;

/// Two servers with the same apps, of which one keeps users too: start, reads; and the time of reading a user. Goals are told,
/// never enforced.
///
/// Example: cargo build --release --workspace && target/release/users
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The binary to measure; default: wxtoken beside this program
    #[arg(long)]
    wxtoken: Option<PathBuf>,
    /// Users of one app
    #[arg(long, default_value_t = 1_000_000)]
    users: u32,
    /// Apps in both servers
    #[arg(long, default_value_t = 1_000)]
    apps: usize,
    /// Starts and runs of reads, of each server in turn
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Where to write the findings as JSON
    #[arg(long)]
    json: Option<PathBuf>,
    /// A smoke run of seconds: few users, figures without meaning
    #[arg(long)]
    quick: bool,
}

/// One server's figures, round by round.
#[derive(Default)]
struct Figures {
    starts: Vec<f64>,
    rates: Vec<f64>,
    cpu: Vec<f64>,
}

fn main() -> ExitCode {
    wxtoken_bench::end(run(Arguments::parse()))
}

fn run(mut arguments: Arguments) -> anyhow::Result<()> {
    if arguments.quick {
        (arguments.users, arguments.apps, arguments.rounds) = (20_000, 20, 1);
    }
    let scratch = tempfile::tempdir()?;
    let cores = Cores::pick()?;
    let binary = process::wxtoken_binary(arguments.wxtoken.as_deref())?;
    println!("# Users beside credentials\n\n{}.\n", host::describe());
    let world = World::new(binary, scratch.path(), arguments.apps, 1);
    let (_simulator, upstream) = world.simulator(cores.load, None)?;
    let sides = ["without", "with"].map(|name| Settings::new(name, upstream, arguments.apps));
    for settings in &sides {
        let mut hub = Hub::start(&world, settings, cores.server)?;
        hub.tokens(&world.apps, Duration::from_secs(300))?;
        hub.server.stop()?;
    }
    let store = world.folder.join("with").join("data");
    let mut found = Vec::new();
    let people = People::open(&store, &world.apps[0].0, arguments.users)?;
    people.fill(&mut found)?;
    people.read(if arguments.quick { 2_000 } else { 50_000 }, &mut found)?;
    drop(people);
    compare(&arguments, &world, &sides, cores, &mut found)?;
    println!("{}", report::findings(&found));
    if let Some(file) = &arguments.json {
        fs::write(file, serde_json::to_vec_pretty(&found)?)?;
    }
    Ok(())
}

/// Starts each server in turn, and reads from it.
fn compare(
    arguments: &Arguments,
    world: &World,
    sides: &[Settings; 2],
    cores: Cores,
    found: &mut Vec<Finding>,
) -> anyhow::Result<()> {
    host::pin_to(cores.load)?;
    let mut figures = [Figures::default(), Figures::default()];
    for _ in 0..arguments.rounds {
        for (settings, figures) in sides.iter().zip(&mut figures) {
            one_round(arguments, world, settings, cores, figures)?;
        }
    }
    let [without, with] = &figures;
    for (what, with, without, goal, at_most) in [
        (
            "start to the first token",
            &with.starts,
            &without.starts,
            "≤ 1.1",
            1.1,
        ),
        (
            "CPU of a credential read",
            &with.cpu,
            &without.cpu,
            "≤ 1.05",
            1.05,
        ),
    ] {
        let ratio = ratio(with, without);
        found.push(Finding::judged(
            &format!("{what}, with users against without"),
            shown(ratio),
            goal,
            ratio.median <= at_most,
        ));
    }
    let rates = ratio(&with.rates, &without.rates);
    found.push(Finding::judged(
        "credential reads a second, with users against without",
        shown(rates),
        "≥ 0.95",
        rates.median >= 0.95,
    ));
    let start = Spread::of(with.starts.iter().copied());
    found.push(Finding::told(
        "start to the first token, with users",
        format!("{:.1} ms", start.median * 1e3),
    ));
    Ok(())
}

fn one_round(
    arguments: &Arguments,
    world: &World,
    settings: &Settings,
    cores: Cores,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let (command, api, _) = Hub::prepare(world, settings)?;
    let server = Server::start_bare(settings.name, command, cores.server, &world.folder)?;
    let path = format!("/v1/apps/{}/access_token", world.apps[0].0);
    while !api.is_fine(&path) {
        anyhow::ensure!(
            server.started().elapsed() < Duration::from_secs(60),
            "no answer: {}",
            server.last_words()
        );
        std::thread::yield_now();
    }
    figures
        .starts
        .push(server.started().elapsed().as_secs_f64());
    let exchange = |(appid, _): &(String, String)| {
        let expect = format!("\"{appid}\"").into_bytes();
        let path = format!("/v1/apps/{appid}/access_token");
        Exchange::http(&path, Some(&world.keys[0]), None, vec![expect])
    };
    let exchanges: Vec<Exchange> = world.apps.iter().map(exchange).collect();
    let part = if arguments.quick { 4 } else { 1 };
    let plan = Plan {
        address: api.address,
        tls: None,
        protocol: Protocol::Http,
        connections: 16,
        pace: Pace::Closed,
        gentle: false,
        warm_up: Duration::from_millis(1_000 / part),
        measure: Duration::from_millis(4_000 / part),
        exchanges: &exchanges,
        asking: Asking::InTurn,
        first: 0,
    };
    let sample = report::measure(&plan, &server)?;
    figures.rates.push(sample.rate);
    figures.cpu.push(sample.cpu_us);
    server.stop()?;
    Ok(())
}

/// Round by round.
fn ratio(with: &[f64], without: &[f64]) -> Spread {
    Spread::of(
        with.iter()
            .zip(without)
            .map(|(with, without)| with / without),
    )
}

fn shown(ratio: Spread) -> String {
    format!("{:.2} ({:.2}–{:.2})", ratio.median, ratio.min, ratio.max)
}
