//! `[[app.file]]`: copies of a credential kept in files, for programs that cannot ask.
//!
//! Must not know: how a file is written.

use std::path::Path;

use wxtoken_core::credential::Kind;

/// One file to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSinkConfig {
    /// Where, as an absolute path if the configuration came from a file.
    pub path: Box<Path>,
    /// What it looks like.
    pub format: FileFormat,
    /// What it holds.
    pub kind: Kind,
    /// Its permissions.
    pub mode: u32,
    /// The user it is given to, as a number; `None` leaves ours.
    pub owner: Option<u32>,
    /// The group it is given to, as a number; `None` leaves ours.
    pub group: Option<u32>,
}

/// What a file sink looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    /// Readable by `java.util.Properties`.
    Properties,
    /// One JSON object.
    Json,
    /// `NAME=value` lines.
    Dotenv,
}
