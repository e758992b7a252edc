//! `[users]`: how long what is known of apps' users is kept.

use std::time::Duration;

use super::phrase::Why;
use super::table::Table;

/// The keys of `[users]`.
pub(super) const KEYS: [&str; 1] = ["retention"];

const DAY: Duration = Duration::from_secs(24 * 3600);

/// How long users' records are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Users {
    /// After a record was written last; then it is gone.
    pub retention: Duration,
}

impl Default for Users {
    fn default() -> Self {
        Self {
            retention: 30 * DAY,
        }
    }
}

impl Users {
    /// Reads and checks the section.
    pub(super) fn read(table: &Table<'_>) -> Self {
        let mut users = Self::default();
        table.set(&mut users.retention, "retention", |f| {
            f.span(DAY..=366 * DAY, Why::Retention)
        });
        users
    }
}
