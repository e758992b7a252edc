//! `load`: sends HTTP or Redis reads, checks every answer, prints JSON.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark: its result goes to standard output and it measures real time"
)]

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Parser;
use serde_json::json;
use wxtoken_bench::engine::{self, Asking, Pace, Plan};
use wxtoken_bench::targets::{self, Target};
use wxtoken_bench::wire::Protocol;
use wxtoken_bench::{host, tls};

/// A lean load generator: one thread, every answer checked, latencies free of coordinated omission.
///
/// Example: load --url http://127.0.0.1:7200 --targets targets.jsonl --connections 64 --seconds 5
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// http://host:port, https://localhost:port or redis://host:port; loopback only
    #[arg(long)]
    url: String,
    /// One JSON object a line: {"path":"/v1/…","key":"…","body":"…","expect":["…"]}; for Redis, path is the key and expect its value
    #[arg(long, conflicts_with = "path", required_unless_present = "path")]
    targets: Option<PathBuf>,
    /// A single target instead of a file
    #[arg(long)]
    path: Option<String>,
    /// What the answer to --path must hold
    #[arg(long, requires = "path")]
    expect: Option<String>,
    /// Connections kept open
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Requests a second (open loop); without it, as fast as answers come (closed loop)
    #[arg(long)]
    rate: Option<f64>,
    /// Redis: GETs sent in one write
    #[arg(long, default_value_t = 1)]
    pipeline: usize,
    /// Seconds that are counted
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Seconds before counting starts
    #[arg(long, default_value_t = 1.0)]
    warm_up: f64,
    /// Certificate to trust for https
    #[arg(long)]
    ca: Option<PathBuf>,
    /// Core to run on
    #[arg(long)]
    core: Option<usize>,
    /// A smoke run of half a second
    #[arg(long)]
    quick: bool,
}

fn main() -> ExitCode {
    wxtoken_bench::end(run(Arguments::parse()))
}

fn run(arguments: Arguments) -> anyhow::Result<()> {
    if let Some(core) = arguments.core {
        host::pin_to(core)?;
    }
    let (scheme, address) = parse_url(&arguments.url)?;
    let list = match (&arguments.targets, &arguments.path) {
        (Some(file), _) => targets::read(file)?,
        (None, Some(path)) => vec![Target {
            path: path.clone(),
            key: None,
            body: None,
            expect: arguments.expect.clone().into_iter().collect(),
        }],
        (None, None) => bail!("give --targets or --path"),
    };
    let protocol = if scheme == "redis" {
        Protocol::Redis
    } else {
        Protocol::Http
    };
    let exchanges = match protocol {
        Protocol::Http => targets::http(&list),
        Protocol::Redis => targets::redis(&list, arguments.pipeline),
    };
    let tls = match (scheme.as_str(), &arguments.ca) {
        ("https", Some(ca)) => Some(tls::client_trusting(ca)?),
        ("https", None) => bail!("https needs --ca with the server's certificate"),
        _ => None,
    };
    let (warm_up, measure) = if arguments.quick {
        (0.1, 0.5)
    } else {
        (arguments.warm_up, arguments.seconds)
    };
    let plan = Plan {
        address,
        tls,
        protocol,
        connections: arguments.connections,
        pace: arguments.rate.map_or(Pace::Closed, Pace::PerSecond),
        gentle: false,
        warm_up: Duration::from_secs_f64(warm_up),
        measure: Duration::from_secs_f64(measure),
        exchanges: &exchanges,
        asking: Asking::InTurn,
        first: 0,
    };
    let outcome = engine::run(&plan, &mut |_| ())?;
    let micros = |share| outcome.latency.quantile(share).as_secs_f64() * 1e6;
    let report = json!({
        "reads": outcome.reads, "seconds": outcome.seconds, "reads_per_second": outcome.rate(),
        "wrong": outcome.wrong, "broken_connections": outcome.broken, "unsent": outcome.unsent,
        "first_complaint": outcome.first_complaint,
        "latency_us": {"p50": micros(0.5), "p90": micros(0.9), "p99": micros(0.99), "p99.9": micros(0.999), "max": outcome.latency.largest().as_secs_f64() * 1e6},
        "own_cpu_share": outcome.own_cpu / outcome.seconds,
    });
    println!("{report:#}");
    if outcome.wrong + outcome.broken > 0 {
        bail!("some answers were wrong");
    }
    Ok(())
}

fn parse_url(url: &str) -> anyhow::Result<(String, SocketAddr)> {
    let (scheme, rest) = url
        .split_once("://")
        .context("--url: give http://, https:// or redis:// and host:port")?;
    if !["http", "https", "redis"].contains(&scheme) {
        bail!("--url: {scheme} is neither http, https nor redis");
    }
    let mut addresses = rest
        .trim_end_matches('/')
        .to_socket_addrs()
        .context("--url: give host:port")?;
    let address = addresses.next().context("--url: the host has no address")?;
    if !address.ip().is_loopback() {
        bail!("--url: {address} is not this machine; this generator is for loopback only");
    }
    Ok((scheme.to_owned(), address))
}
