//! Builds every part from the configuration and hands them round. No logic of its own: what is decided is decided elsewhere.

mod backbone;
mod census;
mod doors;
mod running;

pub use backbone::{Backbone, Footing};
pub use doors::Doors;
pub use running::{Reloaded, Running};

use crate::http::listen::ListenError;
use crate::http::listen::tls::TlsError;
use crate::store::{KeyFileError, OpenError};
use crate::wechat::{BuildError, NoBase};
use wxtoken_core::store::StoreError;

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The master key's file is unusable.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// The store's folder cannot be made.
    #[error(
        "the store's folder {path} cannot be made: {source}; make it, or give [store] path one that can be"
    )]
    Folder {
        /// Which folder.
        path: std::path::PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An upstream address is unusable.
    #[error(transparent)]
    Upstream(#[from] NoBase),
    /// The client to WeChat cannot be made.
    #[error(transparent)]
    Client(#[from] BuildError),
    /// An address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// A certificate or key is unusable.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The process is going down while it starts.
    #[error("interrupted while starting")]
    Interrupted,
}
