//! `[log]`: how much is logged, and in which form.

use super::table::Table;

/// The keys of `[log]`.
pub(super) const KEYS: [&str; 2] = ["format", "level"];

/// What the log looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Log {
    /// Lines for people or for machines.
    pub format: LogFormat,
    /// The least important lines to write.
    pub level: LogLevel,
}

/// The form of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// Text.
    Text,
    /// One JSON object a line.
    Json,
}

/// How important a line must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum LogLevel {
    /// Something needs a person.
    Error,
    /// Something is not as it should be.
    Warn,
    /// What happens.
    #[default]
    Info,
    /// How it happens.
    Debug,
    /// Everything.
    Trace,
}

impl Log {
    /// Reads and checks the section.
    pub(super) fn read(table: &Table<'_>) -> Self {
        let mut log = Self::default();
        table.set(&mut log.format, "format", |f| {
            f.one_of(&[
                ("auto", LogFormat::Auto),
                ("text", LogFormat::Text),
                ("json", LogFormat::Json),
            ])
        });
        table.set(&mut log.level, "level", |f| {
            f.one_of(&[
                ("error", LogLevel::Error),
                ("warn", LogLevel::Warn),
                ("info", LogLevel::Info),
                ("debug", LogLevel::Debug),
                ("trace", LogLevel::Trace),
            ])
        });
        log
    }
}
