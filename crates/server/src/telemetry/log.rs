//! Setting the log up: text on a terminal, JSON elsewhere, to standard error.
//!
//! Must not know: what is logged.

use std::io::{IsTerminal, stderr};

use tracing::level_filters::LevelFilter;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;

use super::gather::Paper;
use super::json::Json;
use crate::config::{Log, LogFormat, LogLevel};
use crate::words::InChinese;

/// Other libraries never say more than this, whatever level is asked for: some would show request lines or headers.
const OTHERS: LevelFilter = LevelFilter::INFO;

/// The log had been set up before.
#[derive(Debug, thiserror::Error)]
#[error("the log has been set up already; it can be done only once in a process")]
pub struct AlreadySet;

impl InChinese for AlreadySet {
    fn in_chinese(&self) -> String {
        "日志已经设置过；一个进程只能设置一次".to_owned()
    }
}

/// Sets the process's log up; without colours where they are not welcome (`NO_COLOR`), or to anything but a terminal.
///
/// # Errors
/// If it has been set up before.
pub fn init(log: &Log, colours_welcome: bool) -> Result<(), AlreadySet> {
    let is_terminal = stderr().is_terminal();
    let lines = lines(log, is_terminal, colours_welcome, || Paper);
    tracing::subscriber::set_global_default(lines).map_err(|_| AlreadySet)
}

/// A log that writes where it is told. `is_terminal` decides what `auto` means, and whether text has colours.
pub fn subscriber<W>(log: &Log, is_terminal: bool, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    lines(log, is_terminal, true, writer)
}

fn lines<W>(
    log: &Log,
    is_terminal: bool,
    colours_welcome: bool,
    writer: W,
) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let own = level(log.level);
    let wanted = FilterFn::new(move |line: &Metadata<'_>| *line.level() <= limit(line, own))
        .with_max_level_hint(own.max(OTHERS));
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let is_text = match log.format {
        LogFormat::Text => true,
        LogFormat::Json => false,
        LogFormat::Auto => is_terminal,
    };
    let lines = if is_text {
        lines
            .with_ansi(is_terminal && colours_welcome)
            .with_target(false)
            .boxed()
    } else {
        lines.event_format(Json).boxed()
    };
    tracing_subscriber::registry().with(lines.with_filter(wanted))
}

fn limit(line: &Metadata<'_>, own: LevelFilter) -> LevelFilter {
    if line.target().starts_with("wxtoken") {
        own
    } else {
        own.min(OTHERS)
    }
}

const fn level(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(log: Log, is_terminal: bool, happening: impl FnOnce()) -> String {
        let paper = Paper::default();
        let writer = paper.clone();
        let log = subscriber(&log, is_terminal, move || writer.clone());
        tracing::subscriber::with_default(log, happening);
        let bytes = paper.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn log(format: LogFormat, level: LogLevel) -> Log {
        Log { format, level }
    }

    fn one_line() {
        tracing::info!(app.id = "wx01", lane = "stable", "refreshed");
    }

    #[test]
    fn json_has_one_object_a_line_with_its_fields_at_the_top() {
        let line = written(log(LogFormat::Json, LogLevel::Info), true, one_line);
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["message"], "refreshed");
        assert_eq!(line["app.id"], "wx01");
        assert_eq!(line["lane"], "stable");
        assert_eq!(line["level"], "INFO");
        assert!(line["timestamp"].is_string());
    }

    #[test]
    fn auto_is_text_on_a_terminal_and_json_elsewhere() {
        let auto = log(LogFormat::Auto, LogLevel::Info);
        assert!(written(auto, false, one_line).starts_with('{'));
        let text = written(auto, true, one_line);
        assert!(
            text.contains("refreshed") && text.contains("wx01"),
            "{text}"
        );
        assert!(text.contains("\u{1b}["), "a terminal has colours");
    }

    #[test]
    fn a_format_that_is_named_counts_wherever_the_log_goes() {
        for is_terminal in [true, false] {
            let json = written(log(LogFormat::Json, LogLevel::Info), is_terminal, one_line);
            assert!(json.starts_with('{') && !json.contains('\u{1b}'), "{json}");
            let text = written(log(LogFormat::Text, LogLevel::Info), is_terminal, one_line);
            assert!(!text.starts_with('{'), "{text}");
            assert_eq!(text.contains('\u{1b}'), is_terminal, "{text}");
        }
    }

    #[test]
    fn a_terminal_gets_text_without_colours_where_they_are_not_welcome() {
        let paper = Paper::default();
        let writer = paper.clone();
        let auto = log(LogFormat::Auto, LogLevel::Info);
        let plain = lines(&auto, true, false, move || writer.clone());
        tracing::subscriber::with_default(plain, one_line);
        let text = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains("INFO refreshed"), "{text}");
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn text_in_a_file_has_no_colours() {
        let text = written(log(LogFormat::Text, LogLevel::Info), false, one_line);
        assert!(
            text.contains("INFO refreshed app.id=\"wx01\" lane=\"stable\""),
            "{text}"
        );
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn a_value_cannot_begin_a_line_of_its_own() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let text = written(log(format, LogLevel::Info), false, || {
                tracing::info!(path = "/a\nINFO forged\u{1b}[31m", "a strange path");
            });
            assert_eq!(text.lines().count(), 1, "{text}");
            assert!(!text.contains('\u{1b}'));
        }
    }

    #[test]
    fn less_important_lines_are_left_out() {
        let text = written(log(LogFormat::Text, LogLevel::Warn), false, || {
            tracing::info!("quiet");
            tracing::warn!("loud");
        });
        assert!(!text.contains("quiet") && text.contains("loud"));
    }

    #[test]
    fn other_libraries_say_no_more_than_info_even_at_trace() {
        let text = written(log(LogFormat::Text, LogLevel::Trace), false, || {
            tracing::trace!("ours");
            tracing::debug!(target: "h2::codec", "headers");
            tracing::info!(target: "other", "known");
        });
        assert!(text.contains("ours") && text.contains("known"), "{text}");
        assert!(!text.contains("headers"));
    }
}
