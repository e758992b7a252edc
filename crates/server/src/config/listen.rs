//! Where a listener opens: an address or a unix socket, and the certificate it shows.
//!
//! Must not know: sockets or TLS libraries.

use std::net::SocketAddr;
use std::path::PathBuf;

/// One place to listen at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// A TCP address.
    Tcp(SocketAddr),
    /// A unix socket.
    Unix {
        /// Where the socket is made.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
        /// The group it is given to, as a number; `None` leaves ours.
        group: Option<u32>,
    },
}

impl Listen {
    /// Whether only this machine can reach it.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix { .. } => true,
        }
    }
}

/// A certificate and its key, in PEM files that were readable and well-formed when the configuration was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The certificate chain.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Client certificates must come from one of these authorities, if given.
    pub client_ca: Option<PathBuf>,
    /// SHA-256 over the files' contents, so that a reload notices a renewed certificate under the same name.
    pub fingerprint: [u8; 32],
}
