//! Samples, ratios and goals: what is printed, and how two servers are compared.
//!
//! A figure of ours stands between two of the rival's, taken right before and right after it, so that a machine that
//! is slower for a while slows both. Only ratios within such a triple are judged; goals are told, never enforced.

use std::fmt::Write as _;

use serde::Serialize;

use crate::engine::{self, Moment, Outcome, Plan};
use crate::process::Server;

/// One measured run against one server.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Sample {
    /// Reads a second.
    pub rate: f64,
    /// Server CPU per read, in microseconds, system time included.
    pub cpu_us: f64,
    /// Latency in microseconds.
    pub p50_us: f64,
    /// Latency in microseconds.
    pub p99_us: f64,
    /// Latency in microseconds.
    pub p999_us: f64,
    /// Share of one core the server used; near 1 means it was the bottleneck.
    pub server_busy: f64,
    /// Share of one core the generator used.
    pub load_busy: f64,
    /// Answers that were not what they must be, and requests that never left.
    pub wrong: u64,
    /// Where the next run goes on.
    #[serde(skip)]
    pub next: usize,
}

/// Runs `plan` against `server` and reads what it cost.
///
/// # Errors
/// When the run fails, or a single answer was wrong: a figure from wrong answers is none.
pub fn measure(plan: &Plan<'_>, server: &Server) -> anyhow::Result<Sample> {
    let mut spent = [0.0; 2];
    let mut trouble = None;
    let mut watch = |moment| match server.cpu() {
        Ok(cpu) => spent[usize::from(moment == Moment::End)] = cpu,
        Err(error) => trouble = Some(error),
    };
    let outcome = engine::run(plan, &mut watch)?;
    if let Some(error) = trouble {
        return Err(error);
    }
    if let Some(complaint) = &outcome.first_complaint {
        anyhow::bail!(
            "{} wrong answers, {} broken connections; the first: {complaint}",
            outcome.wrong,
            outcome.broken
        );
    }
    Ok(Sample::new(&outcome, spent[1] - spent[0]))
}

impl Sample {
    fn new(outcome: &Outcome, cpu: f64) -> Self {
        let micros = |share| outcome.latency.quantile(share).as_secs_f64() * 1e6;
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let reads = (outcome.reads as f64).max(1.0);
        Self {
            rate: outcome.rate(),
            cpu_us: cpu * 1e6 / reads,
            p50_us: micros(0.5),
            p99_us: micros(0.99),
            p999_us: micros(0.999),
            server_busy: cpu / outcome.seconds,
            load_busy: outcome.own_cpu / outcome.seconds,
            wrong: outcome.wrong + outcome.unsent,
            next: outcome.next,
        }
    }
}

/// The middle and the ends of several values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// The middle one.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
}

impl Spread {
    /// Of at least one value.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (Some(&min), Some(&max)) = (sorted.first(), sorted.last()) else {
            return Self {
                median: f64::NAN,
                min: f64::NAN,
                max: f64::NAN,
            };
        };
        let half = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 {
            sorted[half]
        } else {
            f64::midpoint(sorted[half - 1], sorted[half])
        };
        Self { median, min, max }
    }

    fn shown(self) -> String {
        format!("{:.2} ({:.2}–{:.2})", self.median, self.min, self.max)
    }
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// Reads a second.
    Rate,
    /// Server CPU per read.
    Cpu,
    /// 99th percentile of latency.
    P99,
    /// Median latency: both stand in front of the same upstream, so less of it is less added.
    P50,
}

/// A goal on a ratio of ours to theirs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Goal {
    /// Of what.
    pub figure: Figure,
    /// At least this (rate) or at most this (CPU, p99).
    pub bound: f64,
}

/// One line of a table: ours against a rival in several rounds.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// What was read, and by what means.
    pub what: String,
    /// Whom we stand beside.
    pub rival: String,
    /// Connections.
    pub connections: usize,
    /// One sample of ours for each round.
    pub ours: Vec<Sample>,
    /// The rival's samples around it: two for a triple, one for a pair.
    pub theirs: Vec<Vec<Sample>>,
    /// What was hoped for.
    pub goals: Vec<Goal>,
}

impl Line {
    fn figure(sample: &Sample, figure: Figure) -> f64 {
        match figure {
            Figure::Rate => sample.rate,
            Figure::Cpu => sample.cpu_us,
            Figure::P99 => sample.p99_us,
            Figure::P50 => sample.p50_us,
        }
    }

    /// Ours by theirs, round by round.
    #[must_use]
    pub fn ratio(&self, figure: Figure) -> Spread {
        Spread::of(self.ours.iter().zip(&self.theirs).map(|(ours, around)| {
            let theirs: f64 = around
                .iter()
                .map(|sample| Self::figure(sample, figure))
                .sum();
            #[expect(clippy::cast_precision_loss, reason = "one or two")]
            let count = around.len() as f64;
            Self::figure(ours, figure) * count / theirs
        }))
    }

    fn middle(samples: impl Iterator<Item = Sample> + Clone, figure: fn(&Sample) -> f64) -> f64 {
        Spread::of(samples.map(|sample| figure(&sample))).median
    }

    fn judged(&self) -> String {
        let each = |goal: &Goal| {
            let reached = self.ratio(goal.figure).median;
            let (name, sign, met) = match goal.figure {
                Figure::Rate => ("rate", '≥', reached >= goal.bound),
                Figure::Cpu => ("CPU", '≤', reached <= goal.bound),
                Figure::P99 => ("p99", '≤', reached <= goal.bound),
                Figure::P50 => ("p50", '≤', reached <= goal.bound),
            };
            format!(
                "{name} {reached:.2} {sign} {}: {}",
                goal.bound,
                if met { "met" } else { "NOT met" }
            )
        };
        self.goals.iter().map(each).collect::<Vec<_>>().join("; ")
    }
}

/// A Markdown table of the lines.
#[must_use]
pub fn table(lines: &[Line]) -> String {
    let mut out = String::from(
        "| read | conns | against | reads/s ours | theirs | rate ratio (min–max) | CPU µs ours | theirs | CPU ratio (min–max) | p99 µs ours | theirs | p99 ratio (min–max) | busy server/load | goal |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for line in lines {
        let (ours, theirs) = (
            line.ours.iter().copied(),
            line.theirs.iter().flatten().copied(),
        );
        let both = |figure: fn(&Sample) -> f64| {
            (
                Line::middle(ours.clone(), figure),
                Line::middle(theirs.clone(), figure),
            )
        };
        let (rate, cpu, p99) = (both(|s| s.rate), both(|s| s.cpu_us), both(|s| s.p99_us));
        let busy = (
            Line::middle(ours.clone(), |s| s.server_busy),
            Line::middle(ours.clone(), |s| s.load_busy),
        );
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "| {} | {} | {} | {:.0} | {:.0} | {} | {:.2} | {:.2} | {} | {:.0} | {:.0} | {} | {:.2}/{:.2} | {} |",
            line.what,
            line.connections,
            line.rival,
            rate.0,
            rate.1,
            line.ratio(Figure::Rate).shown(),
            cpu.0,
            cpu.1,
            line.ratio(Figure::Cpu).shown(),
            p99.0,
            p99.1,
            line.ratio(Figure::P99).shown(),
            busy.0,
            busy.1,
            line.judged(),
        );
    }
    out
}

/// One figure against one bound, for the programs that do not compare rates.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// What was measured.
    pub what: String,
    /// What it came to, with its unit.
    pub value: String,
    /// The goal in words, and whether it was met; none for a figure that is only told.
    pub goal: Option<(String, bool)>,
}

impl Finding {
    /// A figure without a goal.
    #[must_use]
    pub fn told(what: &str, value: String) -> Self {
        Self {
            what: what.to_owned(),
            value,
            goal: None,
        }
    }

    /// A figure with a goal.
    #[must_use]
    pub fn judged(what: &str, value: String, goal: &str, met: bool) -> Self {
        Self {
            what: what.to_owned(),
            value,
            goal: Some((goal.to_owned(), met)),
        }
    }
}

/// A Markdown table of findings.
#[must_use]
pub fn findings(list: &[Finding]) -> String {
    let mut out = String::from("| what | value | goal |\n|---|---|---|\n");
    for finding in list {
        let goal = match &finding.goal {
            Some((goal, true)) => format!("{goal}: met"),
            Some((goal, false)) => format!("{goal}: NOT met"),
            None => String::new(),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(out, "| {} | {} | {goal} |", finding.what, finding.value);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(rate: f64) -> Sample {
        Sample {
            rate,
            cpu_us: 1e6 / rate,
            ..Sample::default()
        }
    }

    fn line(ours: &[f64], theirs: &[[f64; 2]], bound: f64) -> Line {
        Line {
            what: "x".to_owned(),
            rival: "nginx".to_owned(),
            connections: 1,
            ours: ours.iter().map(|rate| sample(*rate)).collect(),
            theirs: theirs
                .iter()
                .map(|pair| pair.iter().map(|rate| sample(*rate)).collect())
                .collect(),
            goals: vec![Goal {
                figure: Figure::Rate,
                bound,
            }],
        }
    }

    #[test]
    fn a_ratio_is_taken_within_its_round_and_the_middle_round_counts() {
        // The machine slows down threefold in the last round; the ratio there is as good as in the others.
        let line = line(
            &[120.0, 130.0, 44.0],
            &[[100.0, 100.0], [100.0, 100.0], [40.0, 40.0]],
            1.2,
        );
        let ratio = line.ratio(Figure::Rate);
        assert_eq!((ratio.min, ratio.median, ratio.max), (1.1, 1.2, 1.3));
    }

    #[test]
    fn a_goal_is_judged_by_the_median_alone() {
        assert!(
            line(&[120.0], &[[100.0, 100.0]], 1.2)
                .judged()
                .contains(": met")
        );
        assert!(
            line(&[119.0], &[[100.0, 100.0]], 1.2)
                .judged()
                .contains("NOT met")
        );
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_two_in_the_middle() {
        assert!((Spread::of([4.0, 1.0, 2.0, 3.0]).median - 2.5).abs() < 1e-9);
        assert!(Spread::of([]).median.is_nan());
    }

    #[test]
    fn tables_have_one_row_for_each_line() {
        let text = table(&[line(&[120.0], &[[100.0, 100.0]], 1.2)]);
        assert_eq!(text.lines().count(), 3);
        assert_eq!(
            findings(&[Finding::judged("a", "1".into(), "≤ 2", true)])
                .lines()
                .count(),
            3
        );
    }
}
