//! The machine: cores to pin to, and what processes cost on it, read from `/proc`.

use std::fs;
use std::time::Duration;

use anyhow::Context;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Which core serves and which core asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cores {
    /// For the server that is measured.
    pub server: usize,
    /// For the load generator, and for what stands by.
    pub load: usize,
}

impl Cores {
    /// The first two cores this process may use; the same one twice when there is only one.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn pick() -> anyhow::Result<Self> {
        let allowed = sched_getaffinity(None)?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        let server = cores.next().context("no core to run on")?;
        Ok(Self {
            server,
            load: cores.next().unwrap_or(server),
        })
    }

    /// Whether server and load get a core each; figures of a run where they do not mean little.
    #[must_use]
    pub const fn apart(self) -> bool {
        self.server != self.load
    }
}

/// Keeps this thread, and what it starts from now on, on one core.
///
/// # Errors
/// When the core may not be used.
pub fn pin_to(core: usize) -> anyhow::Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).with_context(|| format!("cannot pin to core {core}"))
}

/// Does `work` with this thread on `core`, and gives it back the cores it had.
///
/// # Errors
/// When the core may not be used.
pub fn pinned_to<T>(core: usize, work: impl FnOnce() -> T) -> anyhow::Result<T> {
    let before = sched_getaffinity(None)?;
    pin_to(core)?;
    let done = work();
    sched_setaffinity(None, &before)?;
    Ok(done)
}

/// CPU seconds this thread has used.
#[must_use]
pub fn own_thread_cpu() -> f64 {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    #[expect(
        clippy::cast_precision_loss,
        reason = "a run is far shorter than 2^52 ns"
    )]
    let seconds = spent.tv_sec as f64 + spent.tv_nsec as f64 / 1e9;
    seconds
}

/// CPU seconds used by a process, all its threads, and its children.
///
/// # Errors
/// When it is gone.
pub fn cpu_of(pid: u32) -> anyhow::Result<f64> {
    let mut ticks = 0;
    for process in tree(pid)? {
        let fields = stat(process)?;
        // proc(5): utime is field 14 and stime 15; the list starts at field 3. Both cover all threads.
        ticks += fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    }
    #[expect(clippy::cast_precision_loss, reason = "ticks stay far below 2^52")]
    let seconds = ticks as f64 / rustix::param::clock_ticks_per_second() as f64;
    Ok(seconds)
}

/// Memory of a process and its children, in KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Resident, pages shared between processes counted in each.
    pub rss: u64,
    /// Resident, shared pages divided among those who share them.
    pub pss: u64,
}

/// What a process and its children hold.
///
/// # Errors
/// When it is gone.
pub fn memory_of(pid: u32) -> anyhow::Result<Memory> {
    let mut sum = Memory { rss: 0, pss: 0 };
    for process in tree(pid)? {
        let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
        sum.rss += kib(&rollup, "Rss:")?;
        sum.pss += kib(&rollup, "Pss:")?;
    }
    Ok(sum)
}

fn kib(text: &str, name: &str) -> anyhow::Result<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .with_context(|| format!("no {name} in smaps_rollup"))?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// `pid` and all its descendants.
fn tree(pid: u32) -> anyhow::Result<Vec<u32>> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(process) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // A process may end while we look; then it is none of ours.
        if let Ok(fields) = stat(process) {
            parents.push((process, fields[1].parse::<u32>()?));
        }
    }
    let mut found = vec![pid];
    let mut at = 0;
    while at < found.len() {
        let parent = found[at];
        found.extend(
            parents
                .iter()
                .filter(|(_, of)| *of == parent)
                .map(|(process, _)| *process),
        );
        at += 1;
    }
    Ok(found)
}

/// Fields of `/proc/PID/stat` from the third on: the second, a name in brackets, may hold anything.
fn stat(pid: u32) -> anyhow::Result<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))
        .with_context(|| format!("process {pid} is gone"))?;
    let (_, rest) = text.rsplit_once(") ").context("odd /proc/PID/stat")?;
    Ok(rest.split_whitespace().map(str::to_owned).collect())
}

/// What the figures were taken on, in one line.
#[must_use]
pub fn describe() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown CPU", |rest| {
            rest.trim_start_matches(['\t', ':', ' '])
        });
    let cores = cpu
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("?").to_owned();
    let date = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
    format!(
        "{date}, {cores} × {model}, Linux {}, load average at start {load}",
        kernel.trim()
    )
}

/// Sleeps until `done` says so, or `limit` has passed; returns whether it was done.
pub fn wait_until(limit: Duration, mut done: impl FnMut() -> bool) -> bool {
    let begin = std::time::Instant::now();
    while !done() {
        if begin.elapsed() > limit {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn cpu_and_memory_include_children() {
        let me = std::process::id();
        let alone = memory_of(me).unwrap();
        assert!(alone.rss > 0 && alone.pss > 0 && alone.pss <= alone.rss);
        let mut child = Command::new("sleep")
            .arg("60")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        assert!(tree(me).unwrap().contains(&child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!tree(me).unwrap().contains(&child.id()));
    }

    #[test]
    fn cpu_time_grows_with_work() {
        let me = std::process::id();
        let (before, own) = (cpu_of(me).unwrap(), own_thread_cpu());
        let grown = wait_until(Duration::from_secs(20), || {
            std::hint::black_box(
                (0..200_000_u64).fold(0_u64, |sum, n| sum.wrapping_mul(31).wrapping_add(n)),
            );
            cpu_of(me).unwrap() > before + 0.02
        });
        assert!(grown);
        assert!(own_thread_cpu() > own);
    }

    #[test]
    fn a_machine_describes_itself_in_one_line() {
        assert!(!describe().contains('\n'));
        assert!(describe().contains("Linux"));
    }
}
