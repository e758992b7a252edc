//! What `check` can find of the public listener, as data.
//!
//! Must not know: how it was found, in which words a person is told.

use std::path::PathBuf;

use wxtoken_server::words::Sentence;

use super::finding::Level;

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Public {
    /// It is served, and there is something for it to do.
    Served { base_url: String },
    /// Callers list pages to come back to, but nobody can come.
    Closed { callers: Vec<String> },
    /// It is served, and nothing is there for it to do.
    Idle,
    /// WeChat's verification files are there, so many.
    Verifiable { folder: PathBuf, files: usize },
    /// There is none of WeChat's files in the folder.
    NoVerifyFile(PathBuf),
    /// The folder, or a file in it, cannot be read.
    VerifyUnreadable { path: PathBuf, why: Sentence },
    /// The name in `base_url` is known.
    Resolved { host: String },
    /// The name in `base_url` is not known.
    NotResolved { host: String, why: Sentence },
}

impl Public {
    pub(super) const fn level(&self) -> Level {
        match self {
            Self::Served { .. } | Self::Verifiable { .. } | Self::Resolved { .. } => Level::Good,
            // A name that the world knows need not be known inside.
            Self::Closed { .. } | Self::Idle | Self::NoVerifyFile(_) | Self::NotResolved { .. } => {
                Level::Warning
            }
            Self::VerifyUnreadable { .. } => Level::Bad,
        }
    }

    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Served { .. } => "public",
            Self::Closed { .. } => "public-closed",
            Self::Idle => "public-idle",
            Self::Verifiable { .. } => "verify-files",
            Self::NoVerifyFile(_) => "verify-files-none",
            Self::VerifyUnreadable { .. } => "verify-files-unreadable",
            Self::Resolved { .. } => "public-dns",
            Self::NotResolved { .. } => "public-dns-failed",
        }
    }
}
