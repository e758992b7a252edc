//! `sinks`: how soon after a refresh do copies in Redis hold the new value?
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark: its result goes to standard output and it measures real time"
)]

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Parser;
use serde::Serialize;
use serde_json::Value;
use wxtoken_bench::ask::Peer;
use wxtoken_bench::histogram::Histogram;
use wxtoken_bench::host::{self, Cores};
use wxtoken_bench::hub::{Hub, Settings, World};
use wxtoken_bench::process;
use wxtoken_bench::rivals::redis;
use wxtoken_bench::tap::{Given, Tap};
use wxtoken_bench::witness::Witness;

/// Copies in Redis after a refresh, timed from upstream's answer until the new value can be read there.
///
/// Two shapes: one app with all the copies, and as many apps with one copy each that are all refreshed by the operator as
/// fast as 64 at once allow. Upstream stands behind a relay that takes `--delay` milliseconds for a call and notes when
/// each answer was passed on. Exit status 1 where the goal, 99 of 100 within 100 ms, is missed.
///
/// Example: cargo build --release --workspace && target/release/sinks
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The binary to measure; default: wxtoken beside this program
    #[arg(long)]
    wxtoken: Option<PathBuf>,
    /// Copies, in both shapes
    #[arg(long, default_value_t = 1_000)]
    copies: usize,
    /// Rounds of refreshes for each shape
    #[arg(long, default_value_t = 20)]
    rounds: usize,
    /// Milliseconds upstream takes for a call
    #[arg(long, default_value_t = 30)]
    delay: u64,
    /// Where to write the findings as JSON
    #[arg(long)]
    json: Option<PathBuf>,
    /// A smoke run of seconds: few copies, figures without meaning, no goal
    #[arg(long)]
    quick: bool,
}

/// What 99 of 100 copies must be rewritten within.
const GOAL: Duration = Duration::from_millis(100);
/// Every copy's key starts so.
const PREFIX: &str = "copy-";
/// Refreshes asked for at once.
const AT_ONCE: usize = 64;
/// Between rounds, so that what follows a round is not in the next: every entry is looked at after it was written.
const PAUSE: Duration = Duration::from_millis(700);
/// How long a round may take.
const LIMIT: Duration = Duration::from_secs(60);

/// One line of the table.
#[derive(Debug, Serialize)]
struct Line {
    apps: usize,
    copies_of_each: usize,
    rewritten: u64,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    /// The p99 of the best and of the worst round.
    p99_of_rounds_ms: [f64; 2],
    cpu_us_for_a_copy: f64,
    met: bool,
}

fn main() -> ExitCode {
    wxtoken_bench::end(run(Arguments::parse()))
}

fn run(mut arguments: Arguments) -> anyhow::Result<()> {
    if arguments.quick {
        (arguments.copies, arguments.rounds, arguments.delay) = (40, 2, 2);
    }
    let cores = Cores::pick()?;
    let binary = process::wxtoken_binary(arguments.wxtoken.as_deref())?;
    println!("# Copies in Redis\n\n{}.\n", host::describe());
    host::pin_to(cores.load)?;
    let lines = [(1, arguments.copies), (arguments.copies, 1)]
        .map(|(apps, copies)| shape(&arguments, &binary, cores, apps, copies));
    let lines = lines.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    println!("{}", table(&lines));
    if let Some(file) = &arguments.json {
        fs::write(file, serde_json::to_vec_pretty(&lines)?)?;
    }
    anyhow::ensure!(
        arguments.quick || lines.iter().all(|line| line.met),
        "the goal was missed: p99 of a shape is above {GOAL:?}"
    );
    Ok(())
}

/// So many apps with so many copies each, refreshed round by round.
fn shape(
    arguments: &Arguments,
    binary: &Path,
    cores: Cores,
    apps: usize,
    copies: usize,
) -> anyhow::Result<Line> {
    let scratch = tempfile::tempdir()?;
    let world = World::new(binary.to_owned(), scratch.path(), apps, 1);
    let (_redis, redis) = redis::start(scratch.path(), cores.load, &[])?;
    let mut witness = Witness::start(redis, PREFIX)?;
    let (_simulator, upstream) = world.simulator(cores.load, None)?;
    let tap = Tap::start(upstream, Duration::from_millis(arguments.delay))?;
    tap.take_given();
    let mut settings = Settings::new("hub", tap.address(), apps);
    settings.app_lines = app_lines(redis, copies);
    let hub = Hub::start(&world, &settings, cores.server)?;
    // The first values.
    witness.wait_for(apps * copies, LIMIT)?;
    let (mut all, mut worst, mut best) = (Histogram::default(), Duration::ZERO, Duration::MAX);
    let mut spent = 0.0;
    for _ in 0..arguments.rounds {
        thread::sleep(PAUSE);
        tap.take_given();
        witness.forget();
        let (begin, cpu) = (Instant::now(), hub.server.cpu()?);
        refresh_all(&hub.admin, &world)?;
        let written = witness.wait_for(apps * copies, LIMIT)?;
        let round = round(&mut witness, &written, &tap.take_given(), begin)?;
        spent += hub.server.cpu()? - cpu;
        let mut latencies = Histogram::default();
        for latency in round {
            latencies.record(latency);
            all.record(latency);
        }
        let p99 = latencies.quantile(0.99);
        (worst, best) = (worst.max(p99), best.min(p99));
    }
    Ok(Line::new(apps, copies, &all, [best, worst], spent))
}

fn app_lines(redis: SocketAddr, copies: usize) -> String {
    let mut lines = "lanes = [\"classic\"]\ntake_over = true\n".to_owned();
    for copy in 0..copies {
        // Writing to a String cannot fail.
        let _ = write!(
            lines,
            "[[app.redis]]\nurl = \"redis://{redis}/0\"\nformat = \"wxjava-mp\"\nprefix = \"{PREFIX}{copy}\"\n"
        );
    }
    lines
}

/// Has every app's token fetched anew, some at once.
fn refresh_all(admin: &Peer, world: &World) -> anyhow::Result<()> {
    let next = AtomicUsize::new(0);
    let work = || -> anyhow::Result<()> {
        while let Some((appid, _)) = world.apps.get(next.fetch_add(1, Ordering::Relaxed)) {
            let path = format!("/admin/apps/{appid}/access_token/refresh");
            let reply = admin.json(&path, Some("{\"force\":false}"))?;
            anyhow::ensure!(reply["outcome"] == "refreshed", "{path}: {reply}");
        }
        Ok(())
    };
    thread::scope(|scope| {
        let all: Vec<_> = (0..AT_ONCE.min(world.apps.len()))
            .map(|_| scope.spawn(work))
            .collect();
        all.into_iter()
            .try_for_each(|one| one.join().unwrap_or_else(|_| Err(panicked())))
    })
}

fn panicked() -> anyhow::Error {
    anyhow::anyhow!("a thread that refreshes panicked")
}

/// How long after its value was given each copy held it.
fn round(
    witness: &mut Witness,
    written: &HashMap<String, Instant>,
    given: &[Given],
    begin: Instant,
) -> anyhow::Result<Vec<Duration>> {
    let given: HashMap<String, Instant> = given
        .iter()
        .filter_map(|given| Some((token(&given.answer)?, given.at)))
        .collect();
    let keys: Vec<&str> = written.keys().map(String::as_str).collect();
    let values = witness.read_all(&keys)?;
    let latency = |(key, value): (&&str, String)| {
        let from = given.get(&value).with_context(|| {
            format!("{key} holds a value that upstream did not give in this round")
        })?;
        written[*key].checked_duration_since(*from).with_context(|| {
            format!("{key} was written in this round before its value was given, {:?} after its begin", written[*key] - begin)
        })
    };
    keys.iter().zip(values).map(latency).collect()
}

/// The token in an answer, if it is one that holds a token.
fn token(answer: &[u8]) -> Option<String> {
    let body = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let answer: Value = serde_json::from_slice(answer.get(body..)?).ok()?;
    Some(answer.get("access_token")?.as_str()?.to_owned())
}

impl Line {
    fn new(
        apps: usize,
        copies_of_each: usize,
        all: &Histogram,
        p99_of_rounds: [Duration; 2],
        cpu: f64,
    ) -> Self {
        let ms = |latency: Duration| latency.as_secs_f64() * 1e3;
        let p99 = all.quantile(0.99);
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let rewritten = all.total() as f64;
        Self {
            apps,
            copies_of_each,
            rewritten: all.total(),
            p50_ms: ms(all.quantile(0.5)),
            p99_ms: ms(p99),
            max_ms: ms(all.largest()),
            p99_of_rounds_ms: p99_of_rounds.map(ms),
            cpu_us_for_a_copy: cpu * 1e6 / rewritten,
            met: p99 <= GOAL,
        }
    }
}

fn table(lines: &[Line]) -> String {
    let mut out = String::from(
        "| apps × copies | rewritten | p50 ms | p99 ms | max ms | p99 of the best and the worst round | server's CPU µs a copy, refresh included | goal: p99 ≤ 100 ms |\n|---|---|---|---|---|---|---|---|\n",
    );
    for line in lines {
        let [best, worst] = line.p99_of_rounds_ms;
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "| {} × {} | {} | {:.1} | {:.1} | {:.1} | {best:.1}, {worst:.1} | {:.0} | {} |",
            line.apps,
            line.copies_of_each,
            line.rewritten,
            line.p50_ms,
            line.p99_ms,
            line.max_ms,
            line.cpu_us_for_a_copy,
            if line.met { "met" } else { "NOT met" }
        );
    }
    out
}
