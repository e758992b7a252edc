//! `calls`: forwarded calls through wxtoken beside nginx, nginx with Lua and haproxy, each on one core, load and upstream
//! on the other.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark: its result goes to standard output and it measures real time"
)]

mod parts;
mod rounds;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, ValueEnum};
use wxtoken_bench::host::{self, Cores};
use wxtoken_bench::hub::{self, World};
use wxtoken_bench::process;
use wxtoken_bench::report;
use wxtoken_bench::tls::Certificate;

use crate::rounds::Scene;

/// Compares forwarded calls with nginx `proxy_pass`, nginx with Lua doing our duties, and haproxy. Goals are told, never
/// enforced: exit 0.
///
/// Example: cargo build --release --workspace && target/release/calls --json calls.json
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The binary to measure; default: wxtoken beside this program
    #[arg(long)]
    wxtoken: Option<PathBuf>,
    /// Rounds; each is the rival, wxtoken, the rival
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds counted in each run
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Parts to run; default: all
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Connections, for the small calls
    #[arg(long, value_delimiter = ',', default_value = "1,16,64")]
    connections: Vec<usize>,
    /// Upstreams; default: both
    #[arg(long, value_enum, value_delimiter = ',', default_value = "plain,https")]
    upstream: Vec<Way>,
    /// wxtoken without its line in the log for each call; the rivals write none in any case
    #[arg(long)]
    no_access_log: bool,
    /// Where to write every sample as JSON
    #[arg(long)]
    json: Option<PathBuf>,
    /// A smoke run of seconds: one round, figures without meaning
    #[arg(long)]
    quick: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// A small JSON call against nginx proxy_pass
    Nginx,
    /// The same against nginx with Lua doing our duties
    Lua,
    /// The same against haproxy
    Haproxy,
    /// Uploads of 100 KiB against nginx and haproxy
    Upload100k,
    /// Uploads of 10 MiB against nginx and haproxy
    Upload10m,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Way {
    Plain,
    Https,
}

fn main() -> ExitCode {
    wxtoken_bench::end(run(Arguments::parse()))
}

fn run(mut arguments: Arguments) -> anyhow::Result<()> {
    if arguments.quick {
        (arguments.rounds, arguments.seconds) = (1, 0.2);
    }
    let scratch = tempfile::tempdir()?;
    let cores = Cores::pick()?;
    let binary = process::wxtoken_binary(arguments.wxtoken.as_deref())?;
    let world = World::new(binary, scratch.path(), 1, 100);
    println!("# Forwarded calls\n\n{}.", host::describe());
    println!(
        "{} callers with rate limit, metrics on, every request checked by the upstream and every answer by the load generator. Proxy on core {}, load and upstream on core {}. Medians of {} rounds of {} s.\n",
        world.keys.len(),
        cores.server,
        cores.load,
        arguments.rounds,
        arguments.seconds
    );
    if let Some(caveat) = hub::caveats(cores) {
        println!("**{caveat}**\n");
    }
    host::pin_to(cores.load)?;
    let certificate = Certificate::generate(scratch.path())?;
    let mut lines = Vec::new();
    for way in &arguments.upstream {
        let tls = (*way == Way::Https).then_some(&certificate);
        let scene = Scene::start(&arguments, cores, &world, tls)?;
        for part in Part::value_variants() {
            if arguments.only.is_empty() || arguments.only.contains(part) {
                eprintln!("{way:?} {part:?} …");
                let part = scene
                    .run(*part)
                    .with_context(|| format!("part {part:?}, {way:?}"))?;
                lines.extend(part);
            }
        }
    }
    println!("\n{}", report::table(&lines));
    if let Some(file) = &arguments.json {
        fs::write(file, serde_json::to_vec_pretty(&lines)?)?;
    }
    Ok(())
}
