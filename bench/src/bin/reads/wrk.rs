//! Our load generator against wrk, both asking the same nginx: a generator that is slower would flatter every server.

use std::process::Command;

use anyhow::Context;
use wxtoken_bench::engine::Pace;
use wxtoken_bench::exchange::Exchange;
use wxtoken_bench::process;
use wxtoken_bench::report::{self, Line};
use wxtoken_bench::rivals::nginx::{self, Constant};

use crate::rounds::Bench;

impl Bench {
    pub(crate) fn check_against_wrk(&self) -> anyhow::Result<Vec<Line>> {
        let Some(wrk) = process::find_program("wrk") else {
            println!("- wrk is not installed: the load generator was not checked against it");
            return Ok(Vec::new());
        };
        let list = self.native();
        let body = self.sample_reply(&list)?.body;
        let (folder, core) = (&self.world.folder, self.cores.server);
        let (server, address) = nginx::start(folder, core, &Constant::of(&body), None)?;
        let constant = [Exchange::http("/", None, None, vec![body.into_bytes()])];
        let theirs = self.side(&server, address, &constant);
        let mut ratios = Vec::new();
        for _ in 0..self.arguments.rounds {
            let ours = self.sample(&theirs, 64, Pace::Closed)?;
            let seconds = format!("{}s", self.arguments.seconds.ceil());
            // wrk inherits this thread's core.
            let output = Command::new(&wrk)
                .args(["-t1", "-c64", "-d", &seconds, &format!("http://{address}/")])
                .output()?;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let rate = text
                .lines()
                .find_map(|line| line.trim().strip_prefix("Requests/sec:"));
            let rate: f64 = rate
                .with_context(|| format!("wrk said: {text}"))?
                .trim()
                .parse()?;
            ratios.push(ours.rate / rate);
        }
        let spread = report::Spread::of(ratios);
        println!(
            "- our load generator reads nginx at {:.2} ({:.2}–{:.2}) of wrk's rate, both on one core with 64 connections",
            spread.median, spread.min, spread.max
        );
        Ok(Vec::new())
    }
}
