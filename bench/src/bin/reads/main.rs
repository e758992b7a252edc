//! `reads`: token reads of wxtoken beside nginx, haproxy and Redis, each server on one core and the load on the other.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark: its result goes to standard output and it measures real time"
)]

mod https;
mod parts;
mod rounds;
mod wrk;

use std::cell::Cell;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, ValueEnum};
use wxtoken_bench::host::{self, Cores};
use wxtoken_bench::hub::{self, Hub, Settings, World};
use wxtoken_bench::process;
use wxtoken_bench::report;

use crate::rounds::Bench;

/// Compares token reads with nginx `return 200`, haproxy and Redis GET. Goals are told, never enforced: exit 0.
///
/// Example: cargo build --release --workspace && target/release/reads --json reads.json
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The binary to measure; default: wxtoken beside this program
    #[arg(long)]
    wxtoken: Option<PathBuf>,
    /// Rounds; each is nginx, wxtoken, nginx (and Redis where it is compared)
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds counted in each run
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Generated apps
    #[arg(long, default_value_t = 10_000)]
    apps: usize,
    /// Callers, each with its own key
    #[arg(long, default_value_t = 100)]
    callers: usize,
    /// Parts to run; default: all
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Where to write every sample as JSON
    #[arg(long)]
    json: Option<PathBuf>,
    /// A smoke run of seconds: few apps, one round, figures without meaning
    #[arg(long)]
    quick: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// GET /v1/apps/{appid}/access_token
    Native,
    /// GET /cgi-bin/token
    Compat,
    /// One native read against one Redis GET
    Redis,
    /// Native reads over HTTPS
    Tls,
    /// Batch reads of 16 against Redis GETs pipelined by 16
    Batch,
    /// Latency at a fixed rate
    P99,
    /// haproxy's constant answer, for reference
    Haproxy,
    /// Our load generator against wrk
    Wrk,
}

const BATCH: usize = 16;

fn main() -> ExitCode {
    wxtoken_bench::end(run(Arguments::parse()))
}

fn run(mut arguments: Arguments) -> anyhow::Result<()> {
    if arguments.quick {
        (
            arguments.rounds,
            arguments.seconds,
            arguments.apps,
            arguments.callers,
        ) = (1, 0.2, 320, 10);
    }
    let scratch = tempfile::tempdir()?;
    let cores = Cores::pick()?;
    let binary = process::wxtoken_binary(arguments.wxtoken.as_deref())?;
    let world = World::new(binary, scratch.path(), arguments.apps, arguments.callers);
    println!("# Token reads\n\n{}.", host::describe());
    println!(
        "{} apps, {} callers with rate limit, metrics on, every answer checked. Server on core {}, load on core {}. Medians of {} rounds of {} s.\n",
        arguments.apps,
        arguments.callers,
        cores.server,
        cores.load,
        arguments.rounds,
        arguments.seconds
    );
    if let Some(caveat) = hub::caveats(cores) {
        println!("**{caveat}**\n");
    }
    host::pin_to(cores.load)?;
    let (_simulator, upstream) = world.simulator(cores.load, None)?;
    let mut hub = Hub::start(
        &world,
        &Settings::new("hub", upstream, world.apps.len()),
        cores.server,
    )?;
    let tokens = hub.tokens(&world.apps, Duration::from_secs(300))?;
    let bench = Bench {
        arguments,
        cores,
        world,
        tokens,
        upstream,
        hub,
        turn: Cell::new(0),
    };
    let mut lines = Vec::new();
    for part in Part::value_variants() {
        if bench.arguments.only.is_empty() || bench.arguments.only.contains(part) {
            eprintln!("{part:?} …");
            lines.extend(bench.run(*part).with_context(|| format!("part {part:?}"))?);
        }
    }
    println!("\n{}", report::table(&lines));
    if let Some(file) = &bench.arguments.json {
        fs::write(file, serde_json::to_vec_pretty(&lines)?)?;
    }
    Ok(())
}
