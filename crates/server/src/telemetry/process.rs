//! The process itself as metrics, read at each scrape under the names Prometheus' own clients use.
//!
//! Must not know: what the process does.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use wxtoken_core::clock::{Clock, Now};

use super::gather;
use crate::clock::SystemClock;

/// Reads `/proc/self`; what a system does not have is left out.
pub(super) struct Process {
    clock: Arc<dyn Clock>,
    started: Now,
}

impl Process {
    /// A process that starts now.
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let started = clock.now();
        Self { clock, started }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        if let Some(bytes) = resident_bytes() {
            let help = "Memory the process holds";
            gauge(&mut encoder, "process_resident_memory_bytes", help, bytes)?;
        }
        if let Some(open) = open_files() {
            let help = "File descriptors in use";
            gauge(&mut encoder, "process_open_fds", help, open)?;
        }
        let started = self.started.wall.unix_seconds();
        let help = "When the process started, Unix seconds";
        gauge(&mut encoder, "process_start_time_seconds", help, started)?;
        let up = self.clock.now().boot.since(self.started.boot) / 1000;
        let help = "Seconds since the process started";
        gauge(&mut encoder, "wxtoken_uptime_seconds", help, up)?;
        let used = SystemClock.cpu_time().as_secs_f64();
        let help = "Processor time used";
        let cpu =
            encoder.encode_descriptor("process_cpu_seconds", help, None, MetricType::Counter)?;
        ConstCounter::new(used).encode(cpu)?;
        let help = "Lines of the log that were lost because nobody took them";
        let lost =
            encoder.encode_descriptor("wxtoken_log_lines_lost", help, None, MetricType::Counter)?;
        ConstCounter::new(gather::lost()).encode(lost)
    }
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    ConstGauge::new(value).encode(metric)
}

fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

fn open_files() -> Option<u64> {
    let files = std::fs::read_dir("/proc/self/fd").ok()?;
    u64::try_from(files.count()).ok()
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Process")
    }
}
